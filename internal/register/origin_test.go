package register

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vaern/vaern/blocklist"
)

// from says that the first report leads to the first addition, and so on.
func from(ids ...blocklist.ReportID) Origins {
	o := Origins{Inbox: InboxHead{Events: 7, Hash: [32]byte{1}}}
	for i, id := range ids {
		o.Reports = append(o.Reports, Origin{id, i})
	}
	return o
}

// held says of each report which entry it is in and whether others may have it,
// and holds what is read without a replay against it.
func (w *world) held(want map[blocklist.ReportID]string) {
	w.t.Helper()
	w.same()
	read, err := ReadDraftings(w.path)
	if err != nil {
		w.t.Fatal(err)
	}
	got := map[blocklist.ReportID]string{}
	for _, id := range w.DraftedReports(0) {
		at, held := w.Holds(id)
		got[id] = fmt.Sprintf("%v %v %v", at.Decision, at.Entry, held)
		if c, ok := read.Current(id); !ok || c != at {
			w.t.Errorf("%v is %v, read as %v, %v", id, at, c, ok)
		}
	}
	if !maps.Equal(got, want) || read.Len() != len(want) {
		w.t.Errorf("held %v, want %v (%d read)", got, want, read.Len())
	}
}

func (w *world) draftFrom(o Origins, replaces blocklist.DecisionID, names ...string) blocklist.DecisionID {
	w.t.Helper()
	made, err := w.NewDraftFrom(w.adding(names...), replaces, o)
	if err != nil {
		w.t.Fatal(err)
	}
	return made.ID
}

// A report goes with its draft, comes back when that is rejected or replaced, and
// is free again when its entry has left for good.
func TestOriginsOfADraft(t *testing.T) {
	w := founded(t, "production")
	w.held(nil)
	first := w.draftFrom(from(5, 9), 0, "a.example", "b.example")
	w.held(map[blocklist.ReportID]string{5: "D1 E1 true", 9: "D1 E2 true"})
	if h := w.Inbox(); h.Events != 7 || h.Hash != [32]byte{1} {
		t.Errorf("inbox %+v", h)
	}
	_, err := w.NewDraftFrom(w.adding("c.example"), 0, from(9))
	w.refused(err, "R9 is drafted as E2 in D1 already")
	twice := from(6)
	twice.Reports = append(twice.Reports, twice.Reports[0])
	_, err = w.NewDraftFrom(w.adding("c.example"), 0, twice)
	w.refused(err, "R6 is there twice")

	w.tick(time.Hour)
	second := w.draftFrom(from(9), first, "b.example")
	w.held(map[blocklist.ReportID]string{9: "D2 E3 true"})
	read, err := ReadDraftings(w.path)
	if err != nil {
		t.Fatal(err)
	}
	if all := read.Of(9); len(all) != 2 || !all[0].Back.Equal(w.now) || all[1].At.Before(all[0].At) || !all[1].Back.IsZero() || all[0].Inbox != 7 {
		t.Errorf("R9: %+v", all)
	}
	w.approve(second, "anna", "bo")
	w.held(map[blocklist.ReportID]string{9: "D2 E3 true"})
	suspend := blocklist.Decision{List: "csam", Basis: "complaint"}
	suspend.Suspend = w.withdrawing(3).Withdraw
	w.decide(suspend, "bo")
	w.held(map[blocklist.ReportID]string{9: "D2 E3 true"}) // it may come back
	resume := blocklist.Decision{List: "csam", Basis: "wrong", Resume: suspend.Suspend}
	w.decide(resume, "anna", "bo")
	w.decide(w.withdrawing(3), "bo")
	w.held(map[blocklist.ReportID]string{9: "D2 E3 false"})
	third := w.draftFrom(from(9), 0, "b.example")
	w.held(map[blocklist.ReportID]string{9: "D6 E4 true"})
	if err := w.Reject(third, "no"); err != nil {
		t.Fatal(err)
	}
	w.held(nil)
}

// Of two programs that draft from one report at the same time one is refused.
func TestOriginsOfTwoPrograms(t *testing.T) {
	w := founded(t, "production")
	other := w.opened("production")
	w.draftFrom(from(1), 0, "a.example")
	_, err := other.NewDraftFrom(w.adding("b.example"), 0, from(1))
	w.refused(err, "R1 is drafted as E1 in D1 already")
}

func TestForgedOriginsAreRefused(t *testing.T) {
	w := founded(t, "production")
	w.draftFrom(from(1, 2), 0, "a.example", "b.example")
	w.draftFrom(from(3), 0, "c.example")
	head := fmt.Sprintf("inbox 7 %064x\n", 1)
	for name, body := range map[string]string{
		"nothing": "", "no head": "R1 E1\n", "short hash": "inbox 7 01\n", "no number": "inbox x " + head[8:], "no end": head + "R1 E1",
		"no entry": head + "R1\n", "no report": head + "E1 E1\n", "entry of another draft": head + "R1 E3\n", "entry of none": head + "R1 E9\n",
		"report of another draft": head + "R1 E1\nR1 E2\n",
	} {
		if _, err := w.forge(func(r []record) []record {
			r[find(r, kindReports, 0)].body = []byte(body)
			return r
		}); !errors.Is(err, ErrTampered) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, edit := range map[string]func([]record) []record{
		"not behind its draft": func(r []record) []record {
			i := find(r, kindReports, 0)
			return append(slices.Delete(slices.Clone(r), i, i+1), r[i])
		},
		"entry of the draft before": func(r []record) []record {
			r[find(r, kindReports, 1)].body = []byte(head + "R3 E1\n")
			return r
		},
		"twice": func(r []record) []record {
			i := find(r, kindReports, 0)
			return slices.Insert(r, i, r[i])
		},
	} {
		if _, err := w.forge(edit); !errors.Is(err, ErrTampered) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever is drafted, replaced, rejected, decided and withdrawn: a report is
// held if and only if its draft waits or its entry is in force, and the history
// alone says the same.
func TestOriginsOverAnyHistory(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := founded(t, "test")
		report := rapid.Custom(func(t *rapid.T) blocklist.ReportID { return blocklist.ReportID(rapid.IntRange(1, 4).Draw(t, "report")) })
		for range rapid.IntRange(1, 10).Draw(rt, "steps") {
			var waiting []blocklist.DecisionID
			for _, d := range w.Decisions {
				if d.Status == Draft {
					waiting = append(waiting, d.ID)
				}
			}
			switch what := rapid.IntRange(0, 4).Draw(rt, "what"); {
			case what <= 1:
				ids := rapid.SliceOfNDistinct(report, 1, 3, rapid.ID[blocklist.ReportID]).Draw(rt, "reports")
				var replaces blocklist.DecisionID
				if what == 1 && len(waiting) > 0 {
					replaces = rapid.SampledFrom(waiting).Draw(rt, "replaces")
				}
				free := !slices.ContainsFunc(ids, func(id blocklist.ReportID) bool {
					at, held := w.Holds(id)
					return held && at.Decision != replaces
				})
				names := []string{"a.example", "b.example", "c.example"}[:len(ids)]
				if _, err := w.NewDraftFrom(w.adding(names...), replaces, from(ids...)); (err == nil) != free {
					rt.Fatalf("%v instead of %v: %v", ids, replaces, err)
				}
			case what == 2 && len(waiting) > 0:
				if err := w.Reject(rapid.SampledFrom(waiting).Draw(rt, "reject"), "no"); err != nil {
					rt.Fatal(err)
				}
			case what == 3 && len(waiting) > 0:
				w.approve(rapid.SampledFrom(waiting).Draw(rt, "approve"), "anna", "bo")
			case what == 4 && len(w.InForce("csam")) > 0:
				w.decide(w.withdrawing(rapid.SampledFrom(w.InForce("csam")).Draw(rt, "withdraw").ID), "bo")
			}
			read, err := ReadDraftings(w.path)
			if err != nil {
				rt.Fatal(err)
			}
			for id := blocklist.ReportID(1); id <= 4; id++ {
				at, ok := w.Drafted(id)
				if c, is := read.Current(id); is != ok || c != at {
					rt.Fatalf("%v: %v %v, read %v %v", id, at, ok, c, is)
				}
				want := false
				if ok {
					d, _ := w.Decision(at.Decision)
					want = d.Status == Draft || slices.ContainsFunc(w.InForce("csam"), func(e blocklist.Listed) bool { return e.ID == at.Entry })
				}
				if _, held := w.Holds(id); held != want {
					rt.Fatalf("%v: held is %v", id, held)
				}
			}
		}
		w.same()
	})
}
