package main

import (
	"slices"

	"github.com/vaern/vaern/blocklist"
)

// withoutExpired does to a build what recording the expiries would do, and
// records nothing.
func (a *authority) withoutExpired(l *ListConfig, b *blocklist.Build) {
	due := a.reg.Expiring(l.Name, b.Now)
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
