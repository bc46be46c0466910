package main

import (
	"bytes"
	"encoding/csv"
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
	"github.com/vaern/vaern/internal/durable"
	"github.com/vaern/vaern/internal/register"
)

type recheckOptions struct {
	as, key           string
	file, date, note  string
	basis             string
	dryRun            bool
	entry, resultText string
}

func (a *app) recheckRecord() *cobra.Command {
	var o recheckOptions
	c := &cobra.Command{
		Use:   "record (ID RESULT | --file FILE) --as NAME --key FILE",
		Short: "Record and sign what was found of entries",
		Long: `Makes a decision of what was found, signs it with the key of one officer, of
police or hotline, and records both. RESULT is one of

  still          it is as it was: the entry stays for 92 days from that day
  moved          it is somewhere else now: the entry stays as long as it would
                 have, and the new place is a new report
  gone           there is nothing any more
  parked         there is only a page of who sells or parks names
  changed-owner  the name is somebody else's now: the entry is suspended at once

What is gone or parked is withdrawn by the same signature, if it is a police
officer's; a hotline officer's has the withdrawal drafted. Where more signatures
are needed, by quorum.withdraw or beyond max_shrink, what takes out is drafted
for them, and the rest recorded. What hotline officers suspend in 24 hours counts
together against max_shrink.

FILE is CSV with a header row: id,result,date,note; the last two may be left
out. A line that is wrong is reported with its number, and nothing is recorded.
Nothing brings back an entry that is out.`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			switch {
			case o.file == "" && len(args) == 2:
				o.entry, o.resultText = args[0], args[1]
			case o.file == "" || len(args) > 0 || o.note != "":
				return cli.Misuse(errors.New("recheck record needs either ID and RESULT, or --file"), "see vaern recheck record --help")
			}
			return a.with(func(auth *authority) error { return auth.recordRechecks(o) })
		},
	}
	f := c.Flags()
	f.StringVar(&o.as, "as", "", "`NAME` of the officer who signs")
	f.StringVar(&o.key, "key", "", "sign with the key in `FILE`")
	f.StringVar(&o.file, "file", "", "record what `FILE` says")
	f.StringVar(&o.date, "date", "", "the `DAY` on which somebody looked, like 2026-12-31 (default today, in UTC)")
	f.StringVar(&o.note, "note", "", "a `TEXT` that stays in the house")
	f.StringVar(&o.basis, "basis", "recheck", "why, in one line; - reads standard input")
	f.BoolVar(&o.dryRun, "dry-run", false, "only show what would be recorded")
	f.BoolVar(&a.json, "json", false, "print JSON, an object a line for each list")
	c.MarkFlagsOneRequired("key", "dry-run")
	c.MarkFlagsOneRequired("as", "dry-run")
	return c
}

// recheckJSON is what came of the rechecks of one list.
type recheckJSON struct {
	List      string         `json:"list"`
	ID        *string        `json:"id"` // of the decision; null: a dry run
	Results   map[string]int `json:"results"`
	Suspended int            `json:"suspended"`
	Withdrawn int            `json:"withdrawn"`
	Draft     *string        `json:"draft"` // of what more officers have to sign; null: there is none
	Drafted   int            `json:"drafted"`
}

func (a *authority) recordRechecks(o recheckOptions) error {
	basis, err := cli.Text(o.basis, a.in)
	if err != nil {
		return err
	}
	if err := blocklist.CheckLine(basis); err != nil {
		return cli.Misuse(fmt.Errorf("basis: %w", err), "say it in one line")
	}
	found, err := a.foundAgain(o)
	if err != nil {
		return err
	}
	var sign func([]byte) ([]byte, error)
	if !o.dryRun {
		var release func()
		if sign, release, err = a.officerSigner(o.key); err != nil {
			return err
		}
		defer release()
	}
	for i := range a.Lists {
		l := &a.Lists[i]
		if len(found[l.Name]) == 0 {
			continue
		}
		if err := a.recheckList(l, found[l.Name], basis, o, sign); err != nil {
			return err
		}
	}
	return nil
}

// recheckList decides on what was found of the entries of one list.
func (a *authority) recheckList(l *ListConfig, found []blocklist.Recheck, basis string, o recheckOptions, sign func([]byte) ([]byte, error)) error {
	var d, rest blocklist.Decision
	hotline := a.reg.Role(o.as) == blocklist.Hotline
	needs := func(d *register.Decision) int {
		if hotline && a.hotlineShrinks(l, d.Suspends) {
			return a.Quorum.Add
		}
		return a.needs(d)
	}
	split := func() (blocklist.Decision, error) {
		d, rest = takesOut(l.Name, basis, found)
		if hotline {
			d.Withdraw, rest.Withdraw = nil, d.Withdraw
		}
		counted := func() *register.Decision {
			return &register.Decision{List: d.List, Rechecks: len(d.Rechecks), Withdraws: len(d.Withdraw), Suspends: len(d.Suspend)}
		}
		if len(d.Withdraw) > 0 && needs(counted()) > 1 {
			d.Withdraw, rest.Withdraw = nil, d.Withdraw
		}
		if len(d.Suspend) > 0 && needs(counted()) > 1 {
			d.Suspend, rest.Suspend = nil, d.Suspend
		}
		return d, nil
	}
	_, _ = split()
	j := recheckJSON{List: l.Name, Results: map[string]int{}}
	for _, c := range found {
		j.Results[c.Result.String()]++
	}
	j.Suspended, j.Withdrawn, j.Drafted = len(d.Suspend), len(d.Withdraw), len(rest.Withdraw)+len(rest.Suspend)
	if o.dryRun {
		return a.printRecheck(j, o.as)
	}
	if a.onTerminal() {
		fmt.Fprintln(a.err, j)
		if err := a.ask("sign that?"); err != nil {
			return err
		}
	}
	made, err := a.reg.Decide(split, needs, o.as, sign)
	if err != nil {
		return refusedOfficer("record rechecks", err)
	}
	id := made.ID.String()
	j.ID, j.Suspended, j.Withdrawn, j.Drafted = &id, len(d.Suspend), len(d.Withdraw), len(rest.Withdraw)+len(rest.Suspend)
	if j.Drafted > 0 {
		rest.Basis = fmt.Sprintf("recheck %v: %s", made.ID, basis)
		draft, err := a.reg.NewDraft(rest, 0)
		if err != nil {
			return cli.Fail(fmt.Errorf("%v is recorded; draft what it takes out: %w", made.ID, err), "draft it with vaern decision new --withdraw FILE")
		}
		id := draft.ID.String()
		j.Draft = &id
	}
	for _, c := range found {
		if c.Result == blocklist.Moved {
			fmt.Fprintf(a.err, "%v has moved: where it is now is a new report\n", c.ID)
		}
	}
	return a.printRecheck(j, o.as)
}

// takesOut makes a decision of what was found: what was gone or parked is
// withdrawn, what changed its owner suspended. rest is for what has to wait.
func takesOut(list, basis string, found []blocklist.Recheck) (d, rest blocklist.Decision) {
	d = blocklist.Decision{List: list, Basis: basis, Rechecks: found}
	for _, c := range found {
		w := blocklist.Withdrawal{ID: c.ID, Target: c.Target}
		switch c.Result {
		case blocklist.Gone, blocklist.Parked:
			d.Withdraw = append(d.Withdraw, w)
		case blocklist.ChangedOwner:
			d.Suspend = append(d.Suspend, w)
		}
	}
	return d, blocklist.Decision{List: list}
}

// hotlineShrinks says whether hotline officers would suspend more in 24 hours
// than one person may take off the list: each of their decisions may be small.
func (a *authority) hotlineShrinks(l *ListConfig, suspends int) bool {
	before := a.reg.HotlineSuspended(l.Name, a.now().Add(-24*time.Hour))
	return suspends > 0 && l.maxShrink().Exceeded(before+suspends, len(a.reg.InForce(l.Name))+before)
}

// foundAgain reads what was found, by list. Each entry has to be in force.
func (a *authority) foundAgain(o recheckOptions) (map[string][]blocklist.Recheck, error) {
	rows := []recheckRow{{id: o.entry, result: o.resultText, note: o.note}}
	if o.file != "" {
		var err error
		if rows, err = readRechecks(o.file); err != nil {
			return nil, cli.Misuse(fmt.Errorf("read rechecks: %w", err), "a CSV with the columns id,result,date,note")
		}
	}
	found := map[string][]blocklist.Recheck{}
	seen := map[blocklist.EntryID]bool{}
	wrong := 0
	for _, row := range rows {
		if row.date == "" {
			row.date = o.date
		}
		list, c, err := a.recheckOf(row)
		if err == nil && seen[c.ID] {
			err = errors.New("the entry is there twice")
		}
		if err != nil {
			wrong++
			if row.line == 0 {
				return nil, cli.Refuse(fmt.Errorf("record recheck: %w", err), "vaern recheck due shows the entries that are due")
			}
			fmt.Fprintf(a.err, "%s:%d: %v\n", filepath.Base(o.file), row.line, err)
			continue
		}
		seen[c.ID] = true
		found[list] = append(found[list], c)
	}
	switch {
	case wrong > 0:
		return nil, cli.Refuse(fmt.Errorf("nothing recorded: %s wrong", cli.Plural(wrong, "line is", "lines are")), "mend the lines, or leave them out")
	case len(rows) == 0:
		return nil, cli.Refuse(errors.New("nothing recorded: the file says nothing"), "")
	}
	return found, nil
}

func (a *authority) recheckOf(row recheckRow) (list string, c blocklist.Recheck, err error) {
	if c.ID, err = blocklist.ParseEntryID(row.id); err != nil {
		return "", c, err
	}
	if c.Result, err = blocklist.ParseResult(row.result); err != nil {
		return "", c, err
	}
	c.Day, c.Note = a.now().UTC().Truncate(24*time.Hour), row.note
	if row.date != "" {
		if c.Day, err = time.Parse(time.DateOnly, row.date); err != nil {
			return "", c, errors.New("date is no day like 2026-12-31")
		}
		if c.Day.After(a.now()) {
			return "", c, errors.New("date has not come yet, in UTC")
		}
	}
	if err := c.Check(); err != nil {
		return "", c, err
	}
	d, err := a.reg.DecisionOf(c.ID)
	if err == nil {
		_, err = a.listNamed(d.List)
	}
	if err != nil {
		return "", c, err
	}
	inForce := a.reg.InForce(d.List)
	i, ok := slices.BinarySearchFunc(inForce, c.ID, func(e blocklist.Listed, id blocklist.EntryID) int { return int(e.ID - id) })
	switch {
	case !ok:
		return "", c, fmt.Errorf("%v is not in force: a recheck brings nothing back", c.ID)
	case !a.reg.Expires(inForce[i]).After(a.now()):
		return "", c, fmt.Errorf("%v has reached its limit: a recheck brings nothing back", c.ID)
	}
	c.Target = inForce[i].Target
	return d.List, c, nil
}

// recheckRow is a line of a file of rechecks.
type recheckRow struct {
	line                   int // 0: not of a file
	id, result, date, note string
}

// maxRechecks bounds a file of rechecks, in octets.
const maxRechecks = 256 << 20

func readRechecks(path string) ([]recheckRow, error) {
	data, err := durable.ReadRegular(path, maxRechecks)
	if err != nil {
		return nil, err
	}
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	header, err := r.Read()
	if err != nil {
		return nil, err
	}
	var row recheckRow
	into := make([]*string, len(header))
	for i, name := range header {
		field, ok := map[string]*string{"id": &row.id, "result": &row.result, "date": &row.date, "note": &row.note}[strings.TrimSpace(name)]
		if !ok || slices.Contains(into[:i], field) {
			return nil, fmt.Errorf("column %q is unknown, or there twice", name)
		}
		into[i] = field
	}
	if !slices.Contains(into, &row.id) || !slices.Contains(into, &row.result) {
		return nil, errors.New("the columns id and result are needed")
	}
	var all []recheckRow
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		row.line, _ = r.FieldPos(0)
		for i, text := range record {
			*into[i] = strings.TrimSpace(text)
		}
		all = append(all, row)
	}
}

// String tells what is recorded, or would be.
func (j recheckJSON) String() string {
	var results []string
	n := 0
	for r := blocklist.Still; r <= blocklist.Moved; r++ {
		if k := j.Results[r.String()]; k > 0 {
			results = append(results, fmt.Sprintf("%d %v", k, r))
			n += k
		}
	}
	text := fmt.Sprintf("list %s: %s: %s", j.List, cli.Plural(n, "recheck", "rechecks"), strings.Join(results, ", "))
	for _, part := range []struct {
		n    int
		what string
	}{{j.Suspended, "suspended"}, {j.Withdrawn, "withdrawn"}, {j.Drafted, "to be taken out by a draft"}} {
		if part.n > 0 {
			text += fmt.Sprintf("; %d %s", part.n, part.what)
		}
	}
	return text
}

func (a *authority) printRecheck(j recheckJSON, officer string) error {
	if a.json {
		return cli.PrintJSON(a.out, j)
	}
	text := j.String()
	if j.ID != nil {
		text += fmt.Sprintf(" (%s, signed by %s)", *j.ID, officer)
	}
	if _, err := fmt.Fprintln(a.out, text); err != nil {
		return err
	}
	if j.Draft != nil {
		fmt.Fprintf(a.out, "%s waits for approval: vaern decision approve %s --as NAME --key FILE\n", *j.Draft, *j.Draft)
	}
	if j.ID != nil && j.Suspended+j.Withdrawn > 0 {
		fmt.Fprintln(a.out, publishedSoon)
	}
	return nil
}

const publishedSoon = "urgent: vaern run publishes it within seconds; without it: vaern compile --urgent"
