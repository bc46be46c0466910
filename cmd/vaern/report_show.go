package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/inbox"
	"github.com/vaern/vaern/internal/register"
)

func (a *app) reportShow() *cobra.Command {
	c := &cobra.Command{
		Use:   "show ID",
		Short: "Show a report, what was done to it, and what became of it",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			id, err := blocklist.ParseReportID(args[0])
			if err != nil {
				return cli.Misuse(err, "vaern report list shows them")
			}
			return a.atDesk(func(d *desk) error { return d.show(id) })
		},
		ValidArgsFunction: a.completeReports(true, inbox.Reported, inbox.Assessed, inbox.Rejected),
	}
	c.Flags().BoolVar(&a.json, "json", false, "print JSON")
	return c
}

// stepJSON is one step of a report's life.
type stepJSON struct {
	At   time.Time `json:"at"`
	Who  string    `json:"who"`
	From string    `json:"from"`
	To   string    `json:"to"`
	Why  string    `json:"why"`
}

type relatedJSON struct {
	ID     string `json:"id"`
	Source string `json:"source"`
	State  string `json:"state"`
}

// shownJSON is a report in full.
type shownJSON struct {
	reportJSON
	Fate    string        `json:"fate,omitempty"` // of its entry
	Related []relatedJSON `json:"related"`
	History []stepJSON    `json:"history"`
}

func (d *desk) show(id blocklist.ReportID) error {
	r, err := d.box.Get(id)
	if err != nil {
		return err
	}
	j := shownJSON{Related: []relatedJSON{}}
	if j.reportJSON, err = d.reportJSON(r); err != nil {
		return err
	}
	others, err := d.box.Related(r)
	if err != nil {
		return err
	}
	for _, o := range others {
		j.Related = append(j.Related, relatedJSON{o.ID.String(), o.Source, d.state(o)})
	}
	if j.History, err = d.history(r); err != nil {
		return err
	}
	if at, ok := d.drafts.Current(id); ok {
		if j.Fate, err = d.fate(at); err != nil {
			return err
		}
	}
	if d.json {
		return cli.PrintJSON(d.out, j)
	}
	return j.print(d.out)
}

// history is what the inbox and the register say of a report, one after the
// other: it is drafted only after it was assessed, and assessed again only
// after it was given back.
func (d *desk) history(r *inbox.Report) ([]stepJSON, error) {
	events, err := d.box.History(r)
	if err != nil {
		return nil, err
	}
	var drafts []stepJSON
	for _, x := range d.drafts.Of(r.ID) {
		drafts = append(drafts, stepJSON{x.At, "-", inbox.Assessed.String(), drafted, fmt.Sprintf("%v in %v", x.Entry, x.Decision)})
		if !x.Back.IsZero() {
			drafts = append(drafts, stepJSON{x.Back, "-", drafted, inbox.Assessed.String(), fmt.Sprintf("%v rejected: %s", x.Decision, x.Reason)})
		}
	}
	var all []stepJSON
	for i, e := range events {
		s := stepJSON{e.At, e.Who, e.From.String(), e.To.String(), e.Why}
		if i == 0 {
			s.From = ""
		}
		for len(drafts) > 0 && drafts[0].At.Before(s.At) {
			all, drafts = append(all, drafts[0]), drafts[1:]
		}
		all = append(all, s)
	}
	return append(all, drafts...), nil
}

// fate says what became of the entry of a report. Only this needs the register
// as a whole.
func (d *desk) fate(at register.Drafted) (fate string, err error) {
	err = d.with(func(a *authority) error {
		decision, err := a.reg.Decision(at.Decision)
		if err != nil {
			return err
		}
		if decision.Status == register.Draft {
			fate = fmt.Sprintf("waits for approval, %d of %d", decision.Valid(), a.needs(decision))
			return nil
		}
		fate = a.standingOf(decision, at.Entry)
		return nil
	})
	return fate, err
}

// standingOf says whether an entry of a decision that took effect is in force.
func (a *authority) standingOf(d *register.Decision, id blocklist.EntryID) string {
	for _, e := range a.reg.InForce(d.List) {
		if e.ID == id {
			return "in force on list " + d.List + " until " + a.reg.Expires(e).UTC().Format(time.DateOnly)
		}
	}
	for _, e := range a.reg.Suspended(d.List) {
		if e.ID == id {
			return "suspended on list " + d.List
		}
	}
	return "not in force any more on list " + d.List
}

func (j *shownJSON) print(w interface{ Write([]byte) (int, error) }) error {
	var b strings.Builder
	line := func(name string, parts ...string) {
		var said []string
		for _, p := range parts {
			if p != "" {
				said = append(said, p)
			}
		}
		if len(said) > 0 {
			fmt.Fprintf(&b, "%-10s%s\n", name, strings.Join(said, ", "))
		}
	}
	fmt.Fprintf(&b, "report %s: %s\n", j.ID, j.State)
	line("source", j.Source, labelled("reference", j.SourceRef), labelled("received", j.Received))
	line("target", j.Unit+"\t"+j.Target)
	line("said", labelled("class", j.Class), labelled("site type", j.SiteType), labelled("dedicated", j.Dedicated),
		labelled("compromised", j.Compromised), labelled("hosted in", j.Country), labelled("category", j.Category),
		labelled("evidence", j.EvidenceRef), labelled("agencies", j.Agencies))
	if a := j.Assessment; a != nil {
		var related []string
		for _, id := range a.Related {
			related = append(related, id.String())
		}
		line("assessed", string(a.Class), labelled("unit", a.Unit.String()), labelled("site type", string(a.SiteType)),
			labelled("dedicated", a.Dedicated), labelled("compromised", a.Compromised), labelled("hosted in", a.Country),
			labelled("related to", strings.Join(related, " ")))
	}
	if j.Entry != "" {
		line(drafted, j.Entry+" in "+j.Decision, j.Fate)
	}
	for _, r := range j.Related {
		line("related", fmt.Sprintf("%s of %s, %s", r.ID, r.Source, r.State))
	}
	for note := range strings.Lines(j.Note) {
		line("note", strings.TrimRight(note, "\r\n"))
	}
	for _, s := range j.History {
		from := s.From
		if from == "" {
			from = "new"
		}
		line("history", fmt.Sprintf("%s  %s: %s to %s", s.At.Format(time.RFC3339), s.Who, from, s.To), s.Why)
	}
	_, err := w.Write([]byte(b.String()))
	return err
}

func labelled(label, value string) string {
	if value == "" {
		return ""
	}
	return label + " " + value
}
