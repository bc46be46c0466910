package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
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
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON: {name, lists, addresses, notify, wave, tls_only, created, revoked, tsig: {name, algorithm}, cert_sha256, previous: {until, ...}}")
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
	d := describe(&i, s.now())
	if o.json {
		return cli.PrintJSON(o.stdout, d)
	}
	return d.print(o.stdout)
}

func (i ispJSON) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(what, says string) {
		if says != "" {
			_, _ = fmt.Fprintf(w, "%s\t%s\n", what, says)
		}
	}
	line("name", i.Name)
	line("lists", strings.Join(i.Lists, ", "))
	line("addresses", joined(i.Addresses, "any"))
	line("notify", joined(i.Notify, ""))
	line("wave", i.Wave)
	if i.TLSOnly {
		line("DNS", "over TLS only")
	}
	line("created", i.Created.Format(time.RFC3339))
	if i.Revoked != nil {
		line("revoked", i.Revoked.Format(time.RFC3339))
	}
	if i.TSIG != nil {
		line("TSIG key", i.TSIG.Name+", "+i.TSIG.Algorithm)
	}
	line("cert SHA-256", i.Cert)
	if p := i.Previous; p != nil {
		line("until", p.Until.Format(time.RFC3339)+" also:")
		line("  TSIG key", p.TSIG.Name+", "+p.TSIG.Algorithm)
		line("  cert SHA-256", p.Cert)
	}
	return w.Flush()
}
