package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/inbox"
	"github.com/vaern/vaern/internal/progress"
	"github.com/vaern/vaern/internal/source"
)

// importOptions are the flags of report import.
type importOptions struct {
	source, format      string
	columns             map[string]string
	dryRun, skipInvalid bool
}

func (a *app) reportImport() *cobra.Command {
	var o importOptions
	c := &cobra.Command{
		Use:   "import FILE --source NAME",
		Short: "Take the reports of a file into the inbox, all or none",
		Long: `Takes in a file of reports: CSV with a header row, JSON Lines (an object of
strings a line), or JSON with the field names of ICCAM; each may be compressed
(.gz, .zst). Columns and keys of the first two are

  ` + columnHelp() + `

of which only target is needed. Without a unit, what has a scheme is a url and
anything else a domain. --columns Theirs=ours,... says which columns of another
file to use. The same reference of the same source is one report, however often
it comes; the same target from another source is another report, and report
show names both.

--format iwol reads a list of INTERPOL's kind: CSV with the columns domain,
agencies (two at least, with a comma or semicolon between) and confirmed (a day,
at most 92 days ago). Its reports are assessed by those agencies, and read-only
here. What the next such list of the same source does not have any more is
drafted to be withdrawn, if it is in force.

A file with a column that looks like the name, mail, phone or address of whoever
reported, or like an image or a hash of one, is refused as a whole, and so is
one with such a value in any column. A line that is no report is told by its
number, and nothing is taken in, unless --skip-invalid leaves it out.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.importReports(args[0], o) },
	}
	f := c.Flags()
	f.StringVar(&o.source, "source", "", "who reported: `NAME` of a hotline or an authority, one word")
	f.StringVar(&o.format, "format", "", strings.Join(inbox.Formats, ", ")+"; if it can not be told from the file")
	f.StringToStringVar(&o.columns, "columns", nil, "columns or keys of the file to use, as `THEIRS=OURS,...`")
	f.BoolVar(&o.dryRun, "dry-run", false, "only say what would be taken in")
	f.BoolVar(&o.skipInvalid, "skip-invalid", false, "leave out lines that are no report, and count them")
	f.BoolVar(&a.json, "json", false, "print JSON")
	_ = c.MarkFlagRequired("source")
	_ = c.RegisterFlagCompletionFunc("source", a.completeSources)
	oneOf(c, "format", inbox.Formats...)
	return c
}

// columnHelp is the list of columns in lines that fit.
func columnHelp() string {
	half := len(inbox.Columns) / 2
	return strings.Join(inbox.Columns[:half], ", ") + ",\n  " + strings.Join(inbox.Columns[half:], ", ")
}

type importJSON struct {
	Source      string   `json:"source"`
	Format      string   `json:"format"`
	DryRun      bool     `json:"dry_run"`
	Added       int      `json:"added"`
	First       *string  `json:"first"`
	Last        *string  `json:"last"`
	Known       int      `json:"known"`
	Rejected    int      `json:"rejected"`
	Missing     []string `json:"missing"`
	Returned    []string `json:"returned"`
	Withdrawals []string `json:"withdrawals"`
}

// intake is one import on its way.
type intake struct {
	*app
	options importOptions
	path    string
	box     *inbox.Inbox
	imp     *inbox.Import
	result  importJSON
}

func (a *app) importReports(path string, o importOptions) error {
	if err := inbox.CheckSource(o.source); err != nil {
		return cli.Misuse(err, "")
	}
	c, now, err := a.configured()
	if err != nil {
		return err
	}
	f, err := source.Open(path)
	if err != nil {
		return cli.Misuse(fmt.Errorf("read reports: %w", err), "")
	}
	defer f.Close()
	box, err := inbox.OpenOrCreate(c.inboxPath(), now)
	if err != nil {
		return inboxError(err)
	}
	in := &intake{app: a, options: o, path: path, box: box}
	in.result = importJSON{Source: o.source, DryRun: o.dryRun, Missing: []string{}, Returned: []string{}, Withdrawals: []string{}}
	end := progress.Begin(a.err, "reading reports")
	err = inboxError(in.run(f, now()))
	end()
	if err != nil {
		return errors.Join(err, box.Close())
	}
	err = in.withdraw()
	return errors.Join(err, in.print(), box.Close())
}

// run reads the file into the inbox, as a whole or not at all.
func (in *intake) run(f io.Reader, now time.Time) (err error) {
	r := bufio.NewReaderSize(f, 256<<10)
	if in.options.format == "" {
		begin, err := r.Peek(4 << 10)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read reports: %w", err)
		}
		in.options.format = inbox.Detect(begin)
	}
	in.result.Format = in.options.format
	if in.imp, err = in.box.Begin(in.options.source, in.options.format); err != nil {
		return err
	}
	defer func() {
		if err != nil || in.options.dryRun {
			err = errors.Join(err, in.imp.Abandon())
		}
	}()
	unused, err := inbox.Read(r, inbox.Options{Format: in.options.format, Columns: in.options.columns, Now: now}, in.line)
	var private *inbox.PrivacyError
	var storage *storageError
	switch {
	case errors.As(err, &storage):
		return storage.error
	case errors.As(err, &private):
		return cli.Refuse(fmt.Errorf("%s is refused: %w", filepath.Base(in.path), err), private.Hint())
	case err != nil:
		return cli.Misuse(fmt.Errorf("read %s: %w", filepath.Base(in.path), err), "")
	}
	if len(unused) > 0 {
		fmt.Fprintf(in.err, "%s: columns not used: %s\n", filepath.Base(in.path), strings.Join(unused, ", "))
	}
	switch {
	case in.result.Rejected > 0 && !in.options.skipInvalid:
		return cli.Refuse(fmt.Errorf("nothing was taken in: %s no report", cli.Plural(in.result.Rejected, "line is", "lines are")),
			"mend the lines, or leave them out with --skip-invalid")
	case in.result.Added+in.result.Known == 0:
		return cli.Refuse(errors.New("nothing was taken in: there is no report in the file"), "")
	case in.options.dryRun:
		return nil
	}
	return in.imp.Commit()
}

// storageError is what a disk says while a file is read.
type storageError struct{ error }

func (in *intake) line(line inbox.Line) error {
	where, reason := line.Where, line.Err
	if reason == nil {
		outcome, err := in.imp.Add(&line.Report)
		if err != nil {
			return &storageError{err}
		}
		switch outcome {
		case inbox.Added:
			in.result.Added++
			id := line.Report.ID.String()
			if in.result.First == nil {
				in.result.First = &id
			}
			in.result.Last = &id
		case inbox.Known:
			in.result.Known++
		case inbox.Clash:
			reason = errors.New("syntax: its reference is that of another report of this source, with another target")
		}
	}
	if reason != nil {
		in.result.Rejected++
		fmt.Fprintf(in.err, "%s:%s: %v\n", filepath.Base(in.path), where, reason)
	}
	return nil
}

// withdraw drafts the withdrawal of what a list of INTERPOL's kind does not have
// any more. If the process dies before it, the next list finds the same.
func (in *intake) withdraw() error {
	if in.options.format != inbox.FormatIWOL || in.options.dryRun {
		return nil
	}
	returned, err := in.box.Returned(in.options.source)
	if err != nil {
		return inboxError(err)
	}
	for _, id := range returned {
		in.result.Returned = append(in.result.Returned, id.String())
	}
	missing, err := in.box.Missing(in.options.source)
	if err != nil || len(missing) == 0 {
		return inboxError(err)
	}
	for _, id := range missing {
		in.result.Missing = append(in.result.Missing, id.String())
	}
	return in.with(func(auth *authority) error {
		drafts, err := auth.withdrawMissing(in.options.source, missing)
		for _, d := range drafts {
			in.result.Withdrawals = append(in.result.Withdrawals, d.String())
		}
		return err
	})
}

// withdrawMissing drafts, for each list, the withdrawal of the entries that come
// from reports and are in force or suspended, but for those that a draft would
// take out already.
func (a *authority) withdrawMissing(source string, reports []blocklist.ReportID) ([]blocklist.DecisionID, error) {
	leaving := a.reg.Leaving()
	from := map[blocklist.EntryID]bool{}
	for _, id := range reports {
		if at, ok := a.reg.Drafted(id); ok {
			if _, twice := leaving[at.Entry]; !twice {
				from[at.Entry] = true
			}
		}
	}
	var made []blocklist.DecisionID
	for i := range a.Lists {
		d := blocklist.Decision{
			List:  a.Lists[i].Name,
			Basis: fmt.Sprintf("not on the list of %s any more, as of %s", source, a.now().UTC().Format(time.DateOnly)),
		}
		for _, e := range slices.Concat(a.reg.InForce(d.List), a.reg.Suspended(d.List)) {
			if from[e.ID] {
				d.Withdraw = append(d.Withdraw, blocklist.Withdrawal{ID: e.ID, Target: e.Target})
			}
		}
		if len(d.Withdraw) == 0 {
			continue
		}
		draft, err := a.reg.NewDraft(d, 0)
		if err != nil {
			return made, err
		}
		made = append(made, draft.ID)
	}
	return made, nil
}

func (in *intake) print() error {
	j := in.result
	if in.json {
		return cli.PrintJSON(in.out, j)
	}
	what := "taken in"
	if j.DryRun {
		what = "would be taken in"
	}
	ids := ""
	switch {
	case j.Added == 1 && !j.DryRun:
		ids = ": " + *j.First
	case j.Added > 1 && !j.DryRun:
		ids = ": " + *j.First + " to " + *j.Last
	}
	_, err := fmt.Fprintf(in.out, "%s %s from %s%s\nleft out: %d known already, %d invalid\n",
		cli.Plural(j.Added, "report", "reports"), what, j.Source, ids, j.Known, j.Rejected)
	if len(j.Missing) > 0 {
		_, err = fmt.Fprintf(in.out, "not on this list any more: %s\n", summary(j.Missing))
	}
	if len(j.Returned) > 0 {
		_, err = fmt.Fprintf(in.out, "on this list again, to be drafted by their ids: %s\n", summary(j.Returned))
	}
	for _, d := range j.Withdrawals {
		_, err = fmt.Fprintf(in.out, "drafted %s, which withdraws what of them is in force: vaern decision show %s\n", d, d)
	}
	return err
}

// maxListed is how many ids stand in one line.
const maxListed = 8

func summary(ids []string) string {
	if len(ids) > maxListed {
		return strings.Join(ids[:maxListed], ", ") + fmt.Sprintf(" and %d more", len(ids)-maxListed)
	}
	return strings.Join(ids, ", ")
}
