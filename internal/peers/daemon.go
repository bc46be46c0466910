package peers

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// patience is how long a test waits for what should happen within a second: the machine may be slow, and busy.
const patience = 30 * time.Second

// Daemon is a running peer.
type Daemon struct {
	Addr string // where it answers DNS over UDP and TCP: 127.0.0.1:PORT
	Dir  string // where it runs, and keeps its files
	Log  string // the file with what it printed

	t       testing.TB
	tool    string
	args    []string
	environ []string
	process *os.Process
	ended   chan struct{} // closed when the process is gone
}

// daemonDir is a new directory with a free address for the daemon that will live there. Socket paths must stay below
// 108 bytes, which those of t.TempDir, with the test's name in them, do not always.
func daemonDir(t testing.TB) (dir, addr string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "peer")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("peers: %v", err)
		}
	})
	return dir, net.JoinHostPort(loopback.String(), strconv.Itoa(FreePort(t)))
}

// start runs a tool in the foreground until the test ends and waits for its first answer at addr.
func start(t testing.TB, dir, addr, tool string, args ...string) *Daemon {
	t.Helper()
	return startAhead(t, 0, dir, addr, tool, args...)
}

// startAhead is start with another clock than the machine's, see ClockAhead.
func startAhead(t testing.TB, by time.Duration, dir, addr, tool string, args ...string) *Daemon {
	t.Helper()
	d := &Daemon{
		Addr: addr, Dir: dir, Log: filepath.Join(dir, "log"),
		t: t, tool: tool, args: args, environ: ClockAhead(t, by),
	}
	d.Start()
	t.Cleanup(func() {
		d.Stop()
		if t.Failed() {
			t.Logf("what %s printed:\n%s", tool, d.log())
		}
	})
	return d
}

// Start runs it again after a Stop, with the same address and all that it had kept, and waits for its first answer.
func (d *Daemon) Start() {
	d.t.Helper()
	log, err := os.OpenFile(d.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(Path(d.t, d.tool), d.args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = d.Dir, d.environ, log, log
	// A test that times out runs no Cleanup. The signal is sent when the thread that started the child ends, hence the
	// goroutine that stays on its thread until the child is gone.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	started, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its log
			close(ended)
		}
	}()
	if err := <-started; err != nil {
		d.t.Fatalf("peers: start %s: %v", d.tool, err)
	}
	d.process, d.ended = cmd.Process, ended
	d.await(func() bool {
		query := new(dns.Msg)
		query.SetQuestion("ready.example.", dns.TypeSOA)
		_, _, err := (&dns.Client{Timeout: time.Second}).Exchange(query, d.Addr)
		return err == nil
	}, "an answer at "+d.Addr)
}

// Stop ends the daemon and waits until it is gone. A second call does nothing.
func (d *Daemon) Stop() {
	d.t.Helper()
	d.signal(syscall.SIGTERM)
	select {
	case <-d.ended:
	case <-time.After(patience):
		d.t.Errorf("peers: %s did not end when told to", d.tool)
		d.signal(syscall.SIGKILL)
		<-d.ended
	}
}

func (d *Daemon) signal(sig os.Signal) {
	d.t.Helper()
	if err := d.process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		d.t.Errorf("peers: signal %s: %v", d.tool, err)
	}
}

// await polls until ok, and fails the test if the daemon ends meanwhile.
func (d *Daemon) await(ok func() bool, what string) {
	d.t.Helper()
	deadline, tick := time.After(patience), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-d.ended:
			d.t.Fatalf("peers: %s ended instead of %s:\n%s", d.tool, what, d.log())
		case <-deadline:
			d.t.Fatalf("peers: %s: no %s in %v", d.tool, what, patience)
		}
	}
}

// log returns what the daemon has printed so far.
func (d *Daemon) log() string {
	text, err := os.ReadFile(d.Log)
	if err != nil {
		return fmt.Sprintf("(%v)", err)
	}
	return string(text)
}

// split returns the address and the port of a daemon's Addr for configurations that want them apart.
func split(t testing.TB, addr string) (host, port string) {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil || !net.ParseIP(host).IsLoopback() {
		t.Fatalf("peers: %q is no loopback address with a port", addr)
	}
	return host, port
}

// fill replaces {word} by its value; the pairs are as for strings.NewReplacer.
func fill(template string, pairs ...string) string {
	return strings.NewReplacer(pairs...).Replace(template)
}
