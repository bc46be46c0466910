package main

import (
	"cmp"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/inbox"
	"github.com/vaern/vaern/internal/register"
	"github.com/vaern/vaern/internal/stats"
)

// gathering brings together what register and inbox know, without the names.
type gathering struct {
	*authority
	in       *stats.Input
	lists    []string
	results  map[blocklist.EntryID][]stats.Recheck // in the order of their days
	editions map[string][]time.Time                // of each list, when one was published
}

func newGathering(a *authority, in *stats.Input, lists ...string) *gathering {
	in.Entries = map[blocklist.EntryID]*stats.Entry{}
	return &gathering{
		authority: a, in: in, lists: lists,
		results: map[blocklist.EntryID][]stats.Recheck{}, editions: map[string][]time.Time{},
	}
}

// gather fills in what is counted, of one list or of all.
func (a *authority) gather(in *stats.Input, only string) error {
	g := newGathering(a, in)
	for i := range a.Lists {
		if l := a.Lists[i].Name; only == "" || l == only {
			g.lists = append(g.lists, l)
		}
	}
	if len(g.lists) == 0 {
		_, err := a.listNamed(only)
		return err
	}
	in.Authority, in.Environment, in.Lists, in.Register = a.Authority, a.Environment, g.lists, a.reg.Head()
	for _, step := range []func() error{g.published, g.decisions, g.reports, g.moves} {
		if err := step(); err != nil {
			return err
		}
	}
	g.cases()
	return g.hideNames()
}

func (g *gathering) published() error {
	return g.reg.Records(func(r register.Record) error {
		if r.Kind == "edition" {
			g.editions[r.Subject] = append(g.editions[r.Subject], r.Time)
		}
		return nil
	})
}

// decisions reads the text of each that took effect and holds.
func (g *gathering) decisions() error {
	for _, d := range g.reg.Decisions {
		if d.Status != register.Approved || !slices.Contains(g.lists, d.List) {
			continue
		}
		counted := stats.Decision{At: d.Decided, Adds: d.AddsAnything(), Signatures: d.Valid()}
		for _, o := range d.Overrides {
			counted.Overrides = append(counted.Overrides, string(o.Rule))
		}
		g.in.Decisions = append(g.in.Decisions, counted)
		if d.Adds+d.Rechecks > 0 {
			if err := g.contents(d); err != nil {
				return err
			}
		}
	}
	for _, all := range g.results {
		slices.SortStableFunc(all, func(a, b stats.Recheck) int { return a.At.Compare(b.At) })
	}
	slices.SortStableFunc(g.in.Rechecks, func(a, b stats.Recheck) int { return a.At.Compare(b.At) })
	return nil
}

// additions calls each for every entry that a decision adds.
func (g *gathering) additions(d *register.Decision, each func(blocklist.Entry) error) error {
	return g.scan(d, blocklist.Each{Add: each})
}

func (g *gathering) scan(d *register.Decision, each blocklist.Each) error {
	text, err := g.reg.Text(d.ID)
	if err == nil {
		_, err = blocklist.ScanDecision(text, each)
	}
	return err
}

func (g *gathering) contents(d *register.Decision) error {
	return g.scan(d, blocklist.Each{
		Add: func(e blocklist.Entry) error {
			g.in.Entries[e.ID] = &stats.Entry{
				Unit: e.Target.Unit.String(), Source: e.Source, Compromised: e.Compromised == "yes",
				Drafted: d.Drafted, Decided: d.Decided, Published: g.publishedAfter(d),
			}
			return nil
		},
		Recheck: func(c blocklist.Recheck) error {
			r := stats.Recheck{Entry: c.ID, At: c.Day, Result: c.Result.String()}
			g.in.Rechecks = append(g.in.Rechecks, r)
			g.results[c.ID] = append(g.results[c.ID], r)
			return nil
		},
	})
}

// publishedAfter is when the first edition after a decision was published.
func (g *gathering) publishedAfter(d *register.Decision) time.Time {
	all := g.editions[d.List]
	i, _ := slices.BinarySearchFunc(all, d.Decided, time.Time.Compare)
	if i == len(all) {
		return time.Time{}
	}
	return all[i]
}

// reports reads the inbox, if there is one.
func (g *gathering) reports() error {
	box, err := g.openInbox(g.now)
	if errors.Is(err, errNoReports) {
		return nil
	}
	if err != nil {
		return err
	}
	var imports []inbox.Step
	assessed := map[blocklist.ReportID]time.Time{}
	found := map[blocklist.ReportID]*inbox.Assessment{}
	err = box.Steps(func(s inbox.Step) error {
		switch {
		case s.Source != "":
			imports = append(imports, s)
			g.in.Imports = append(g.in.Imports, stats.Import{At: s.At, Source: s.Source, New: int(s.Last - s.First + 1)})
		case s.Found != nil:
			if assessed[s.First].IsZero() {
				assessed[s.First] = s.At
			}
			found[s.First] = s.Found
			g.in.Assessments = append(g.in.Assessments, stats.Assessment{At: s.At, Class: string(s.Found.Class)})
		default:
			g.in.Assessments = append(g.in.Assessments, stats.Assessment{At: s.At, Class: inbox.Rejected.String()})
		}
		return nil
	})
	for _, id := range g.reg.DraftedReports(0) {
		at, _ := g.reg.Drafted(id)
		e := g.in.Entries[at.Entry]
		if e == nil || !e.Reported.IsZero() { // not decided, or the first report of several counts
			continue
		}
		i, ok := slices.BinarySearchFunc(imports, id, func(s inbox.Step, id blocklist.ReportID) int { return cmp.Compare(s.Last, id) })
		if !ok && i == len(imports) {
			continue // an old copy of the inbox: vaern check says so
		}
		e.Reported, e.Assessed, e.Class = imports[i].At, assessed[id], string(inbox.Baseline)
		if imports[i].To == inbox.Assessed { // a list of INTERPOL's kind
			e.Assessed = imports[i].At
		}
		if f := found[id]; f != nil {
			e.Class, e.Country = string(f.Class), f.Country
		}
	}
	return errors.Join(inboxError(err), box.Close())
}

// moves says why each entry left.
func (g *gathering) moves() error {
	all, err := g.reg.Moves()
	if err != nil {
		return err
	}
	came := map[blocklist.EntryID]bool{}
	for _, m := range all {
		if m.Ended || !slices.Contains(g.lists, m.List) {
			continue
		}
		s := stats.Move{Entry: m.Entry, At: m.At, In: m.In, Again: m.In && came[m.Entry]}
		if m.In {
			came[m.Entry] = true
		} else if s.Reason, err = g.reason(m); err != nil {
			return err
		}
		g.in.Moves = append(g.in.Moves, s)
	}
	return nil
}

func (g *gathering) reason(m register.Move) (string, error) {
	if m.Decision == 0 {
		return "expired", nil
	}
	d, err := g.reg.Decision(m.Decision)
	if err != nil {
		return "", err
	}
	seen := ""
	for _, r := range g.results[m.Entry] {
		if !r.At.After(m.At) {
			seen = r.Result
		}
	}
	switch {
	case d.Rollback != 0:
		return "rollback", nil
	case len(d.Cases) > 0:
		return "complaint", nil
	case d.Suspends > 0 && seen == blocklist.ChangedOwner.String():
		return seen, nil
	case d.Withdraws > 0 && (seen == blocklist.Gone.String() || seen == blocklist.Parked.String()):
		return seen, nil
	case d.Withdraws > 0:
		return "withdrawn", nil
	}
	return "suspended", nil
}

func (g *gathering) cases() {
	for _, c := range g.reg.Cases {
		if slices.Contains(g.lists, c.List) {
			g.in.Cases = append(g.in.Cases, stats.Case{
				Opened: c.Opened, Suspended: c.Suspended != 0, Decided: c.Decided, Upheld: c.Verdict == blocklist.Uphold, Closed: c.Closed,
			})
		}
	}
}

// hideNames calls a source "other" that holds a listed name, or one below or
// above it.
func (g *gathering) hideNames() error {
	bad := map[string]bool{}           // sources
	exact := map[string][]string{}     // name that a source holds → sources
	atOrAbove := map[string][]string{} // the same, and all above it
	note := func(source string) {
		if _, known := bad[source]; known {
			return
		}
		bad[source] = false
		for _, word := range strings.FieldsFunc(source, notOfName) {
			name, err := blocklist.ParseName(strings.Trim(word, "."))
			if err != nil || name.Labels() < 2 {
				continue // nothing that is listed
			}
			word = name.Reveal()
			exact[word] = append(exact[word], source)
			for name := range namesAbove(word) {
				atOrAbove[name] = append(atOrAbove[name], source)
			}
		}
	}
	for _, e := range g.in.Entries {
		note(e.Source)
	}
	for _, i := range g.in.Imports {
		note(i.Source)
	}
	if len(exact) == 0 {
		return nil
	}
	listed := func(e blocklist.Entry) error {
		host := e.Target.Name().Reveal()
		hit := slices.Clone(atOrAbove[host])
		for name := range namesAbove(host) {
			hit = append(hit, exact[name]...)
		}
		for _, source := range hit {
			bad[source] = true
		}
		return nil
	}
	for _, d := range g.reg.Decisions {
		if d.Adds > 0 {
			if err := g.additions(d, listed); err != nil {
				return err
			}
		}
	}
	for _, e := range g.in.Entries {
		if bad[e.Source] {
			e.Source = "other"
		}
	}
	for i := range g.in.Imports {
		if bad[g.in.Imports[i].Source] {
			g.in.Imports[i].Source = "other"
		}
	}
	return nil
}

// notOfName says where a word ends that may be a name, in whatever spelling.
func notOfName(r rune) bool {
	return r < utf8.RuneSelf && strings.ContainsRune(" /:@,;()[]<>\"'?#=&", r)
}

// namesAbove yields a name and those above it that have two labels at least.
func namesAbove(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for strings.Contains(name, ".") && yield(name) {
			_, name, _ = strings.Cut(name, ".")
		}
	}
}
