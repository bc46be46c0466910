package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/cmd/internal/cli"
)

func (a *app) decisionList() *cobra.Command {
	c := &cobra.Command{
		Use:   "list",
		Short: "List all decisions",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.with(func(auth *authority) error { return auth.listDecisions() })
		},
	}
	c.Flags().BoolVar(&a.json, "json", false, "print JSON")
	return c
}

func (a *authority) listDecisions() error {
	all := []decisionJSON{}
	for _, d := range a.reg.Decisions {
		all = append(all, a.decisionJSON(d))
	}
	if a.json {
		return cli.PrintJSON(a.out, all)
	}
	w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tLIST\tSTATE\tDRAFTED\tADDS\tTAKES\tSIGNED\tBASIS")
	for i, j := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%d/%d\t%s\n", j.ID, j.List, j.State, j.Drafted.Format(time.DateOnly),
			j.Adds+j.Resumes, j.Withdraws+j.Suspends, a.reg.Decisions[i].Valid(), j.Needs, short(j.Basis, 30))
	}
	return w.Flush()
}

func short(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
