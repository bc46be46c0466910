package register

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vaern/vaern/blocklist"
)

func overriding(rule blocklist.Rule, subject, digest string) blocklist.Decision {
	return blocklist.Decision{List: "csam", Basis: "looked at", Overrides: []blocklist.Override{{Rule: rule, For: subject, Digest: digest}}}
}

// overridden checks whether something is let through, now and after opening.
func (w *world) overridden(rule blocklist.Rule, subject, digest string, want bool) {
	w.t.Helper()
	for what, s := range map[string]*State{"now": w.State, "opened": w.opened(w.environment).State} {
		if s.Overridden(rule, subject, digest) != want {
			w.t.Errorf("%s %s, %s: overridden is %v", rule, subject, what, !want)
		}
	}
}

func (w *world) digestOf(id blocklist.DecisionID) string {
	d, err := w.Decision(id)
	if err != nil {
		w.t.Fatal(err)
	}
	return d.Digest
}

// A growth override lets a decision in once. When it was taken back it does
// not let it in again.
func TestGrowthOverrideIsUsedOnce(t *testing.T) {
	for name, spend := range map[string]func(*world){
		"suspension": func(w *world) { w.decide(w.suspending(2), "anna") },
		"rollback": func(w *world) {
			if _, err := w.RollBack(w.rollback(5, 2, 3), "anna", w.with("anna")); err != nil {
				t.Fatal(err)
			}
		},
		"void": func(w *world) { w.decide(revoking("bo", start.Add(time.Minute)), "anna") },
	} {
		w := founded(t, "test")
		w.hire("carl", "anna", "bo")
		w.tick(time.Minute)
		big := w.decide(w.adding("a.example", "b.example"), "anna", "bo")
		again := overriding(blocklist.RuleGrowth, big.String(), w.digestOf(big))
		w.overridden(blocklist.RuleGrowth, big.String(), "", false)
		w.decide(again, "anna", "carl")
		w.overridden(blocklist.RuleGrowth, big.String(), "", true)
		w.decide(w.adding("other.example"), "anna", "carl")
		w.decide(w.withdrawing(1), "anna") // less of it is no reason to ask again
		w.overridden(blocklist.RuleGrowth, big.String(), "", true)
		spend(w)
		if d, _ := w.Decision(3); d.Status != Approved {
			t.Errorf("%s: the override itself is %s", name, d.Status)
		}
		w.overridden(blocklist.RuleGrowth, big.String(), "", false)
		if name != "void" { // a new one is new
			w.decide(again, "anna", "bo")
			w.overridden(blocklist.RuleGrowth, big.String(), "", true)
		}
	}
}

func TestEntryOverrideIsBoundToItsLine(t *testing.T) {
	w := founded(t, "production")
	id := w.decide(w.adding("a.example", "b.example"), "anna", "bo")
	w.draft(w.adding("c.example"))
	w.decide(w.withdrawing(2), "bo")
	text, _ := w.Text(id)
	line := strings.Split(string(text), "\n")[6]
	digest, err := w.EntryDigest(1)
	if err != nil || !strings.HasPrefix(line, "+ E1\t") || digest != blocklist.Digest([]byte(line)) {
		t.Fatalf("%q has digest %s, %v", line, digest, err)
	}
	other, err := w.EntryDigest(3)
	if err != nil || other == digest {
		t.Fatalf("E3 has digest %s, %v", other, err)
	}
	for _, none := range []blocklist.EntryID{0, -1, 4} {
		if _, err := w.EntryDigest(none); err == nil {
			t.Errorf("%v has a digest", none)
		}
	}
	of := w.draft(overriding(blocklist.RuleNeverBlock, "E1", digest))
	w.approve(of, "anna")
	w.overridden(blocklist.RuleNeverBlock, "E1", "", false)
	w.approve(of, "bo")
	w.overridden(blocklist.RuleNeverBlock, "E1", "", true)
	w.overridden(blocklist.RuleNeverBlock, "E1", other, true) // the register knows the line, not who asks
	w.overridden(blocklist.RulePublicSuffix, "E1", "", false)
	w.overridden(blocklist.RuleNeverBlock, "E2", "", false)
	w.overridden(blocklist.RuleNeverBlock, "E01", "", false)
	w.decide(overriding(blocklist.RuleOwn, "E3", digest), "anna", "bo") // the line of another
	w.overridden(blocklist.RuleOwn, "E3", "", false)
	w.decide(overriding(blocklist.RuleOwn, "E77", digest), "anna", "bo")
	w.overridden(blocklist.RuleOwn, "E77", "", false)
}

func TestListOverrideIsBoundToWhatStandsAgainstIt(t *testing.T) {
	w := founded(t, "production")
	state := strings.Repeat("ab", 32)
	w.decide(overriding(blocklist.RuleClock, "csam", state), "anna", "bo")
	w.overridden(blocklist.RuleClock, "csam", state, true)
	w.overridden(blocklist.RuleClock, "csam", strings.Repeat("cd", 32), false)
	w.overridden(blocklist.RuleClock, "csam", "", false)
	w.overridden(blocklist.RuleClock, "other", state, false)
	w.overridden(blocklist.RuleVanished, "csam", state, false)
	w.overridden(blocklist.RuleEmpty, "csam", state, false)
}

// A refused entry gets its id and its override in one decision.
func TestExceptionsAreForTheEntriesOfTheDecision(t *testing.T) {
	w := founded(t, "production")
	other := w.opened("production")
	exceptions := []Exception{{blocklist.RuleNeverBlock, 1}, {blocklist.RuleOwn, 1}, {blocklist.RuleNeverBlock, 2}}
	w.decide(w.adding("first.example"), "anna", "bo") // other does not know it, and is told when it writes
	d, err := other.NewDraft(w.adding("a.example", "b.example", "c.example"), 0, exceptions...)
	if err != nil || len(d.Overrides) != 3 {
		t.Fatalf("%+v, %v", d, err)
	}
	if err := w.Refresh(); err != nil {
		t.Fatal(err)
	}
	w.overridden(blocklist.RuleNeverBlock, "E3", "", false)
	w.approve(d.ID, "anna", "bo")
	for subject, want := range map[string]bool{"E1": false, "E2": false, "E3": true, "E4": true} {
		w.overridden(blocklist.RuleNeverBlock, subject, "", want)
	}
	w.overridden(blocklist.RuleOwn, "E3", "", true)
	w.overridden(blocklist.RuleOwn, "E4", "", false)
}

func TestVoidOverrideIsNone(t *testing.T) {
	w := crowd(t)
	w.decide(w.adding("a.example"), "anna", "bo")
	digest, _ := w.EntryDigest(1)
	stolen := w.tick(time.Minute)
	w.decide(overriding(blocklist.RuleNeverBlock, "E1", digest), "anna", "carl")
	w.overridden(blocklist.RuleNeverBlock, "E1", "", true)
	w.tick(time.Minute)
	w.decide(revoking("carl", stolen), "bo")
	w.overridden(blocklist.RuleNeverBlock, "E1", "", false)
}

// Many overrides of one text are looked up in one reading of it.
func TestManyOverridesReadTheTextOnce(t *testing.T) {
	w := founded(t, "production")
	d := blocklist.Decision{List: "csam", Basis: "many"}
	var exceptions []Exception
	for i := range 5000 {
		d.Add = append(d.Add, entry(t, fmt.Sprintf("n%d.example", i)))
		exceptions = append(exceptions, Exception{blocklist.RuleNeverBlock, i})
	}
	made, err := w.NewDraft(d, 0, exceptions...)
	if err != nil {
		t.Fatal(err)
	}
	w.approve(made.ID, "anna", "bo")
	reads := 0
	text := w.State.text
	w.State.text = func(seq int64) ([]byte, error) { reads++; return text(seq) }
	for _, e := range w.InForce("csam") {
		if !w.Overridden(blocklist.RuleNeverBlock, e.ID.String(), "") {
			t.Fatalf("%v is not", e.ID)
		}
	}
	if reads != 1 {
		t.Errorf("%d readings", reads)
	}
}

func TestDecisionOfAnEntry(t *testing.T) {
	w := founded(t, "production")
	w.draft(revoking("bo", start))
	w.draft(w.adding("a.example", "b.example"))
	w.draft(revoking("bo", start))
	w.draft(revoking("bo", start))
	w.draft(w.adding("c.example"))
	w.draft(revoking("bo", start))
	for id, want := range map[blocklist.EntryID]blocklist.DecisionID{1: 2, 2: 2, 3: 5} {
		if d, err := w.DecisionOf(id); err != nil || d.ID != want {
			t.Errorf("%v is of %v, %v; want %v", id, d, err, want)
		}
	}
	for _, none := range []blocklist.EntryID{-1, 0, 4} {
		if d, err := w.DecisionOf(none); err == nil {
			t.Errorf("%v is of %v", none, d.ID)
		}
	}
}
