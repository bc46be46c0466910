package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

// notifier talks to the service manager (sd_notify(3)): datagrams of KEY=VALUE to
// the socket that NOTIFY_SOCKET names, if it names one.
type notifier struct{ log *slog.Logger }

func (n notifier) say(message string) {
	socket := os.Getenv("NOTIFY_SOCKET") // with @ in front it is in the abstract namespace, as Go has it too
	if socket == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err == nil {
		_, err = conn.Write([]byte(message))
		_ = conn.Close()
	}
	if err != nil {
		n.log.Warn("service manager not told", "error", err)
	}
}

// longestRun is how long a run may take before it counts as stuck. A large list
// over a slow line takes some minutes, and so may a check.
const longestRun = time.Hour

// pulse knows when the run that goes on began.
type pulse struct {
	now   func() time.Time
	began atomic.Pointer[time.Time] // nil: none goes on
}

func (p *pulse) begin() {
	now := p.now()
	p.began.Store(&now)
}

func (p *pulse) end() { p.began.Store(nil) }

func (p *pulse) stuck() bool {
	began := p.began.Load()
	return began != nil && p.now().Sub(*began) > longestRun
}

// watchdog tells the service manager, twice in the time that it gives
// (WATCHDOG_USEC), that the loop goes on, until it does not.
func (n notifier) watchdog(ctx context.Context, p *pulse) {
	usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if pid := os.Getenv("WATCHDOG_PID"); err != nil || usec <= 0 || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return
	}
	go func() {
		tick := time.NewTicker(max(time.Duration(usec)*time.Microsecond/2, time.Millisecond))
		defer tick.Stop()
		for {
			if !p.stuck() {
				n.say("WATCHDOG=1")
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
}
