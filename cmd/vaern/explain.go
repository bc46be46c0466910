package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/register"
	"github.com/vaern/vaern/internal/source"
)

func (a *app) explainCommand() *cobra.Command {
	var list string
	c := &cobra.Command{
		Use:   "explain",
		Short: "Say whether names or URLs are listed, and why",
		Long: `Reads names and URLs from standard input, one a line, and says of each what is
known: whether the latest edition blocks it and since when, which entries in
force do that and who decided them, or how it left. A name is asked about as a
resolver would: a domain above it blocks it too. Answers go by the number of the
line, so that they can be passed on without the name.

A line that is no name or URL is told on standard error; the exit status is
then 1.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.with(func(auth *authority) error { return auth.explain(list) })
		},
	}
	c.Flags().StringVar(&list, "list", "", "only `LIST`")
	c.Flags().BoolVar(&a.json, "json", false, "print JSON: [{line, list, blocked, edition, since, entries, former}]")
	return c
}

// explained is what is known of one line on one list.
type explained struct {
	Line    int              `json:"line"`
	List    string           `json:"list"`
	Blocked bool             `json:"blocked"` // by the latest edition
	Edition blocklist.Serial `json:"edition"` // the latest; 0: there is none
	Since   *since           `json:"since,omitempty"`
	Entries []explainedEntry `json:"entries"` // in force
	Former  []explainedEntry `json:"former,omitempty"`

	standing bool // blocked by a row that no decision made
}

// since is the first edition that blocked something without a gap.
type since struct {
	Date   string           `json:"date"`
	Serial blocklist.Serial `json:"serial,omitempty"` // 0: it is not kept any more
}

type explainedEntry struct {
	ID       string         `json:"id"`
	Unit     blocklist.Unit `json:"unit"`
	Decision string         `json:"decision,omitempty"`
	Decided  string         `json:"decided,omitempty"`
	Basis    string         `json:"basis,omitempty"`
	Left     register.Leave `json:"left,omitempty"`
}

// question is a line of the input.
type question struct {
	line int
	by   []blocklist.Target // any of which would block it
}

func (a *authority) explain(only string) error {
	if only != "" {
		if _, err := a.listNamed(only); err != nil {
			return err
		}
	}
	questions, wrong, err := a.questions()
	if err != nil {
		return err
	}
	all := []*explained{}
	for i := range a.Lists {
		if l := &a.Lists[i]; only == "" || l.Name == only {
			some, err := a.explainOn(l, questions)
			if err != nil {
				return err
			}
			all = append(all, some...)
		}
	}
	slices.SortStableFunc(all, func(x, y *explained) int { return x.Line - y.Line })
	if a.json {
		err = cli.PrintJSON(a.out, all)
	} else {
		for _, e := range all {
			if _, err = fmt.Fprintf(a.out, "%d: %s: %s\n", e.Line, e.List, e); err != nil {
				break
			}
		}
	}
	if err == nil && wrong > 0 {
		err = fmt.Errorf("%s not understood", cli.Plural(wrong, "line was", "lines were"))
	}
	return err
}

// questions reads the input, and tells which lines say nothing that can be
// listed.
func (a *authority) questions() (all []question, wrong int, err error) {
	_, err = source.Read(a.in, source.Options{Format: "plain"}, func(l source.Line) {
		switch {
		case l.Err == nil && l.ID == 0:
			all = append(all, question{l.N, l.Entry.Target.BlockedBy()})
			return
		case l.Err == nil:
			fmt.Fprintf(a.err, "line %d: an entry's id; vaern decision show tells of entries\n", l.N)
		default:
			fmt.Fprintf(a.err, "line %d: %v\n", l.N, l.Err)
		}
		wrong++
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read standard input: %w", err)
	}
	return all, wrong, nil
}

// explainOn answers on one list. Entries are gone through once, however many
// questions there are.
func (a *authority) explainOn(l *ListConfig, questions []question) ([]*explained, error) {
	keys, err := a.editionKeys()
	if err != nil {
		return nil, err
	}
	dir := a.listDir(l)
	latest, err := blocklist.OpenLatest(dir, keys)
	if err != nil {
		return nil, err
	}
	editions := &editionsKept{sets: map[blocklist.Serial]*blocklist.Set{}}
	if latest != nil {
		if editions.history, err = blocklist.History(dir, keys); len(editions.history) == 0 {
			return nil, err
		}
	}
	asked := map[string]bool{}
	for _, q := range questions {
		for _, t := range q.by {
			asked[t.RevealKey()] = true
		}
	}
	inForce := map[string][]blocklist.Listed{}
	for _, e := range a.reg.InForce(l.Name) {
		if key := e.Target.RevealKey(); asked[key] {
			inForce[key] = append(inForce[key], e)
		}
	}
	all := make([]*explained, 0, len(questions))
	for _, q := range questions {
		e := &explained{Line: q.line, List: l.Name, Entries: []explainedEntry{}}
		for _, t := range q.by {
			if latest != nil {
				e.Edition = latest.Serial
				if err := e.inEdition(editions, t); err != nil {
					return nil, err
				}
			}
			listed := inForce[t.RevealKey()]
			for _, entry := range listed {
				e.Entries = append(e.Entries, a.explainEntry(entry))
			}
			if f, ok := a.reg.Former(l.Name, t); ok && len(listed) == 0 {
				e.Former = append(e.Former, explainedEntry{ID: f.ID.String(), Unit: t.Unit, Left: f.How})
			}
		}
		all = append(all, e)
	}
	return all, nil
}

func (a *authority) explainEntry(e blocklist.Listed) explainedEntry {
	x := explainedEntry{ID: e.ID.String(), Unit: e.Target.Unit, Decision: e.Decision.String()}
	if d, err := a.reg.Decision(e.Decision); err == nil {
		x.Decided, x.Basis = d.Decided.Format(time.RFC3339), d.Basis
	}
	return x
}

// inEdition looks for the row of a target in the latest edition.
func (e *explained) inEdition(kept *editionsKept, t blocklist.Target) error {
	set, err := kept.set(0)
	if err != nil {
		return err
	}
	row, ok := set.Find(t)
	if !ok || e.Blocked {
		return nil
	}
	e.Blocked, e.standing = true, row.Category == blocklist.StandingCategory
	e.Since = &since{Date: row.Added}
	e.Since.Serial, err = kept.first(t, row.Added)
	return err
}

// editionsKept are the editions of a list, the latest first; each is read when
// it is asked for.
type editionsKept struct {
	history []*blocklist.Edition
	sets    map[blocklist.Serial]*blocklist.Set
}

func (k *editionsKept) set(i int) (*blocklist.Set, error) {
	e := k.history[i]
	if s := k.sets[e.Serial]; s != nil {
		return s, nil
	}
	s, err := e.Set()
	k.sets[e.Serial] = s
	return s, err
}

// first returns the first edition of a date that holds a target, if it is
// kept, or 0.
func (k *editionsKept) first(t blocklist.Target, date string) (blocklist.Serial, error) {
	for i := range slices.Backward(k.history) {
		if k.history[i].Created.Format(time.DateOnly) != date {
			continue
		}
		set, err := k.set(i)
		if err != nil {
			return 0, err
		}
		if _, ok := set.Find(t); ok {
			return k.history[i].Serial, nil
		}
	}
	return 0, nil
}

// String says it for a person, in a line.
func (e *explained) String() string {
	var parts []string
	switch {
	case e.standing:
		parts = append(parts, fmt.Sprintf("blocked, the test name of every edition; in edition %v", e.Edition))
	case e.Blocked:
		parts = append(parts, fmt.Sprintf("blocked in edition %v, since %s", e.Edition, e.Since))
	case len(e.Entries) > 0:
		parts = append(parts, "decided, and in no edition yet")
	default:
		parts = append(parts, "not blocked")
	}
	for _, x := range e.Entries {
		parts = append(parts, fmt.Sprintf("%s (%v) by %s of %s: %s", x.ID, x.Unit, x.Decision, x.Decided[:len(time.DateOnly)], x.Basis))
	}
	for _, x := range e.Former {
		parts = append(parts, fmt.Sprintf("%s (%v) was %s", x.ID, x.Unit, wayOut(x.Left)))
	}
	if e.Blocked && !e.standing && len(e.Entries) == 0 {
		parts = append(parts, "the next edition is without it")
	}
	return strings.Join(parts, "; ")
}

// wayOut is how an entry left, for a person.
func wayOut(l register.Leave) string {
	if l == register.WasVoid {
		return "voided with its decision"
	}
	return string(l)
}

func (s *since) String() string {
	if s.Serial == 0 {
		return s.Date
	}
	return fmt.Sprintf("edition %v of %s", s.Serial, s.Date)
}
