package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/durable"
)

// compileWatched compiles a list, tells what came of it, and plans the next
// time.
func (r *runner) compileWatched(w *watched, o compileOptions) {
	c, err := r.compileSafely(w.list, o)
	now := r.now()
	if errors.Is(err, durable.ErrLocked) {
		r.again(w, o, now, lockedWait, lockedWait)
		if w.locked.IsZero() {
			w.locked = now
			r.log.Info("waiting: another vaern compiles this list", "list", w.list.Name)
		}
		return
	}
	w.locked = time.Time{}
	if err != nil {
		w.failures++
		r.again(w, o, now, retryAfter, hurryAfter)
		r.log.Error("compile failed", "list", w.list.Name, "error", err.Error())
		r.lookAfter(true)
		return
	}
	w.result, w.success = c, now
	if o.urgent {
		w.handled = r.reg.Head().Records
		w.last = now // the next ordinary one comes when it would have come
	} else {
		w.next(now, c.edition)
	}
	r.logCompiled(c)
	r.lookAfter(true)
}

// compileSafely compiles a list from the register as it is now. A fault of the
// program ends one compile, not all that come after it.
func (r *runner) compileSafely(l *ListConfig, o compileOptions) (c *compiled, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			// The value may hold anything; its type and the place are enough.
			err = fmt.Errorf("a fault in the program: %T at %s", fault, debug.Stack())
			r.broken = true // half of a change may be in its state
		}
	}()
	if err := r.follow(); err != nil {
		return nil, err
	}
	if err := r.checkOfficers(); err != nil {
		return nil, err
	}
	return r.compileList(l, o)
}

// again plans what did not come about.
func (r *runner) again(w *watched, o compileOptions, now time.Time, ordinary, urgent time.Duration) {
	if o.urgent {
		w.hurry = r.clock().Add(urgent)
		return
	}
	w.again(now, ordinary)
}

func (r *runner) logCompiled(c *compiled) {
	level, message := slog.LevelInfo, "compiled"
	if len(c.Refused) > 0 {
		level, message = slog.LevelWarn, "compiled: additions are held back"
	}
	r.log.Log(context.Background(), level, message,
		"list", c.List, "serial", c.Serial, "unchanged", c.Unchanged, "urgent", c.Urgent,
		"entries", c.Entries, "domains", c.Domains, "hosts", c.Hosts, "urls", c.URLs,
		"expired", c.expired, "expiring", c.expiring, "removed_editions", c.tidied,
		"refused", ids(c.Refused), "flagged", ids(c.Flagged), "seconds", c.took.Seconds())
}

// maxLogged bounds how many refusals a line of the log names.
const maxLogged = 50

// ids are refusals as "rule id".
func ids(refused []blocklist.Refusal) []string {
	named := []string{}
	for i, f := range refused {
		if i == maxLogged {
			return append(named, fmt.Sprintf("and %d more", len(refused)-i))
		}
		named = append(named, string(f.Rule)+" "+f.ID)
	}
	return named
}
