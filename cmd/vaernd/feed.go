package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/dnsfeed"
	"github.com/vaern/vaern/internal/httpfeed"
	"github.com/vaern/vaern/internal/isp"
)

const (
	// pollEvery is how often ISPs and certificates are looked at. Looking sees
	// every way of replacing a file, on every file system.
	pollEvery = 250 * time.Millisecond
	// pollLatest is how often it is looked whether there is a new edition: one
	// stat(2) for each list.
	pollLatest = 20 * time.Millisecond
	// retryEvery is how often what was refused is tried again unchanged: the
	// reason may have been a full table of files.
	retryEvery = 10 * time.Second
)

// feed is what is served: it follows the folders of editions and ISPs, and
// hands each change to the DNS and the HTTP side at once.
type feed struct {
	settings *settings
	log      *slog.Logger
	dns      *dnsfeed.Server
	http     *httpfeed.Handler
	notifier *dnsfeed.Notifier

	mu    sync.Mutex
	lists map[string]*served
	isps  *isp.Table
	ends  time.Time // when credentials of an ISP end next; zero: not by themselves
}

func newFeed(s *settings, log *slog.Logger) *feed {
	return &feed{settings: s, log: log, lists: make(map[string]*served), isps: &isp.Table{}}
}

// start does the first look and returns a function that goes on looking until
// its context ends. What is wrong with one list or ISP is logged; the error is
// about all of them.
func (f *feed) start() (watch func(context.Context), err error) {
	isps, lists := &look{}, make(map[string]*look)
	if err := f.lookAtISPs(isps); err != nil {
		return nil, err
	}
	if _, err := f.settings.lists(); err != nil {
		return nil, err
	}
	if f.settings.State != "" {
		if err := os.MkdirAll(f.settings.State, 0o700); err != nil {
			return nil, fmt.Errorf("make state: %w", err)
		}
	}
	f.lookAtLists(lists)
	return func(ctx context.Context) {
		// Apart, so that a revocation does not wait for a big edition.
		var both sync.WaitGroup
		both.Go(func() { every(ctx, pollEvery, func() { _ = f.lookAtISPs(isps) }) })
		both.Go(func() { every(ctx, pollLatest, func() { f.lookAtLists(lists) }) })
		both.Wait()
	}, nil
}

// look is what was last seen of something on disk.
type look struct {
	stamp  stamps
	tried  time.Time
	failed string // what was wrong, "" if nothing was
}

// due says whether to look closer: something changed, or what failed may be
// tried again. Stamps are taken before reading, so that a change in between is
// seen the next time.
func (l *look) due(stamp stamps) bool {
	changed := !stamp.equal(l.stamp)
	if !changed && (l.failed == "" || realNow().Sub(l.tried) < retryEvery) {
		return false
	}
	if changed {
		l.failed = ""
	}
	l.stamp, l.tried = stamp, realNow()
	return true
}

// lookAtISPs reads the folder of ISPs if it is due. A folder that can not be
// read says nothing about who is revoked: the ISPs known go on, and the error
// is returned.
func (f *feed) lookAtISPs(l *look) error {
	if !l.due(stampISPs(f.settings.ISPs)) {
		f.endCredentials()
		return nil
	}
	said := l.failed
	table, err := isp.Read(f.settings.ISPs)
	if errors.Is(err, fs.ErrNotExist) && len(f.table().ISPs) == 0 {
		table, err = &isp.Table{}, nil // the first isp add makes it
	}
	if err != nil {
		if l.failed = err.Error(); l.failed != said {
			f.log.Error("isps not read, those known go on", "error", err, "hint", cli.HintOf(err))
		}
		return err
	}
	if l.failed = fmt.Sprint(errors.Join(table.Refused...)); len(table.Refused) == 0 {
		l.failed = ""
	} else if l.failed != said {
		for _, err := range table.Refused {
			f.log.Error("isp refused", "error", err, "hint", cli.HintOf(err))
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.isps = table
	f.publish()
	f.log.Info("isps read", "isps", len(table.ISPs), "refused", len(table.Refused))
	return nil
}

// endCredentials takes away what an ISP has rotated away, when its time has
// come. Nobody writes a file for it.
func (f *feed) endCredentials() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ends.IsZero() && !f.settings.now().Before(f.ends) {
		f.publish()
		f.log.Info("old credentials ended")
	}
}

func (f *feed) table() *isp.Table {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.isps
}

// lookAtLists reads what is published of each list, if it is due.
func (f *feed) lookAtLists(seen map[string]*look) {
	names, err := f.settings.lists()
	if err != nil {
		return // what is served goes on; news come back with the folder
	}
	for _, name := range names {
		if seen[name] == nil {
			seen[name] = &look{}
		}
		if l := seen[name]; l.due(stampLatest(filepath.Join(f.settings.Editions, name))) {
			l.failed = f.refresh(name, l.failed)
		}
	}
}

// refresh opens what is published of a list and serves it. What is wrong with
// it is logged, unless it was said already, and returned.
func (f *feed) refresh(name, said string) string {
	old := f.list(name)
	next, err := f.open(name, old)
	problem := ""
	if err != nil {
		if problem = err.Error(); problem != said {
			f.log.Error("edition refused", "list", name, "error", err, "serving", old.serial().String())
		}
		if old == nil {
			next = f.recall(name)
		}
	}
	if next == nil || next == old {
		return problem
	}
	if next.gap != nil {
		f.log.Error("older editions not all served", "list", name, "error", next.gap)
	}
	if next.expired(f.settings.now()) {
		f.log.Warn("edition expired, served all the same", "list", name, "serial", next.edition.Serial, "expires", next.edition.Expires)
	}
	// Noted first: if the process dies here, the next one finds the edition
	// again and serves it.
	if err := f.remember(name, next.edition.Serial); err != nil {
		f.log.Error("serial not noted, a restart may go back", "list", name, "error", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lists[name] = next
	f.publish()
	f.log.Info("edition served", "list", name, "serial", next.edition.Serial, "before", old.serial(), "kept", len(next.older))
	return problem
}

func (f *feed) list(name string) *served {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lists[name]
}

// all returns the lists being served, in order of name.
func (f *feed) all() []*served {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []*served
	for _, l := range f.lists {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b *served) int { return strings.Compare(a.edition.List, b.edition.List) })
	return all
}

// listOf returns the list with that zone, or "".
func (f *feed) listOf(zone string) string {
	for _, l := range f.all() {
		if l.edition.Zone == zone {
			return l.edition.List
		}
	}
	return ""
}

// publish hands everything to both sides, and then has the ISPs' secondaries
// told; f.mu is held. Nobody can refuse: an ISP's key and a list's zone were
// checked when they were let in.
func (f *feed) publish() {
	zones, views := make(map[string]string), make(map[string]*httpfeed.List)
	var versions []*dnsfeed.Versions
	for name, l := range f.lists {
		zones[name] = l.edition.Zone
		versions = append(versions, l.versions)
		views[name] = l.view
	}
	now := f.settings.now()
	f.ends = f.isps.NextEnd(now)
	snapshot, err := dnsfeed.NewSnapshot(versions...)
	access, accessErr := dnsfeed.NewAccess(f.isps.Clients(zones, now))
	if err != nil || accessErr != nil {
		f.log.Error("change not served", "zones", err, "access", accessErr)
		return
	}
	f.dns.SetZones(snapshot)
	f.http.Set(&httpfeed.View{ISPs: f.isps, Lists: views})
	f.dns.SetAccess(access)
	if err := f.notifier.Set(f.notices(zones, now)); err != nil {
		f.log.Error("secondaries not notified", "error", err)
	}
}

// every calls do at an interval until ctx ends.
func every(ctx context.Context, interval time.Duration, do func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			do()
		}
	}
}
