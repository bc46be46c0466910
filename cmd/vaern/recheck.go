package main

import (
	"cmp"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/register"
)

func (a *app) recheckCommand() *cobra.Command {
	return cli.Group("recheck", "Look at entries again: which are due, and what was found",
		a.recheckDue(), a.recheckRecord())
}

func (a *app) recheckDue() *cobra.Command {
	var list, by string
	c := &cobra.Command{
		Use:   "due",
		Short: "List the entries that somebody has to look at again",
		Long: `Lists the entries in force that are due for a recheck, the first that were due
first: 30 days after they were decided or looked at last, 7 days if the site was
broken into (compromised), or on the day recheck_by of their decision, if that
is earlier. LEFT is how many days are left until the entry leaves the list, 92
days after it was decided or last found to be still so.

A person looks; vaern resolves and fetches nothing.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.with(func(auth *authority) error { return auth.listDue(list, by) })
		},
	}
	c.Flags().StringVar(&list, "list", "", "only `LIST`")
	c.Flags().StringVar(&by, "by", "", "due on or before that `DATE`, like 2026-12-31 (default now)")
	c.Flags().BoolVar(&a.json, "json", false, "print JSON: [{id, list, unit, target, due, limit, days_left, ...}]")
	return c
}

type dueJSON struct {
	ID          string            `json:"id"`
	List        string            `json:"list"`
	Unit        blocklist.Unit    `json:"unit"`
	Target      string            `json:"target"`
	Due         string            `json:"due"`   // date
	Limit       time.Time         `json:"limit"` // when it leaves the list
	DaysLeft    int               `json:"days_left"`
	Compromised bool              `json:"compromised,omitempty"`
	Last        string            `json:"last,omitempty"` // date on which it was last looked at
	Result      *blocklist.Result `json:"result,omitempty"`
	Decision    string            `json:"decision,omitempty"` // that says so
}

// listDue shows names, as decision show does: to look at an entry is to know it.
func (a *authority) listDue(only, by string) error {
	if only != "" {
		if _, err := a.listNamed(only); err != nil {
			return err
		}
	}
	until := a.now()
	if by != "" {
		day, err := time.Parse(time.DateOnly, by)
		if err != nil {
			return cli.Misuse(fmt.Errorf("--by %q is no date", by), "a day like 2026-12-31")
		}
		until = day.AddDate(0, 0, 1).Add(-1)
	}
	all := []dueJSON{}
	for i := range a.Lists {
		if l := &a.Lists[i]; only == "" || l.Name == only {
			for _, c := range a.reg.Due(l.Name, until) {
				all = append(all, newDueJSON(l.Name, c, a.now()))
			}
		}
	}
	slices.SortStableFunc(all, func(x, y dueJSON) int { return cmp.Compare(x.Due, y.Due) })
	if a.json {
		return cli.PrintJSON(a.out, all)
	}
	if len(all) == 0 {
		fmt.Fprintln(a.err, "nothing is due")
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tDUE\tLEFT\tLAST\tLIST\tUNIT\tTARGET")
	for _, d := range all {
		last := d.Last
		if d.Result != nil && *d.Result != blocklist.Still {
			last += " " + d.Result.String()
		}
		if last == "" {
			last = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%v\t%s\n", d.ID, d.Due, d.DaysLeft, last, d.List, d.Unit, d.Target)
	}
	return w.Flush()
}

func newDueJSON(list string, c register.Recheck, now time.Time) dueJSON {
	d := dueJSON{
		ID: c.ID.String(), List: list, Unit: c.Target.Unit, Target: c.Target.Reveal(), Due: c.Due.Format(time.DateOnly),
		Limit: c.Limit, DaysLeft: max(0, int(c.Limit.Sub(now)/(24*time.Hour))), Compromised: c.Compromised,
	}
	if !c.Last.IsZero() {
		d.Last, d.Result, d.Decision = c.Last.Format(time.DateOnly), &c.Result, c.By.String()
	}
	return d
}
