package register

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/vaern/vaern/blocklist"
)

// rechecking is a decision that says of entries what was found today. It names
// targets of entries that are not in force too.
func (w *world) rechecking(result blocklist.Result, ids ...blocklist.EntryID) blocklist.Decision {
	w.t.Helper()
	d := blocklist.Decision{List: "csam", Basis: "recheck"}
	for _, id := range ids {
		e, err := w.Entry(id)
		if err != nil {
			w.t.Fatal(err)
		}
		d.Rechecks = append(d.Rechecks, blocklist.Recheck{ID: id, Target: e.Target, Result: result, Day: dayOf(w.now).time()})
		if result == blocklist.ChangedOwner {
			d.Suspend = append(d.Suspend, blocklist.Withdrawal{ID: id, Target: e.Target})
		}
	}
	return d
}

// signs records a decision and one signature in the same moment.
func (w *world) signs(d blocklist.Decision, officer string) (*Decision, error) {
	return w.Decide(func() (blocklist.Decision, error) { return d, nil }, needs, officer, w.with(officer))
}

func (w *world) signed(d blocklist.Decision, officer string) *Decision {
	w.t.Helper()
	made, err := w.signs(d, officer)
	if err != nil {
		w.t.Fatalf("%s signs: %v", officer, err)
	}
	w.same()
	return made
}

// office is a world with the police officers anna, bo, carl, dora, and holly and
// henk of the hotline.
func office(t testing.TB) *world {
	t.Helper()
	w := founded(t, "production")
	w.hire("carl", "anna", "bo")
	w.hire("dora", "anna", "bo")
	for _, name := range []string{"holly", "henk"} {
		w.decide(changing(w.officer(name, name, blocklist.Hotline)), "anna", "bo")
	}
	return w
}

func (w *world) ends(id blocklist.EntryID, want time.Time) {
	w.t.Helper()
	for _, e := range w.InForce("csam") {
		if e.ID == id {
			if got := w.Expires(e); !got.Equal(want) {
				w.t.Errorf("%v ends at %v, want %v", id, got, want)
			}
			return
		}
	}
	w.t.Errorf("%v is not in force", id)
}

const oneDay = 24 * time.Hour

func TestStillKeepsForThreeMonthsMore(t *testing.T) {
	w := office(t)
	w.decide(w.adding("a.example", "b.example", "c.example"), "anna", "bo")
	decided := w.now
	w.tick(40 * oneDay)
	d := w.signed(w.rechecking(blocklist.Still, 1), "holly") // a hotline officer suffices
	if d.Status != Approved || d.Rechecks != 1 || d.Quorum != 1 || d.AddsAnything() {
		t.Errorf("%+v", d)
	}
	w.ends(1, w.now.Truncate(oneDay).Add(MaxAge)) // from the beginning of the day
	w.ends(2, decided.Add(MaxAge))

	// What was seen before counts from then, and takes nothing away.
	earlier := w.rechecking(blocklist.Still, 1, 2)
	for i := range earlier.Rechecks {
		earlier.Rechecks[i].Day = w.now.Add(-10 * oneDay).Truncate(oneDay)
	}
	w.signed(earlier, "anna")
	w.ends(1, w.now.Truncate(oneDay).Add(MaxAge))
	w.ends(2, w.now.Add(-10*oneDay).Truncate(oneDay).Add(MaxAge))
	earlier.Rechecks[0].Day = decided.Add(-oneDay).Truncate(oneDay)
	w.signed(earlier, "anna")
	w.ends(1, w.now.Truncate(oneDay).Add(MaxAge))

	// Nothing else keeps an entry.
	for _, r := range []blocklist.Result{blocklist.Gone, blocklist.Parked, blocklist.Moved} {
		w.signed(w.rechecking(r, 3), "holly")
		w.ends(3, decided.Add(MaxAge))
	}
	w.listed("a.example", "b.example", "c.example")
	w.now = decided.Add(MaxAge)
	w.expire(1)
	w.former("c.example", 3, WasExpired)
	w.listed("a.example", "b.example")
}

func TestRecheckOfTheFutureIsRefused(t *testing.T) {
	w := office(t)
	w.decide(w.adding("a.example"), "anna", "bo")
	d := w.rechecking(blocklist.Still, 1)
	d.Rechecks[0].Day = d.Rechecks[0].Day.Add(oneDay)
	_, err := w.signs(d, "anna")
	w.refused(err, "a day that has not come")
	d = w.rechecking(blocklist.Still, 1)
	d.Rechecks[0].ID = 2
	_, err = w.signs(d, "anna")
	w.refused(err, "does not exist")
}

// A recheck brings nothing back, and names what it means.
func TestStillBringsNothingBack(t *testing.T) {
	w := office(t)
	w.decide(w.adding("a.example", "b.example", "c.example", "d.example"), "anna", "bo")
	decided := w.now
	w.decide(w.withdrawing(1), "anna")
	w.decide(w.suspending(2), "anna")
	w.tick(MaxAge - oneDay)
	w.signed(w.rechecking(blocklist.Still, 1, 2), "anna")
	w.listed("c.example", "d.example")
	w.suspended(2)

	// Another name than that of the id.
	d := w.rechecking(blocklist.Still, 3)
	d.Rechecks[0].Target = entry(t, "d.example").Target
	w.signed(d, "anna")
	w.ends(3, decided.Add(MaxAge))
	other := w.rechecking(blocklist.Still, 3)
	other.List = "other"
	w.signed(other, "anna")
	w.ends(3, decided.Add(MaxAge))

	// At the limit it is too late, whether its end is on record or not.
	w.now = decided.Add(MaxAge)
	w.signed(w.rechecking(blocklist.Still, 3, 4), "anna")
	w.expire(2)
	w.signed(w.rechecking(blocklist.Still, 3, 4), "anna")
	w.listed()

	// What was suspended comes back as it was, and is too old as well.
	w.decide(w.resuming(2), "anna", "bo")
	w.listed("b.example")
	w.expire(1)
	w.listed()
}

func TestWhatAHotlineOfficerSigns(t *testing.T) {
	w := office(t)
	w.decide(w.adding("a.example", "b.example", "c.example"), "anna", "bo")
	made := w.signed(w.rechecking(blocklist.ChangedOwner, 1), "holly")
	w.listed("b.example", "c.example")
	w.suspended(1)
	w.urgent("csam", true)
	if n := w.HotlineSuspended("csam", made.Decided); n != 1 || w.HotlineSuspended("csam", made.Decided.Add(1)) != 0 || w.HotlineSuspended("other", time.Time{}) != 0 {
		t.Errorf("%d suspended", n)
	}
	w.signed(w.rechecking(blocklist.ChangedOwner, 2), "anna")
	if n := w.HotlineSuspended("csam", time.Time{}); n != 1 {
		t.Errorf("%d suspended by the hotline, want 1", n)
	}
	three := func(change func(*blocklist.Decision)) blocklist.Decision {
		d := w.rechecking(blocklist.Still, 3)
		change(&d)
		return d
	}
	out := w.withdrawing(3).Withdraw
	complaint := w.complaint(3)
	back := w.resuming(1).Resume
	for what, d := range map[string]blocklist.Decision{
		"suspends what is still so":        three(func(d *blocklist.Decision) { d.Suspend = out }),
		"suspends what it did not look at": three(func(d *blocklist.Decision) { d.Suspend = back }),
		"suspends without looking":         w.suspending(3),
		"withdraws":                        three(func(d *blocklist.Decision) { d.Withdraw = out }),
		"resumes":                          three(func(d *blocklist.Decision) { d.Resume = back }),
		"adds":                             three(func(d *blocklist.Decision) { d.Add = w.adding("x.example").Add; d.Add[0].ID = w.nextEntry }),
		"revokes":                          three(func(d *blocklist.Decision) { d.Officers = revoking("bo", start).Officers }),
		"overrides": three(func(d *blocklist.Decision) {
			d.Overrides = overriding(blocklist.RuleGrowth, "D1", w.digestOf(1)).Overrides
		}),
		"only revokes":   revoking("bo", start),
		"decides a case": three(func(d *blocklist.Decision) { d.Cases = w.deciding(complaint, blocklist.Reject).Cases }),
	} {
		_, err := w.signs(d, "holly")
		w.refused(err, "only police approve")
		id := w.draft(d)
		_, err = w.Approve(id, "holly", w.sign(id, "holly"), func(*Decision) int { return 1 })
		w.refused(err, "only police approve")
		if err := w.Reject(id, what); err != nil {
			t.Fatal(err)
		}
	}
	w.listed("c.example")

	// Two of them are not two police officers.
	id := w.draft(w.rechecking(blocklist.ChangedOwner, 3))
	two := func(*Decision) int { return 2 }
	for _, name := range []string{"holly", "henk"} {
		_, err := w.Approve(id, name, w.sign(id, name), two)
		w.refused(err, "only police approve")
	}
	w.approve(id, "anna")
	w.listed()
}

// What a stolen key said is not so, and what it took out stays out.
func TestVoidRecheck(t *testing.T) {
	w := office(t)
	w.decide(w.adding("a.example", "b.example"), "anna", "bo")
	decided := w.now
	stolen := w.tick(60 * oneDay)
	id := w.signed(w.rechecking(blocklist.Still, 1), "holly").ID
	w.signed(w.rechecking(blocklist.ChangedOwner, 2), "holly")
	w.tick(time.Hour)
	w.ends(1, stolen.Truncate(oneDay).Add(MaxAge))
	w.decide(revoking("holly", stolen), "anna")
	w.status(id, Void)
	w.ends(1, decided.Add(MaxAge))
	w.suspended(2)

	// An entry that stayed by such a recheck leaves at the next look.
	w.tick(oneDay)
	stolen = w.now
	w.signed(w.rechecking(blocklist.Still, 1), "henk")
	w.now = decided.Add(MaxAge)
	w.expire(0)
	w.decide(revoking("henk", stolen), "anna")
	w.expire(1)
	w.listed()
}

func TestDecideIsOneStep(t *testing.T) {
	w := office(t)
	w.decide(w.adding("a.example"), "anna", "bo")
	before := w.Head()
	fail := errors.New("no key")
	d := w.rechecking(blocklist.Still, 1)
	what := func() (blocklist.Decision, error) { return d, nil }
	_, err := w.Decide(what, needs, "anna", func([]byte) ([]byte, error) { return nil, fail })
	w.refused(err, "no key")
	_, err = w.Decide(what, needs, "anna", w.with("bo"))
	w.refused(err, "not made with the key")
	_, err = w.Decide(func() (blocklist.Decision, error) { return d, fail }, needs, "anna", w.with("anna"))
	w.refused(err, "no key")
	if w.Head() != before {
		t.Error("a record is left")
	}
	// More signatures may be needed: then it waits for them.
	made := w.signed(w.adding("b.example"), "anna")
	if made.Status != Draft || made.Valid() != 1 || made.Quorum != 2 {
		t.Errorf("%+v", made)
	}
	w.approve(made.ID, "bo")
	w.listed("a.example", "b.example")
}

func TestDue(t *testing.T) {
	w := office(t)
	d := blocklist.Decision{List: "csam", Basis: "x"}
	for _, f := range [][3]string{{"a.example"}, {"b.example", "yes"}, {"c.example", "", "2026-12-01"}, {"d.example", "yes", "2027-01-15"}, {"e.example", "no", "2027-01-15"}} {
		e, err := blocklist.NewEntry([10]string{0: "domain", 1: f[0], 7: f[1], 8: f[2]})
		if err != nil {
			t.Fatal(err)
		}
		d.Add = append(d.Add, e)
	}
	w.decide(d, "anna", "bo")
	decided := w.now
	at := func(want ...any) {
		t.Helper()
		all := w.Due("csam", start.Add(1000*oneDay))
		if len(all) != len(want)/2 {
			t.Fatalf("%d are due", len(all))
		}
		for i, c := range all {
			if c.ID != blocklist.EntryID(want[2*i].(int)) || !c.Due.Equal(want[2*i+1].(time.Time)) {
				t.Errorf("%v is due at %v, want E%v at %v", c.ID, c.Due, want[2*i], want[2*i+1])
			}
		}
	}
	week, month := decided.Add(7*oneDay), decided.Add(30*oneDay)
	at(2, week, 4, week, 3, time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), 1, month, 5, month)
	if due := w.Due("csam", week.Add(-1)); len(due) != 0 {
		t.Errorf("%d are due too early", len(due))
	}
	if due := w.Due("csam", week); len(due) != 2 || !due[0].Compromised || !due[0].Last.IsZero() || !due[0].Limit.Equal(decided.Add(MaxAge)) {
		t.Errorf("due: %+v", due)
	}

	// Who was looked at is due later, whatever was found; a day that was named is
	// past then.
	w.now = time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	today := w.now.Truncate(oneDay)
	w.signed(w.rechecking(blocklist.Still, 2, 3), "holly")
	gone := w.signed(w.rechecking(blocklist.Gone, 1), "holly")
	week2, month2 := today.Add(7*oneDay), today.Add(30*oneDay)
	at(4, week, 2, week2, 5, month, 1, month2, 3, month2)
	all := w.Due("csam", month2)
	if c := all[3]; !c.Last.Equal(today) || c.Result != blocklist.Gone || c.By != gone.ID || !c.Limit.Equal(decided.Add(MaxAge)) {
		t.Errorf("due: %+v", c)
	}
	// The day that was named is earlier than the next, or the limit is.
	w.now = time.Date(2026, 12, 30, 9, 0, 0, 0, time.UTC)
	w.signed(w.rechecking(blocklist.Still, 5), "holly")
	w.now = time.Date(2027, 2, 10, 9, 0, 0, 0, time.UTC)
	w.signed(w.rechecking(blocklist.Moved, 1), "holly")
	limit := decided.Add(MaxAge)
	for _, c := range w.Due("csam", start.Add(1000*oneDay)) {
		want := map[blocklist.EntryID]time.Time{1: limit, 5: time.Date(2027, 1, 15, 0, 0, 0, 0, time.UTC)}[c.ID]
		if !want.IsZero() && !c.Due.Equal(want) {
			t.Errorf("%v is due at %v, want %v", c.ID, c.Due, want)
		}
	}
	if !slices.ContainsFunc(w.Due("csam", limit), func(c Recheck) bool { return c.ID == 1 && c.Result == blocklist.Moved }) {
		t.Error("E1 is not due")
	}
	if len(w.Due("other", limit)) != 0 {
		t.Error("due on another list")
	}
}
