package dnsfeed

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// abuse is what abusers are told: how many of which kind, against whom.
type abuse struct {
	TCP, TLS string
	Hello    []byte // of TLS
	Kinds    map[string]int
}

// abused is what they have to tell in the end.
type abused struct {
	Opened, Cut map[string]int           // connections, and those that the server ended
	Longest     map[string]time.Duration // from the connection to that
}

// abusers are the kinds of them: each does one connection, or one burst, and returns when it
// was cut. It is called again and again.
var abusers = map[string]func(ctx context.Context, a *abuse) (opened bool){
	"stalled": func(ctx context.Context, a *abuse) bool { return a.stall(ctx, ispTwo.Key) },
	"greedy":  func(ctx context.Context, a *abuse) bool { return a.stall(ctx, ispThree.Key) },
	"silent": func(ctx context.Context, a *abuse) bool {
		c, ok := a.dial(ctx, a.TCP)
		if ok {
			defer c.Close()
			_, _ = io.Copy(io.Discard, c)
		}
		return ok
	},
	// Sends a request of 65,535 octets, one a second.
	"octets": func(ctx context.Context, a *abuse) bool {
		c, ok := a.dial(ctx, a.TCP)
		if ok {
			defer c.Close()
			_, err := c.Write([]byte{0xff, 0xff})
			a.drip(ctx, c, err, time.Second)
		}
		return ok
	},
	"axfr": func(ctx context.Context, a *abuse) bool {
		c, ok := a.dial(ctx, a.TCP)
		if ok {
			defer c.Close()
			_, _ = c.Write(frame(ask(ispOne.Zones[0], dns.TypeAXFR)))
			_, _ = readFrame(c)
		}
		return ok
	},
	"hello": func(ctx context.Context, a *abuse) bool {
		c, ok := a.dial(ctx, a.TLS)
		if ok {
			defer c.Close()
			_, _ = c.Write(a.Hello)
			_, _ = c.Read(make([]byte, 1))
		}
		return ok
	},
	"stop in hello": func(ctx context.Context, a *abuse) bool {
		c, ok := a.dial(ctx, a.TLS)
		if ok {
			defer c.Close()
			_, _ = c.Write(a.Hello[:len(a.Hello)/2])
			_, _ = io.Copy(io.Discard, c)
		}
		return ok
	},
	"junk": func(ctx context.Context, a *abuse) bool {
		return a.datagrams(ctx, bytes.Repeat([]byte{7}, 100))
	},
	"queries": func(ctx context.Context, a *abuse) bool {
		return a.datagrams(ctx, ask(ispOne.Zones[0], dns.TypeSOA))
	},
}

func (a *abuse) dial(ctx context.Context, addr string) (net.Conn, bool) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, false
	}
	_ = c.(*net.TCPConn).SetLinger(0) // no port of the machine is kept when it is over
	context.AfterFunc(ctx, func() { c.Close() })
	return c, true
}

// stall has a key, asks for the zone, and reads nothing. That it was cut is seen
// by an octet that can not be sent.
func (a *abuse) stall(ctx context.Context, key Key) bool {
	c, ok := a.dial(ctx, a.TCP)
	if !ok {
		return false
	}
	defer c.Close()
	raw, _ := signed(ask(ispOne.Zones[0], dns.TypeAXFR), signing{key: key})
	_, err := c.Write(frame(raw))
	a.drip(ctx, c, err, 200*time.Millisecond)
	return true
}

// drip sends an octet now and then until the connection is no more.
func (a *abuse) drip(ctx context.Context, c net.Conn, err error, every time.Duration) {
	for err == nil {
		select {
		case <-ctx.Done():
			return
		case <-time.After(every):
			_, err = c.Write([]byte{0})
		}
	}
}

func (a *abuse) datagrams(ctx context.Context, raw []byte) bool {
	c, err := net.Dial("udp", a.TCP)
	if err != nil {
		return false
	}
	defer c.Close()
	for range 1000 {
		_, _ = c.Write(raw)
	}
	return ctx.Err() == nil
}

// abuseApart is the process of the abusers. It gives way to the others: what is
// measured is what the server loses, not that abusers are on the same machine.
func abuseApart(config string) error {
	var a abuse
	if err := json.Unmarshal([]byte(config), &a); err != nil {
		return err
	}
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, 19); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	var mu sync.Mutex
	report := abused{Opened: map[string]int{}, Cut: map[string]int{}, Longest: map[string]time.Duration{}}
	for kind, n := range a.Kinds {
		for range n {
			all.Go(func() {
				for ctx.Err() == nil {
					began := time.Now()
					if !abusers[kind](ctx, &a) {
						time.Sleep(10 * time.Millisecond)
						continue
					}
					mu.Lock()
					report.Opened[kind]++
					if ctx.Err() == nil {
						report.Cut[kind]++
						report.Longest[kind] = max(report.Longest[kind], time.Since(began))
					}
					mu.Unlock()
				}
			})
		}
	}
	fmt.Println("{}") // under way
	_, _ = io.Copy(io.Discard, os.Stdin)
	mu.Lock() // who is open now was not cut
	stop()
	mu.Unlock()
	all.Wait()
	return json.NewEncoder(os.Stdout).Encode(report)
}

// let sets abusers loose, who end with the function that is returned.
func (a *apart) let(kinds map[string]int) (end func() abused) {
	a.t.Helper()
	config, err := json.Marshal(abuse{TCP: a.TCP, TLS: a.TLS, Hello: recordHello(a.t, a.client()), Kinds: kinds})
	if err != nil {
		a.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), apartAbuser+"="+string(config))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		a.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		a.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	lines := json.NewDecoder(out)
	var report abused
	if err := lines.Decode(&report); err != nil {
		a.t.Fatal(err)
	}
	end = sync.OnceValue(func() abused {
		in.Close()
		timer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		err := lines.Decode(&report)
		if err = errors.Join(err, cmd.Wait()); err != nil {
			a.t.Errorf("abusers: %v", err)
		}
		return report
	})
	a.t.Cleanup(func() { end() })
	return end
}

// good is a client that wants the zone.
type good struct {
	*apart
	open net.Conn
	waited
}

// waited is how long a good client had to.
type waited struct {
	took map[string][]time.Duration
	lost int // datagrams
}

// at is a percentile.
func (w waited) at(what string, p int) time.Duration {
	all := slices.Clone(w.took[what])
	slices.Sort(all)
	return all[(len(all)-1)*p/100].Round(time.Microsecond)
}

func (a *apart) good() *good {
	a.t.Helper()
	g := &good{apart: a}
	g.open = g.connect()
	g.soa(g.open) // it is known from now on
	return g
}

func (g *good) connect() net.Conn {
	g.t.Helper()
	c, err := net.Dial("tcp", g.TCP)
	if err != nil {
		g.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	return c
}

func (g *good) soa(c net.Conn) {
	g.t.Helper()
	raw, _ := signed(ask(ispOne.Zones[0], dns.TypeSOA), signing{key: ispOne.Key})
	_, _ = c.Write(frame(raw))
	if b, err := readFrame(c); err != nil || b[3]&0xf != 0 || b[7] != 1 {
		g.t.Fatalf("good client: no SOA: %v", err)
	}
}

func (g *good) axfr(c net.Conn) {
	g.t.Helper()
	raw, _ := signed(ask(ispOne.Zones[0], dns.TypeAXFR), signing{key: ispOne.Key})
	_, _ = c.Write(frame(raw))
	skim(g.t, c, g.image)
}

// datagram asks by UDP, again if no answer comes, as resolvers do.
func (g *good) datagram() {
	g.t.Helper()
	raw, _ := signed(ask(ispOne.Zones[0], dns.TypeSOA), signing{key: ispOne.Key})
	c, err := net.Dial("udp", g.TCP)
	if err != nil {
		g.t.Fatal(err)
	}
	defer c.Close()
	b := make([]byte, 1<<12)
	for range 100 {
		_, _ = c.Write(raw)
		_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if n, err := c.Read(b); err == nil {
			if n < headerLen || b[3]&0xf != 0 || b[7] != 1 {
				g.t.Fatal("good client: no SOA by UDP")
			}
			return
		}
		g.lost++
	}
	g.t.Fatal("good client: no answer by UDP")
}

// work asks, in turn, for so long and at least ten times.
func (g *good) work(long time.Duration) waited {
	g.t.Helper()
	g.waited = waited{took: map[string][]time.Duration{}}
	began := time.Now()
	for n := 0; n < 10 || time.Since(began) < long; n++ {
		_ = g.open.SetDeadline(time.Now().Add(time.Minute))
		g.time("SOA, open", func() { g.soa(g.open) })
		g.time("SOA, new", func() {
			c := g.connect()
			g.soa(c)
			c.Close()
		})
		g.time("SOA, UDP", g.datagram)
		g.time("AXFR", func() {
			c := g.connect()
			g.axfr(c)
			c.Close()
		})
	}
	return g.waited
}

func (g *good) time(what string, do func()) {
	began := time.Now()
	do()
	g.took[what] = append(g.took[what], time.Since(began))
}

// R9: whatever abusers do, a good client is served as if they were not there,
// they are cut, what the server takes is bounded, and when they are gone nothing
// of them is left. How much slower the good client is served is printed, and
// with VAERN_FULL held against the goal, on a machine that does nothing else. As
// abusers are on the same machine, what they take of it is told from what they
// do to the server by having them abuse another one first.
func TestR9_AbusersBesideAGoodClient(t *testing.T) {
	limits := size(Limits{Stall: time.Second, Guest: time.Second, Idle: time.Second}, Limits{})
	few := limits
	few.Transfers, few.AllTransfers = size(40, 0), size(60, 0)
	for _, scene := range []struct {
		what   string
		kinds  map[string]int
		limits Limits
	}{
		{"stalled readers with a key", map[string]int{"stalled": size(100, 1000)}, limits},
		{"two greedy clients", map[string]int{"stalled": size(50, 2200), "greedy": size(50, 2200)}, few},
		{"silent strangers", map[string]int{"silent": size(100, 1000)}, limits},
		{"one octet at a time", map[string]int{"octets": size(200, 5000)}, limits},
		{"AXFR without a key", map[string]int{"axfr": size(4, 32)}, limits},
		{"TLS handshakes that stop", map[string]int{"hello": size(4, 32), "stop in hello": size(50, 500)}, limits},
		{"datagrams", map[string]int{"junk": 1, "queries": 1}, limits},
		{"all at once", map[string]int{
			"stalled": size(50, 1000), "silent": size(50, 1000), "octets": size(100, 5000), "axfr": size(2, 8),
			"hello": size(2, 8), "stop in hello": size(20, 500), "junk": 1,
		}, limits},
	} {
		t.Run(scene.what, func(t *testing.T) {
			a := startApart(t, 50_000, apartConfig{Limits: scene.limits})
			g := a.good()
			quiet := g.work(size(300*time.Millisecond, 15*time.Second))
			elsewhere := quiet
			if full {
				decoy := startApart(t, 50_000, apartConfig{Limits: scene.limits})
				end := decoy.let(scene.kinds)
				elsewhere = g.work(30 * time.Second)
				end()
			}

			end := a.let(scene.kinds)
			watched := a.watch()
			beside := g.work(size(2500*time.Millisecond, 40*time.Second))
			worst := watched()
			report := end()
			g.open.Close()
			a.backToStart()

			for what := range quiet.took {
				was, machine, is := quiet.at(what, 99), elsewhere.at(what, 99), beside.at(what, 99)
				t.Logf("%-9s p50 quiet %v, elsewhere %v, beside %v; p99 quiet %v, elsewhere %v, beside %v: %.2f times", what,
					quiet.at(what, 50), elsewhere.at(what, 50), beside.at(what, 50), was, machine, is, float64(is)/float64(max(was, machine)))
				// A datagram may get lost in a flood of them, and is asked again.
				flood := what == "SOA, UDP" && scene.kinds["junk"] > 0
				if full && !flood && is > 2*max(was, machine, time.Millisecond) {
					t.Errorf("%s: p99 is %.2f times what it is without them", what, float64(is)/float64(max(was, machine)))
				}
			}
			t.Logf("datagrams lost: quiet %d, elsewhere %d, beside %d; abusers: %+v", quiet.lost, elsewhere.lost, beside.lost, report)
			t.Logf("at most %d goroutines, %d descriptors, heap %d MiB, resident %d MiB", worst.Goroutines, worst.Files, worst.Heap>>20, worst.Resident>>20)
			for _, kind := range []string{"stalled", "greedy", "silent", "octets", "stop in hello"} {
				if scene.kinds[kind] > 0 && (report.Cut[kind] == 0 || report.Longest[kind] > 30*time.Second) {
					t.Errorf("%s: %d cut, the last after %v", kind, report.Cut[kind], report.Longest[kind])
				}
			}
			conns := Limits{}.conns()
			if worst.Goroutines > a.Goroutines+2*conns || worst.Files > a.Files+conns || worst.Heap > 256<<20 {
				t.Errorf("not bounded: %+v", worst)
			}
		})
	}
}

// watch looks at what the server takes until the function is called, which
// returns the most of each.
func (a *apart) watch() (end func() footprint) {
	stop, done := make(chan struct{}), make(chan struct{})
	var worst footprint
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
				f := a.now("")
				worst.Goroutines, worst.Files = max(worst.Goroutines, f.Goroutines), max(worst.Files, f.Files)
				worst.Heap, worst.Resident = max(worst.Heap, f.Heap), max(worst.Resident, f.Resident)
			}
		}
	}()
	return func() footprint {
		close(stop)
		<-done
		return worst
	}
}
