package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/progress"
	"github.com/vaern/vaern/internal/register"
	"github.com/vaern/vaern/internal/source"
)

// draftOptions are the flags of decision new.
type draftOptions struct {
	list, add, withdraw, replace, basis string
	override, overrideFor               string
	skipInvalid                         bool
	source                              source.Options
}

func (a *app) decisionNew() *cobra.Command {
	var o draftOptions
	c := &cobra.Command{
		Use:   "new (--add FILE | --withdraw FILE | --override RULE --for ID)... --basis TEXT",
		Short: "Draft a decision: a batch of additions and withdrawals",
		Long: `Reads names and URLs from files and drafts a decision for police officers to
approve. A draft is never edited: --replace makes a new one and rejects the
old.

A file is CSV with a header row (unit,target,category,source,source_ref,
evidence_ref,dedicated,compromised,recheck_by,note; only unit and target are
needed), plain text with one name or URL a line, or in hosts format. A name
whose unit is not said is a domain: the name and everything below it; --unit
host makes it exactly that name. A line
that is no valid entry, or that a guard refuses, is reported with its number,
and nothing is drafted, unless --skip-invalid leaves it out. A withdrawal may
also name entries by id: E12.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.with(func(auth *authority) error { return auth.newDecision(o) })
		},
	}
	f := c.Flags()
	f.StringVar(&o.list, "list", "", "`LIST` that is meant, if there are several")
	f.StringVar(&o.add, "add", "", "add what `FILE` says")
	f.StringVar(&o.withdraw, "withdraw", "", "take out what `FILE` says")
	f.StringVar(&o.replace, "replace", "", "reject the draft `ID` and draft this instead")
	f.StringVar(&o.override, "override", "", "let a decision through `RULE` (growth)")
	f.StringVar(&o.overrideFor, "for", "", "`ID` of the decision that the override is for")
	f.StringVar(&o.basis, "basis", "", "why, in one line; - reads standard input")
	f.BoolVar(&o.skipInvalid, "skip-invalid", false, "leave out lines that are invalid or refused, and count them")
	f.StringVar(&o.source.Format, "format", "", "csv, plain or hosts, if it can not be told from the file")
	f.StringToStringVar(&o.source.Columns, "columns", nil, "CSV columns to use, as `THEIRS=OURS,...`")
	f.StringVar(&o.source.Unit, "unit", "", "domain or host, for lines that do not say it")
	f.BoolVar(&a.json, "json", false, "print JSON")
	_ = c.MarkFlagRequired("basis")
	c.MarkFlagsOneRequired("add", "withdraw", "override")
	c.MarkFlagsRequiredTogether("override", "for")
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

	rejected, refused    int // lines that are no entry; entries that a guard refuses
	existing, duplicates int // entries in force already; entries said twice
}

type draftJSON struct {
	ID         *string `json:"id"`
	Accepted   int     `json:"accepted"`
	Rejected   int     `json:"rejected"`
	Refused    int     `json:"refused"`
	Existing   int     `json:"existing"`
	Duplicates int     `json:"duplicates"`
	Withdrawn  int     `json:"withdrawn"`
}

func (a *authority) newDecision(o draftOptions) error {
	basis, err := cli.Text(o.basis, a.in)
	if err != nil {
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
	d.decision = blocklist.Decision{List: l.Name, Basis: basis}
	if err := d.decision.Check(); err != nil {
		return cli.Misuse(err, "say it in one line")
	}
	replaces, err := d.replaces()
	if err != nil {
		return err
	}
	end := progress.Begin(a.err, "reading")
	err = errors.Join(d.add(), d.withdraw(), d.override())
	end()
	if err != nil {
		return err
	}
	if err := d.complete(); err != nil {
		_ = d.print(nil)
		return err
	}
	made, err := a.reg.NewDraft(d.decision, replaces)
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
	case len(d.decision.Add) > 0 && d.policy.unprotected != "":
		return cli.Refuse(fmt.Errorf("no draft: %s: %s", blocklist.RuleNeverBlockSet, d.policy.unprotected), "mend the never-block files first")
	case len(d.decision.Add)+len(d.decision.Withdraw)+len(d.decision.Overrides) == 0:
		return cli.Refuse(fmt.Errorf("no draft: %s: nothing to decide: %d invalid, %d refused, %d listed already",
			blocklist.RuleEmpty, d.rejected, d.refused, d.existing), "")
	}
	return nil
}

// read reads one file, and reports each line that is not an entry.
func (d *draft) read(path string, use func(source.Line)) error {
	f, err := os.Open(path)
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

// add takes in the additions. An entry that is in force already is not
// decided again, and one that the file says twice is one entry.
func (d *draft) add() error {
	if d.options.add == "" {
		return nil
	}
	seen := map[string]bool{}
	for _, e := range d.inForce {
		seen[e.Target.RevealKey()] = false
	}
	return d.read(d.options.add, func(line source.Line) {
		if line.ID != 0 {
			d.rejected++
			d.report(d.options.add, line, errors.New("syntax: an entry's id can only be withdrawn"))
			return
		}
		key := line.Entry.Target.RevealKey()
		switch inFile, known := seen[key]; {
		case known && inFile:
			d.duplicates++
		case known:
			d.existing++
		case d.refuses(line):
			d.refused++
		default:
			seen[key] = true
			d.decision.Add = append(d.decision.Add, line.Entry)
		}
	})
}

// refuses runs the guards on one target, and reports what they refuse.
func (d *draft) refuses(line source.Line) bool {
	found := d.policy.CheckTarget(line.Entry.Target)
	for _, f := range found {
		if !f.Flag {
			d.report(d.options.add, line, errors.New(f.String()))
		}
	}
	return blocklist.Refuses(found)
}

// withdraw takes in the withdrawals: every entry in force that a line means.
// A bare name means it in any unit of DNS, so that nobody has to guess in
// which it was listed.
func (d *draft) withdraw() error {
	if d.options.withdraw == "" {
		return nil
	}
	ids := map[blocklist.EntryID]blocklist.Listed{}
	targets := map[string][]blocklist.Listed{}
	for _, e := range d.inForce {
		ids[e.ID] = e
		targets[e.Target.RevealKey()] = append(targets[e.Target.RevealKey()], e)
	}
	taken := map[blocklist.EntryID]bool{}
	return d.read(d.options.withdraw, func(line source.Line) {
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
			d.report(d.options.withdraw, line, errors.New("not-listed: there is no such entry in force"))
		}
		for _, e := range found {
			if taken[e.ID] {
				d.duplicates++
				continue
			}
			taken[e.ID] = true
			d.decision.Withdraw = append(d.decision.Withdraw, blocklist.Withdrawal{ID: e.ID, Target: e.Target})
		}
	})
}

// override binds the override to the text of the decision that it is for.
func (d *draft) override() error {
	if d.options.override == "" {
		return nil
	}
	rule := blocklist.Rule(d.options.override)
	if rule.Subject() != blocklist.OfDecision {
		return cli.Misuse(fmt.Errorf("rule %q has no override", rule), "growth has one")
	}
	id, err := blocklist.ParseDecisionID(d.options.overrideFor)
	if err != nil {
		return cli.Misuse(fmt.Errorf("--for %s: %w", d.options.overrideFor, err), "")
	}
	of, err := d.reg.Decision(id)
	if err != nil {
		return cli.Misuse(err, "")
	}
	d.decision.Overrides = append(d.decision.Overrides, blocklist.Override{Rule: rule, For: id.String(), Digest: of.Digest})
	return nil
}

// print tells what became of the lines; made is nil if nothing was drafted.
func (d *draft) print(made *register.Decision) error {
	j := draftJSON{
		Accepted: len(d.decision.Add), Withdrawn: len(d.decision.Withdraw), Rejected: d.rejected, Refused: d.refused,
		Existing: d.existing, Duplicates: d.duplicates,
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
	_, err := fmt.Fprintf(d.out, `%[1]s: %[2]d to add, %[3]d to withdraw on list %[4]s
left out: %[5]d invalid, %[6]d refused, %[7]d listed already, %[8]d said twice
digest %[9]s
it needs the approval of %[10]s: vaern decision approve %[1]s --as NAME --key FILE
`, *j.ID, j.Accepted, j.Withdrawn, d.list.Name, j.Rejected, j.Refused, j.Existing, j.Duplicates, made.Digest,
		cli.Plural(d.needs(made), "police officer", "police officers"))
	return err
}
