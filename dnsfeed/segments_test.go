package dnsfeed

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TC1: requests of all kinds sent at once are answered in their order, each
// completely, over TCP and TLS, and however they are cut.
func TestTC1_PipelinedKinds(t *testing.T) {
	p := newPinned()
	ts := startTLS(t, []Client{p.one})
	all := editions(t)
	ts.history(all...)
	want := transferred(t, all[2])
	zone := p.one.Zones[0]
	var stream []byte
	var macs [][]byte
	add := func(raw []byte) {
		raw, mac := signed(raw, signing{key: p.one.Key})
		stream, macs = append(stream, frame(raw)...), append(macs, mac)
	}
	kinds := []uint16{dns.TypeSOA, dns.TypeAXFR, dns.TypeSOA, dns.TypeIXFR, dns.TypeNS, dns.TypeA, dns.TypeIXFR, dns.TypeSOA}
	for i, qtype := range kinds {
		if qtype == dns.TypeIXFR {
			add(ixfrQuery(zone, all[i%2].serial))
		} else {
			add(ask(zone, qtype))
		}
	}
	for _, step := range []int{len(stream), 1, 3, 100} {
		for name, dial := range map[string]func() net.Conn{
			"tcp": func() net.Conn { return ts.dialTo(ts.testServer.addr) },
			"tls": func() net.Conn { return ts.secure(ts.client()) },
		} {
			c := dial()
			go func() {
				for b := stream; len(b) > 0; b = b[min(step, len(b)):] {
					if _, err := c.Write(b[:min(step, len(b))]); err != nil {
						return
					}
				}
			}()
			for i, qtype := range kinds {
				switch qtype {
				case dns.TypeAXFR:
					rrs, _ := transferOver(t, c, p.one.Key, macs[i])
					if !slices.Equal(texts(rrs), want) {
						t.Errorf("%s by %d, %d: not the zone", name, step, i)
					}
				case dns.TypeIXFR:
					rrs, _ := transferOver(t, c, p.one.Key, macs[i])
					if got := apply(t, transferred(t, all[i%2]), texts(rrs)); !slices.Equal(got, recordsOf(t, all[2])) {
						t.Errorf("%s by %d, %d: the difference does not give the zone", name, step, i)
					}
				default:
					reply, err := readFrame(c)
					if err != nil {
						t.Fatalf("%s by %d, %d: %v", name, step, i, err)
					}
					ts.signedBy(reply, p.one.Key, macs[i])
					var m dns.Msg
					if err := m.Unpack(reply); err != nil || m.Question[0].Qtype != qtype || (m.Rcode == 0) != (qtype != dns.TypeA) {
						t.Errorf("%s by %d, %d: %v", name, step, i, &m)
					}
				}
			}
			c.Close()
		}
	}
}

func (ts *testServer) dialTo(addr string) net.Conn {
	ts.t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		ts.t.Fatal(err)
	}
	ts.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

// padded fills a request to 65,535 octets, so that it is signed afterwards:
// with EDNS padding (RFC 7830), or with records that nobody has use for.
func padded(t testing.TB, raw []byte, records bool) []byte {
	t.Helper()
	var m dns.Msg
	if err := m.Unpack(raw); err != nil {
		t.Fatal(err)
	}
	const octets = 0xffff
	tsig := newSigner(testKey(t), nil).size()
	if !records {
		m.SetEdns0(4096, false)
		m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_PADDING{}}
		b, _ := m.Pack()
		m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_PADDING{Padding: make([]byte, octets-tsig-len(b))}}
		raw, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	n := 0
	raw = bytes.Clone(raw)
	for ; len(raw)+11 <= octets-tsig; n++ {
		raw = append(raw, 0, 0, 99, 0, 1, 0, 0, 0, 0, 0, 0)
	}
	binary.BigEndian.PutUint16(raw[10:], uint16(n))
	return raw
}

// The largest requests are answered like others, signed or not; and what was
// needed to read them is not kept for the next.
func TestLargestRequests(t *testing.T) {
	p := newPinned()
	ts := startTLS(t, []Client{p.one})
	zone := p.one.Zones[0]
	for _, records := range []bool{false, true} {
		for _, qtype := range []uint16{dns.TypeSOA, dns.TypeAXFR, dns.TypeIXFR} {
			raw := padded(t, ask(zone, qtype), records)
			request, mac := signed(raw, signing{key: p.one.Key})
			if len(request) < 0xffff-11 || len(request) > 0xffff {
				t.Fatalf("request has %d octets", len(request))
			}
			for _, c := range []net.Conn{ts.dialTo(ts.testServer.addr), ts.secure(ts.client())} {
				reply := ts.exchange(c, request)
				ts.signedBy(reply, p.one.Key, mac)
				if reply[3]&0xf != 0 || reply[7] == 0 {
					t.Errorf("%s, records %v: rcode %d, %d answers", dns.TypeToString[qtype], records, reply[3]&0xf, reply[7])
				}
				ts.refusal("unsigned", raw, ts.exchange(c, raw), dns.RcodeRefused)
				short := append(bytes.Clone(raw), 0) // an octet more than its records
				ts.refusal("octet more", short, ts.exchange(c, short), dns.RcodeFormatError)
				c.Close()
			}
		}
	}

	request, _ := signed(padded(t, ask(zone, dns.TypeSOA), true), signing{key: p.one.Key})
	small, _ := signed(ask(zone, dns.TypeSOA), signing{key: p.one.Key})
	const clients = 200
	heap := func(raw []byte) uint64 {
		var all []net.Conn
		for range clients {
			c := ts.dialTo(ts.testServer.addr)
			ts.exchange(c, raw)
			all = append(all, c)
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		for _, c := range all {
			c.Close()
		}
		return m.HeapAlloc
	}
	before := heap(small)
	if after := heap(request); after > before+clients*8<<10 {
		t.Errorf("each of %d connections keeps %d octets of a large request", clients, (after-before)/clients)
	}
}

// AX3: no message of ours is longer than TCP can say, and its TSIG and OPT are
// within; of a zone whose messages are as long as they get.
func TestAX3_LongestMessages(t *testing.T) {
	ts := startServer(t)
	ts.publish(large())
	for _, bits := range []string{"256", "384", "512"} {
		isp := ispOne
		isp.Key.Algorithm = "hmac-sha" + bits + "."
		isp.Key.Name = longestName("key.example.")
		ts.grant(isp)
		c := ts.dial()
		raw, _ := signed(ask(isp.Zones[0], dns.TypeAXFR, func(m *dns.Msg) { m.SetEdns0(4096, false) }), signing{key: isp.Key})
		_, _ = c.Write(frame(raw))
		longest := 0
		for i := range large().Messages() {
			b, err := readFrame(c)
			if err != nil {
				t.Fatal(err)
			}
			longest = max(longest, len(b))
			var m dns.Msg
			if i%100 == 0 && (m.Unpack(b) != nil || m.IsTsig() == nil || (m.IsEdns0() != nil) != (i == 0)) {
				t.Fatalf("message %d has no TSIG, or an OPT in the wrong place", i)
			}
		}
		if longest > maxMessage+ednsLen+maxTSIG {
			t.Errorf("a message of %d octets", longest)
		}
		c.Close()
	}
}

// longestName is a name of 255 octets on the wire.
func longestName(parent string) string {
	for len(parent) < maxName-1 {
		n := min(63, maxName-2-len(parent))
		parent = string(bytes.Repeat([]byte{'k'}, n)) + "." + parent
	}
	return parent
}

// A client that asks very often and goes away, with or without reading, has all
// of what it read in order, and ends with its connection.
func TestManyRequestsThenGone(t *testing.T) {
	ts := startServer(t, func(s *Server) { s.Limits.Stall = time.Second })
	soa, mac := signed(ask(ispOne.Zones[0], dns.TypeSOA), signing{key: ispOne.Key})
	many := bytes.Repeat(frame(soa), 2000)
	var all sync.WaitGroup
	c := ts.dial().(*net.TCPConn)
	all.Go(func() {
		_, _ = c.Write(many)
		_ = c.CloseWrite()
	})
	for range 2000 {
		reply, err := readFrame(c)
		if err != nil {
			t.Fatal(err)
		}
		ts.signedBy(reply, ispOne.Key, mac)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("after the last answer: %v", err)
	}
	all.Wait()
	for range 4 { // and those that do not read: the server stops reading, and cuts them
		c := ts.dial()
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		all.Go(func() {
			for {
				if _, err := c.Write(many); err != nil {
					if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
						t.Errorf("a client that does not read: %v", err)
					}
					return
				}
			}
		})
	}
	all.Wait()
	for deadline := time.Now().Add(10 * time.Second); ts.connections() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are left", ts.connections())
		}
	}
}
