package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/inbox"
	"github.com/vaern/vaern/internal/register"
)

func (a *app) reportCommand() *cobra.Command {
	c := cli.Group("report", "Take in reports, assess them, and see what became of them",
		a.reportImport(), a.reportList(), a.reportShow(), a.reportAssess(), a.reportReject(), a.reportExport())
	c.Long = `What hotlines and other police forces report waits in an inbox beside the
register until somebody has looked at it. A report alone blocks nothing:

  vaern report import FILE --source hotline
  vaern report assess R1 --class baseline --unit domain --dedicated yes --as anna
  vaern decision new --from-report R1 --basis "case 17"

A report is reported, then assessed, then drafted as an entry of a decision, or
rejected. What becomes of the entry is known from the register.`
	return c
}

// desk is the inbox with what the register knows of its reports.
type desk struct {
	*Config
	*app
	now    func() time.Time
	box    *inbox.Inbox
	drafts *register.Draftings
}

// errNoReports is why there is nothing to open.
var errNoReports = errors.New("there is no report yet")

// inboxPath is where the reports are: beside the register.
func (c *Config) inboxPath() string { return filepath.Join(filepath.Dir(c.Register), "inbox.db") }

func (c *Config) openInbox(now func() time.Time) (*inbox.Inbox, error) {
	box, err := inbox.Open(c.inboxPath(), now)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cli.Misuse(errNoReports, "vaern report import FILE --source NAME")
	}
	return box, inboxError(err)
}

// atDesk runs a command on the inbox, which does not replay the register.
func (a *app) atDesk(run func(*desk) error) error {
	d, err := a.openDesk()
	if err != nil {
		return err
	}
	return errors.Join(inboxError(run(d)), d.box.Close())
}

func (a *app) openDesk() (*desk, error) {
	c, now, err := a.configured()
	if err != nil {
		return nil, err
	}
	box, err := c.openInbox(now)
	if err != nil {
		return nil, err
	}
	drafts, err := register.ReadDraftings(c.Register)
	if err != nil {
		return nil, errors.Join(err, box.Close())
	}
	return &desk{c, a, now, box, drafts}, nil
}

// drafted is the state that the register knows.
const drafted = "drafted"

// states are what a report can be.
var states = []string{"reported", "assessed", drafted, "rejected"}

// drafted says in what a report is drafted. One that was rejected in the inbox
// is not any more: what became of it had come to its end before.
func (d *desk) drafted(r *inbox.Report) (register.Drafted, bool) {
	at, ok := d.drafts.Current(r.ID)
	return at, ok && r.State != inbox.Rejected
}

// state says where a report is, with what the register knows.
func (d *desk) state(r *inbox.Report) string {
	if _, ok := d.drafted(r); ok {
		return drafted
	}
	return r.State.String()
}

// maxRange bounds what one argument may mean.
const maxRange = 100_000

// parseReports reads R1, R5-R9 and several of them with commas, and leaves none
// out and none twice.
func parseReports(args []string) ([]blocklist.ReportID, error) {
	var ids []blocklist.ReportID
	for _, arg := range args {
		for part := range strings.SplitSeq(arg, ",") {
			from, to, several := strings.Cut(part, "-")
			first, err := blocklist.ParseReportID(from)
			last := first
			if err == nil && several {
				last, err = blocklist.ParseReportID(to)
			}
			if err != nil || last < first || last-first >= maxRange || len(ids) >= maxRange {
				return nil, cli.Misuse(errors.New("not ids of reports like R5, R5,R7 or R5-R9"), "vaern report list shows them")
			}
			for id := first; id <= last; id++ {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// changing opens register and inbox for a command that changes reports: who
// does it must be an officer, and what is drafted is left alone.
func (a *app) changing(args []string, as string, run func(*authority, *inbox.Inbox, []blocklist.ReportID) error) error {
	ids, err := parseReports(args)
	if err != nil {
		return err
	}
	return a.with(func(auth *authority) error {
		if !auth.isOfficer(as) {
			return cli.Misuse(fmt.Errorf("there is no officer %q now", as), "vaern officer list shows who there is")
		}
		for _, id := range ids {
			if at, ok := auth.reg.Holds(id); ok {
				return cli.Refuse(fmt.Errorf("%v: it is drafted as %v in %v", id, at.Entry, at.Decision),
					"reject or replace the draft first; what is decided is taken back by a decision that withdraws it")
			}
		}
		box, err := auth.openInbox(auth.now)
		if err != nil {
			return err
		}
		return errors.Join(run(auth, box, ids), box.Close())
	})
}

// isOfficer says whether somebody is one now, of whatever role.
func (a *authority) isOfficer(name string) bool {
	return slices.ContainsFunc(a.reg.Officers, func(o *register.Officer) bool { return o.Name == name && o.Revoked.IsZero() })
}

// maxCompleted bounds how many ids a shell is offered.
const maxCompleted = 50

// completeReports offers the newest reports in some states, and those that are
// drafted only if they are wanted too.
func (a *app) completeReports(draftedToo bool, in ...inbox.State) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var offered []string
		_ = a.atDesk(func(d *desk) error { // a shell that asks is told of no error
			for _, s := range in {
				ids, err := d.box.Newest(s, maxCompleted)
				if err != nil {
					return err
				}
				for _, id := range ids {
					if _, ok := d.drafts.Current(id); !ok || draftedToo {
						offered = append(offered, id.String())
					}
				}
			}
			return nil
		})
		return offered, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeSources offers the sources that there are.
func (a *app) completeSources(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	_ = a.atDesk(func(d *desk) (err error) {
		names, err = d.box.Sources()
		return err
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

// oneOf completes a flag that has few values.
func oneOf(c *cobra.Command, flag string, values ...string) {
	_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}
