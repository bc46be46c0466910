package dnsfeed

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// AX5: at whatever point a client leaves, and however, all that the server took
// for it is free afterwards.
func TestAX5_VanishingAtEveryPoint(t *testing.T) {
	a := startApart(t, 50_000, apartConfig{Limits: Limits{Stall: time.Second, Guest: time.Second, Idle: time.Second}})
	soa, _ := signed(ask(ispOne.Zones[0], dns.TypeSOA), signing{key: ispOne.Key})
	axfr, _ := signed(ask(ispOne.Zones[0], dns.TypeAXFR), signing{key: ispOne.Key})
	hello := recordHello(t, a.client())
	send := func(raw ...[]byte) func(net.Conn) error {
		return func(c net.Conn) error { _, err := c.Write(slices.Concat(raw...)); return err }
	}
	then := func(raw []byte, messages int) func(net.Conn) error {
		return func(c net.Conn) error {
			_, err := c.Write(raw)
			for range messages {
				if err == nil {
					_, err = readFrame(c)
				}
			}
			return err
		}
	}
	points := []struct {
		what string
		to   func(net.Conn) error
	}{
		{"nothing sent", send()},
		{"half a prefix", send(frame(soa)[:1])},
		{"prefix", send(frame(soa)[:2])},
		{"half a message", send(frame(soa)[:40])},
		{"all but an octet", send(frame(soa)[:len(soa)+1])},
		{"SOA asked", send(frame(soa))},
		{"SOA answered", then(frame(soa), 1)},
		{"answered, and half the next", then(slices.Concat(frame(soa), frame(soa)[:50]), 1)},
		{"transfer asked", send(frame(axfr))},
		{"in the transfer", then(frame(axfr), 3)},
		{"in the first of two transfers", then(slices.Concat(frame(axfr), frame(axfr)), 3)},
		{"transfer complete", then(frame(axfr), a.image.Messages())},
	}
	ways := map[string]func(c net.Conn, under *net.TCPConn){
		"RST":        func(_ net.Conn, under *net.TCPConn) { _ = under.SetLinger(0); under.Close() },
		"FIN":        func(_ net.Conn, under *net.TCPConn) { under.Close() },
		"half-close": func(_ net.Conn, under *net.TCPConn) { _ = under.CloseWrite() },
		"silence":    func(net.Conn, *net.TCPConn) {},
		"goodbye": func(c net.Conn, under *net.TCPConn) {
			if over, ok := c.(*tls.Conn); ok {
				_ = over.CloseWrite() // and stays
			} else {
				_ = under.CloseRead()
			}
		},
		"junk": func(_ net.Conn, under *net.TCPConn) { _, _ = under.Write(bytes.Repeat([]byte{0xff}, 200)) },
	}
	connect := func(addr string) *net.TCPConn {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() }) // until then the server is alone in leaving
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		return c.(*net.TCPConn)
	}
	for name, leave := range ways {
		for _, p := range points {
			plain := connect(a.TCP)
			if err := p.to(plain); err != nil {
				t.Fatalf("tcp, %s: %v", p.what, err)
			}
			leave(plain, plain)
			under := connect(a.TLS)
			over := tls.Client(under, a.client())
			if err := over.Handshake(); err != nil {
				t.Fatal(err)
			}
			if err := p.to(over); err != nil {
				t.Fatalf("tls, %s: %v", p.what, err)
			}
			leave(over, under)
		}
		for _, part := range []int{0, 1, 5, len(hello) / 2, len(hello)} { // of TLS
			c := connect(a.TLS)
			_, _ = c.Write(hello[:part])
			if part == len(hello) {
				_, _ = c.Read(make([]byte, 1))
			}
			leave(c, c)
		}
		t.Logf("%s: %d clients", name, 2*len(points)+5)
	}
	a.backToStart()
}

// A client that has no more to ask says so at once, and gets all its answers.
func TestTC1_HalfCloseAfterTheRequest(t *testing.T) {
	p := newPinned()
	ts := startTLS(t, []Client{p.one})
	ts.publish(large())
	axfr, _ := signed(ask(ispOne.Zones[0], dns.TypeAXFR), signing{key: ispOne.Key})
	plain, err := net.Dial("tcp", ts.testServer.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	for _, c := range []interface {
		net.Conn
		CloseWrite() error
	}{plain.(*net.TCPConn), ts.secure(ts.client())} {
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := c.Write(slices.Concat(frame(axfr), frame(axfr))); err != nil {
			t.Fatal(err)
		}
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		skim(t, c, large())
		skim(t, c, large())
		if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF { //nolint:errorlint // as it is
			t.Errorf("after the answers: %v", err)
		}
	}
}

// For a client that does not read, the kernel holds some hundred kilobytes and
// not the megabytes that it would by itself.
func TestAX5_LittleWaitsInTheKernel(t *testing.T) {
	ended := make(chan Transfer, 1)
	ts := startServer(t, func(s *Server) {
		s.Limits.Stall = 500 * time.Millisecond
		s.Transferred = func(tr Transfer) { ended <- tr }
	})
	ts.publish(large())
	raw, _ := signed(ask(ispOne.Zones[0], dns.TypeAXFR), signing{key: ispOne.Key})
	if _, err := ts.dial().Write(frame(raw)); err != nil {
		t.Fatal(err)
	}
	if tr := <-ended; tr.Result != "too slow" || tr.Octets > 3*maxUnsent {
		t.Errorf("%s after %d octets, want at most %d", tr.Result, tr.Octets, 3*maxUnsent)
	}
}
