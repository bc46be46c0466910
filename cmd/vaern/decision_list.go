package main

import (
	"bytes"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

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
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tLIST\tSTATE\tDRAFTED\tADDS\tTAKES\tSIGNED\t")
	for i, j := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%d/%d\t\n", j.ID, j.List, j.State, j.Drafted.Format(time.DateOnly),
			j.Adds+j.Resumes, j.Withdraws+j.Suspends, a.reg.Decisions[i].Valid(), j.Needs)
	}
	_ = w.Flush() // into memory
	// What is left of the line is for the basis.
	for i := 0; ; i++ {
		line, err := table.ReadString('\n')
		if err != nil {
			return nil
		}
		line, basis := strings.TrimSuffix(line, "\n"), "BASIS"
		if i > 0 {
			basis = short(all[i-1].Basis, max(pageWidth-1-utf8.RuneCountInString(line), minBasis))
		}
		if _, err := fmt.Fprintf(a.out, "%s%s\n", line, basis); err != nil {
			return err
		}
	}
}

// minBasis is how much of a basis is shown however long the line becomes.
const minBasis = 12

func short(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
