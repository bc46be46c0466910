package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/isp"
)

type ispShow struct {
	*program
	json bool
}

func newISPShow(p *program) *cobra.Command {
	o := ispShow{program: p}
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show one ISP, without its secrets",
		Long:  `Show what is known of one ISP. Secrets are not shown again.`,
		Args:  cobra.ExactArgs(1),
		RunE:  func(_ *cobra.Command, args []string) error { return o.run(args[0]) },
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON: {name, lists, addresses, created, revoked, tsig: {name, algorithm}}")
	return cmd
}

func (o ispShow) run(name string) error {
	s, err := o.load()
	if err != nil {
		return err
	}
	i, err := isp.Load(s.ISPs, name)
	if err != nil {
		return ispOutcome(err)
	}
	if o.json {
		return cli.PrintJSON(o.stdout, describe(&i))
	}
	_, err = fmt.Fprintf(o.stdout, "name       %s\nlists      %s\naddresses  %s\ncreated    %s\n",
		i.Name, strings.Join(i.Lists, ", "), addressText(i.Addresses), i.Created.Format(time.RFC3339))
	if err != nil {
		return err
	}
	if i.Revoked.IsZero() {
		_, err = fmt.Fprintf(o.stdout, "TSIG key   %s, %s\n", i.TSIG.Name, i.TSIG.Algorithm)
	} else {
		_, err = fmt.Fprintf(o.stdout, "revoked    %s\n", i.Revoked.Format(time.RFC3339))
	}
	return err
}
