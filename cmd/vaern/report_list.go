package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/inbox"
	"github.com/vaern/vaern/internal/register"
)

// reportJSON is a report as --json prints it: as it was reported, and beside it
// what became of it.
type reportJSON struct {
	ID          string            `json:"id"`
	State       string            `json:"state"`
	Source      string            `json:"source"`
	SourceRef   string            `json:"source_ref"`
	Received    string            `json:"received,omitempty"`
	Unit        string            `json:"unit"`
	Target      string            `json:"target"`
	Category    string            `json:"category,omitempty"`
	EvidenceRef string            `json:"evidence_ref,omitempty"`
	Class       string            `json:"class,omitempty"`
	SiteType    string            `json:"site_type,omitempty"`
	Dedicated   string            `json:"dedicated,omitempty"`
	Compromised string            `json:"compromised,omitempty"`
	Country     string            `json:"country,omitempty"`
	Agencies    string            `json:"agencies,omitempty"`
	Note        string            `json:"note,omitempty"`
	Assessment  *inbox.Assessment `json:"assessment,omitempty"`
	Decision    string            `json:"decision,omitempty"`
	Entry       string            `json:"entry,omitempty"`
}

func (d *desk) reportJSON(r *inbox.Report) (reportJSON, error) {
	j := reportJSON{
		ID: r.ID.String(), State: d.state(r), Source: r.Source, SourceRef: r.Ref, Received: r.Received,
		Unit: r.Target.Unit.String(), Target: r.Target.Reveal(), Category: r.Category, EvidenceRef: r.EvidenceRef,
		Class: string(r.Class), SiteType: string(r.SiteType), Dedicated: r.Dedicated, Compromised: r.Compromised, Country: r.Country,
		Agencies: r.Agencies, Note: r.Note,
	}
	if at, ok := d.drafted(r); ok {
		j.Decision, j.Entry = at.Decision.String(), at.Entry.String()
	}
	var err error
	j.Assessment, err = d.box.Assessment(r)
	return j, err
}

// listOptions are the flags that choose reports.
type listOptions struct {
	state, source string
	limit         int // 0: all
}

func (o *listOptions) flags(a *app, c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.state, "state", "", "only those that are `STATE`: "+strings.Join(states, ", "))
	f.StringVar(&o.source, "source", "", "only those from the source `NAME`")
	oneOf(c, "state", states...)
	_ = c.RegisterFlagCompletionFunc("source", a.completeSources)
}

func (o *listOptions) check() error {
	if o.state != "" && !slices.Contains(states, o.state) {
		return cli.Misuse(errors.New("there is no such state"), "states are: "+strings.Join(states, ", "))
	}
	if o.limit < 0 {
		return cli.Misuse(errors.New("--limit is less than 0"), "")
	}
	return nil
}

func (a *app) reportList() *cobra.Command {
	var o listOptions
	c := &cobra.Command{
		Use:   "list",
		Short: "List reports, the newest first",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := o.check(); err != nil {
				return err
			}
			err := a.atDesk(func(d *desk) error { return d.list(o) })
			if errors.Is(err, errNoReports) { // nothing is a list too
				if a.json {
					_, err = fmt.Fprintln(a.out, "[]")
					return err
				}
				fmt.Fprintf(a.err, "%v\n", errNoReports)
				return nil
			}
			return err
		},
	}
	o.flags(a, c)
	c.Flags().IntVar(&o.limit, "limit", 50, "at most `N`; 0: all")
	c.Flags().BoolVar(&a.json, "json", false, "print JSON")
	return c
}

// rowTarget is how much of a target fits in a row of 80 columns.
const rowTarget = 28

func (d *desk) list(o listOptions) error {
	rows := newReportRows(d)
	more := false
	err := d.choose(o, false, func(r *inbox.Report) error {
		if o.limit > 0 && rows.n == o.limit {
			more = true
			return inbox.ErrStop
		}
		j, err := d.reportJSON(r)
		if err != nil {
			return err
		}
		return rows.add(j, r)
	})
	if err = errors.Join(err, rows.end()); err == nil && more {
		fmt.Fprintf(d.err, "there are more: --limit 0 lists all\n")
	}
	return err
}

// choose calls use for the reports that are meant.
func (d *desk) choose(o listOptions, ascending bool, use func(*inbox.Report) error) error {
	if o.state == drafted {
		return d.chooseDrafted(o, ascending, use)
	}
	f := inbox.Filter{Source: o.source, Ascending: ascending}
	if state, ok := inbox.ParseState(o.state); ok {
		f.State = &state
		if state == inbox.Assessed {
			f.Except = d.draftedIDs()
		}
	}
	return d.box.List(f, use)
}

func (d *desk) draftedIDs() []blocklist.ReportID {
	ids := make([]blocklist.ReportID, 0, d.drafts.Len())
	d.drafts.All(func(id blocklist.ReportID, _ register.Drafted) { ids = append(ids, id) })
	slices.Sort(ids)
	return ids
}

func (d *desk) chooseDrafted(o listOptions, ascending bool, use func(*inbox.Report) error) error {
	ids := d.draftedIDs()
	if !ascending {
		slices.Reverse(ids)
	}
	for _, id := range ids {
		r, err := d.box.Get(id)
		if err != nil {
			return err
		}
		if r.State == inbox.Rejected || o.source != "" && r.Source != o.source {
			continue
		}
		if err := use(r); errors.Is(err, inbox.ErrStop) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// reportRows prints reports one by one, as a table or as an array.
type reportRows struct {
	*desk
	table *tabwriter.Writer
	n     int
}

func newReportRows(d *desk) *reportRows {
	return &reportRows{desk: d, table: tabwriter.NewWriter(d.out, 0, 8, 2, ' ', 0)}
}

func (w *reportRows) add(j reportJSON, r *inbox.Report) error {
	w.n++
	if w.json {
		begin := ","
		if w.n == 1 {
			begin = "["
		}
		if _, err := fmt.Fprint(w.out, begin); err != nil {
			return err
		}
		return cli.PrintJSON(w.out, j)
	}
	if w.n == 1 {
		fmt.Fprintln(w.table, "ID\tSTATE\tSOURCE\tCLASS\tUNIT\tTARGET")
	}
	class, target := j.Class, r.Target
	if a := j.Assessment; a != nil { // then what it would block
		class = string(a.Class)
		if t, err := a.Target(r); err == nil {
			target = t
		}
	}
	if class == "" {
		class = "-"
	}
	_, err := fmt.Fprintf(w.table, "%s\t%s\t%s\t%s\t%s\t%s\n", j.ID, j.State, short(j.Source, 12), class, target.Unit.String(), short(target.Reveal(), rowTarget))
	return err
}

func (w *reportRows) end() error {
	switch {
	case !w.json:
		return w.table.Flush()
	case w.n == 0:
		_, err := fmt.Fprintln(w.out, "[]")
		return err
	}
	_, err := fmt.Fprintln(w.out, "]")
	return err
}
