package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/cmd/internal/cli"
)

type ispList struct {
	*program
	json bool
}

func newISPList(p *program) *cobra.Command {
	o := ispList{program: p}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List all ISPs",
		Long: `List all ISPs, the revoked ones too. A file that the server would refuse is an
error; the others are listed all the same.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return o.run() },
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON: [{name, lists, addresses, created, revoked, tsig: {name, algorithm}}]")
	return cmd
}

func (o ispList) run() error {
	s, err := o.load()
	if err != nil {
		return err
	}
	table, err := readISPs(s.ISPs)
	if err != nil {
		return err
	}
	all := make([]ispJSON, 0, len(table.ISPs))
	for n := range table.ISPs {
		all = append(all, describe(&table.ISPs[n]))
	}
	if o.json {
		err = cli.PrintJSON(o.stdout, all)
	} else {
		err = o.print(all)
	}
	return errors.Join(append([]error{err}, table.Refused...)...)
}

func (o ispList) print(all []ispJSON) error {
	w := tabwriter.NewWriter(o.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "NAME\tLISTS\tADDRESSES\tSINCE\tSTATE")
	for _, i := range all {
		state := "in force"
		if i.Revoked != nil {
			state = "revoked " + i.Revoked.Format("2006-01-02 15:04")
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", i.Name, strings.Join(i.Lists, ","), addressText(i.Addresses), i.Created.Format("2006-01-02"), state)
	}
	return w.Flush()
}

func addressText(all []netip.Prefix) string {
	var text []string
	for _, a := range all {
		text = append(text, a.String())
	}
	return either(strings.Join(text, ","), "any")
}
