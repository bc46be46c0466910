package main

import (
	"bufio"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/register"
)

func (a *app) decisionShow() *cobra.Command {
	c := &cobra.Command{
		Use:   "show ID",
		Short: "Show a decision, with what the guards say of each entry now",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withDecision(args[0], func(auth *authority, d *register.Decision) error { return auth.showDecision(d) })
		},
	}
	c.Flags().BoolVar(&a.json, "json", false, "print JSON")
	return c
}

// details reads the decision's text again and runs the guards on what it adds.
func (a *authority) details(d *register.Decision) (decisionJSON, error) {
	j := a.decisionJSON(d)
	text, err := a.reg.Text(d.ID)
	if err != nil {
		return j, err
	}
	check := func(blocklist.Target) []blocklist.Finding { return nil }
	if l, err := a.listNamed(d.List); err == nil && d.List != blocklist.NoList {
		p, err := a.loadPolicy(l, a.reg.Highest[l.Name])
		if err != nil {
			return j, err
		}
		check = p.CheckTarget
	}
	_, err = blocklist.ScanDecision(text, blocklist.Each{
		Add: func(e blocklist.Entry) error {
			row := entryJSON{e.ID.String(), "add", e.Target.Unit.String(), e.Target.Reveal(), e.Category, []string{}}
			for _, f := range check(e.Target) {
				row.Findings = append(row.Findings, f.String())
			}
			j.Entries = append(j.Entries, row)
			return nil
		},
		Withdraw: func(w blocklist.Withdrawal) error {
			j.Entries = append(j.Entries, entryJSON{w.ID.String(), "withdraw", w.Target.Unit.String(), w.Target.Reveal(), "", []string{}})
			return nil
		},
	})
	for _, o := range d.Officers {
		if o.Revoke {
			j.Other = append(j.Other, fmt.Sprintf("revoke officer %s since %s", o.Name, o.Since.Format(time.RFC3339)))
		} else {
			j.Other = append(j.Other, fmt.Sprintf("add officer %s, %s, %s", o.Name, o.Role, o.Key))
		}
	}
	for _, o := range d.Overrides {
		j.Other = append(j.Other, fmt.Sprintf("override %s for %v with digest %s", o.Rule, o.For, o.Digest))
	}
	return j, err
}

func (a *authority) showDecision(d *register.Decision) error {
	j, err := a.details(d)
	if err != nil {
		return err
	}
	if a.json {
		return cli.PrintJSON(a.out, j)
	}
	w := bufio.NewWriter(a.out)
	fmt.Fprintf(w, "decision %s on list %s: %s\n", j.ID, j.List, j.State)
	fmt.Fprintf(w, "basis    %s\ndrafted  %s\ndigest   %s\n", j.Basis, j.Drafted.Format(time.RFC3339), j.Digest)
	fmt.Fprintf(w, "content  %s\n", j.summary())
	fmt.Fprintf(w, "approved by %d of %d\n", d.Valid(), j.Needs)
	for _, ap := range j.Approvals {
		void := ""
		if ap.Void {
			void = "  void: the key was revoked since then"
		}
		fmt.Fprintf(w, "  %s  %s  %s%s\n", ap.At.Format(time.RFC3339), ap.Officer, ap.Fingerprint, void)
	}
	if j.Reason != "" {
		fmt.Fprintf(w, "rejected: %s\n", j.Reason)
	}
	for _, line := range j.Other {
		fmt.Fprintln(w, line)
	}
	for _, e := range j.Entries {
		sign := "+"
		if e.Change == "withdraw" {
			sign = "-"
		}
		fmt.Fprintf(w, "%s %s\t%s\t%s", sign, e.ID, e.Unit, e.Target)
		if len(e.Findings) > 0 {
			fmt.Fprintf(w, "\t[%s]", strings.Join(e.Findings, "; "))
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

// summary is one line with counts: what an officer sees before signing.
func (j *decisionJSON) summary() string {
	var parts []string
	if j.Adds > 0 {
		parts = append(parts, cli.Plural(j.Adds, "addition", "additions"))
	}
	if j.Withdraws > 0 {
		parts = append(parts, cli.Plural(j.Withdraws, "withdrawal", "withdrawals"))
	}
	if len(j.Other) > 0 {
		parts = append(parts, strings.Join(j.Other, "; "))
	}
	flagged := 0
	for _, e := range j.Entries {
		if len(e.Findings) > 0 {
			flagged++
		}
	}
	if flagged > 0 {
		parts = append(parts, cli.Plural(flagged, "entry with findings", "entries with findings"))
	}
	return strings.Join(parts, ", ")
}
