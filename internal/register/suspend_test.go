package register

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vaern/vaern/blocklist"
)

func (w *world) suspending(ids ...blocklist.EntryID) blocklist.Decision {
	w.t.Helper()
	d := w.withdrawing(ids...)
	d.Suspend, d.Withdraw = d.Withdraw, nil
	return d
}

// suspended checks what is suspended.
func (w *world) suspended(want ...blocklist.EntryID) {
	w.t.Helper()
	var got []blocklist.EntryID
	for _, e := range w.Suspended("csam") {
		got = append(got, e.ID)
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("suspended %v, want %v", got, want)
	}
	w.same()
}

// former checks how a name left the list.
func (w *world) former(name string, id blocklist.EntryID, how Leave) {
	w.t.Helper()
	target := entry(w.t, name).Target
	if f, ok := w.Former("csam", target); !ok || f != (Former{id, how}) || !w.WasListed("csam", target) {
		w.t.Errorf("%v is %v, want %v", id, f, how)
	}
}

func TestSuspendedIsOutAndNotForgotten(t *testing.T) {
	w := founded(t, "production")
	w.decide(w.adding("a.example", "b.example", "c.example", "d.example"), "anna", "bo")
	id := w.draft(w.suspending(3, 1))
	w.listed("a.example", "b.example", "c.example", "d.example")
	w.approve(id, "bo") // one is enough to take away
	w.status(id, Approved)
	w.listed("b.example", "d.example")
	w.suspended(1, 3)
	w.former("a.example", 1, WasSuspended)
	if d, _ := w.Decision(id); d.Suspends != 2 || d.Withdraws != 0 || d.AddsAnything() {
		t.Errorf("%+v", d)
	}
	w.decide(w.suspending(2), "anna")
	w.suspended(1, 2, 3)

	// To list it again is a new entry; the suspended one stays what it is.
	w.decide(w.adding("a.example"), "anna", "bo")
	w.listed("d.example", "a.example")
	w.suspended(1, 2, 3)
	if w.WasListed("csam", entry(t, "a.example").Target) {
		t.Error("what is listed again needs no explanation")
	}

	// A withdrawal of what is suspended is for good.
	withdraw := blocklist.Decision{List: "csam", Basis: "appeal", Withdraw: []blocklist.Withdrawal{
		{ID: 2, Target: entry(t, "other.example").Target}, // not its target
		{ID: 3, Target: entry(t, "c.example").Target},
	}}
	w.decide(withdraw, "anna")
	w.suspended(1, 2)
	w.former("c.example", 3, WasWithdrawn)
	w.former("b.example", 2, WasSuspended)
}

func TestSuspensionTakesOutWhatItShows(t *testing.T) {
	w := founded(t, "production")
	w.decide(w.adding("a.example", "b.example"), "anna", "bo")
	d := w.suspending(1)
	d.Suspend[0].Target = entry(t, "b.example").Target
	w.decide(d, "anna")
	w.listed("a.example", "b.example")
	other := w.suspending(1)
	other.List = "other"
	w.decide(other, "anna")
	w.listed("a.example", "b.example")
	w.decide(w.withdrawing(1), "anna")
	late := w.suspending(2)
	late.Suspend[0] = blocklist.Withdrawal{ID: 1, Target: entry(t, "a.example").Target}
	w.decide(late, "anna") // is withdrawn already
	w.listed("b.example")
	w.suspended()
	w.former("a.example", 1, WasWithdrawn)
}

func TestSuspensionOfTheUnknownIsRefused(t *testing.T) {
	w := founded(t, "production")
	w.decide(w.adding("a.example"), "anna", "bo")
	d := w.suspending(1)
	d.Suspend[0].ID = 2
	_, err := w.NewDraft(d, 0)
	w.refused(err, "does not exist")
}

// What is void was suspended all the same: to bring it back is to add.
func TestVoidSuspensionStays(t *testing.T) {
	w := crowd(t)
	w.decide(w.adding("a.example", "b.example"), "anna", "bo")
	stolen := w.tick(time.Minute)
	id := w.decide(w.suspending(1), "carl")
	w.tick(time.Minute)
	w.decide(revoking("carl", stolen), "anna")
	w.status(id, Void)
	w.listed("b.example")
	w.suspended(1)
}

func (w *world) rollback(serial blocklist.Serial, ids ...blocklist.EntryID) func() (blocklist.Decision, error) {
	return func() (blocklist.Decision, error) {
		d := w.suspending(ids...)
		d.Rollback, d.Basis = serial, "drill"
		return d, nil
	}
}

func (w *world) with(label string) func([]byte) ([]byte, error) {
	return func(text []byte) ([]byte, error) { return w.signText(text, label, blocklist.DecisionNamespace), nil }
}

func TestRollbackIsOneStep(t *testing.T) {
	w := founded(t, "production")
	w.decide(w.adding("a.example", "b.example"), "anna", "bo")
	w.hire("carl", "anna", "bo")
	w.decide(changing(w.officer("holly", "holly", blocklist.Hotline)), "anna", "bo")
	before := w.Head()
	fail := errors.New("no key")
	for what, c := range map[string]struct {
		officer string
		sign    func([]byte) ([]byte, error)
		serial  blocklist.Serial
		ids     []blocklist.EntryID
		why     string
	}{
		"no signature":   {"anna", func([]byte) ([]byte, error) { return nil, fail }, 5, []blocklist.EntryID{1}, "no key"},
		"another's key":  {"anna", w.with("bo"), 5, []blocklist.EntryID{1}, `not made with the key of officer "anna"`},
		"a stranger":     {"mole", w.with("mole"), 5, []blocklist.EntryID{1}, "no active officer"},
		"a hotline":      {"holly", w.with("holly"), 5, []blocklist.EntryID{1}, "only police approve"},
		"another text":   {"anna", func([]byte) ([]byte, error) { return w.with("anna")([]byte("x")) }, 5, []blocklist.EntryID{1}, "signature of D4"},
		"nothing":        {"anna", w.with("anna"), 5, nil, "suspends nothing"},
		"not a rollback": {"anna", w.with("anna"), 0, []blocklist.EntryID{1}, "not a rollback"},
	} {
		_, err := w.RollBack(w.rollback(c.serial, c.ids...), c.officer, c.sign)
		w.refused(err, c.why)
		if c.officer != "anna" && strings.Contains(err.Error(), "write register") {
			t.Errorf("%s: found only when writing: %v", what, err)
		}
		if w.Head() != before || len(w.Decisions) != 3 {
			t.Errorf("%s: something is left", what)
		}
	}
	d, err := w.RollBack(w.rollback(5, 1, 2), "carl", w.with("carl"))
	if err != nil || d.Status != Approved || d.Rollback != 5 || d.Suspends != 2 || d.Quorum != 1 {
		t.Fatalf("%+v, %v", d, err)
	}
	w.listed()
	w.suspended(1, 2)
}

// Somebody decides while the officer signs: what was added meanwhile is taken
// back too, because the rollback is made anew.
func TestRollbackAgainstAnotherProcess(t *testing.T) {
	w := founded(t, "production")
	w.decide(w.adding("a.example"), "anna", "bo")
	other := &world{t: t, path: w.path, now: w.now, keys: w.keys, Register: w.opened("production")}
	asked := 0
	d, err := w.RollBack(func() (blocklist.Decision, error) {
		var ids []blocklist.EntryID
		for _, e := range w.InForce("csam") {
			ids = append(ids, e.ID)
		}
		return w.rollback(7, ids...)()
	}, "anna", func(text []byte) ([]byte, error) {
		if asked++; asked == 1 {
			other.decide(other.adding("b.example"), "anna", "bo")
		}
		return w.with("anna")(text)
	})
	if err != nil || asked != 2 || d.ID != 3 || d.Suspends != 2 {
		t.Fatalf("%+v after %d, %v", d, asked, err)
	}
	w.listed()
}

func TestRollbackWithAnythingElseIsRefused(t *testing.T) {
	w := founded(t, "production")
	w.decide(w.adding("a.example"), "anna", "bo")
	for what, change := range map[string]func(*blocklist.Decision){
		"an addition":  func(d *blocklist.Decision) { d.Add = w.adding("z.example").Add },
		"a withdrawal": func(d *blocklist.Decision) { d.Withdraw = d.Suspend },
		"an officer":   func(d *blocklist.Decision) { d.Officers = revoking("bo", start).Officers },
		"an override": func(d *blocklist.Decision) {
			d.Overrides = []blocklist.Override{{Rule: blocklist.RuleGrowth, For: "D1", Digest: strings.Repeat("0", 64)}}
		},
	} {
		d, _ := w.rollback(5, 1)()
		change(&d)
		_, err := w.NewDraft(d, 0)
		w.refused(err, "does more than suspend")
		_, err = w.RollBack(func() (blocklist.Decision, error) { return d, nil }, "anna", w.with("anna"))
		w.refused(err, "does more than suspend")
		if len(w.Decisions) != 1 {
			t.Fatalf("with %s: %d decisions", what, len(w.Decisions))
		}
	}
}

func (w *world) resuming(ids ...blocklist.EntryID) blocklist.Decision {
	w.t.Helper()
	d := blocklist.Decision{List: "csam", Basis: "checked"}
	for _, e := range w.Suspended("csam") {
		if slices.Contains(ids, e.ID) {
			d.Resume = append(d.Resume, blocklist.Withdrawal{ID: e.ID, Target: e.Target})
		}
	}
	return d
}

// What is resumed is what it was: the entry, its decision, its time. It takes
// the signatures of an addition.
func TestResumed(t *testing.T) {
	w := founded(t, "production")
	w.decide(w.adding("a.example", "b.example", "c.example"), "anna", "bo")
	before := slices.Clone(w.InForce("csam"))
	w.decide(w.suspending(1, 2), "anna")
	id := w.draft(w.resuming(2, 1))
	if d, _ := w.Decision(id); d.Resumes != 2 || !d.AddsAnything() {
		t.Errorf("%+v", d)
	}
	w.approve(id, "anna")
	w.status(id, Draft) // one is not enough to put back
	w.listed("c.example")
	w.approve(id, "bo")
	w.listed("a.example", "b.example", "c.example")
	w.suspended()
	same := func(a, b blocklist.Listed) bool {
		return a.ID == b.ID && a.Decision == b.Decision && a.Category == b.Category && a.Target.RevealKey() == b.Target.RevealKey()
	}
	if !slices.EqualFunc(w.InForce("csam"), before, same) {
		t.Error("an entry is not what it was")
	}
	if w.WasListed("csam", before[0].Target) {
		t.Error("is known as one that left")
	}

	// Again and again, and by two decisions.
	w.decide(w.suspending(1, 3), "anna")
	back := w.resuming(1, 3)
	first, second := w.draft(back), w.draft(back)
	w.approve(first, "anna")
	w.approve(first, "bo")
	w.listed("a.example", "b.example", "c.example")
	w.approve(second, "anna")
	w.approve(second, "bo")
	w.listed("a.example", "b.example", "c.example") // once each
	w.decide(w.suspending(1), "anna")
	w.listed("b.example", "c.example")
	w.suspended(1)

	// An entry that never was suspended, or with another's name, is passed over.
	d := w.resuming(1)
	d.Resume[0].ID = 2
	w.decide(d, "anna", "bo")
	w.listed("b.example", "c.example")
	w.suspended(1)
}

// A resumption whose quorum became void puts nothing back, and a suspension
// whose key was revoked stays.
func TestVoidResumption(t *testing.T) {
	w := crowd(t)
	w.decide(w.adding("a.example", "b.example"), "anna", "bo")
	w.decide(w.suspending(1), "anna")
	stolen := w.tick(time.Minute)
	w.decide(w.resuming(1), "anna", "carl")
	w.listed("a.example", "b.example")
	w.tick(time.Minute)
	w.decide(revoking("carl", stolen), "bo")
	w.listed("b.example")
	w.suspended(1)
}
