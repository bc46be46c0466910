package blocklist

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// drawTargets draws targets of few labels, so that many cover each other.
func drawTargets(t *rapid.T, what string) []string {
	label := rapid.SampledFrom([]string{"a", "b", "ab", "a-b", "b0"})
	one := rapid.Custom(func(t *rapid.T) string {
		text := strings.Join(append(rapid.SliceOfN(label, 0, 3).Draw(t, "labels"), rapid.SampledFrom([]string{"example", "test"}).Draw(t, "top")), ".")
		switch unit := rapid.SampledFrom([]string{"domain", "host", "url"}).Draw(t, "unit"); unit {
		case "url":
			return "url http://" + text + "/" + rapid.SampledFrom([]string{"", "x", "y,z"}).Draw(t, "path")
		default:
			return unit + " " + text
		}
	})
	return rapid.SliceOfN(one, 0, 25).Draw(t, what)
}

// blocks is the meaning of units in its simplest words: does target s block
// all of what o blocks?
func blocks(s, o string) bool {
	su, st, _ := strings.Cut(s, " ")
	ou, ot, _ := strings.Cut(o, " ")
	switch {
	case s == o:
		return true
	case su != "domain" || ou == "url":
		return false
	}
	return ot == st || strings.HasSuffix(ot, "."+st)
}

func covered(by []string, o string) bool {
	return slices.ContainsFunc(by, func(s string) bool { return blocks(s, o) })
}

// naive is what NewSet must keep, in order.
func naive(all []string) []string {
	kept := []string{}
	for _, o := range all {
		others := slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == o })
		if !covered(others, o) && !slices.Contains(kept, o) {
			kept = append(kept, o)
		}
	}
	slices.SortFunc(kept, strings.Compare) // "domain" < "host" < "url"
	return kept
}

func TestSetIsTheNaiveSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := drawTargets(t, "all")
		set := NewSet(rows(t, all...))
		if diff := cmp.Diff(naive(all), keys(set)); diff != "" {
			t.Fatal(diff)
		}
		if set.Len() != len(naive(all)) {
			t.Fatalf("length is %d", set.Len())
		}
		for _, o := range append(drawTargets(t, "asked"), all...) {
			if set.Covers(target(t, o)) != covered(all, o) {
				t.Fatalf("covers %q is %v", o, !covered(all, o))
			}
			if _, found := set.Find(target(t, o)); found != slices.Contains(keys(set), o) {
				t.Fatalf("find %q is %v", o, found)
			}
		}
	})
}

func TestDiffGivesTheOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := NewSet(rows(t, drawTargets(t, "a")...)), NewSet(rows(t, drawTargets(t, "b")...))
		d := Diff(a, b)
		applied := []string{}
		for _, k := range keys(a) {
			if !slices.ContainsFunc(d.Removed, func(r Row) bool { return r.Target.RevealKey() == k }) {
				applied = append(applied, k)
			}
		}
		for _, r := range d.Added {
			if slices.Contains(applied, r.Target.RevealKey()) {
				t.Fatalf("%s is added, and was there", r.Target.RevealKey())
			}
			applied = append(applied, r.Target.RevealKey())
		}
		slices.Sort(applied)
		if diff := cmp.Diff(keys(b), applied); diff != "" {
			t.Fatal(diff)
		}
		if len(d.Added)+len(d.Removed)+2*len(keys(a)) != len(keys(a))+len(keys(b))+2*len(d.Removed) {
			t.Fatal("the difference is not the least one")
		}
	})
}

func TestSetTable(t *testing.T) {
	for _, c := range []struct{ in, want []string }{
		{nil, []string{}},
		{[]string{"host bad.example", "domain bad.example"}, []string{"domain bad.example"}},
		{[]string{"host www.bad.example", "domain bad.example"}, []string{"domain bad.example"}},
		{[]string{"host bad.example", "domain www.bad.example"}, []string{"domain www.bad.example", "host bad.example"}},
		{[]string{"domain a.test", "domain long.example", "host www.a.test"}, []string{"domain a.test", "domain long.example"}},
		{[]string{"domain a.b.bad.example", "domain bad.example"}, []string{"domain bad.example"}},
		{[]string{"domain notbad.example", "domain bad.example"}, []string{"domain bad.example", "domain notbad.example"}},
		{[]string{"url http://bad.example/", "domain bad.example"}, []string{"domain bad.example", "url http://bad.example/"}},
		// LC_ALL=C: "-" before "." before digits before letters.
		{
			[]string{"domain b.example", "domain a.example", "domain a-b.example", "domain a0.example", "domain ab.example"},
			[]string{"domain a-b.example", "domain a.example", "domain a0.example", "domain ab.example", "domain b.example"},
		},
	} {
		if diff := cmp.Diff(c.want, keys(NewSet(rows(t, c.in...)))); diff != "" {
			t.Error(diff)
		}
	}
}

func TestSetKeepsTheFirstOfEqualRows(t *testing.T) {
	for _, before := range []string{"domain a.example", "domain z.example"} {
		all := rows(t, before)
		for range 100 { // short lists are sorted by another algorithm
			all = append(all, rows(t, "domain m.example", "domain b.example")...)
		}
		for i := range all {
			all[i].Category = strconv.Itoa(i)
		}
		if r, _ := NewSet(all).Find(target(t, "domain m.example")); r.Category != "1" {
			t.Errorf("the row of category %s is kept", r.Category)
		}
	}
}

func TestWithdrawnParentBringsTheChildBack(t *testing.T) {
	both := NewSet(rows(t, "domain bad.example", "host www.bad.example", "domain a.bad.example"))
	child := NewSet(rows(t, "host www.bad.example", "domain a.bad.example"))
	d := Diff(both, child)
	if len(d.Removed) != 1 || len(d.Added) != 2 {
		t.Errorf("%d removed, %d added", len(d.Removed), len(d.Added))
	}
	for _, r := range d.Added {
		if !both.Covers(r.Target) {
			t.Error("the child was not covered")
		}
	}
}
