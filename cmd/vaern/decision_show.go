package main

import (
	"bufio"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/register"
)

func (a *app) decisionShow() *cobra.Command {
	c := &cobra.Command{
		Use:   "show ID",
		Short: "Show a decision, with what the guards say of it now",
		Long: `Each addition is said to be new, existing (listed already), reactivated (was
listed before), covered (by a domain that is listed: it adds nothing) or refused
by a guard, and flagged if it should be looked at again. Of a draft it also says
what would hold it back if it were in force now.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeDecisions(),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withDecision(args[0], func(auth *authority, d *register.Decision) error { return auth.showDecision(d) })
		},
	}
	c.Flags().BoolVar(&a.json, "json", false, "print JSON")
	return c
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
	if held := j.heldBack(); held != "" {
		fmt.Fprintln(w, held)
	}
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
		sign := map[string]string{"add": "+", "withdraw": "-", "suspend": "~", "resume": "^", "recheck": "="}[e.Change]
		line := fmt.Sprintf("%s %s\t%s\t%s", sign, e.ID, e.Unit, e.Target)
		if len(e.Findings) > 0 && !slices.Equal(e.Findings, plainlyNew) {
			found := "[" + strings.Join(e.Findings, "; ") + "]"
			if columns(line+"\t"+found) < pageWidth {
				line += "\t" + found
			} else {
				line += "\n" + wrap(strings.Repeat(" ", 8), found)
			}
		}
		fmt.Fprintln(w, line)
	}
	return w.Flush()
}
