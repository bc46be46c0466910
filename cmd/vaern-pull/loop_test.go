package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestPause(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		interval time.Duration
		failures int
		lot      float64
		want     time.Duration
	}{
		{5 * time.Minute, 0, 0.5, 5 * time.Minute},
		{5 * time.Minute, 0, 0, 270 * time.Second},
		{5 * time.Minute, 0, 1, 330 * time.Second},
		{5 * time.Minute, 1, 0.5, 10 * time.Minute},
		{5 * time.Minute, 3, 0.5, 40 * time.Minute},
		{5 * time.Minute, 4, 0.5, time.Hour},
		{5 * time.Minute, 1 << 20, 0.5, time.Hour},
		{6 * time.Hour, 5, 0.5, 6 * time.Hour},
	} {
		if got := pause(c.interval, c.failures, c.lot); got.Round(time.Second) != c.want {
			t.Errorf("%v after %d failures, lot %v: %v, want %v", c.interval, c.failures, c.lot, got, c.want)
		}
	}
}

// buffer is a log that is read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func await(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.After(30 * time.Second); !is(); {
		select {
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// A running program installs what comes, goes on after what is refused, and tells
// the service manager.
func TestLoop(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	must(t, err)
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("WATCHDOG_USEC", "20000")
	var told buffer
	go func() {
		message := make([]byte, 4096)
		for {
			n, err := conn.Read(message)
			if err != nil {
				return
			}
			_, _ = told.Write(append(message[:n:n], '\n'))
		}
	}()

	_, p, one, two := installedWith(t, "interval = \"1s\"\n")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var log buffer
	ended := make(chan int)
	program := &program{stdout: &log, stderr: &log, now: time.Now}
	go func() { ended <- program.run(ctx, []string{"--config", p.file("vaern-pull.toml")}) }()
	says := func(text string) func() bool { return func() bool { return strings.Contains(log.String(), text) } }
	await(t, "it runs", says(`"msg":"unchanged"`))
	p.feed.lie(body("MANIFEST", func([]byte) []byte { return []byte(page) }))
	await(t, "it refuses", says(`"refused":true`))
	p.feed.offer(two)
	p.feed.lie(nil)
	await(t, "it installs", says(fmt.Sprintf(`"msg":"installed","list":"csam","serial":%v,"domains":2`, two.Serial)))
	if status, _ := p.run("--once"); status != 1 {
		t.Errorf("a second one ends with %d", status)
	}
	cancel()
	if status := <-ended; status != 0 {
		t.Errorf("exit status %d when told to end", status)
	}
	if p.read("zone") != plain(t, two, "rpz.zone") {
		t.Error("not installed")
	}
	for _, want := range []string{"READY=1\n", "WATCHDOG=1\n", "STATUS=edition " + one.Serial.String() + " is installed\n", "STATUS=the last pull failed; see the log\n", "STOPPING=1\n"} {
		await(t, "it says "+want, func() bool { return strings.Contains(told.String(), want) })
	}
	p.printed.WriteString(log.String() + told.String())
}

func TestStuckRunIsNotAlive(t *testing.T) {
	t.Parallel()
	now := time.Now()
	p := &pulse{now: func() time.Time { return now }}
	if p.stuck() {
		t.Error("stuck before it began")
	}
	p.begin()
	now = now.Add(longestRun)
	if p.stuck() {
		t.Error("stuck too soon")
	}
	now = now.Add(time.Second)
	if !p.stuck() {
		t.Error("not stuck")
	}
	p.end()
	if p.stuck() {
		t.Error("stuck after the end")
	}
}
