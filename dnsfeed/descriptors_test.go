package dnsfeed

import (
	"context"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// strangers connects so many times, and says nothing.
func (a *apart) strangers(n int) (leave func()) {
	a.t.Helper()
	var all []net.Conn
	leave = func() {
		for _, c := range all {
			c.Close()
		}
	}
	for range n {
		c, err := net.DialTimeout("tcp", a.TCP, time.Second)
		if err != nil {
			break // the kernel's queue is full
		}
		all = append(all, c)
	}
	a.t.Cleanup(leave)
	return leave
}

// Out of descriptors (EMFILE): who is connected is served, by UDP everybody is;
// it costs no processor and few lines of log; and when there are some again, the
// next connection is served.
func TestOutOfDescriptors(t *testing.T) {
	a := startApart(t, 1000, apartConfig{Descriptors: 64, Limits: Limits{Conns: 1000, Guest: time.Minute, Idle: time.Minute}})
	g := a.good()
	defer g.open.Close()
	leave := a.strangers(100)
	for deadline := time.Now().Add(20 * time.Second); a.now("").Warnings == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never out of descriptors: %+v", a.now(""))
		}
	}
	before := a.now("")
	began := time.Now()
	for n := 0; n < 100 || time.Since(began) < 2*time.Second; n++ {
		g.soa(g.open)
		g.axfr(g.open)
		g.datagram()
		time.Sleep(10 * time.Millisecond)
	}
	took := time.Since(began)
	after := a.now("")
	if cpu := after.CPU - before.CPU; cpu > took/2 || after.Warnings > 2 || after.Connections < 40 {
		t.Errorf("in %v: %v of a processor, %d lines in the log, %d connections", took, cpu, after.Warnings, after.Connections)
	}
	leave()
	c := g.connect() // waits in the kernel's queue until it is accepted
	defer c.Close()
	g.soa(c)
	c.Close()
	g.open.Close()
	a.backToStart()
}

// Connections alone do not use up descriptors, however few there are.
func TestConnectionsLeaveDescriptors(t *testing.T) {
	a := startApart(t, 1000, apartConfig{Descriptors: 128, Limits: Limits{Guest: time.Minute}})
	g := a.good()
	defer g.open.Close()
	a.strangers(200)
	for range 10 {
		c := g.connect()
		g.soa(c)
		g.axfr(c)
		c.Close()
	}
	if f := a.now(""); f.Warnings != 0 || f.Files > 128-16 {
		t.Errorf("%d descriptors, %d lines in the log", f.Files, f.Warnings)
	}
}

// A socket that fails and works by turns is in the log once.
func TestTroubleIsSaidOnce(t *testing.T) {
	ts := startServer(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- ts.ServeTCP(ctx, &limping{Listener: ln}) }()
	ts.addr = ln.Addr().String()
	for range 10 {
		ts.tcp(ask(ispOne.Zones[0], dns.TypeSOA))
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := strings.Count(ts.log.String(), "socket failed"); n != 1 {
		t.Errorf("said %d times", n)
	}
}

// limping fails every other time.
type limping struct {
	net.Listener
	n int
}

func (l *limping) Accept() (net.Conn, error) {
	if l.n++; l.n%2 == 1 {
		return nil, syscall.EMFILE
	}
	return l.Listener.Accept()
}
