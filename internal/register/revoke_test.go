package register

import (
	"testing"
	"time"

	"github.com/vaern/vaern/blocklist"
)

// crowd is a register with anna, bo, carl and dora; carl came by D1, with
// anna and bo, and dora by D2, with carl and bo. Each record is a minute
// after the one before.
func crowd(t *testing.T) *world {
	t.Helper()
	w := founded(t, "production")
	w.tick(time.Minute)
	w.hire("carl", "anna", "bo")
	w.tick(time.Minute)
	w.hire("dora", "carl", "bo")
	w.tick(time.Minute)
	return w
}

func TestRevokedOfficerIsOut(t *testing.T) {
	w := crowd(t)
	before := w.decide(w.adding("a.example"), "carl", "anna")
	w.tick(time.Minute)
	w.decide(revoking("carl", w.now), "bo")
	w.status(before, Approved) // recorded before since
	id := w.draft(w.adding("b.example"))
	_, err := w.Approve(id, "carl", w.sign(id, "carl"), needs)
	w.refused(err, "no active officer")
	w.listed("a.example")
	w.refused(w.CheckOfficer(blocklist.OfficerChange{Revoke: true, Name: "carl", Since: w.now}), "revoked since then already")
	w.refused(w.CheckOfficer(blocklist.OfficerChange{Revoke: true, Name: "nobody", Since: w.now}), "unknown")
	w.refused(w.CheckOfficer(blocklist.OfficerChange{Revoke: true, Name: "bo", Since: w.now.Add(time.Hour)}), "future")
}

func TestRevocationReachesBack(t *testing.T) {
	w := crowd(t)
	kept := w.decide(w.adding("kept.example", "away.example"), "carl", "anna")
	stolen := w.tick(time.Minute)
	lost := w.decide(w.adding("lost.example"), "anna", "carl")
	spare := w.draft(w.adding("spare.example"))
	three := func(*Decision) int { return 3 }
	for _, name := range []string{"anna", "carl", "bo"} {
		if _, err := w.Approve(spare, name, w.sign(spare, name), three); err != nil {
			t.Fatal(err)
		}
	}
	gone := w.decide(w.withdrawing(2), "carl")
	open := w.draft(w.adding("open.example"))
	w.approve(open, "carl")
	w.tick(time.Minute)
	w.listed("kept.example", "lost.example", "spare.example")

	if n := w.Lost("carl", stolen)["csam"]; n != 2 {
		t.Errorf("%d entries would be lost, want 2", n)
	}
	w.decide(revoking("carl", stolen), "bo")
	w.status(kept, Approved)
	w.status(lost, Void)
	w.status(spare, Void)
	w.status(gone, Void)
	w.status(open, Draft)
	w.listed("kept.example") // away.example was taken out with a stolen key: bringing it back is an addition
	if !w.WasListed("csam", entry(t, "lost.example").Target) {
		t.Error("the absence of a void decision's entry is not explained")
	}
	// The open draft lost one of its approvals and gets its quorum from others.
	w.approve(open, "anna")
	w.status(open, Draft)
	w.approve(open, "dora")
	w.listed("kept.example", "open.example")
	if _, err := w.Approve(lost, "bo", w.sign(lost, "bo"), needs); err == nil {
		t.Error("a void decision came back")
	}
}

// A stolen key may have brought in its own second: nothing that it carried
// stays, and the history can still be opened.
func TestRevocationTakesAlongWhomItsKeyAdded(t *testing.T) {
	w := crowd(t)
	stolen := w.tick(time.Minute)
	hired := w.hire("mole", "carl", "dora")
	w.tick(time.Minute)
	lost := w.decide(w.adding("lost.example"), "mole", "bo")
	second := w.hire("mole2", "mole", "bo")
	w.tick(time.Minute)
	alone := w.draft(w.adding("alone.example"))
	w.approve(alone, "mole2")
	w.decide(revoking("anna", w.now), "mole2")
	if n := w.Lost("carl", stolen)["csam"]; n != 1 {
		t.Errorf("%d entries would be lost, want 1", n)
	}
	w.decide(revoking("carl", stolen), "bo")
	for _, id := range []blocklist.DecisionID{hired, lost, second} {
		w.status(id, Void)
	}
	w.listed()
	for _, name := range []string{"mole", "mole2", "carl"} {
		if w.active(name, w.moment()) != nil {
			t.Errorf("%s is still an officer", name)
		}
	}
	// To take a key away is never undone, whoever did it.
	if w.active("anna", w.moment()) != nil {
		t.Error("anna's revocation was undone")
	}
	w.refused(w.CheckOfficer(w.officer("mole", "mole", blocklist.Police)), "new key")
	w.approve(alone, "bo", "dora")
	w.listed("alone.example")
}

func TestRevocationsStandWhenTheirSignerFalls(t *testing.T) {
	w := crowd(t)
	since := w.tick(time.Minute)
	mixed := revoking("anna", w.now)
	mixed.Officers = append(mixed.Officers, w.officer("emil", "emil", blocklist.Police))
	both := w.decide(mixed, "carl", "dora")
	w.tick(time.Minute)
	alone := w.decide(revoking("dora", w.now), "carl")
	w.tick(time.Minute)
	w.decide(revoking("carl", since), "bo")
	w.status(both, Void)
	w.status(alone, Approved)
	for _, name := range []string{"anna", "carl", "dora", "emil"} {
		if w.active(name, w.moment()) != nil {
			t.Errorf("%s is active", name)
		}
	}
	w.same()
}

// That a key was stolen is known before it is known when.
func TestSecondRevocationReachesFurtherBack(t *testing.T) {
	w := crowd(t)
	first := w.tick(time.Minute)
	a := w.decide(w.adding("a.example"), "carl", "anna")
	second := w.tick(time.Minute)
	b := w.decide(w.adding("b.example"), "carl", "anna")
	w.tick(time.Minute)
	w.decide(revoking("carl", w.now), "bo")
	w.listed("a.example", "b.example")
	w.decide(revoking("carl", second), "bo")
	w.status(b, Void)
	w.listed("a.example")
	w.decide(revoking("carl", first), "bo")
	w.status(a, Void)
	w.listed()
	id := w.draft(revoking("carl", second))
	_, err := w.Approve(id, "bo", w.sign(id, "bo"), needs)
	w.refused(err, "revoked since then already")
}

func TestSeveralRevocations(t *testing.T) {
	w := crowd(t)
	since := w.tick(time.Minute)
	a := w.decide(w.adding("a.example"), "anna", "carl")
	b := w.decide(w.adding("b.example"), "dora", "bo")
	w.tick(time.Minute)
	w.decide(changing(
		blocklist.OfficerChange{Revoke: true, Name: "carl", Since: since},
		blocklist.OfficerChange{Revoke: true, Name: "dora", Since: since},
	), "bo")
	w.status(a, Void)
	w.status(b, Void)
	w.listed()
	// Whoever is revoked from the very beginning never counted at all.
	w.decide(revoking("anna", start.Add(-time.Hour)), "bo")
	w.status(1, Void)
	w.status(2, Void)
	w.listed()
	if w.active("bo", w.moment()) == nil {
		t.Error("bo is gone too")
	}
}

func TestSameNameWithANewKey(t *testing.T) {
	w := crowd(t)
	stolen := w.tick(time.Minute)
	open := w.draft(w.adding("a.example"))
	w.approve(open, "carl")
	w.tick(time.Minute)
	w.decide(revoking("carl", stolen), "bo")
	w.refused(w.CheckOfficer(w.officer("carl", "carl", blocklist.Police)), "new key")
	w.tick(time.Minute)
	w.decide(changing(w.officer("carl", "carl's second", blocklist.Police)), "anna", "bo")
	_, err := w.Approve(open, "carl", w.sign(open, "carl"), needs)
	w.refused(err, "not made with the key")
	// The void approval does not stand in the new key's way, and counts nothing.
	if _, err := w.Approve(open, "carl", w.sign(open, "carl's second"), needs); err != nil {
		t.Fatal(err)
	}
	w.status(open, Draft)
	_, err = w.Approve(open, "carl", w.sign(open, "carl's second"), needs)
	w.refused(err, "already")
	w.approve(open, "anna")
	w.listed("a.example")
	signatures, err := w.Signatures(open)
	if err != nil || string(signatures["carl"]) != string(w.sign(open, "carl's second")) {
		t.Errorf("signature of the new key is not the one exported: %v", err)
	}
}

func TestOfficerRevokesHimself(t *testing.T) {
	w := crowd(t)
	since := w.tick(time.Minute)
	a := w.decide(w.adding("a.example"), "anna", "carl")
	id := w.decide(revoking("carl", since), "carl")
	w.status(id, Approved)
	w.status(a, Void)
	if w.active("carl", w.moment()) != nil {
		t.Error("carl is active")
	}
	w.listed()
}

// A revocation from a later moment on would leave the key in use.
func TestRevocationIsNotInTheFuture(t *testing.T) {
	w := crowd(t)
	d, err := w.NewDraft(revoking("carl", w.now.Add(time.Hour)), 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Approve(d.ID, "bo", w.sign(d.ID, "bo"), needs)
	w.refused(err, "future")
}

// The clock of the machine may run back; the time in the history does not.
func TestClockRunsBack(t *testing.T) {
	w := crowd(t)
	latest := w.head.time
	w.tick(-24 * time.Hour)
	id := w.decide(w.adding("a.example"), "carl", "anna")
	if d, _ := w.Decision(id); d.Decided.Before(latest) {
		t.Errorf("decided at %v, before %v", d.Decided, latest)
	}
	w.decide(revoking("carl", latest), "bo")
	w.status(id, Void)
	w.listed()
}
