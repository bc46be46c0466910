package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/register"
)

func (a *app) checkCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "check",
		Short: "Check configuration, register, keys and editions",
		Long: `Replays the history of the register with its chain and all signatures, checks
the officers file, the never-block files, the signing key, the editions of each
list and the inbox of reports, and says what waits for somebody and what ends within 14 days.

It ends with 1 if there is a problem: a guard holds additions back, or would
refuse what is published; a never-block file is missing or lost half of its
names; an edition has expired or soon will, is damaged, or lags behind what was
decided for more than two scheduled times; an urgent withdrawal waits; a case
waits for its verdict for more than 7 days.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.with((*authority).check)
		},
	}
	c.Flags().BoolVar(&a.json, "json", false, "print JSON")
	return c
}

type checkJSON struct {
	Records  int64    `json:"records"`
	Head     string   `json:"head"`
	Officers int      `json:"officers"`
	Drafts   []string `json:"drafts"`
	Problems []string `json:"problems"`
	Notices  []string `json:"notices"`

	Inbox *inboxJSON `json:"inbox,omitempty"`
}

// report collects what check finds.
type report struct {
	problems []string
	notices  []string
	inbox    *inboxJSON // nil: there is none, or it is not whole
}

func (r *report) problem(err error) {
	if err != nil {
		r.problems = append(r.problems, err.Error())
	}
}

func (r *report) notice(format string, args ...any) {
	r.notices = append(r.notices, fmt.Sprintf(format, args...))
}

func (a *authority) check() error {
	r := &report{problems: []string{}, notices: []string{}}
	r.problem(a.checkSigner())
	if police := a.reg.Police(a.now()); a.reg.Founded() && police < a.Quorum.Add {
		r.problem(fmt.Errorf("quorum.add is %d, and there are %d police officers: nothing can be added", a.Quorum.Add, police))
	}
	if _, err := os.Stat(a.Editions); err != nil {
		r.problem(fmt.Errorf("editions: %w", err))
	}
	for i := range a.Lists {
		a.checkList(&a.Lists[i], r)
	}
	a.checkCases(r)
	a.checkInbox(r)
	if err := a.printReport(r); err != nil {
		return err
	}
	if len(r.problems) > 0 {
		return errors.New(cli.Plural(len(r.problems), "problem", "problems") + " found")
	}
	return nil
}

func (a *authority) printReport(r *report) error {
	head := a.reg.Head()
	drafts := []string{}
	for _, d := range a.reg.Decisions {
		if d.Status == register.Draft {
			drafts = append(drafts, d.ID.String())
		}
	}
	if a.json {
		return cli.PrintJSON(a.out, checkJSON{head.Records, head.Hash, len(a.reg.Officers), drafts, r.problems, r.notices, r.inbox})
	}
	fmt.Fprintf(a.out, "register: %d records, chain and signatures are whole, head %s\n", head.Records, head.Hash)
	fmt.Fprintf(a.out, "officers: %d; decisions: %d, of which %d are drafts\n", len(a.reg.Officers), len(a.reg.Decisions), len(drafts))
	if i := r.inbox; i != nil {
		fmt.Fprintf(a.out, "inbox: %d reports, %d events, chain and imports are whole; %d reported, %d assessed, %d drafted, %d rejected\n",
			i.Reports, i.Events, i.Reported, i.Assessed, i.Drafted, i.Rejected)
	}
	for _, d := range a.reg.Decisions {
		if d.Status == register.Draft {
			fmt.Fprintf(a.out, "waiting: %v on list %s, approved by %d of %d\n", d.ID, d.List, d.Valid(), a.needs(d))
		}
	}
	for _, n := range r.notices {
		fmt.Fprintf(a.out, "notice: %s\n", n)
	}
	for _, p := range r.problems {
		fmt.Fprintf(a.err, "problem: %s\n", p)
	}
	return nil
}

// announceDue says how many entries somebody has to look at.
func (a *authority) announceDue(l *ListConfig, r *report) {
	if due := a.reg.Due(l.Name, a.now()); len(due) > 0 {
		r.notice("list %s: %s due for a recheck, since %s: vaern recheck due", l.Name,
			cli.Plural(len(due), "entry is", "entries are"), due[0].Due.Format(time.DateOnly))
	}
}

// announceExpiries says which entries end soon, by id and day.
func (a *authority) announceExpiries(l *ListConfig, r *report) {
	soon := a.reg.Expiring(l.Name, a.now().Add(register.Notice))
	for i, e := range soon {
		if i == maxReasons {
			r.notice("list %s: and %d more entries end within 14 days", l.Name, len(soon)-i)
			return
		}
		r.notice("list %s: %v ends on %s unless a recheck finds it still so", l.Name, e.ID, e.At.UTC().Format(time.DateOnly))
	}
}
