package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/inbox"
)

// assessOptions are the flags of report assess. What is empty is as the report
// says.
type assessOptions struct {
	class, unit, siteType, dedicated, compromised, country string
	related                                                []string
	as, reason                                             string
}

func (a *app) reportAssess() *cobra.Command {
	var o assessOptions
	c := &cobra.Command{
		Use:   "assess ID... --class CLASS --as NAME",
		Short: "Say what somebody who looked at reports found",
		Long: `Assesses one report, or several alike (R1 R5-R9), all or none. What is not said
is as the report says; a report may be assessed again, until it is drafted.

The classes are those of ICCAM: baseline and national may become an entry,
doubtful and ignore do not. --unit domain or host blocks the host of a reported
URL. On a site type that many people share (file-host, image-host, forum,
social, blog, archive, search), by the report or by --site-type, that takes
--dedicated yes: the whole name serves the one purpose.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.changing(args, o.as, func(auth *authority, box *inbox.Inbox, ids []blocklist.ReportID) error {
				return auth.assess(box, ids, o)
			})
		},
		ValidArgsFunction: a.completeReports(false, inbox.Reported, inbox.Assessed),
	}
	f := c.Flags()
	f.StringVar(&o.class, "class", "", "baseline, national, doubtful or ignore")
	f.StringVar(&o.unit, "unit", "", "domain, host or url: how much to block")
	f.StringVar(&o.siteType, "site-type", "", "`TYPE` of site, such as website, web-page, forum, image-host")
	f.StringVar(&o.dedicated, "dedicated", "", "yes or no: the whole name serves the one purpose")
	f.StringVar(&o.compromised, "compromised", "", "yes or no: a lawful site that was broken into")
	f.StringVar(&o.country, "country", "", "where it is hosted: `CC`, two letters")
	f.StringSliceVar(&o.related, "related", nil, "entries that have to do with it: `E1,E2`")
	f.StringVar(&o.as, "as", "", "`NAME` of the officer, police or hotline")
	f.StringVar(&o.reason, "reason", "", "why, in one line; - reads standard input")
	f.BoolVar(&a.json, "json", false, "print JSON")
	_ = c.MarkFlagRequired("class")
	_ = c.MarkFlagRequired("as")
	oneOf(c, "class", "baseline", "national", "doubtful", "ignore")
	oneOf(c, "unit", "domain", "host", "url")
	oneOf(c, "site-type", inbox.SiteTypes()...)
	oneOf(c, "dedicated", "yes", "no")
	oneOf(c, "compromised", "yes", "no")
	return c
}

// assessment reads the flags; what only a report can tell is left empty.
func (o *assessOptions) assessment() (a inbox.Assessment, err error) {
	if a.Class, err = inbox.ParseClass(o.class); err != nil {
		return a, err
	}
	if o.unit != "" {
		if a.Unit, err = blocklist.ParseUnit(o.unit); err != nil {
			return a, err
		}
	}
	if o.siteType != "" {
		if a.SiteType, err = inbox.ParseSiteType(o.siteType); err != nil {
			return a, err
		}
	}
	for _, s := range o.related {
		id, err := blocklist.ParseEntryID(s)
		if err != nil {
			return a, err
		}
		a.Related = append(a.Related, id)
	}
	a.Dedicated, a.Compromised, a.Country = o.dedicated, o.compromised, o.country
	return a, nil
}

// complete fills in what the report says and the assessment does not.
func (o *assessOptions) complete(a inbox.Assessment, r *inbox.Report) *inbox.Assessment {
	if o.unit == "" {
		a.Unit = r.Target.Unit
	}
	if a.SiteType == "" {
		a.SiteType = r.SiteType
	}
	for _, f := range []struct {
		said *string
		was  string
	}{{&a.Dedicated, r.Dedicated}, {&a.Compromised, r.Compromised}, {&a.Country, r.Country}} {
		if *f.said == "" {
			*f.said = f.was
		}
	}
	return &a
}

func (a *authority) assess(box *inbox.Inbox, ids []blocklist.ReportID, o assessOptions) error {
	found, err := o.assessment()
	if err != nil {
		return cli.Misuse(err, "see vaern report assess --help")
	}
	for _, id := range found.Related {
		if _, err := a.reg.DecisionOf(id); err != nil {
			return cli.Misuse(fmt.Errorf("--related: %w", err), "")
		}
	}
	act := inbox.Act{Who: o.as, Assess: func(r *inbox.Report) (*inbox.Assessment, error) { return o.complete(found, r), nil }}
	return a.change(box, ids, act, o.reason, "assessed as "+o.class)
}

// changedJSON is what assess and reject print.
type changedJSON struct {
	IDs   []string `json:"ids"`
	State string   `json:"state"`
}

// change does something to reports, and says so.
func (a *authority) change(box *inbox.Inbox, ids []blocklist.ReportID, act inbox.Act, reason, what string) error {
	why, err := cli.Text(reason, a.in)
	if err == nil && why != "" {
		err = blocklist.CheckLine(why)
	}
	if err != nil {
		return cli.Misuse(fmt.Errorf("reason: %w", err), "say it in one line")
	}
	act.Why = why
	if err := box.Change(ids, act); err != nil {
		return changeError(err)
	}
	j := changedJSON{State: inbox.Rejected.String()}
	if act.Assess != nil {
		j.State = inbox.Assessed.String()
	}
	for _, id := range ids {
		j.IDs = append(j.IDs, id.String())
	}
	if a.json {
		return cli.PrintJSON(a.out, j)
	}
	_, err = fmt.Fprintf(a.out, "%s %s\n", summary(j.IDs), what)
	return err
}
