package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/inbox"
	"github.com/vaern/vaern/internal/progress"
	"github.com/vaern/vaern/internal/register"
	"github.com/vaern/vaern/internal/source"
)

// draftOptions are the flags of decision new.
type draftOptions struct {
	list, add, withdraw, suspend, resume string
	replace, basis                       string
	override, overrideFor                string
	fromReport                           []string
	skipInvalid                          bool
	source                               source.Options
}

func (a *app) decisionNew() *cobra.Command {
	var o draftOptions
	c := &cobra.Command{
		Use:   "new (--add FILE | --from-report ID,... | --withdraw FILE | --suspend FILE | --resume FILE | --override RULE [--for ID])... --basis TEXT",
		Short: "Draft a decision: a batch of additions and withdrawals",
		Long: `Reads names and URLs from files and drafts a decision for police officers to
approve. A draft is never edited: --replace makes a new one and rejects the
old.

A file is CSV with a header row (unit,target,category,source,source_ref,
evidence_ref,dedicated,compromised,recheck_by,note; only unit and target are
needed), JSON Lines with the same keys, plain text with one name or URL a line,
hosts format, Adblock rules (||name^), an RPZ zone, or the Italian list; each
may be compressed (.gz, .zst). A name whose unit is not said is a domain: the
name and everything below it; --unit host makes it exactly that name. A line
that is no valid entry, or that a guard refuses, is reported with its number,
and nothing is drafted, unless --skip-invalid leaves it out. A withdrawal may
also name entries by id: E12.

What is suspended is out of force like what is withdrawn, with as few
signatures, and can be resumed as it was, which takes those of an addition.
--suspend and --resume read files as --withdraw does.

An override is a decision like others, and lets something through a rule once
it is approved: an entry (--for E12) through never-block, public-suffix,
own-name or single-label; a decision (--for D5) through growth; a list as it is
now (--for LIST) through vanished, clock or never-block-file. With --add and
without --for, lines that one of the rules refuses are drafted all the same,
each with its override in the same decision.

--from-report drafts an entry for each report that it names (R1,R5-R9), or for
all that wait for it (assessed): reports that were assessed as baseline or
national, under their source and reference, with what the assessment says. A
draft that is rejected or replaced gives its reports back; one whose entry has
left the list since is drafted again only if it is named.

An entry expires 92 days after it was decided or last found to be still so by a
recheck. In the last 14 of them --add drafts it again; before, it is listed
already.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.with(func(auth *authority) error { return auth.newDecision(o) })
		},
	}
	f := c.Flags()
	f.StringVar(&o.list, "list", "", "`LIST` that is meant, if there are several")
	f.StringVar(&o.add, "add", "", "add what `FILE` says")
	f.StringSliceVar(&o.fromReport, "from-report", nil, "add what was assessed of the reports `ID,...`, or of all: assessed")
	f.StringVar(&o.withdraw, "withdraw", "", "take out what `FILE` says")
	f.StringVar(&o.suspend, "suspend", "", "take out for the time being what `FILE` says")
	f.StringVar(&o.resume, "resume", "", "put back what is suspended and what `FILE` says")
	f.StringVar(&o.replace, "replace", "", "reject the draft `ID` and draft this instead")
	f.StringVar(&o.override, "override", "", "let something through `RULE`, or RULE,RULE")
	f.StringVar(&o.overrideFor, "for", "", "what the override is for: `ID` of an entry or a decision, or a list")
	f.StringVar(&o.basis, "basis", "", "why, in one line; - reads standard input")
	f.BoolVar(&o.skipInvalid, "skip-invalid", false, "leave out lines that are invalid or refused, and count them")
	f.StringVar(&o.source.Format, "format", "", source.Formats+"; if it can not be told from the file")
	f.StringToStringVar(&o.source.Columns, "columns", nil, "columns or keys of the file to use, as `THEIRS=OURS,...`")
	f.StringVar(&o.source.Unit, "unit", "", "domain or host, for lines that do not say it")
	f.BoolVar(&a.json, "json", false, "print JSON")
	_ = c.MarkFlagRequired("basis")
	c.MarkFlagsOneRequired("add", "from-report", "withdraw", "suspend", "resume", "override")
	_ = c.RegisterFlagCompletionFunc("from-report", a.completeReports(false, inbox.Assessed))
	return c
}

// draft collects a decision from files, and counts what does not get in.
type draft struct {
	*authority
	list     *ListConfig
	policy   *policy
	options  draftOptions
	decision blocklist.Decision
	inForce  []blocklist.Listed
	replaced blocklist.DecisionID

	seen     map[string]int   // additions by target: their place, or -1 for what is in force already
	expiring map[string]bool  // in force, and about to expire
	origins  register.Origins // of additions, from reports

	lets       []blocklist.Rule // overridden for each line that they refuse
	exceptions []register.Exception

	rejected, refused    int // lines that are no entry; entries that a guard refuses
	existing, duplicates int // entries in force already; entries said twice
	flagged, renewed     int // of the additions: to be looked at again; in force, and about to expire
}

type draftJSON struct {
	ID         *string `json:"id"`
	Accepted   int     `json:"accepted"`
	Rejected   int     `json:"rejected"`
	Refused    int     `json:"refused"`
	Existing   int     `json:"existing"`
	Duplicates int     `json:"duplicates"`
	Flagged    int     `json:"flagged"`
	Renewed    int     `json:"renewed"`
	Overridden int     `json:"overridden"`
	Withdrawn  int     `json:"withdrawn"`
	Suspended  int     `json:"suspended"`
	Resumed    int     `json:"resumed"`
}

func (a *authority) newDecision(o draftOptions) error {
	basis, err := cli.Text(o.basis, a.in)
	if err != nil {
		return err
	}
	if err := a.checkOverride(&o); err != nil {
		return err
	}
	l, err := a.listNamed(o.list)
	if err != nil {
		return err
	}
	if !a.reg.Founded() {
		return cli.Refuse(errors.New("the register is not founded: it needs two police officers"), "vaern officer add NAME --role police --pubkey FILE")
	}
	p, err := a.loadPolicy(l, a.reg.Highest[l.Name])
	if err != nil {
		return err
	}
	d := &draft{authority: a, list: l, policy: p, options: o, inForce: a.reg.InForce(l.Name)}
	if o.overrideFor == "" {
		d.lets = o.rules()
	}
	d.decision = blocklist.Decision{List: l.Name, Basis: basis}
	if err := d.decision.Check(); err != nil {
		return cli.Misuse(err, "say it in one line")
	}
	if d.replaced, err = d.replaces(); err != nil {
		return err
	}
	end := progress.Begin(a.err, "reading")
	err = errors.Join(d.add(), d.fromReports(), d.takesOut(), d.override())
	end()
	if err != nil {
		return err
	}
	if err := d.complete(); err != nil {
		_ = d.print(nil)
		return err
	}
	if err := a.reg.CheckResume(d.decision.Resume); err != nil {
		return cli.Refuse(fmt.Errorf("no draft: %w", err), "vaern case decide comes first")
	}
	made, err := a.reg.NewDraftFrom(d.decision, d.replaced, d.origins, d.exceptions...)
	if err != nil {
		return err
	}
	return d.print(made)
}

func (d *draft) replaces() (blocklist.DecisionID, error) {
	if d.options.replace == "" {
		return 0, nil
	}
	id, err := blocklist.ParseDecisionID(d.options.replace)
	if err != nil {
		return 0, cli.Misuse(fmt.Errorf("--replace %s: %w", d.options.replace, err), "")
	}
	old, err := d.reg.Decision(id)
	if err != nil {
		return 0, cli.Misuse(err, "")
	}
	if old.Status != register.Draft {
		return 0, cli.Refuse(fmt.Errorf("%v is %s already: only a draft can be replaced", id, old.Status), "")
	}
	return id, nil
}

// complete refuses a draft that lost lines without leave, or that says
// nothing.
func (d *draft) complete() error {
	bad := d.rejected + d.refused
	switch {
	case bad > 0 && !d.options.skipInvalid:
		return cli.Refuse(fmt.Errorf("no draft: %s invalid, %d refused", cli.Plural(d.rejected, "line is", "lines are"), d.refused),
			"mend the lines, or leave them out with --skip-invalid")
	case len(d.decision.Add) > 0 && d.policy.unprotected != "" && !d.unprotectedAllowed():
		return cli.Refuse(fmt.Errorf("no draft: %s: %s", blocklist.RuleNeverBlockSet, d.policy.unprotected), "mend the never-block files first")
	case len(d.decision.Add)+len(d.decision.Withdraw)+len(d.decision.Suspend)+len(d.decision.Resume)+len(d.decision.Overrides) == 0:
		return cli.Refuse(fmt.Errorf("no draft: %s: nothing to decide: %d invalid, %d refused, %d listed already",
			blocklist.RuleEmpty, d.rejected, d.refused, d.existing), "")
	}
	return nil
}

// read reads one file, and reports each line that is not an entry.
func (d *draft) read(path string, use func(source.Line)) error {
	f, err := source.Open(path)
	if err != nil {
		return cli.Misuse(fmt.Errorf("read list: %w", err), "")
	}
	defer f.Close()
	result, err := source.Read(f, d.options.source, func(line source.Line) {
		if line.Err != nil {
			d.rejected++
			d.report(path, line, line.Err)
			return
		}
		use(line)
	})
	if err != nil {
		return cli.Misuse(fmt.Errorf("read %s: %w", path, err), "")
	}
	if len(result.Unused) > 0 {
		fmt.Fprintf(d.err, "%s: columns not used: %s\n", path, strings.Join(result.Unused, ", "))
	}
	return nil
}

func (d *draft) report(path string, line source.Line, reason error) {
	fmt.Fprintf(d.err, "%s:%d: %v\n", filepath.Base(path), line.N, reason)
}

// add takes in the additions of a file.
func (d *draft) add() error {
	if d.options.add == "" {
		return nil
	}
	return d.read(d.options.add, func(line source.Line) {
		say := func(reason error) { d.report(d.options.add, line, reason) }
		if line.ID != 0 {
			d.rejected++
			say(errors.New("syntax: an entry's id can only be withdrawn"))
			return
		}
		d.take(line.Entry, say)
	})
}

// know remembers what is in force: an entry that is, and does not expire soon,
// is not decided again.
func (d *draft) know() {
	if d.seen != nil {
		return
	}
	d.seen, d.expiring = map[string]int{}, map[string]bool{}
	soon := d.now().Add(register.Notice)
	for _, e := range d.inForce {
		if d.reg.Expires(e).After(soon) {
			d.seen[e.Target.RevealKey()] = -1
		} else {
			d.expiring[e.Target.RevealKey()] = true
		}
	}
}

// take takes in one addition, and returns its place; of what is said twice, that
// of the first. say is told why not.
func (d *draft) take(e blocklist.Entry, say func(error)) (place int, taken bool) {
	d.know()
	key := e.Target.RevealKey()
	place, known := d.seen[key]
	switch {
	case known && place >= 0:
		d.duplicates++
		return place, true
	case known:
		d.existing++
		return 0, false
	case d.refuses(e.Target, say):
		d.refused++
		return 0, false
	}
	place = len(d.decision.Add)
	d.seen[key] = place
	d.decision.Add = append(d.decision.Add, e)
	if d.expiring[key] {
		d.renewed++
	}
	return place, true
}

// refuses runs the guards on one target, and says what they refuse and
// flag. What they refuse may be let through by an override of this decision.
func (d *draft) refuses(target blocklist.Target, say func(error)) bool {
	refused, flagged := false, false
	var exceptions []register.Exception
	for _, f := range d.policy.CheckTarget(target) {
		switch {
		case f.Flag:
			flagged = true
			say(errors.New(f.String()))
		case slices.Contains(d.lets, f.Rule):
			exceptions = append(exceptions, register.Exception{Rule: f.Rule, Entry: len(d.decision.Add)})
			say(fmt.Errorf("override %v", f))
		default:
			refused = true
			say(errors.New(f.String()))
		}
	}
	if refused {
		return true
	}
	if flagged {
		d.flagged++
	}
	d.exceptions = append(d.exceptions, exceptions...)
	return false
}

// takesOut takes in what is withdrawn and suspended, and what comes back from
// suspension. An entry is taken out in one way only.
func (d *draft) takesOut() error {
	taken := map[blocklist.EntryID]bool{}
	return errors.Join(
		d.existingIn(d.options.withdraw, d.inForce, "in force", taken, &d.decision.Withdraw),
		d.existingIn(d.options.suspend, d.inForce, "in force", taken, &d.decision.Suspend),
		d.existingIn(d.options.resume, d.reg.Suspended(d.list.Name), "suspended", taken, &d.decision.Resume),
	)
}

// existingIn takes in every entry of those that a line of a file means. A bare
// name means it in any unit of DNS, so that nobody has to guess in which it was
// listed.
func (d *draft) existingIn(path string, among []blocklist.Listed, state string, taken map[blocklist.EntryID]bool, into *[]blocklist.Withdrawal) error {
	if path == "" {
		return nil
	}
	ids := map[blocklist.EntryID]blocklist.Listed{}
	targets := map[string][]blocklist.Listed{}
	for _, e := range among {
		ids[e.ID] = e
		targets[e.Target.RevealKey()] = append(targets[e.Target.RevealKey()], e)
	}
	return d.read(path, func(line source.Line) {
		var found []blocklist.Listed
		if e, ok := ids[line.ID]; ok {
			found = append(found, e)
		}
		if line.ID == 0 {
			found = targets[line.Entry.Target.RevealKey()]
			if !line.UnitGiven {
				host := line.Entry.Target
				host.Unit = blocklist.Host
				found = append(found[:len(found):len(found)], targets[host.RevealKey()]...)
			}
		}
		if len(found) == 0 {
			d.rejected++
			d.report(path, line, fmt.Errorf("not-listed: there is no such entry %s", state))
		}
		for _, e := range found {
			if taken[e.ID] {
				d.duplicates++
				continue
			}
			taken[e.ID] = true
			*into = append(*into, blocklist.Withdrawal{ID: e.ID, Target: e.Target})
		}
	})
}

// print tells what became of the lines; made is nil if nothing was drafted.
func (d *draft) print(made *register.Decision) error {
	j := draftJSON{
		Accepted: len(d.decision.Add), Withdrawn: len(d.decision.Withdraw),
		Suspended: len(d.decision.Suspend), Resumed: len(d.decision.Resume), Rejected: d.rejected, Refused: d.refused,
		Existing: d.existing, Duplicates: d.duplicates, Flagged: d.flagged, Renewed: d.renewed,
		Overridden: len(d.exceptions) + len(d.decision.Overrides),
	}
	if made != nil {
		id := made.ID.String()
		j.ID = &id
	}
	if d.json {
		return cli.PrintJSON(d.out, j)
	}
	if made == nil {
		return nil
	}
	more := ""
	for _, m := range []struct {
		n    int
		what string
	}{{j.Suspended, "to suspend"}, {j.Resumed, "to resume"}, {d.flagged, "flagged"}, {d.renewed, "renewed"}, {j.Overridden, "overridden"}} {
		if m.n > 0 {
			more += fmt.Sprintf(", %d %s", m.n, m.what)
		}
	}
	_, err := fmt.Fprintf(d.out, `%[1]s: %[2]d to add, %[3]d to withdraw on list %[4]s%[11]s
left out: %[5]d invalid, %[6]d refused, %[7]d listed already, %[8]d said twice
digest %[9]s
it needs the approval of %[10]s: vaern decision approve %[1]s --as NAME --key FILE
`, *j.ID, j.Accepted, j.Withdrawn, d.list.Name, j.Rejected, j.Refused, j.Existing, j.Duplicates, made.Digest,
		cli.Plural(d.needs(made), "police officer", "police officers"), more)
	return err
}
