package blocklist

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A set that is made from the one before it is the set that is made from
// nothing, whatever the two have in common.
func TestReviseIsNewSet(t *testing.T) {
	category := rapid.SampledFrom([]string{"", "malware", "other"})
	draw := func(t *rapid.T, what string, added string) (all []Row) {
		for _, r := range rows(t, drawTargets(t, what)...) {
			all = append(all, Row{r.Target, category.Draw(t, "category"), added})
		}
		return all
	}
	rapid.Check(t, func(t *rapid.T) {
		before := draw(t, "before", "2026-11-01")
		old := NewSet(before)
		if rapid.Bool().Draw(t, "read") { // as it comes out of an edition
			old = sortedSet(old.all)
		}
		var given []Row
		for _, r := range append(before, draw(t, "new", "")...) {
			if rapid.Bool().Draw(t, "given") {
				given = append(given, Row{r.Target, r.Category, "2026-11-23"})
			}
		}
		given = rapid.Permutation(given).Draw(t, "order")

		set, changes := revise(old, len(given), func(i uint32) *Target { return &given[i].Target }, func(i uint32) Row { return given[i] })
		want := NewSet(given)
		for i := range want.all {
			if row, ok := old.Find(want.all[i].Target); ok {
				want.all[i].Added = row.Added
			}
		}
		if diff := cmp.Diff(told(want), told(set)); diff != "" {
			t.Fatal(diff)
		}
		diff := Diff(old, want)
		if d := cmp.Diff([2][]string{lines(diff.Added), lines(diff.Removed)}, [2][]string{lines(changes.Added), lines(changes.Removed)}); d != "" {
			t.Fatal(d)
		}
		for _, o := range rows(t, drawTargets(t, "asked")...) {
			if set.Covers(o.Target) != want.Covers(o.Target) {
				t.Fatalf("covers %s is %v", o.Target.RevealKey(), set.Covers(o.Target))
			}
		}
	})
}

func lines(rows []Row) []string {
	all := []string{}
	for _, r := range rows {
		all = append(all, fmt.Sprint(r.Target.RevealKey(), " ", r.Category, " ", r.Added))
	}
	return all
}

// told is all that a set tells: rows by unit, and its tree.
func told(s *Set) (all [][]string) {
	for u := range unitNames {
		all = append(all, lines(s.Rows(Unit(u))))
	}
	var tree []Row
	for row := range s.Tree() {
		tree = append(tree, *row)
	}
	return append(all, lines(tree))
}
