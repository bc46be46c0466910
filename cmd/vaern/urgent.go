package main

import (
	"fmt"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/sshsig"
)

// isSettled says whether an edition is due in every wave: an urgent one may
// hold what it holds without making anybody wait. A hold will count here.
func isSettled(e *blocklist.Edition, now time.Time) bool {
	return !now.Before(e.Created.Add(e.Settle))
}

// within returns the sets that an urgent edition may not exceed: those of the
// newest edition that is settled and of all after it, since some wave may be
// served any of them. If none is settled yet, they are those of all editions.
//
// Withdrawals go out even if one of the editions is damaged. What it held is
// then bounded by its neighbours, of which the older one is looked at too:
// what both hold was, but for a withdrawal and a second listing in between,
// in the damaged one.
func (a *authority) within(old *published, now time.Time, keys *sshsig.AllowedSigners) []*blocklist.Set {
	if now.Before(old.Created) {
		now = old.Created // the clock went back; waves do not
	}
	sets := []*blocklist.Set{old.set}
	if isSettled(old.Edition, now) {
		return sets
	}
	for _, listed := range old.history[1:] {
		e, err := blocklist.Open(listed.Dir, keys)
		var set *blocklist.Set
		if err == nil {
			set, err = e.Set()
		}
		if err != nil {
			fmt.Fprintf(a.err, "list %s: an edition is damaged, and its neighbours stand for it: %v\n", old.List, err)
			continue
		}
		sets = append(sets, set)
		if isSettled(e, now) {
			break
		}
	}
	return sets
}
