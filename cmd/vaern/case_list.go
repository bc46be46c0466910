package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/register"
)

// caseLimit is how long a case may wait for its verdict before vaern check
// calls it a problem.
const caseLimit = 7 * 24 * time.Hour

// withCase runs a command on the case that its first argument names.
func (a *app) withCase(arg string, run func(*authority, *register.Case) error) error {
	return a.with(func(auth *authority) error {
		id, err := blocklist.ParseCaseID(arg)
		if err != nil {
			return cli.Misuse(fmt.Errorf("case %q: %w", arg, err), "vaern case list shows the ids")
		}
		c, err := auth.reg.Case(id)
		if err != nil {
			return cli.Fail(err, "vaern case list shows the ids")
		}
		return run(auth, c)
	})
}

type caseJSON struct {
	ID        string     `json:"id"`
	State     string     `json:"state"` // waits, upheld, rejected or closed
	Kind      string     `json:"kind"`
	From      string     `json:"from"`
	Entry     string     `json:"entry"`
	List      string     `json:"list"`
	Opened    time.Time  `json:"opened"`
	Suspended string     `json:"suspended_by,omitempty"` // decision
	Decided   *time.Time `json:"decided,omitempty"`
	Decision  string     `json:"decision,omitempty"`
	Closed    *time.Time `json:"closed,omitempty"`
	Reason    string     `json:"reason,omitempty"` // of closing it
	Days      int        `json:"days"`             // from opening to the verdict, or the end, or now
	Overdue   bool       `json:"overdue"`

	Text   string `json:"text,omitempty"` // of case show
	Unit   string `json:"unit,omitempty"`
	Target string `json:"target,omitempty"`
}

func (a *authority) caseJSON(c *register.Case) caseJSON {
	j := caseJSON{
		ID: c.ID.String(), State: a.stateOf(c), Kind: c.Kind, From: c.From, Entry: c.Entry.String(), List: c.List, Opened: c.Opened,
		Days: int(a.waited(c) / (24 * time.Hour)), Overdue: c.Waits() && a.waited(c) >= caseLimit, Reason: c.Reason,
	}
	if c.Suspended != 0 {
		j.Suspended = c.Suspended.String()
	}
	if c.Verdict != "" {
		j.Decided, j.Decision = &c.Decided, c.Decision.String()
	}
	if !c.Closed.IsZero() {
		j.Closed = &c.Closed
	}
	return j
}

// waited is how long a case waited for its verdict, or waits.
func (a *authority) waited(c *register.Case) time.Duration {
	switch {
	case c.Verdict != "":
		return c.Decided.Sub(c.Opened)
	case !c.Closed.IsZero():
		return c.Closed.Sub(c.Opened)
	}
	return a.now().Sub(c.Opened)
}

func (a *authority) stateOf(c *register.Case) string {
	switch {
	case !c.Closed.IsZero():
		return "closed"
	case c.Verdict == blocklist.Uphold:
		return "upheld"
	case c.Verdict == blocklist.Reject:
		return "rejected"
	}
	return "waits"
}

func (a *app) caseList() *cobra.Command {
	var open bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the cases, with the days that each waits or waited for its verdict",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.with(func(auth *authority) error { return auth.listCases(open) })
		},
	}
	c.Flags().BoolVar(&open, "open", false, "only those that are not closed")
	c.Flags().BoolVar(&a.json, "json", false, "print JSON")
	return c
}

func (a *authority) listCases(open bool) error {
	all := []caseJSON{}
	for _, c := range a.reg.Cases {
		if !open || c.Closed.IsZero() {
			all = append(all, a.caseJSON(c))
		}
	}
	if a.json {
		return cli.PrintJSON(a.out, all)
	}
	w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSTATE\tKIND\tFROM\tENTRY\tLIST\tOPENED\tDAYS")
	for _, j := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\n", j.ID, j.State, j.Kind, j.From, j.Entry, j.List, j.Opened.Format(time.DateOnly), j.Days)
	}
	return w.Flush()
}

func (a *app) caseShow() *cobra.Command {
	c := &cobra.Command{
		Use:   "show ID",
		Short: "Show a case: what it says, about which entry, and what became of it",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withCase(args[0], func(auth *authority, c *register.Case) error { return auth.showCase(c) })
		},
	}
	c.Flags().BoolVar(&a.json, "json", false, "print JSON")
	return c
}

func (a *authority) showCase(c *register.Case) error {
	j := a.caseJSON(c)
	text, err := a.reg.CaseText(c.ID)
	if err != nil {
		return err
	}
	e, err := a.reg.Entry(c.Entry)
	if err != nil {
		return err
	}
	j.Text, j.Unit, j.Target = text, e.Target.Unit.String(), e.Target.Reveal()
	if a.json {
		return cli.PrintJSON(a.out, j)
	}
	listing, err := a.reg.DecisionOf(c.Entry)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "case %s: %s\nsays\t%s\n", j.ID, j.State, j.Text)
	fmt.Fprintf(w, "kind\t%s of the %s\nentry\t%s on list %s\t%s\t%s\n", j.Kind, j.From, j.Entry, j.List, j.Unit, j.Target)
	fmt.Fprintf(w, "listed\tby %v: %s\nopened\t%s\n", listing.ID, listing.Basis, j.Opened.Format(time.RFC3339))
	if j.Suspended != "" {
		fmt.Fprintf(w, "suspended\tby %s\n", j.Suspended)
	}
	if c.Verdict != "" {
		d, err := a.reg.Decision(c.Decision)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "decided\t%s by %s: %s: %s\n", c.Decided.Format(time.RFC3339), j.Decision, c.Verdict, d.Basis)
	}
	if j.Closed != nil {
		fmt.Fprintf(w, "closed\t%s: %s\n", j.Closed.Format(time.RFC3339), j.Reason)
	}
	fmt.Fprintf(w, "clock\t%s\n", cli.Plural(j.Days, "day", "days"))
	return w.Flush()
}

func (a *app) caseClose() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "close ID --reason TEXT|-",
		Short: "Close a case: the answer is given, or there is nothing to decide",
		Long: `Closes a case. It takes no signature and changes nothing of the entry: what is
suspended stays so until a decision resumes it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withCase(args[0], func(auth *authority, c *register.Case) error {
				text, err := auth.impersonal("reason", reason)
				if err != nil {
					return err
				}
				if err := auth.reg.CloseCase(c.ID, text); err != nil {
					return cli.Refuse(fmt.Errorf("close case: %w", err), "")
				}
				c, err = auth.reg.Case(c.ID)
				if err != nil {
					return err
				}
				return auth.printCase(c, "closed")
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, in one line; - reads standard input")
	c.Flags().BoolVar(&a.json, "json", false, "print JSON")
	_ = c.MarkFlagRequired("reason")
	return c
}

func (a *authority) printCase(c *register.Case, what string) error {
	if a.json {
		return cli.PrintJSON(a.out, a.caseJSON(c))
	}
	_, err := fmt.Fprintf(a.out, "%v %s: %s of the %s about %v on list %s\n", c.ID, what, c.Kind, c.From, c.Entry, c.List)
	return err
}

// checkCases tells of cases that wait, and of those that wait for too long.
func (a *authority) checkCases(r *report) {
	for _, c := range a.reg.Cases {
		if !c.Waits() {
			continue
		}
		since := c.Opened.Format(time.DateOnly)
		if a.waited(c) >= caseLimit {
			r.problem(fmt.Errorf("list %s: %v about %v waits for a verdict since %s, for more than %d days", c.List, c.ID, c.Entry, since, caseLimit/(24*time.Hour)))
		} else {
			r.notice("list %s: %v about %v waits for a verdict since %s", c.List, c.ID, c.Entry, since)
		}
	}
}
