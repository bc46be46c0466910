package main

import "github.com/vaern/vaern/blocklist"

// urgentRequest returns the number of the register's record that last asked
// for an urgent build of a list, or zero.
func (a *authority) urgentRequest(l *ListConfig) int64 { return a.reg.UrgentRequest(l.Name) }

// urgentWaits says whether an urgent build was asked for, and an edition since
// then was not built so. An ordinary edition does not answer a request, even
// if it has the withdrawal in it: additions in it would make a wave wait.
func (r *runner) urgentWaits(w *watched) bool {
	return r.asked(w.list) > w.handled && !r.clock().Before(w.hurry)
}

// handledBefore is for the start: requests older than the newest edition that
// is due everywhere have had their effect. If nobody can tell, none has: an
// urgent build too many does no harm.
func (r *runner) handledBefore(l *ListConfig) int64 {
	keys, err := r.editionKeys()
	if err != nil {
		return 0
	}
	history, _ := blocklist.History(r.listDir(l), keys)
	for _, e := range history {
		if isSettled(e, r.now()) {
			return e.Register.Records
		}
	}
	return 0
}
