package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
)

// compileOptions say what to compile, and how.
type compileOptions struct {
	list   string // "": all
	dryRun bool   // show what would change, and leave everything as it is
	urgent bool   // take out, add nothing that is not everywhere already
}

func (a *app) compileCommand() *cobra.Command {
	var o compileOptions
	c := &cobra.Command{
		Use:   "compile",
		Short: "Build, check, sign and publish",
		Long: `Builds an edition of each list from what is decided, holds it against the
guards, signs and publishes it; says "unchanged" if nothing changed.

Guards hold back what adds, and nothing else: a refused build exits with 3 and
names the rule and the entry or decision, and withdrawals are published all
the same.

--dry-run prints the exact change, a line "+ UNIT TARGET" or "- UNIT TARGET"
each (with --json, how many), and writes nothing; it ends with the exit status
that the real one would have.

--urgent publishes withdrawals so that no wave has to wait for them: it keeps
what every edition has that some wave may still be served, and adds nothing.
Additions that are still in the waves come again with the next ordinary
edition.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			a.compiles = true
			return a.with(func(auth *authority) error { return auth.compile(o) })
		},
	}
	f := c.Flags()
	f.StringVar(&o.list, "list", "", "compile only `LIST`")
	f.BoolVar(&o.dryRun, "dry-run", false, "print what would change, and write nothing")
	f.BoolVar(&o.urgent, "urgent", false, "only take out, for every wave at once")
	f.BoolVar(&a.json, "json", false, "print JSON, an object a line for each list")
	return c
}

// compiled is what compile tells of one list.
type compiled struct {
	List      string              `json:"list"`
	Serial    blocklist.Serial    `json:"serial"` // of a dry run: the latest edition's
	Unchanged bool                `json:"unchanged"`
	Entries   int                 `json:"entries"`
	Domains   int                 `json:"domains"`
	Hosts     int                 `json:"hosts"`
	URLs      int                 `json:"urls"`
	Urgent    bool                `json:"urgent,omitempty"`
	Added     *int                `json:"added,omitempty"` // of a dry run: lines that would come
	Removed   *int                `json:"removed,omitempty"`
	Refused   []blocklist.Refusal `json:"refused,omitempty"`
	Flagged   []blocklist.Refusal `json:"flagged,omitempty"`

	edition  *blocklist.Manifest // that is published now; nil if none is
	changes  blocklist.Changes   // of a dry run
	expired  int                 // entries that reached their time
	expiring int                 // entries that soon will
	tidied   int                 // editions that were removed
	took     time.Duration
}

// compile builds every list that is meant, each on its own, and returns the
// worst of what happened.
func (a *authority) compile(o compileOptions) error {
	if o.list != "" {
		if _, err := a.listNamed(o.list); err != nil {
			return err
		}
	}
	var wrong []error
	for i := range a.Lists {
		l := &a.Lists[i]
		if o.list != "" && l.Name != o.list {
			continue
		}
		c, err := a.compileList(l, o)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("compile list %s: %w", l.Name, err))
			continue
		}
		if err := a.printCompiled(c); err != nil {
			return err
		}
		if len(c.Refused) > 0 {
			wrong = append(wrong, cli.Refuse(fmt.Errorf("list %s: additions held back: %s", l.Name, reasons(c.Refused)), a.advice(c)))
		}
	}
	return cli.Join(wrong...)
}

// advice says what to do about a build that was refused.
func (a *authority) advice(c *compiled) string {
	r := c.Refused[0]
	override := func(id string) string {
		return fmt.Sprintf("vaern decision new --override %s --for %s --basis TEXT", r.Rule, id)
	}
	switch r.Rule {
	case blocklist.RuleGrowth:
		if r.ID == "list" { // it can not be counted, so nobody can say what is let through
			return "vaern check names the edition that is damaged: restore it from a backup"
		}
		return "look at each entry again, then: " + override(r.ID)
	case blocklist.RuleEmpty:
		return "vaern decision list shows what waits for approval"
	case blocklist.RuleNeverBlockSet:
		return "mend the never-block files; if they are right as they are: " + override(c.List)
	case blocklist.RuleClock:
		return "set the clock right; if it is right: " + override(c.List)
	case blocklist.RuleVanished:
		return "restore the register from its newest backup; if they shall go: " + override(c.List)
	}
	if r.Rule.Subject() == blocklist.OfEntry {
		return "vaern decision show explains each entry; withdraw it, or: " + override(r.ID)
	}
	return "vaern decision show explains each entry"
}

// maxReasons bounds what an error message lists.
const maxReasons = 10

func reasons(refused []blocklist.Refusal) string {
	text := ""
	for i, r := range refused {
		if i == maxReasons {
			return text + fmt.Sprintf("; and %d more", len(refused)-i)
		}
		if i > 0 {
			text += "; "
		}
		text += fmt.Sprintf("%s %s: %s", r.Rule, r.ID, r.Reason)
	}
	return text
}

func (a *authority) printCompiled(c *compiled) error {
	for _, f := range c.Flagged {
		fmt.Fprintf(a.err, "list %s: published entry %s would be refused today: %s: %s\n", c.List, f.ID, f.Rule, f.Reason)
	}
	if c.tidied > 0 {
		fmt.Fprintf(a.err, "list %s: removed %s\n", c.List, cli.Plural(c.tidied, "old edition", "old editions"))
	}
	if a.json {
		return cli.PrintJSON(a.out, c)
	}
	if err := writeChanges(a.out, c.changes); err != nil {
		return err
	}
	counts := fmt.Sprintf("%d domains, %d hosts, %d urls from %s", c.Domains, c.Hosts, c.URLs, cli.Plural(c.Entries, "entry", "entries"))
	text := ""
	switch dry := c.Added != nil; {
	case dry && !c.Unchanged && c.Domains+c.Hosts+c.URLs > 0:
		text = fmt.Sprintf("would publish: %s: %d added, %d removed", counts, *c.Added, *c.Removed)
	case c.Serial == 0:
		text = "nothing published"
	case c.Unchanged:
		text = fmt.Sprintf("unchanged: edition %v: %s", c.Serial, counts)
	default:
		text = fmt.Sprintf("published: edition %v: %s", c.Serial, counts)
	}
	_, err := fmt.Fprintf(a.out, "list %s: %s\n", c.List, text)
	return err
}
