package dnsfeed

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// XT1: TLS 1.3 with "dot", or no connection; and no data in any other way.
func TestXT1_Handshake(t *testing.T) {
	p := newPinned()
	ts := startTLS(t, []Client{p.one}, func(s *Server) { s.Limits.Guest = 400 * time.Millisecond })
	for what, edit := range map[string]func(*tls.Config){
		"TLS 1.2":             func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 },
		"no ALPN":             func(c *tls.Config) { c.NextProtos = nil },
		"another ALPN":        func(c *tls.Config) { c.NextProtos = []string{"h2", "http/1.1"} },
		"key it does not own": func(c *tls.Config) { c.Certificates[0].PrivateKey = p.certTwo.PrivateKey },
	} {
		config := ts.client(p.certOne)
		edit(config)
		c := ts.secure(config)
		// With TLS 1.3 a client has finished before the server has seen its
		// certificate; the refusal comes with the first read.
		err := c.Handshake()
		if err == nil {
			_, _ = c.Write(frame(ask(p.one.Zones[0], dns.TypeSOA)))
			_, err = c.Read(make([]byte, 1))
		}
		if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v", what, err)
		}
	}
	config := ts.client(p.certOne)
	config.NextProtos = []string{"h2", "dot"}
	config.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	for range 3 {
		c := ts.secure(config)
		ts.exchange(c, ask(p.one.Zones[0], dns.TypeSOA))
		if s := c.ConnectionState(); s.NegotiatedProtocol != "dot" || s.Version != tls.VersionTLS13 || s.DidResume {
			t.Errorf("protocol %q, version %x, resumed %v", s.NegotiatedProtocol, s.Version, s.DidResume)
		}
		c.Close()
	}

	plain := func(b []byte) (reply []byte) {
		c, err := net.Dial("tcp", ts.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = c.Write(b)
		reply, err = io.ReadAll(c)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d plain octets: still open", len(b))
		}
		return reply
	}
	good, _ := signed(ask(p.one.Zones[0], dns.TypeAXFR), signing{key: p.one.Key})
	hello := recordHello(t, ts.client())
	for _, b := range [][]byte{frame(good), []byte("GET / HTTP/1.1\r\n\r\n"), {22}, hello[:len(hello)/2], nil} {
		if reply := plain(b); len(reply) > 7 { // an alert
			t.Errorf("%d plain octets are answered with %d", len(b), len(reply))
		}
	}
	// And TLS to the port of TCP.
	if c, err := net.Dial("tcp", ts.testServer.addr); err == nil {
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if tls.Client(c, ts.client()).Handshake() == nil {
			t.Error("TLS on the port of TCP")
		}
	}
	for range 500 {
		if ts.connections() == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d connections are left", ts.connections())
}

// Handshakes compute one after the other, but wait for their clients together:
// those that stop in the middle hold up nobody. And while no turn is free,
// requests are answered.
func TestXT_HandshakesThatStop(t *testing.T) {
	p := newPinned()
	ts := startTLS(t, []Client{p.one})
	hello := recordHello(t, ts.client())
	for range 10 {
		c := ts.secure(nil).NetConn()
		_, _ = c.Write(hello)
		if _, err := c.Read(make([]byte, 1)); err != nil { // the server is past its part
			t.Fatal(err)
		}
		_, _ = ts.secure(nil).NetConn().Write(hello[:len(hello)/2])
	}
	ts.exchange(ts.secure(ts.client(p.certOne)), ask(p.one.Zones[0], dns.TypeSOA))

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	over := newSecurity(&tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{alpn}, Certificates: []tls.Certificate{*ts.cert.Load()},
	})
	for range cap(over.computing) {
		over.computing <- struct{}{}
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- ts.serve(ctx, ln, over) }()
	open := ts.secure(ts.client(p.certOne)) // at the other listener
	ts.addr = ln.Addr().String()
	waiting := ts.secure(ts.client())
	shaken := make(chan error, 1)
	go func() { shaken <- waiting.Handshake() }()
	ts.exchange(open, ask(p.one.Zones[0], dns.TypeSOA))
	select {
	case err := <-shaken:
		t.Errorf("a handshake did not wait for its turn: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	<-over.computing
	if err := <-shaken; err != nil {
		t.Error(err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// XT4, TC1: several requests at once, in any segmentation, are answered in
// their order.
func TestXT4_PipelinedTransfers(t *testing.T) {
	p := newPinned()
	ts := startTLS(t, []Client{p.one, p.only})
	ts.publish(many(t, 900, 2000))
	zone := p.one.Zones[0]
	axfr, mac := signed(ask(zone, dns.TypeAXFR), signing{key: p.one.Key})
	foreign, _ := signed(ask(zone, dns.TypeAXFR), signing{key: p.only.Key})
	var all []byte
	for _, raw := range [][]byte{ask(zone, dns.TypeSOA), ask(zone, dns.TypeAXFR), axfr, foreign, axfr, ask("absent.example.", dns.TypeAXFR), ask(zone, dns.TypeAXFR)} {
		all = append(all, frame(raw)...)
	}
	for what, step := range map[string]int{"at once": len(all), "octet by octet": 1, "in records of 7": 7} {
		c := ts.secure(ts.client(p.certOne))
		go func() {
			for b := all; len(b) > 0; b = b[min(step, len(b)):] {
				if _, err := c.Write(b[:min(step, len(b))]); err != nil {
					return
				}
			}
		}()
		read := func() []byte {
			b, err := readFrame(c)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			return b
		}
		var soa dns.Msg
		if err := soa.Unpack(read()); err != nil || len(soa.Answer) != 1 {
			t.Fatalf("%s: %v %v", what, err, soa.MsgHdr)
		}
		want := len(unsigned(t, c))
		first, _ := transferOver(t, c, p.one.Key, mac)
		ts.refusal(what, foreign, read(), dns.RcodeRefused)
		second, _ := transferOver(t, c, p.one.Key, mac)
		ts.refusal(what, ask("absent.example.", dns.TypeAXFR), read(), dns.RcodeRefused)
		third := unsigned(t, c)
		if want < 4000 || len(first) != want || len(second) != want || len(third) != want {
			t.Errorf("%s: transfers of %d, %d, %d, %d records", what, want, len(first), len(second), len(third))
		}
		c.Close()
	}
}

// XT6: beyond the limit of a client, or its share of all, SERVFAIL, signed if
// the request was; strangers do not count, and another client has its own share.
func TestXT6_TooManyTransfers(t *testing.T) {
	for what, limit := range map[string]func(*Limits){
		"of a client": func(l *Limits) { l.Transfers = 2 },
		"of all":      func(l *Limits) { l.AllTransfers = 4 },
	} {
		t.Run(what, func(t *testing.T) {
			p := newPinned()
			p.two.Zones = p.one.Zones
			ts := startTLS(t, []Client{p.one, p.two}, func(s *Server) { limit(&s.Limits) })
			ts.t = t
			ts.publish(large())
			zone := p.one.Zones[0]
			for range 20 {
				ts.refusal("stranger", ask(zone, dns.TypeAXFR), ts.exchange(ts.secure(ts.client(p.stranger)), ask(zone, dns.TypeAXFR)), dns.RcodeRefused)
			}
			running := []net.Conn{ts.secure(ts.client(p.certOne)), ts.dial()}
			firsts := [][]byte{ts.start(running[0], nil), ts.start(running[1], &p.one.Key)}

			ts.refusal("unsigned", ask(zone, dns.TypeAXFR), ts.exchange(ts.secure(ts.client(p.certOne)), ask(zone, dns.TypeAXFR)), dns.RcodeServerFailure)
			raw, mac := signed(ask(zone, dns.TypeAXFR), signing{key: p.one.Key})
			tooMany := ts.dial()
			reply := ts.exchange(tooMany, raw)
			ts.refusal("signed", raw, reply, dns.RcodeServerFailure)
			ts.signedBy(reply, p.one.Key, mac)
			soa, mac := signed(ask(zone, dns.TypeSOA), signing{key: p.one.Key}) // the connection is as good as before
			ts.signedBy(ts.exchange(tooMany, soa), p.one.Key, mac)

			another := ts.secure(ts.client(p.certTwo))
			reply = ts.exchange(another, ask(zone, dns.TypeAXFR))
			if reply[3]&0xf != 0 {
				t.Errorf("another client: rcode %d", reply[3]&0xf)
			}
			another.Close()

			skim(t, io.MultiReader(bytes.NewReader(frame(firsts[1])), running[1]), large())
			running[0].Close()
			for range 500 { // the end of the one that was cut off is seen at its next write
				if reply = ts.start(ts.dial(), &p.one.Key); reply[3]&0xf == 0 {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
			t.Errorf("room is not given back: rcode %d", reply[3]&0xf)
		})
	}
}

// openFiles counts the open files of this process.
func openFiles(t testing.TB) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// AX5 over TLS: however a client leaves, nothing of it stays.
func TestXT_ClientsThatLeaveFreeEverything(t *testing.T) {
	p := newPinned()
	ts := startTLS(t, []Client{p.one}, func(s *Server) { s.Limits.Stall = 300 * time.Millisecond; s.Limits.Guest = 500 * time.Millisecond })
	ts.publish(large())
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	for i := range 40 {
		c := ts.secure(ts.client(p.certOne))
		switch i % 5 {
		case 0: // close_notify and FIN in the middle
			ts.start(c, nil)
			c.Close()
		case 1: // close_notify alone, and it stops reading
			ts.start(c, nil)
			_ = c.CloseWrite()
			defer c.Close()
		case 2: // gone without a word
			ts.start(c, &p.one.Key)
			_ = c.NetConn().(*net.TCPConn).SetLinger(0)
			c.NetConn().Close()
		case 3: // garbage in the middle of TLS
			_ = c.Handshake()
			_, _ = c.NetConn().Write(bytes.Repeat([]byte{23, 3, 3, 0, 32}, 40))
			_, _ = io.Copy(io.Discard, c.NetConn())
			c.NetConn().Close()
		case 4: // never speaks
			defer c.NetConn().Close()
		}
	}
	ts.awaitLog(`result="connection lost"`)
	ts.awaitLog(`result="too slow"`)
	deadline := time.Now().Add(10 * time.Second)
	for ts.connections() > 0 || runtime.NumGoroutine() > goroutines || openFiles(t) > files+16 { // ours of cases 1 and 4 are open
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d connections, goroutines %d then %d, files %d then %d\n%s", ts.connections(), goroutines, runtime.NumGoroutine(),
				files, openFiles(t), stacks[:runtime.Stack(stacks, true)])
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.running.mu.Lock()
	defer ts.running.mu.Unlock()
	if ts.running.all != 0 || len(ts.running.each) != 0 {
		t.Errorf("%d transfers are still counted", ts.running.all)
	}
}

// A certificate that is replaced is that of the next connection; a transfer
// that runs goes on with its own.
func TestXT_CertificateReplacedInMidTransfer(t *testing.T) {
	p := newPinned()
	ts := startTLS(t, []Client{p.one})
	ts.publish(large())
	before := ts.client(p.certOne)
	c := ts.secure(before)
	first := ts.start(c, &p.one.Key)
	next := newCert()
	ts.cert.Store(&next)
	skim(t, io.MultiReader(bytes.NewReader(frame(first)), c), large())
	if err := ts.secure(before).Handshake(); err == nil {
		t.Error("the old certificate is still shown")
	}
	ts.exchange(ts.secure(ts.client(p.certOne)), ask(p.one.Zones[0], dns.TypeSOA))
}

// A server that stops lets transfers over TLS finish, and says goodbye to the
// others.
func TestXT_Stop(t *testing.T) {
	p := newPinned()
	ts := startServer(t)
	ts.grant(p.one)
	ts.publish(large())
	cert := newCert()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &tlsServer{testServer: ts, addr: ln.Addr().String()}
	s.cert.Store(&cert)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- ts.ServeTLS(ctx, ln, s.cert.Load) }()
	under, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer under.Close()
	_ = under.SetDeadline(time.Now().Add(10 * time.Second))
	counter := &counted{Conn: under}
	idle, busy := tls.Client(counter, s.client(p.certOne)), s.secure(s.client(p.certOne))
	s.exchange(idle, ask(p.one.Zones[0], dns.TypeSOA))
	first, before := s.start(busy, &p.one.Key), counter.octets
	stop()
	if _, err := idle.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || counter.octets == before {
		t.Errorf("idle connection: %v, close_notify of %d octets", err, counter.octets-before)
	}
	skim(t, io.MultiReader(bytes.NewReader(frame(first)), busy), large())
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// counted counts what is read.
type counted struct {
	net.Conn
	octets int
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.octets += n
	return n, err
}
