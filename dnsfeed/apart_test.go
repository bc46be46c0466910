package dnsfeed

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Some tests need a server in a process of its own: then what it takes can be
// told from what its clients take, and it can have a limit of descriptors. The
// test binary is that process, and the abusers' too, if these are set.
const (
	apartServer = "DNSFEED_APART_SERVER"
	apartAbuser = "DNSFEED_APART_ABUSER"
)

// full has these tests at the size of the goals, which takes minutes.
var full = os.Getenv("VAERN_FULL") != ""

// size returns what a test takes in every run, or with VAERN_FULL.
func size[T any](short, long T) T {
	if full {
		return long
	}
	return short
}

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(apartServer) != "":
		must(serveApart(os.Getenv(apartServer)))
	case os.Getenv(apartAbuser) != "":
		must(abuseApart(os.Getenv(apartAbuser)))
	default:
		os.Exit(m.Run())
	}
}

// must ends a process that is apart.
func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// ispThree is there besides the other two, who all may have the zone.
var ispThree = Client{Name: "three", Key: keyOf("isp-three.key.example.", 5), Zones: ispOne.Zones}

// apartConfig is what a server that is apart is told.
type apartConfig struct {
	Image       string // file of the zone of all clients
	Limits      Limits
	Descriptors uint64 // it may have; 0: as many as the machine lets it
}

// footprint is what a server takes at one moment.
type footprint struct {
	TCP, TLS           string // addresses; UDP as TCP
	Cert               []byte
	Goroutines, Files  int
	Images             int // mapped
	Heap, Resident     int // octets; Heap after a collection
	Connections        int
	Transfers          int
	CPU                time.Duration
	Complete, Warnings int // lines of the log: transfers, and those above info
}

// serveApart serves until stdin ends, and answers each line there with what it
// takes then. No request is logged but transfers, as in a real server.
func serveApart(config string) error {
	var c apartConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return err
	}
	image, err := MapImage(c.Image, nil)
	if err != nil {
		return err
	}
	var complete, warnings atomic.Int64
	s := &Server{Log: slog.New(counting{complete: &complete, warnings: &warnings}), Now: time.Now, Limits: c.Limits}
	two := ispTwo
	two.Zones = ispOne.Zones
	access, err := NewAccess([]Client{ispOne, two, ispThree})
	if err != nil {
		return err
	}
	s.SetAccess(access)
	zones, err := NewSnapshot(NewVersions(image, nil))
	if err != nil {
		return err
	}
	s.SetZones(zones)
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	udp, err := net.ListenPacket("udp", tcp.Addr().String())
	if err != nil {
		return err
	}
	over, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	cert := newCert()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var all sync.WaitGroup
	for _, serve := range []func() error{
		func() error { return s.ServeTCP(ctx, tcp) },
		func() error { return s.ServeUDP(ctx, udp) },
		func() error { return s.ServeTLS(ctx, over, func() *tls.Certificate { return &cert }) },
	} {
		all.Go(func() { must(serve()) })
	}
	if c.Descriptors > 0 {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: c.Descriptors, Max: c.Descriptors}); err != nil {
			return err
		}
	}
	maps, err := os.Open("/proc/self/maps") // now: later there may be no descriptor
	if err != nil {
		return err
	}
	fds, err := os.Open("/proc/self/fd")
	if err != nil {
		return err
	}
	status, err := os.Open("/proc/self/status")
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		f := footprint{
			TCP: tcp.Addr().String(), TLS: over.Addr().String(), Cert: cert.Certificate[0],
			Complete: int(complete.Load()), Warnings: int(warnings.Load()),
		}
		f.Goroutines = runtime.NumGoroutine()
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			return err
		}
		f.CPU = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
		f.Connections, _ = s.Connections()
		s.running.mu.Lock()
		f.Transfers = s.running.all
		s.running.mu.Unlock()
		if lines.Text() == "collect" {
			runtime.GC()
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		f.Heap = int(m.HeapAlloc)
		text, err := reread(maps)
		if err != nil {
			return err
		}
		f.Images = strings.Count(text, filepath.Dir(c.Image))
		if text, err = reread(status); err != nil {
			return err
		}
		if _, rss, ok := strings.Cut(text, "VmRSS:"); ok {
			_, _ = fmt.Sscan(rss, &f.Resident)
			f.Resident <<= 10
		}
		_, _ = fds.Seek(0, io.SeekStart)
		names, err := fds.Readdirnames(-1)
		if err != nil {
			return err
		}
		f.Files = len(names)
		if err := out.Encode(f); err != nil {
			return err
		}
	}
	stop()
	all.Wait()
	return nil
}

func reread(f *os.File) (string, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	b, err := io.ReadAll(f)
	return string(b), err
}

// counting is a log that only counts.
type counting struct{ complete, warnings *atomic.Int64 }

func (c counting) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }
func (c counting) WithAttrs([]slog.Attr) slog.Handler           { return c }
func (c counting) WithGroup(string) slog.Handler                { return c }
func (c counting) Handle(_ context.Context, r slog.Record) error {
	if r.Level > slog.LevelInfo {
		c.warnings.Add(1)
	}
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "result" && a.Value.String() == complete {
			c.complete.Add(1)
		}
		return true
	})
	return nil
}

// apart is a server in a process of its own.
type apart struct {
	t       testing.TB
	in      io.WriteCloser
	out     *json.Decoder
	process *os.Process
	ended   chan error
	footprint
	image *Image
}

// startApart starts a server with a zone of so many domains.
func startApart(t testing.TB, domains int, c apartConfig) *apart {
	t.Helper()
	image, data := makeImage(t, testZone(), 500, testSet(t, manyNames(domains)...))
	c.Image = filepath.Join(t.TempDir(), "zone.image")
	if err := os.WriteFile(c.Image, data, 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), apartServer+"="+string(config))
	cmd.Stderr = os.Stderr
	a := &apart{t: t, image: image, ended: make(chan error, 1)}
	if a.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	a.out = json.NewDecoder(out)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	a.process = cmd.Process
	t.Cleanup(func() {
		a.in.Close()
		timer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("server: %v", err)
		}
	})
	a.footprint = a.now("collect")
	return a
}

// now asks the server what it takes; "collect" has it collect garbage first.
func (a *apart) now(how string) (f footprint) {
	a.t.Helper()
	_, err := fmt.Fprintln(a.in, how)
	if err = errors.Join(err, a.out.Decode(&f)); err != nil {
		a.t.Fatalf("server that is apart: %v", err)
	}
	return f
}

// backToStart waits until the server takes what it took before anybody came:
// descriptors without a collection, which would close those that are forgotten.
// Heap may be somewhat more: what the runtime keeps of goroutines, and garbage
// that a collection leaves.
func (a *apart) backToStart() {
	a.t.Helper()
	const slack = 8 << 20
	var f footprint
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if f = a.now(""); f.Files > a.Files {
			continue
		}
		f = a.now("collect")
		if f.Connections == 0 && f.Transfers == 0 && f.Goroutines <= a.Goroutines && f.Files <= a.Files &&
			f.Images == a.Images && f.Heap <= a.Heap+slack {
			return
		}
	}
	a.t.Errorf("not back: %d connections, %d transfers, goroutines %d then %d, files %d then %d, images %d then %d, heap %d then %d KiB",
		f.Connections, f.Transfers, a.Goroutines, f.Goroutines, a.Files, f.Files, a.Images, f.Images, a.Heap>>10, f.Heap>>10)
}

// client is a configuration for TLS with the server.
func (a *apart) client(certs ...tls.Certificate) *tls.Config {
	leaf, err := x509.ParseCertificate(a.Cert)
	if err != nil {
		a.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{RootCAs: roots, ServerName: serverName, NextProtos: []string{"dot"}, Certificates: certs}
}
