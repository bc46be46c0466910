package main

import (
	"errors"
	"fmt"
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
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON: [{name, lists, addresses, notify, wave, tls_only, created, revoked, tsig: {name, algorithm}, cert_sha256, previous: {until, ...}}]")
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
		all = append(all, describe(&table.ISPs[n], s.now()))
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
	_, _ = fmt.Fprintln(w, "NAME\tLISTS\tADDRESSES\tNOTIFY\tWAVE\tTLS\tSINCE\tSTATE")
	for _, i := range all {
		state := "in force"
		switch {
		case i.Revoked != nil:
			state = "revoked " + i.Revoked.Format("2006-01-02 15:04")
		case i.Previous != nil:
			state = "in force, old credentials until " + i.Previous.Until.Format("2006-01-02 15:04")
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", i.Name, strings.Join(i.Lists, ","), joined(i.Addresses, "any"),
			joined(i.Notify, "-"), either(i.Wave, "-"), i.tls(), i.Created.Format("2006-01-02"), state)
	}
	return w.Flush()
}

// tls says in a word what TLS is to an ISP.
func (i ispJSON) tls() string {
	switch {
	case i.TLSOnly && i.Cert != "":
		return "only,cert"
	case i.TLSOnly:
		return "only"
	case i.Cert != "":
		return "cert"
	}
	return "-"
}

func joined[T fmt.Stringer](all []T, none string) string {
	var text []string
	for _, a := range all {
		text = append(text, a.String())
	}
	return either(strings.Join(text, ","), none)
}
