package main

import (
	"slices"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/register"
)

// expiryNotice is how long before its end an entry is announced.
const expiryNotice = 14 * 24 * time.Hour

// expire takes entries that have reached their time out of the list, on
// record, and returns how many.
func (a *authority) expire(l *ListConfig) (int, error) { return a.reg.Expire(l.Name) }

// expiring returns the entries in force that end by a moment, the first first.
func (a *authority) expiring(l *ListConfig, until time.Time) []register.Expiry {
	return a.reg.Expiring(l.Name, until)
}

// withoutExpired does to a build what recording the expiries would do, and
// records nothing.
func (a *authority) withoutExpired(l *ListConfig, b *blocklist.Build) {
	due := a.expiring(l, b.Now)
	if len(due) == 0 || b.Previous != nil && !blocklist.Believes(b.Created, b.Now) {
		return
	}
	gone, expired := map[string]bool{}, map[blocklist.EntryID]bool{}
	for _, e := range due {
		gone[e.Target.RevealKey()], expired[e.ID] = true, true
	}
	b.Entries = slices.DeleteFunc(slices.Clone(b.Entries), func(e blocklist.Listed) bool { return expired[e.ID] })
	withdrawn := b.Withdrawn
	b.Withdrawn = func(t blocklist.Target) bool { return gone[t.RevealKey()] || withdrawn(t) }
}
