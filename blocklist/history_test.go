package blocklist

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestBuildOverTime runs random histories: decisions add and withdraw, guards
// hold or not, and after each build the promises are checked.
func TestBuildOverTime(t *testing.T) {
	guard := protected(t, "lawful.test\n")
	rapid.Check(t, func(t *rapid.T) {
		inForce := map[string]Listed{}
		withdrawn := map[string]bool{}
		var previous *Set
		var ids EntryID
		standing := []Row{{Target: target(t, testName), Category: StandingCategory}}
		for step := range rapid.IntRange(1, 8).Draw(t, "steps") {
			for _, k := range drawTargets(t, "added") {
				if _, ok := inForce[k]; !ok {
					ids++
					inForce[k] = Listed{ids, DecisionID(step + 1), target(t, k), "malware"}
					delete(withdrawn, k)
				}
			}
			if rapid.IntRange(0, 3).Draw(t, "protected") == 0 {
				ids++
				inForce["host lawful.test"] = Listed{ids, DecisionID(step + 1), target(t, "host lawful.test"), ""}
			}
			lost := map[string]bool{}
			for _, k := range sortedKeys(inForce) {
				switch rapid.IntRange(0, 5).Draw(t, "fate") {
				case 0:
					delete(inForce, k)
					withdrawn[k] = true
				case 1:
					if rapid.IntRange(0, 9).Draw(t, "lost") == 0 {
						delete(inForce, k)
						lost[k] = true
					}
				}
			}
			b := &Build{
				Policy: &Policy{Protected: guard, MaxGrowth: Limit{rapid.IntRange(0, 20).Draw(t, "count"), 10}}, Standing: standing,
				Today: fmt.Sprintf("2026-11-%02d", step+1), Previous: previous, Created: noon, Now: later(time.Duration(rapid.IntRange(-1, 1000).Draw(t, "clock")) * time.Hour),
				Withdrawn:  func(o Target) bool { return withdrawn[o.RevealKey()] },
				Overridden: func(Rule, string, string) bool { return false },
			}
			for _, k := range sortedKeys(inForce) {
				b.Entries = append(b.Entries, inForce[k])
			}
			o := b.Run()
			check(t, b, o, inForce, withdrawn)
			if o.Set != nil {
				previous = o.Set
			}
			for k := range lost {
				withdrawn[k] = true // somebody looked into it
			}
		}
	})
}

func sortedKeys(m map[string]Listed) []string {
	all := make([]string, 0, len(m))
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

// check holds one outcome against what guards promise.
func check(t *rapid.T, b *Build, o Outcome, inForce map[string]Listed, withdrawn map[string]bool) {
	held := len(o.Refused) > 0
	if o.Set == nil {
		if !held || b.Previous != nil {
			t.Fatal("nothing may be published, and no guard says why")
		}
		return
	}
	for _, k := range keys(o.Set) {
		if withdrawn[k] {
			t.Fatalf("%s was withdrawn and is published", k)
		}
		if held && !b.Previous.Covers(target(t, k)) {
			t.Fatalf("%s was not blocked, and is although a guard holds: %v", k, o.Refused)
		}
	}
	for k, e := range inForce {
		published := o.Set.Covers(e.Target)
		if !held && !published {
			t.Fatalf("%s is in force and not published", k)
		}
		if held && !published && b.Previous.Covers(e.Target) {
			t.Fatalf("%s was blocked, is in force, and is gone", k)
		}
	}
	if b.Previous == nil {
		return
	}
	for _, r := range Diff(b.Previous, o.Set).Removed {
		if k := r.Target.RevealKey(); !withdrawn[k] && !o.Set.Covers(r.Target) {
			t.Fatalf("%s is gone without a decision", k)
		}
	}
	for u := range unitNames {
		for _, r := range o.Set.Rows(Unit(u)) {
			want := b.Today
			if old, ok := b.Previous.Find(r.Target); ok {
				want = old.Added
			}
			if r.Added != want {
				t.Fatalf("%s was added %s, want %s", r.Target.RevealKey(), r.Added, want)
			}
		}
	}
	for _, r := range o.Refused {
		if strings.Contains(r.Reason, ".test") {
			t.Fatalf("the reason tells a name: %v", r)
		}
	}
}
