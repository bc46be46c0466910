package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/durable"
	"github.com/vaern/vaern/internal/sshsig"
)

// keepFor is how long every edition is kept, however many there are.
const keepFor = 14 * 24 * time.Hour

// tidy removes editions that nobody needs any more, and returns how many. The
// caller holds the list's lock; latest is published, and old was before. An
// edition is hidden before it is removed, so that whoever reads the folder
// finds it whole or not at all, and a crash leaves what the next compile
// sweeps away. The oldest goes first: what is left is always one history.
func (a *authority) tidy(l *ListConfig, dir string, latest *blocklist.Manifest, old *published, keys *sshsig.AllowedSigners) (int, error) {
	now := a.now()
	if old == nil || !blocklist.Believes(a.believed(old).Created, now) || old.gap != nil {
		return 0, nil
	}
	history := old.history
	if latest.Serial != old.Serial {
		history = slices.Insert(slices.Clone(history), 0, &blocklist.Edition{Manifest: latest, Dir: filepath.Join(dir, latest.Serial.String())})
	}
	stays := kept(history, l.Keep, now)
	gone := slices.Clone(history[stays:])
	strays, err := a.strays(dir, history, now, keys)
	if err != nil {
		return 0, err
	}
	slices.Reverse(gone)
	n := 0
	for _, e := range append(strays, gone...) {
		if err := removeEdition(dir, e.Serial); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// kept returns how many editions of a history, the latest first, are kept: the
// newest so many, those that are not old, and as far back as something counts
// from: growth from the edition of a day ago, the slowest wave from the last
// one that is due everywhere.
func kept(history []*blocklist.Edition, least int, now time.Time) int {
	n := min(least, len(history))
	for i, e := range history {
		if e.Age(now) <= keepFor {
			n = max(n, i+1)
		}
	}
	base := blocklist.Baseline(history, now)
	settled := func(e *blocklist.Edition) bool { return isSettled(e, now) }
	n = max(n, slices.Index(history, base)+1)
	if i := slices.IndexFunc(history, settled); i >= 0 {
		return max(n, i+1)
	}
	return len(history)
}

// strays returns old editions that are whole and that no history names: the
// process died before they were made the latest. One that is damaged is none:
// vaern check names it, and a person decides.
func (a *authority) strays(dir string, history []*blocklist.Edition, now time.Time, keys *sshsig.AllowedSigners) ([]*blocklist.Edition, error) {
	serials, err := blocklist.Serials(dir)
	if err != nil {
		return nil, err
	}
	named := map[blocklist.Serial]bool{}
	for _, e := range history {
		named[e.Serial] = true
	}
	var strays []*blocklist.Edition
	for _, serial := range serials {
		if named[serial] || !serial.After(history[len(history)-1].Serial) {
			continue // behind a gap lies what a person may still mend the history with
		}
		e, err := blocklist.Open(filepath.Join(dir, serial.String()), keys)
		if err == nil && e.List == history[0].List && e.Age(now) > keepFor {
			strays = append(strays, e)
		}
	}
	return strays, nil
}

// removeEdition takes an edition away.
func removeEdition(dir string, serial blocklist.Serial) error {
	hidden := filepath.Join(dir, durable.TempPrefix+serial.String())
	err := durable.Rename(filepath.Join(dir, serial.String()), hidden)
	if err = errors.Join(err, os.RemoveAll(hidden)); err != nil {
		return fmt.Errorf("remove edition %v: %w", serial, err)
	}
	return nil
}
