package main

import (
	"errors"
	"fmt"

	"github.com/vaern/vaern/internal/inbox"
)

// inboxJSON counts reports by where they are.
type inboxJSON struct {
	Reports  int64 `json:"reports"`
	Events   int64 `json:"events"`
	Reported int64 `json:"reported"`
	Assessed int64 `json:"assessed"`
	Drafted  int64 `json:"drafted"`
	Rejected int64 `json:"rejected"`
}

// checkInbox reads the whole inbox and holds it against its own chain, and
// against the head that the register knows of.
func (a *authority) checkInbox(r *report) {
	known := a.reg.Inbox()
	box, err := a.openInbox(a.now)
	if errors.Is(err, errNoReports) {
		if known.Events > 0 {
			r.problem(errors.New("inbox: it is gone, and drafts were made from it: restore it from a backup"))
		}
		return
	}
	if err != nil {
		r.problem(err)
		return
	}
	s, err := box.Verify(inbox.Head{Events: known.Events, Hash: known.Hash})
	if err = errors.Join(err, box.Close()); err != nil {
		r.problem(err)
		return
	}
	n := int64(0)
	for _, id := range a.reg.DraftedReports(0) {
		switch state, ok := s.Of(id); {
		case !ok || state == inbox.Reported:
			r.problem(fmt.Errorf("inbox: %v is drafted, and not assessed or not there", id))
			return
		case state == inbox.Assessed: // and not rejected since
			n++
		}
	}
	r.inbox = &inboxJSON{s.Reports, s.Events, s.States[inbox.Reported], s.States[inbox.Assessed] - n, n, s.States[inbox.Rejected]}
}
