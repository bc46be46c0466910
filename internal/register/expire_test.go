package register

import (
	"testing"
	"time"

	"github.com/vaern/vaern/blocklist"
)

func (w *world) expire(want int) {
	w.t.Helper()
	before := w.Head().Records
	n, err := w.Expire("csam")
	if err != nil || n != want {
		w.t.Errorf("%d expired, %v; want %d", n, err, want)
	}
	if records := w.Head().Records - before; (records > 0) != (want > 0) {
		w.t.Errorf("%d records", records)
	}
	w.same()
}

func (w *world) expiring(until time.Time, want ...blocklist.EntryID) {
	w.t.Helper()
	all := w.Expiring("csam", until)
	for i, e := range all {
		if i >= len(want) || e.ID != want[i] {
			w.t.Errorf("expiring: %v", all)
			return
		}
	}
	if len(all) != len(want) {
		w.t.Errorf("expiring: %v, want %v", all, want)
	}
}

func TestEntriesExpire(t *testing.T) {
	w := founded(t, "production")
	w.expire(0) // no list
	w.tick(time.Hour)
	late := w.draft(w.adding("a.example", "b.example"))
	w.tick(20 * 24 * time.Hour) // from the decision on, not from the draft
	w.decide(w.adding("c.example"), "anna", "bo")
	w.approve(late, "anna", "bo")
	w.tick(time.Second)
	w.decide(w.adding("d.example", "e.example"), "anna", "bo")
	w.decide(w.withdrawing(4), "anna")
	first := w.now.Add(-time.Second).Add(92 * 24 * time.Hour)
	w.expiring(first.Add(-time.Second))
	w.expiring(first, 1, 2, 3)
	w.expiring(first.Add(time.Second), 1, 2, 3, 5)
	if all := w.Expiring("csam", first); !all[0].At.Equal(first) {
		t.Errorf("at %v, want %v", all[0].At, first)
	}
	w.expire(0)
	w.now = first.Add(-time.Second)
	w.expire(0)
	w.listed("a.example", "b.example", "c.example", "e.example")

	// Decided again, it stays; the older entry goes.
	w.decide(w.adding("b.example"), "anna", "bo")
	w.now = first
	w.expire(3)
	w.listed("e.example", "b.example")
	w.former("a.example", 1, WasExpired)
	w.former("b.example", 2, WasExpired) // the entry; its name is listed by another
	w.expire(0)
	w.tick(time.Second)
	w.expire(1)
	w.listed("b.example")
	w.decide(w.adding("a.example"), "anna", "bo")
	if _, was := w.Former("csam", entry(t, "a.example").Target); was {
		t.Error("what is listed again needs no explanation")
	}
	if n, err := w.Expire("other"); n != 0 || err != nil {
		t.Errorf("another list: %d, %v", n, err)
	}
}

// By what is known later, some of what expired was never in force.
func TestRevocationBehindAnExpiry(t *testing.T) {
	w := crowd(t)
	w.decide(w.adding("a.example"), "anna", "bo")
	stolen := w.tick(time.Minute)
	w.decide(w.adding("b.example", "c.example"), "anna", "carl")
	w.tick(MaxAge)
	w.expire(3)
	w.decide(revoking("carl", stolen), "bo")
	w.listed()
	w.former("a.example", 1, WasExpired)
	w.former("b.example", 2, WasVoid)
}

func TestExpiryAgainstAnotherProcess(t *testing.T) {
	w := founded(t, "production")
	w.decide(w.adding("a.example", "b.example"), "anna", "bo")
	other := &world{t: t, path: w.path, now: w.now, keys: w.keys, Register: w.opened("production")}
	w.tick(MaxAge)
	other.now = w.now
	other.decide(other.withdrawing(1), "anna")
	w.expire(1) // w did not know
	w.former("a.example", 1, WasWithdrawn)
	if n, err := other.Expire("csam"); n != 0 || err != nil { // other did not know either
		t.Errorf("%d expired again, %v", n, err)
	}
	other.listed()
}
