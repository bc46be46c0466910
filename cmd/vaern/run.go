package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/durable"
	"github.com/vaern/vaern/internal/register"
)

func (a *app) runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Compile every list on its schedule",
		Long: `Compiles every list at the start, and then each at the times of its schedule,
which is in UTC, or up to five seconds later, by lot. An edition of which less
than half of the time is left is renewed, whatever the schedule says. Decisions
that were approved with --urgent are published within two seconds.

Only one vaern run works on a register at a time; vaern compile may be used
beside it. A compile that fails is tried again. The passphrase of the edition
key is asked for once, at the start.

What it does goes to standard error, a JSON object a line; alarms have the
level WARN or ERROR. With metrics in the configuration it writes a file for
Prometheus. Never-block files are read for each compile; after a change of
vaern.toml, restart it. SIGTERM or Ctrl-C ends it when the running compile is
done.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			context.AfterFunc(ctx, stop) // the second one ends it at once
			return a.with(func(auth *authority) error { return auth.run(ctx) })
		},
	}
}

// run holds the lock of all vaern run on a register, and compiles until ctx
// ends.
func (a *authority) run(ctx context.Context) error {
	unlock, err := durable.Lock(filepath.Join(filepath.Dir(a.Register), "run.lock"))
	if errors.Is(err, durable.ErrLocked) {
		return cli.Fail(errors.New("another vaern run works on this register"), "one is enough; vaern compile may be used beside it")
	}
	if err != nil {
		return err
	}
	defer unlock()
	if err := errors.Join(a.keepSigner(), a.checkSigner()); err != nil {
		return err
	}
	r, err := newRunner(a)
	if err != nil {
		return err
	}
	r.log.Info("started", "version", version, "lists", len(r.lists))
	r.loop(ctx)
	r.log.Info("stopped")
	return nil
}

// runner is a running vaern run. All that it does, it does on one goroutine,
// one list after the other.
type runner struct {
	*authority
	log    *slog.Logger
	lists  []*watched
	file   os.FileInfo             // of the register that is open
	broken bool                    // the register has to be opened again
	asked  func(*ListConfig) int64 // urgentRequest
	looked time.Time               // when alarms and metrics were last looked after, by the real clock
}

func newRunner(a *authority) (*runner, error) {
	log := slog.New(slog.NewJSONHandler(a.err, nil))
	inner := *a.app
	inner.err = notices{log}
	a.app = &inner
	file, err := os.Stat(a.Register)
	if err != nil {
		return nil, err
	}
	r := &runner{authority: a, log: log, file: file}
	r.asked = r.urgentRequest
	for i := range a.Lists {
		w := newWatched(&a.Lists[i], a.now())
		w.handled = r.handledBefore(w.list)
		r.lists = append(r.lists, w)
	}
	return r, nil
}

// pulse is how often the register is looked at, and whether something is due.
const pulse = 500 * time.Millisecond

func (r *runner) loop(ctx context.Context) {
	tick := time.NewTicker(pulse)
	defer tick.Stop()
	for ctx.Err() == nil {
		r.beat(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	r.lookAfter(true)
}

// beat compiles what is due.
func (r *runner) beat(ctx context.Context) {
	follows := r.follow() == nil // what is wrong is said by the next compile
	for _, w := range r.lists {
		if ctx.Err() != nil {
			return
		}
		switch {
		case follows && r.urgentWaits(w):
			r.compileWatched(w, compileOptions{urgent: true})
		case w.isDue(r.now()):
			r.compileWatched(w, compileOptions{})
		}
	}
	r.lookAfter(false)
}

// follow sees to it that the register is the file that lies at its path, and
// read to its end. A register that was restored from a backup meanwhile is
// another file: what would be written to the old one is lost.
func (r *runner) follow() error {
	file, err := os.Stat(r.Register)
	if err != nil {
		return fmt.Errorf("open register: %w", err)
	}
	if !r.broken && os.SameFile(file, r.file) {
		return r.reg.Refresh()
	}
	next, err := register.Open(r.Register, r.Environment, r.now)
	if err != nil {
		return err
	}
	err = r.reg.Close()
	r.reg, r.file, r.broken = next, file, false
	return err
}

// notices is what a command says to a person, as lines of the log.
type notices struct{ log *slog.Logger }

func (n notices) Write(text []byte) (int, error) {
	for line := range strings.Lines(string(text)) {
		n.log.Warn("notice", "text", strings.TrimSuffix(line, "\n"))
	}
	return len(text), nil
}
