package blocklist

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var testName = "domain blocktest.police.example"

// build is one of a list that has previous published; entries are E1, E2, ...
// of decisions D1, D2, ... unless text begins with "D7 ".
func build(t testing.TB, previous, entries []string) *Build {
	t.Helper()
	b := &Build{
		Policy:   &Policy{Protected: protected(t, "lawful.test\n"), MaxGrowth: Limit{2, 50}},
		Standing: []Row{{Target: target(t, testName), Category: StandingCategory}},
		Today:    "2026-11-23", Now: noon, Created: later(-time.Hour),
		Withdrawn:  func(Target) bool { return true },
		Overridden: func(Rule, string, string) bool { return false },
	}
	for i, text := range entries {
		d := DecisionID(i + 1)
		if head, rest, _ := strings.Cut(text, " "); strings.HasPrefix(head, "D") {
			text = rest
			n, err := strconv.Atoi(head[1:])
			if err != nil {
				t.Fatal(err)
			}
			d = DecisionID(n)
		}
		b.Entries = append(b.Entries, Listed{EntryID(i + 1), d, target(t, text), "malware"})
	}
	if previous != nil {
		b.Previous = NewSet(append(rows(t, previous...), Row{b.Standing[0].Target, StandingCategory, "2026-10-01"}))
	}
	return b
}

// baseOf is an edition that growth is counted against, made on no known day.
func baseOf(set *Set) *Base {
	return &Base{Len: set.Len(), Read: func() (*Set, error) { return set, nil }}
}

// result is a set without the test name, and refusals and flags as "rule id".
func result(o Outcome) (set []string, refused, flagged []string) {
	if o.Set != nil {
		set = slices.DeleteFunc(keys(o.Set), func(k string) bool { return k == testName })
	}
	list := func(all []Refusal) (words []string) {
		for _, r := range all {
			words = append(words, string(r.Rule)+" "+r.ID)
		}
		return words
	}
	return set, list(o.Refused), list(o.Flagged)
}

type strs = []string

func TestBuild(t *testing.T) {
	abc := strs{"domain a.example", "domain b.example", "domain c.example"} // with the test name 4, of which half is 2
	for _, c := range []struct {
		what                   string
		previous, entries      strs
		change                 func(*Build)
		want, refused, flagged strs
	}{
		{what: "first", entries: abc, want: abc},
		{what: "first, empty", want: nil, refused: strs{"empty list"}},
		{what: "first, no never-block file", entries: abc, change: func(b *Build) { b.Unprotected = "lost" }, refused: strs{"never-block-file list"}},
		{what: "first, protected", entries: strs{"domain www.lawful.test"}, refused: strs{"never-block E1"}},
		{what: "unchanged", previous: abc, entries: abc, want: abc},
		{what: "withdrawn", previous: abc, entries: abc[:1], want: abc[:1]},
		{what: "all withdrawn", previous: abc, entries: nil, want: strs{}},
		{what: "growth at the limit", previous: abc, entries: append(abc[:3:3], "host x.test", "host y.test"), want: append(abc[:3:3], "host x.test", "host y.test")},
		{
			what: "growth beyond it", previous: abc, entries: append(abc[1:3:3], "D9 host x.test", "D9 host y.test", "D8 host z.test"),
			want: abc[1:], refused: strs{"growth D9", "growth D8"},
		},
		{
			what: "growth within the count", previous: abc[:1], entries: append(abc[:1:1], "host x.test", "host y.test"),
			want: append(abc[:1:1], "host x.test", "host y.test"),
		},
		{
			what: "growth counts coverage", previous: abc, entries: append(abc[:3:3], "domain x.test", "domain a.x.test", "host b.x.test", "host x.test"),
			want: append(abc[:3:3], "domain x.test"),
		},
		{
			what: "growth against the day before", previous: append(abc[:3:3], "host x.test"), entries: append(abc[:3:3], "host x.test", "host y.test", "host z.test"),
			change:  func(b *Build) { b.Base = baseOf(NewSet(rows(t, append(abc[:3:3], testName)...))) },
			want:    append(abc[:3:3], "host x.test"),
			refused: strs{"growth D5", "growth D6"},
		},
		{
			what: "an override", previous: abc, entries: append(abc[:3:3], "D9 host w.test", "D9 host x.test", "D9 host y.test", "D8 host z.test"),
			change: func(b *Build) {
				b.Overridden = func(r Rule, of, _ string) bool { return r == RuleGrowth && of == "D9" }
			},
			want: append(abc[:3:3], "host w.test", "host x.test", "host y.test", "host z.test"),
		},
		{
			what: "an override of another", previous: abc, entries: append(abc[:3:3], "D9 host w.test", "D8 host x.test", "D8 host y.test", "D8 host z.test"),
			change: func(b *Build) { b.Overridden = func(_ Rule, of, _ string) bool { return of == "D9" } },
			want:   abc, refused: strs{"growth D8"},
		},
		{
			what: "no baseline", previous: abc, entries: append(abc[:3:3], "host x.test"),
			change: func(b *Build) { b.Base = nil },
			want:   append(abc[:3:3], "host x.test"),
		},
		{
			what: "vanished", previous: abc, entries: append(abc[1:3:3], "host x.test"),
			change: func(b *Build) { b.Withdrawn = func(o Target) bool { return false } },
			want:   abc, refused: strs{"vanished list"},
		},
		{
			what: "vanished below what is held back", previous: strs{"host www.a.example", "host b.example"}, entries: strs{"domain a.example", "domain lawful.test"},
			change: func(b *Build) { b.Withdrawn = func(o Target) bool { return o.Reveal() == "b.example" } },
			want:   strs{"host www.a.example"}, refused: strs{"never-block E2"},
		},
		{
			what: "covered by a new parent", previous: strs{"host www.a.example"}, entries: strs{"domain a.example"},
			change: func(b *Build) { b.Withdrawn = func(o Target) bool { return false } },
			want:   strs{"domain a.example"},
		},
		{
			what: "never-block, unpublished", previous: abc, entries: append(abc[1:3:3], "host www.lawful.test"),
			want: abc[1:], refused: strs{"never-block E3"},
		},
		{
			what: "never-block, published", previous: append(abc[:2:2], "host www.lawful.test"), entries: append(abc[:3:3], "host www.lawful.test"),
			want: append(abc[:3:3], "host www.lawful.test"), flagged: strs{"never-block E4"},
		},
		{what: "a URL there is only flagged", previous: abc, entries: append(abc[:3:3], "url http://lawful.test/x"), want: append(abc[:3:3], "url http://lawful.test/x")},
		{
			what: "the child comes back", previous: strs{"domain a.example"}, entries: strs{"host www.a.example", "domain x.a.example", "domain lawful.test"},
			want: strs{"domain x.a.example", "host www.a.example"}, refused: strs{"never-block E3"},
		},
		{
			what: "no never-block file, growing", previous: abc, entries: append(abc[1:3:3], "host x.test"),
			change: func(b *Build) { b.Unprotected = "halved" }, want: abc[1:], refused: strs{"never-block-file list"},
		},
		{what: "no never-block file, shrinking", previous: abc, entries: abc[1:], change: func(b *Build) { b.Unprotected = "halved" }, want: abc[1:]},
		{
			what: "clock back", previous: abc, entries: append(abc[1:3:3], "host x.test"),
			change: func(b *Build) { b.Now = b.Created.Add(-time.Second) }, want: abc[1:], refused: strs{"clock list"},
		},
		{what: "clock the same", previous: abc, entries: append(abc[:3:3], "host x.test"), change: func(b *Build) { b.Now = b.Created }, want: append(abc[:3:3], "host x.test")},
		{
			what: "clock far ahead", previous: abc, entries: append(abc[1:3:3], "host x.test"),
			change: func(b *Build) { b.Now = b.Created.Add(clockWindow + 1) }, want: abc[1:], refused: strs{"clock list"},
		},
		{what: "clock 30 days ahead", previous: abc, entries: append(abc[:3:3], "host x.test"), change: func(b *Build) { b.Now = b.Created.Add(clockWindow) }, want: append(abc[:3:3], "host x.test")},
		{what: "clock back, withdrawing", previous: abc, entries: abc[2:], change: func(b *Build) { b.Now = b.Created.Add(-time.Hour) }, want: abc[2:]},
	} {
		b := build(t, c.previous, c.entries)
		if c.change != nil {
			c.change(b)
		}
		o := b.Run()
		set, refused, flagged := result(o)
		if diff := cmp.Diff([]strs{c.want, c.refused, c.flagged}, []strs{set, refused, flagged}); diff != "" {
			t.Errorf("%s:\n%s", c.what, diff)
		}
		if o.Set != nil && !o.Set.Covers(target(t, testName)) {
			t.Errorf("%s: the test name is gone", c.what)
		}
		for _, r := range append(o.Refused, o.Flagged...) {
			if strings.Contains(r.Reason, ".example") || strings.Contains(r.Reason, ".test") {
				t.Errorf("%s: the reason tells a name: %s", c.what, r.Reason)
			}
		}
	}
}

func TestBuildDates(t *testing.T) {
	b := build(t, strs{"domain a.example", "host www.b.example"}, strs{"domain a.example", "domain b.example", "host c.example"})
	dates := map[string]string{}
	for u := range unitNames {
		for _, r := range b.Run().Set.Rows(Unit(u)) {
			dates[r.Target.RevealKey()] = r.Added + " " + r.Category
		}
	}
	if diff := cmp.Diff(map[string]string{
		"domain a.example": "2026-11-01 malware", "domain b.example": "2026-11-23 malware", "host c.example": "2026-11-23 malware",
		testName: "2026-10-01 " + StandingCategory,
	}, dates); diff != "" {
		t.Error(diff)
	}
}

func TestBaseline(t *testing.T) {
	hours := func(ages ...float64) (all []*Edition) {
		for _, h := range ages {
			all = append(all, &Edition{Manifest: &Manifest{Created: noon.Add(-time.Duration(h * float64(time.Hour)))}})
		}
		return all
	}
	for _, c := range []struct {
		ages []float64
		want int // place in the history, -1 for none
	}{
		{nil, -1},
		{[]float64{0}, 0},
		{[]float64{1, 2, 23.9}, 2}, // none is that old: the oldest
		{[]float64{1, 24, 48}, 1},
		{[]float64{1, 23.9999, 24.0001, 48}, 2},
		{[]float64{30, 48}, 0},
		{[]float64{-5, 10}, 1}, // the clock went back
	} {
		history := hours(c.ages...)
		got := Baseline(history, noon)
		if c.want < 0 && got != nil || c.want >= 0 && got != history[c.want] {
			t.Errorf("%v: %v", c.ages, got)
		}
	}
}
