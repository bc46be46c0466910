package register

import (
	"strings"
	"testing"

	"github.com/vaern/vaern/blocklist"
)

func TestIDsHaveNoGaps(t *testing.T) {
	w := founded(t, "production")
	next := blocklist.EntryID(1)
	for i, d := range []blocklist.Decision{
		w.adding("a.example", "b.example"), w.adding("c.example"), revoking("bo", start), w.adding("d.example", "e.example"),
	} {
		made, err := w.NewDraft(d, 0)
		if err != nil {
			t.Fatal(err)
		}
		if made.ID != blocklist.DecisionID(i+1) || made.Status != Draft || made.Adds != len(d.Add) {
			t.Errorf("draft %d is %+v", i+1, made)
		}
		text, err := w.Text(made.ID)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := blocklist.ParseDecision(text)
		if err != nil {
			t.Fatal(err)
		}
		if parsed.Register != w.ID || parsed.Environment != "production" || parsed.ID != made.ID || blocklist.Digest(text) != made.Digest {
			t.Errorf("text of %v says %+v", made.ID, parsed)
		}
		for _, e := range parsed.Add {
			if e.ID != next {
				t.Errorf("entry has id %v, want %v", e.ID, next)
			}
			next++
		}
	}
	w.listed()
	if _, err := w.Decision(0); err == nil {
		t.Error("D0 exists")
	}
	if _, err := w.Decision(5); err == nil {
		t.Error("D5 exists")
	}
}

// An approval of the old draft is worth nothing for the one that replaces it.
func TestReplaceRejectsTheOldDraft(t *testing.T) {
	w := founded(t, "production")
	old := w.draft(w.adding("a.example"))
	w.approve(old, "anna")
	signature := w.sign(old, "bo")
	made, err := w.NewDraft(w.adding("a.example"), old)
	if err != nil {
		t.Fatal(err)
	}
	w.status(old, Rejected)
	if made.ID != old+1 || len(made.Approvals) != 0 {
		t.Errorf("replaced by %+v", made)
	}
	_, err = w.Approve(made.ID, "bo", signature, needs)
	w.refused(err, "does not fit")
	_, err = w.Approve(old, "bo", signature, needs)
	w.refused(err, "rejected already")
	w.approve(made.ID, "anna")
	w.status(made.ID, Draft)
	w.approve(made.ID, "bo")
	w.listed("a.example")
	_, err = w.NewDraft(w.adding("b.example"), made.ID)
	w.refused(err, "approved already")
	_, err = w.NewDraft(w.adding("b.example"), 99)
	w.refused(err, "no decision D99")
}

// Either both or none: a draft that can not be made leaves the old one alone.
func TestReplaceIsOneStep(t *testing.T) {
	w := founded(t, "production")
	old := w.draft(w.adding("a.example"))
	bad := w.adding("b.example")
	bad.Add[0].Note = "two\nlines"
	_, err := w.NewDraft(bad, old)
	w.refused(err, "parse decision")
	w.status(old, Draft)
}

// What could not be read back would lock everybody out for good.
func TestUnreadableDraftIsNotRecorded(t *testing.T) {
	w := founded(t, "production")
	for name, spoil := range map[string]func(*blocklist.Decision){
		"list":     func(d *blocklist.Decision) { d.List = "csam\nid: D9" },
		"basis":    func(d *blocklist.Decision) { d.Basis = "because\n+ E9" },
		"no basis": func(d *blocklist.Decision) { d.Basis = "" },
		"category": func(d *blocklist.Decision) { d.Add[0].Category = "x\ty" },
		"target":   func(d *blocklist.Decision) { d.Add[0].Target = blocklist.Target{} },
		"officer":  func(d *blocklist.Decision) { d.Officers = []blocklist.OfficerChange{{Name: "a b"}} },
		"override": func(d *blocklist.Decision) { d.Overrides = []blocklist.Override{{Rule: "syntax"}} },
		"withdraw": func(d *blocklist.Decision) { d.Withdraw = []blocklist.Withdrawal{{}} },
	} {
		d := w.adding("a.example")
		spoil(&d)
		if _, err := w.NewDraft(d, 0); err == nil {
			t.Errorf("%s: accepted", name)
		}
		w.same()
	}
	if id := w.draft(w.adding("a.example")); id != 1 {
		t.Errorf("first draft is %v", id)
	}
}

func TestRejectedIsRejected(t *testing.T) {
	w := founded(t, "production")
	id := w.draft(w.adding("a.example"))
	w.approve(id, "anna")
	if err := w.Reject(id, "no grounds at all"); err != nil {
		t.Fatal(err)
	}
	w.status(id, Rejected)
	for _, reason := range []string{"", "two\nlines", "\x1b[2J"} {
		if err := w.Reject(id, reason); err == nil || !strings.Contains(err.Error(), "reason: ") {
			t.Errorf("reason %q: %v", reason, err)
		}
	}
	w.refused(w.Reject(id, "again"), "rejected already")
	_, err := w.Approve(id, "bo", w.sign(id, "bo"), needs)
	w.refused(err, "rejected already")
	w.listed()
}

// A withdrawal says id and target; an id beside a target that is not its own
// must not take out what no officer read.
func TestWithdrawalTakesOutWhatItShows(t *testing.T) {
	w := founded(t, "production")
	w.decide(w.adding("a.example", "b.example"), "anna", "bo")
	d := w.withdrawing(1)
	d.Withdraw[0].ID = 2
	w.decide(d, "anna")
	w.listed("a.example", "b.example")
	w.decide(w.withdrawing(1), "anna")
	w.listed("b.example")
	a, b := entry(t, "a.example").Target, entry(t, "b.example").Target
	if !w.WasListed("csam", a) || w.WasListed("csam", b) || w.WasListed("other", a) {
		t.Error("WasListed is wrong")
	}
	w.decide(w.adding("a.example"), "anna", "bo") // E3
	w.listed("b.example", "a.example")
	if w.WasListed("csam", a) {
		t.Error("what is listed again is not gone")
	}
}

func TestOverrideIsBoundToItsText(t *testing.T) {
	w := founded(t, "production")
	id := w.draft(w.adding("a.example"))
	of, err := w.Decision(id)
	if err != nil {
		t.Fatal(err)
	}
	rule := blocklist.RuleGrowth
	good := blocklist.Override{Rule: rule, For: id.String(), Digest: of.Digest}
	wrong := blocklist.Override{Rule: rule, For: id.String(), Digest: strings.Repeat("0", 64)}
	for _, o := range []blocklist.Override{wrong, good} {
		over := w.draft(blocklist.Decision{List: "csam", Basis: "large raid", Overrides: []blocklist.Override{o}})
		if w.approve(over, "anna"); w.Overridden(rule, id.String(), "") {
			t.Error("overridden by one officer")
		}
		if w.approve(over, "bo"); w.Overridden(rule, id.String(), "") != (o == good) {
			t.Errorf("%v: overridden is %v", o, w.Overridden(rule, id.String(), ""))
		}
	}
	if w.Overridden(rule, "D99", "") {
		t.Error("D99 is overridden")
	}
	w.tick(10)
	if w.decide(revoking("anna", start), "bo"); w.Overridden(rule, id.String(), "") {
		t.Error("overridden by a void decision")
	}
}

// What the engine could not hold is an error before it is asked, and nothing is recorded.
func TestDraftTooLargeIsAnError(t *testing.T) {
	w := founded(t, "production")
	keep, before := maxText, w.Head()
	defer func() { maxText = keep }()
	maxText = 100
	if _, err := w.NewDraft(w.adding("a.example"), 0); err == nil || !strings.Contains(err.Error(), "split") {
		t.Errorf("got %v", err)
	}
	if w.Head() != before || len(w.Decisions) != 0 {
		t.Error("something is recorded")
	}
}
