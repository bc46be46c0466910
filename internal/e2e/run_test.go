package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// eachSecond is a schedule that a test has the patience for.
var eachSecond = [2]string{`schedule = "*/15 * * * *"`, `schedule = "@every 1s"`}

// running is a vaern run.
type running struct {
	*world
	cmd  *exec.Cmd
	done chan struct{}
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *running) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *running) log() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// startRun starts vaern run. It may be started from one goroutine only.
func (w *world) startRun() *running {
	w.t.Helper()
	r := &running{world: w, cmd: w.command("vaern", "run"), done: make(chan struct{})}
	r.cmd.Stdout, r.cmd.Stderr = r, r
	if err := r.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		defer close(r.done)
		_ = r.cmd.Wait() // the status tells
	}()
	w.t.Cleanup(func() {
		_ = r.cmd.Process.Kill()
		<-r.done
	})
	return r
}

// says waits until the log has a text.
func (r *running) says(text string) {
	r.t.Helper()
	await(r.t, "vaern run says "+text, func() bool { return strings.Contains(r.log(), text) })
}

// end sends a signal, and returns with what status vaern run ended.
func (r *running) end(signal syscall.Signal) int {
	r.t.Helper()
	_ = r.cmd.Process.Signal(signal) // it may be gone by itself
	<-r.done
	r.keep(r.log())
	return r.cmd.ProcessState.ExitCode()
}

// Of several vaern run at once one works, and the others say so and end. When it is gone, by whatever death, the next works.
func TestSeveralRunAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, alone, eachSecond)
	w.add("first.example")
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT} {
		all := []*running{w.startRun(), w.startRun(), w.startRun()}
		ended := func(r *running) bool {
			select {
			case <-r.done:
				return true
			default:
				return false
			}
		}
		var works *running
		await(t, "one of three works alone", func() bool {
			works = nil
			n := 0
			for _, r := range all {
				if ended(r) {
					n++
				} else {
					works = r
				}
			}
			return n == 2
		})
		works.says(`"msg":"compiled"`)
		for _, r := range all {
			if r != works && (r.end(0) != 1 || !strings.Contains(r.log(), "vaern: another vaern run works on this register\nhint: ")) {
				t.Errorf("ended with %d: %s", r.end(0), r.log())
			}
		}
		w.add(fmt.Sprintf("signal%d.example", signal))
		before := w.latest()
		await(t, "it publishes", func() bool { return w.latest() != before })
		want := 0
		if signal == syscall.SIGKILL {
			want = -1
		}
		if status := works.end(signal); status != want {
			t.Errorf("signal %v: ended with %d, want %d", signal, status, want)
		}
	}
	w.vaern(0, "check")
}

// Beside vaern run everybody may compile: what is decided is published once, no serial is used twice, and nobody fails but
// for the other.
func TestRunAndCompileAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, alone, noGrowthLimit, eachSecond)
	w.add(synthetic("listed", 1000)...)
	e := &editions{w, map[string][32]byte{}, map[string]bool{}}
	r := w.startRun()
	busy := 0
	for round := range 12 {
		w.add(fmt.Sprintf("round%d.example", round))
		for _, c := range w.atOnce("compile", "compile") {
			switch {
			case c.status == 1 && strings.Contains(c.stderr, "held by another process"):
				busy++
			case c.status != 0:
				t.Errorf("round %d: exit status %d: %s", round, c.status, c.stderr)
			}
		}
		clear(e.begun) // vaern run works on
		e.look()
	}
	await(t, "all is published", func() bool { return len(w.lines("domains.txt")) == 1000+12+1 })
	if status := r.end(syscall.SIGTERM); status != 0 {
		t.Errorf("vaern run ended with %d", status)
	}
	if strings.Contains(r.log(), `"level":"ERROR"`) {
		t.Errorf("vaern run failed:\n%s", r.log())
	}
	clear(e.begun)
	e.look()
	e.checkReserved()
	t.Logf("%d of 24 compiles were told that another works", busy)
	if c := w.compile(); !c.Unchanged {
		t.Errorf("something was left to publish: %+v", c)
	}
}

// runKills is how often vaern run is killed.
const runKills = 25

// Whenever vaern run is killed, the next one goes on: serials rise, what was decided is published, nothing is left over.
func TestKillRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, alone, noGrowthLimit, eachSecond, [2]string{"# metrics", "metrics"})
	w.add(synthetic("listed", 3000)...)
	begin := time.Now()
	domains := w.compile().Domains
	usual := 3 * time.Since(begin)
	e := &editions{w, map[string][32]byte{}, map[string]bool{}}
	e.look()
	hidden, published := 0, 0
	for round := range runKills {
		if round%2 == 0 {
			w.add(fmt.Sprintf("round%d.example", round))
			domains++
		} else {
			w.withdraw(fmt.Sprintf("round%d.example", round-1))
			domains--
		}
		before := w.latest()
		r := w.startRun()
		timer := time.NewTimer(rand.N(usual)) //nolint:gosec // no secret
		<-timer.C
		r.end(syscall.SIGKILL)
		hidden += min(1, e.look())
		if w.latest() != before {
			published++
		}
		w.vaern(0, "edition", "verify")
		if serial(t, w.latest()) < serial(t, before) {
			t.Fatalf("round %d: edition %s after %s", round, w.latest(), before)
		}
	}
	r := w.startRun()
	r.says(fmt.Sprintf(`"domains":%d,`, domains))
	if status := r.end(syscall.SIGTERM); status != 0 {
		t.Errorf("ended with %d", status)
	}
	e.look()
	e.checkReserved()
	if found := w.leftovers(); len(found) > 0 {
		t.Errorf("left %v", found)
	}
	w.vaern(0, "check")
	t.Logf("%d kills: %d editions were published before, %d folders were left hidden", runKills, published, hidden)
	if published == runKills || published == 0 {
		t.Error("all came before the kill, or none: the test shows nothing")
	}
}

func serial(t testing.TB, text string) uint32 {
	t.Helper()
	return parse[uint32](t, text)
}
