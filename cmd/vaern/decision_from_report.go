package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/inbox"
	"github.com/vaern/vaern/internal/register"
)

// allAssessed stands for every report that waits to be drafted.
const allAssessed = "assessed"

// fromReports takes in what was assessed of reports. The register alone says
// which of them are drafted already.
func (d *draft) fromReports() error {
	if len(d.options.fromReport) == 0 {
		return nil
	}
	box, err := d.openInbox(d.now)
	if err != nil {
		return err
	}
	err = d.readReports(box)
	return errors.Join(err, box.Close())
}

func (d *draft) readReports(box *inbox.Inbox) error {
	// The head comes first: what is read after it may be newer, not older.
	head, err := box.Head()
	if err != nil {
		return inboxError(err)
	}
	d.origins.Inbox = register.InboxHead{Events: head.Events, Hash: head.Hash}
	if slices.Equal(d.options.fromReport, []string{allAssessed}) {
		state := inbox.Assessed
		return inboxError(box.List(inbox.Filter{State: &state, Except: d.reg.DraftedReports(d.replaced), Ascending: true}, func(r *inbox.Report) error {
			return d.fromReport(box, r, false)
		}))
	}
	ids, err := parseReports(d.options.fromReport)
	if err != nil {
		return err
	}
	for _, id := range ids {
		r, err := box.Get(id)
		if err != nil {
			return inboxError(err)
		}
		if at, ok := d.reg.Holds(id); ok && at.Decision != d.replaced {
			d.rejected++
			d.say(id, fmt.Errorf("it is drafted as %v in %v already", at.Entry, at.Decision))
			continue
		}
		if err := d.fromReport(box, r, true); err != nil {
			return inboxError(err)
		}
	}
	return nil
}

func (d *draft) say(id blocklist.ReportID, reason error) { fmt.Fprintf(d.err, "%v: %v\n", id, reason) }

// fromReport takes in one report. If it was not asked for by its id, what can
// not become an entry is passed over.
func (d *draft) fromReport(box *inbox.Inbox, r *inbox.Report, asked bool) error {
	a, err := box.Assessment(r)
	if err != nil {
		return err
	}
	e, reason := d.entryOf(box, r, a)
	if reason != nil {
		if asked {
			d.rejected++
			d.say(r.ID, reason)
		}
		return nil
	}
	place, taken := d.take(e, func(reason error) { d.say(r.ID, reason) })
	if taken {
		d.origins.Reports = append(d.origins.Reports, register.Origin{Report: r.ID, Entry: place})
	} else if asked && d.seen[e.Target.RevealKey()] == -1 {
		d.say(r.ID, errors.New("its target is listed already"))
	}
	return nil
}

// entryOf makes the entry of a report, or says why there is none.
func (d *draft) entryOf(box *inbox.Inbox, r *inbox.Report, a *inbox.Assessment) (blocklist.Entry, error) {
	if a == nil {
		return blocklist.Entry{}, fmt.Errorf("it is %s, and not assessed", r.State)
	}
	if r.Format == inbox.FormatIWOL {
		date, still, err := box.Confirmed(r)
		if err != nil {
			return blocklist.Entry{}, err
		}
		day, err := time.Parse(time.DateOnly, date)
		if err != nil || !still {
			return blocklist.Entry{}, errors.New("the newest list of its source does not have it any more")
		}
		if d.now().Sub(day) > inbox.MaxAge+24*time.Hour {
			return blocklist.Entry{}, errors.New("it was last confirmed more than 92 days ago")
		}
	}
	return a.Entry(r)
}

// inboxError gives an error of the inbox its exit status.
func inboxError(err error) error {
	switch {
	case errors.Is(err, inbox.ErrUnknown):
		return cli.Fail(err, "vaern report list shows which there are")
	case errors.Is(err, inbox.ErrTampered):
		return cli.Refuse(err, "restore the inbox from a backup; vaern check says whether it is whole")
	}
	return err
}
