package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/inbox"
)

func (a *app) reportExport() *cobra.Command {
	var o listOptions
	var format string
	c := &cobra.Command{
		Use:   "export --format iccam",
		Short: "Print reports with the field names of ICCAM",
		Long: `Prints reports, the oldest first, as a JSON array with the field names of
ICCAM. What was assessed here has the classification of that. In the place of
the analyst's name stands the authority; lists of INTERPOL's kind are read-only
and left out.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if format != inbox.FormatICCAM {
				return cli.Misuse(fmt.Errorf("reports are not exported as %q", format), "--format iccam")
			}
			if err := o.check(); err != nil {
				return err
			}
			return a.atDesk(func(d *desk) error { return d.export(o) })
		},
	}
	o.flags(a, c)
	c.Flags().StringVar(&format, "format", "", "iccam")
	c.Flags().BoolVar(&a.json, "json", true, "it is JSON in any case")
	_ = c.Flags().MarkHidden("json")
	_ = c.MarkFlagRequired("format")
	oneOf(c, "format", inbox.FormatICCAM)
	return c
}

func (d *desk) export(o listOptions) error {
	x := inbox.NewExporter(d.out, d.Authority)
	err := d.choose(o, true, func(r *inbox.Report) error {
		if r.Format == inbox.FormatIWOL {
			return nil
		}
		a, err := d.box.Assessment(r)
		if err != nil {
			return err
		}
		return x.Add(r, a)
	})
	return errors.Join(err, x.Close())
}
