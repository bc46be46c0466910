package register

import (
	"testing"
	"time"

	"github.com/vaern/vaern/blocklist"
)

func (w *world) urgent(list string, want bool) {
	w.t.Helper()
	if got := w.UrgentRequest(list) != 0; got != want {
		w.t.Errorf("urgent on %s is %v", list, got)
	}
	w.same()
}

func (w *world) approveUrgent(id blocklist.DecisionID, officer string, quorum int) error {
	w.t.Helper()
	_, err := w.ApproveUrgent(id, officer, w.sign(id, officer), func(*Decision) int { return quorum })
	return err
}

func TestUrgentRequestIsRemembered(t *testing.T) {
	w := founded(t, "production")
	w.decide(w.adding("a.example", "b.example", "c.example"), "anna", "bo")
	w.urgent("csam", false)
	// With the last approval only.
	id := w.draft(w.withdrawing(1))
	if err := w.approveUrgent(id, "anna", 2); err != nil {
		t.Fatal(err)
	}
	w.urgent("csam", false)
	w.approve(id, "bo") // who does not say so
	w.urgent("csam", false)
	id = w.draft(w.suspending(2))
	w.approve(id, "anna") // with a quorum of one: this one approves it alone
	w.urgent("csam", false)
	id = w.draft(w.withdrawing(3))
	if err := w.approveUrgent(id, "bo", 1); err != nil {
		t.Fatal(err)
	}
	w.status(id, Approved)
	w.urgent("csam", true)
	w.urgent("other", false)
	request := w.UrgentRequest("csam")
	if request != w.Head().Records {
		t.Errorf("record %d", request)
	}
	if _, err := w.Reserve("csam", nil, "p", 0); err != nil {
		t.Fatal(err)
	}
	if w.UrgentRequest("csam") != request {
		t.Error("the request is forgotten")
	}
}

func TestUrgentAddsNothing(t *testing.T) {
	w := founded(t, "production")
	w.decide(w.adding("a.example"), "anna", "bo")
	both := w.withdrawing(1)
	both.Add = w.adding("b.example").Add
	for _, d := range []blocklist.Decision{w.adding("b.example"), both, changing(w.officer("carl", "carl", blocklist.Police))} {
		id := w.draft(d)
		w.refused(w.approveUrgent(id, "anna", 2), "never urgent")
		w.status(id, Draft)
	}
	w.listed("a.example")
}

// A revocation may take entries off any list, also if the history is read
// again because of it.
func TestUrgentRevocation(t *testing.T) {
	w := crowd(t)
	w.decide(w.adding("a.example"), "anna", "carl")
	other := w.adding("b.example")
	other.List = "other"
	w.decide(other, "anna", "bo")
	w.tick(time.Minute)
	id := w.draft(revoking("carl", start))
	if err := w.approveUrgent(id, "bo", 1); err != nil {
		t.Fatal(err)
	}
	w.status(id, Approved)
	w.listed()
	w.urgent("csam", true)
	w.urgent("other", true)
	w.urgent(blocklist.NoList, false)
}
