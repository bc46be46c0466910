package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/progress"
	"github.com/vaern/vaern/internal/stats"
)

type statsOptions struct {
	list, from, to   string
	format, language string
}

var statsFormats = []string{"json", "csv", "html"}

func (a *app) statsCommand() *cobra.Command {
	var o statsOptions
	c := &cobra.Command{
		Use:   "stats --from DAY --to DAY",
		Short: "Count what came, left and was looked at, without a name",
		Long: `Counts, from the signed history and the inbox of reports: entries in force,
added, and removed by reason; each by unit, source, class and country; days
between the steps; age and rechecks; complaints; guards overridden; decisions
that two officers signed. Both days are counted, in UTC.

No listed name is in it. A count of one to four is hidden (null, * in CSV and on
the page), and what it could be worked out from is, too. A second run prints the
same, as long as the register says the same of that time.

--format html is a page in one file, in English or Danish (--lang da).`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if a.json {
				o.format = "json"
			}
			in := &stats.Input{}
			if err := o.read(in); err != nil {
				return err
			}
			return a.with(func(auth *authority) error { return auth.stats(in, o) })
		},
	}
	f := c.Flags()
	f.StringVar(&o.list, "list", "", "only `LIST`")
	f.StringVar(&o.from, "from", "", "first `DAY`, like 2026-01-01")
	f.StringVar(&o.to, "to", "", "last `DAY`")
	f.StringVar(&o.format, "format", "json", "json, csv or html")
	f.StringVar(&o.language, "lang", "en", "of html: en or da")
	f.BoolVar(&a.json, "json", false, "the same as --format json")
	_ = c.MarkFlagRequired("from")
	_ = c.MarkFlagRequired("to")
	oneOf(c, "format", statsFormats...)
	oneOf(c, "lang", stats.Languages...)
	return c
}

// read holds the flags to their form, and takes the time from them.
func (o *statsOptions) read(in *stats.Input) error {
	var err error
	if in.From, in.To, err = daysOf(o.from, o.to); err != nil {
		return err
	}
	switch {
	case !slices.Contains(statsFormats, o.format):
		return cli.Misuse(fmt.Errorf("there is no format %q", o.format), "--format json, csv or html")
	case !slices.Contains(stats.Languages, o.language):
		return cli.Misuse(fmt.Errorf("there is no page in %q", o.language), "--lang en or da")
	}
	return nil
}

func (a *authority) stats(in *stats.Input, o statsOptions) error {
	if in.To.AddDate(0, 0, -1).After(a.now()) {
		return cli.Misuse(errors.New("--to has not come yet"), "today at the latest, in UTC")
	}
	end := progress.Begin(a.err, "counting")
	err := a.gather(in, o.list)
	end()
	if err != nil {
		return err
	}
	figures := stats.Count(in)
	switch o.format {
	case "csv":
		return figures.WriteCSV(a.out)
	case "html":
		return figures.WritePage(a.out, o.language)
	}
	return cli.PrintJSON(a.out, figures)
}
