package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/register"
)

func (a *app) caseDecide() *cobra.Command {
	var as, key, reason string
	c := &cobra.Command{
		Use:   "decide ID uphold|reject --as NAME --key FILE --reason TEXT|-",
		Short: "Decide a case, as a police officer who did not approve the listing",
		Long: `Decides a case by the signature of a police officer who is not among those who
approved the decision that lists the entry. Who suspended it meanwhile may
decide: they had no part in the listing.

uphold withdraws the entry. What should be listed in its place is a new decision.
reject leaves the entry in force; if the case suspended it, a resumption is
drafted, which needs the signatures of an addition.`,
		Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withCase(args[0], func(auth *authority, c *register.Case) error {
				step := blocklist.Step(args[1])
				if step != blocklist.Uphold && step != blocklist.Reject {
					return cli.Misuse(fmt.Errorf("%q is neither uphold nor reject", args[1]), "")
				}
				return auth.decideCase(c, step, as, key, reason)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&as, "as", "", "`NAME` of the police officer who decides")
	f.StringVar(&key, "key", "", "sign with the key in `FILE`")
	f.StringVar(&reason, "reason", "", "why, in one line; - reads standard input")
	f.BoolVar(&a.json, "json", false, "print JSON")
	for _, name := range []string{"as", "key", "reason"} {
		_ = c.MarkFlagRequired(name)
	}
	return c
}

func (a *authority) decideCase(c *register.Case, step blocklist.Step, as, key, reason string) error {
	reason, err := a.impersonal("reason", reason)
	if err != nil {
		return err
	}
	if !c.Waits() {
		return cli.Refuse(fmt.Errorf("%v is %s already", c.ID, a.stateOf(c)), "")
	}
	if a.onTerminal() {
		if err := a.ask(fmt.Sprintf("%s %v, about %v?", step, c.ID, c.Entry)); err != nil {
			return err
		}
	}
	sign, release, err := a.officerSigner(key)
	if err != nil {
		return err
	}
	defer release()
	d := blocklist.Decision{List: c.List, Basis: reason, Cases: []blocklist.CaseStep{{Case: c.ID, Step: step}}}
	if step == blocklist.Uphold {
		e, err := a.reg.Entry(c.Entry)
		if err != nil {
			return err
		}
		d.Withdraw = []blocklist.Withdrawal{{ID: e.ID, Target: e.Target}}
	}
	made, err := a.reg.Decide(func() (blocklist.Decision, error) { return d, nil }, a.needs, as, sign)
	if err != nil {
		return refusedOfficer("decide case", err)
	}
	c, err = a.reg.Case(c.ID) // as it is now
	if err != nil {
		return err
	}
	draft, err := a.draftResumption(c, step, reason)
	if err != nil {
		return err
	}
	if a.json {
		return cli.PrintJSON(a.out, a.caseJSON(c))
	}
	if made.Status != register.Draft {
		if err := a.printCase(c, a.stateOf(c)); err != nil {
			return err
		}
	}
	switch {
	case step == blocklist.Uphold:
		return a.printMade(made, c.Entry, "withdrawn")
	case draft != nil:
		return a.printMade(draft, c.Entry, "resumed")
	}
	return nil
}

// draftResumption drafts that what a rejected case suspended comes back.
func (a *authority) draftResumption(c *register.Case, step blocklist.Step, reason string) (*register.Decision, error) {
	suspended := a.reg.Suspended(c.List)
	i := slices.IndexFunc(suspended, func(e blocklist.Listed) bool { return e.ID == c.Entry })
	if step != blocklist.Reject || c.Suspended == 0 || i < 0 {
		return nil, nil
	}
	d, err := a.reg.NewDraft(blocklist.Decision{
		List: c.List, Basis: fmt.Sprintf("%v is rejected: %s", c.ID, reason),
		Resume: []blocklist.Withdrawal{{ID: c.Entry, Target: suspended[i].Target}},
	}, 0)
	if err != nil { // another case about it waits
		fmt.Fprintf(a.err, "%v stays suspended: %v\n", c.Entry, err)
		return nil, nil
	}
	made := *d
	made.Quorum = a.needs(d)
	return &made, nil
}
