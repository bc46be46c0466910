package main

import (
	"fmt"
	"io"
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

	Assessment *inbox.Assessment `json:"assessment,omitempty"` // that was made in this step
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
	if at, ok := d.drafted(r); ok {
		if j.Fate, err = d.fate(at); err != nil {
			return err
		}
	}
	if d.json {
		return cli.PrintJSON(d.out, j)
	}
	return j.print(d.out)
}

// history is what the inbox and the register say of a report, in one order: a
// draft says what it knew of the inbox, and nothing is done to a report while it
// is in one.
func (d *desk) history(r *inbox.Report) ([]stepJSON, error) {
	events, err := d.box.History(r)
	if err != nil {
		return nil, err
	}
	drafts := d.drafts.Of(r.ID)
	var all []stepJSON
	for i, e := range events {
		for len(drafts) > 0 && drafts[0].Inbox < e.Seq {
			all, drafts = appendDrafting(all, drafts[0]), drafts[1:]
		}
		s := stepJSON{At: e.At, Who: e.Who, From: e.From.String(), To: e.To.String(), Why: e.Why}
		if i == 0 {
			s.From = ""
		} else if e.To == inbox.Assessed {
			if s.Assessment, err = e.Assessment(); err != nil {
				return nil, err
			}
		}
		all = append(all, s)
	}
	for _, x := range drafts {
		all = appendDrafting(all, x)
	}
	return all, nil
}

func appendDrafting(all []stepJSON, x register.Drafting) []stepJSON {
	all = append(all, stepJSON{At: x.At, Who: "-", From: inbox.Assessed.String(), To: drafted, Why: fmt.Sprintf("%v in %v", x.Entry, x.Decision)})
	if !x.Back.IsZero() {
		all = append(all, stepJSON{At: x.Back, Who: "-", From: drafted, To: inbox.Assessed.String(), Why: fmt.Sprintf("%v rejected: %s", x.Decision, x.Reason)})
	}
	return all
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

func (j *shownJSON) print(w io.Writer) error {
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
		found := ""
		if a := s.Assessment; a != nil {
			found = fmt.Sprintf(" (%s, %v)", a.Class, a.Unit)
		}
		line("history", fmt.Sprintf("%s  %s: %s to %s%s", s.At.Format(time.RFC3339), s.Who, from, s.To, found), s.Why)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func labelled(label, value string) string {
	if value == "" {
		return ""
	}
	return label + " " + value
}
