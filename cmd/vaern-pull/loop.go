package main

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/vaern/vaern/cmd/internal/cli"
)

// longest is how long a loop waits after failures, if the interval is not longer.
const longest = time.Hour

// loop pulls at once, and then every interval, until ctx ends. No error ends it:
// the next run may do better.
func (o pullOptions) loop(ctx context.Context, s *settings) error {
	log := slog.New(slog.NewJSONHandler(o.stderr, nil))
	systemd := notifier{log: log}
	beat := &pulse{now: o.now}
	systemd.watchdog(ctx, beat)
	log.Info("started", "version", version, "list", s.list())
	systemd.say("READY=1")
	for failures := 0; ctx.Err() == nil; {
		beat.begin()
		out, err := o.pull(ctx, s, func(notice string) { log.Warn("notice", "text", notice) })
		beat.end()
		attrs := []any{"list", s.list(), "serial", out.Serial}
		failures++
		switch {
		case ctx.Err() != nil && err != nil:
			continue // it was told to stop
		case err != nil:
			log.Error("pull failed", append(attrs, "error", err, "hint", cli.HintOf(err), "refused", cli.StatusOf(err) == cli.Refused)...)
			systemd.say("STATUS=the last pull failed; see the log")
		case out.Unchanged:
			failures = 0
			log.Info("unchanged", attrs...)
			systemd.say("STATUS=edition " + out.Serial.String() + " is installed")
		default:
			failures = 0
			log.Info("installed", append(attrs, "domains", out.Domains, "hosts", out.Hosts, "urls", out.URLs)...)
			systemd.say("STATUS=edition " + out.Serial.String() + " is installed")
		}
		wait(ctx, pause(s.Interval.Duration, failures, rand.Float64()))
	}
	systemd.say("STOPPING=1")
	log.Info("stopped")
	return nil
}

// pause is how long to wait after so many failures in a row: twice as long for
// each, up to an hour. The lot, from 0 to 1, makes it a tenth shorter or longer,
// so that not all providers ask at the same moment.
func pause(interval time.Duration, failures int, lot float64) time.Duration {
	p := interval
	for range failures {
		if p >= longest {
			break
		}
		p = min(2*p, longest)
	}
	return time.Duration(float64(p) * (0.9 + 0.2*lot))
}

func wait(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
