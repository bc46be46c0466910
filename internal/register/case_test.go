package register

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vaern/vaern/blocklist"
)

func (w *world) complaint(id blocklist.EntryID) blocklist.CaseID {
	w.t.Helper()
	c, err := w.OpenCase(blocklist.Case{Entry: id, Kind: "complaint", From: "owner", Text: "it is a shop"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.same()
	return c.ID
}

// deciding is a verdict about a case; to uphold is to withdraw.
func (w *world) deciding(id blocklist.CaseID, step blocklist.Step) blocklist.Decision {
	w.t.Helper()
	c, err := w.Case(id)
	if err != nil {
		w.t.Fatal(err)
	}
	d := blocklist.Decision{List: c.List, Basis: "looked at", Cases: []blocklist.CaseStep{{Case: id, Step: step}}}
	if step == blocklist.Uphold {
		e, err := w.Entry(c.Entry)
		if err != nil {
			w.t.Fatal(err)
		}
		d.Withdraw = []blocklist.Withdrawal{{ID: e.ID, Target: e.Target}}
	}
	return d
}

func (w *world) caseIs(id blocklist.CaseID, verdict blocklist.Step, waits bool) *Case {
	w.t.Helper()
	c, err := w.Case(id)
	if err != nil {
		w.t.Fatal(err)
	}
	if c.Verdict != verdict || c.Waits() != waits {
		w.t.Errorf("%v: verdict %q, waits %v; want %q, %v", id, c.Verdict, c.Waits(), verdict, waits)
	}
	return c
}

func TestCaseIsDecidedByWhoDidNotList(t *testing.T) {
	w := office(t)
	w.decide(w.adding("a.example", "b.example"), "anna", "bo")
	w.tick(time.Hour)
	opened := w.now
	one, two := w.complaint(1), w.complaint(2)
	if text, err := w.CaseText(one); err != nil || text != "it is a shop" {
		t.Errorf("%q, %v", text, err)
	}
	w.listed("a.example", "b.example")
	w.tick(time.Hour)
	for _, name := range []string{"anna", "bo"} {
		for _, step := range []blocklist.Step{blocklist.Uphold, blocklist.Reject} {
			_, err := w.signs(w.deciding(one, step), name)
			w.refused(err, "somebody else decides")
			id := w.draft(w.deciding(one, step))
			_, err = w.Approve(id, name, w.sign(id, name), needs)
			w.refused(err, "somebody else decides")
		}
	}
	_, err := w.signs(w.deciding(one, blocklist.Reject), "holly")
	w.refused(err, "only police approve")
	w.caseIs(one, "", true)

	d := w.signed(w.deciding(one, blocklist.Uphold), "carl")
	c := w.caseIs(one, blocklist.Uphold, false)
	if !c.Opened.Equal(opened) || !c.Decided.Equal(w.now) || c.Decision != d.ID || c.Entry != 1 || c.List != "csam" || c.From != "owner" || c.Kind != "complaint" {
		t.Errorf("%+v", c)
	}
	w.listed("b.example")
	w.former("a.example", 1, WasWithdrawn)
	w.urgent("csam", true)
	w.signed(w.deciding(two, blocklist.Reject), "dora")
	w.caseIs(two, blocklist.Reject, false)
	w.listed("b.example")

	// The first verdict counts.
	w.signed(w.deciding(two, blocklist.Uphold), "carl")
	w.caseIs(two, blocklist.Reject, false)
	w.listed() // all the same it says that the entry is withdrawn

	if err := w.CloseCase(one, "answered"); err != nil {
		t.Fatal(err)
	}
	w.refused(w.CloseCase(one, "answered"), "closed already")
	w.refused(w.CloseCase(two, ""), "reason")
	w.refused(w.CloseCase(9, "x"), "there is no case C9")
	if c := w.caseIs(one, blocklist.Uphold, false); c.Reason != "answered" || !c.Closed.Equal(w.now) {
		t.Errorf("%+v", c)
	}
}

func TestCredibleCaseSuspends(t *testing.T) {
	w := office(t)
	w.decide(w.adding("a.example", "b.example"), "anna", "bo")
	before := w.Head()
	complaint := blocklist.Case{Entry: 1, Kind: "complaint", From: "owner", Text: "it is a shop"}
	credible := func(c blocklist.Case, officer string) (*Case, error) {
		made, _, err := w.OpenCredibleCase(c, "may be right", needs, officer, w.with(officer))
		return made, err
	}
	_, err := credible(complaint, "holly")
	w.refused(err, "only police approve")
	if w.Head() != before {
		t.Error("a record is left")
	}
	c, err := credible(complaint, "anna") // who listed it may doubt it
	if err != nil {
		t.Fatal(err)
	}
	w.same()
	w.listed("b.example")
	w.suspended(1)
	w.urgent("csam", true)
	w.caseIs(c.ID, "", true)
	if d, _ := w.Decision(c.Suspended); d == nil || d.Suspends != 1 {
		t.Errorf("%+v", c)
	}

	// Two signatures alone do not put it back; the verdict comes first.
	_, err = w.NewDraft(w.resuming(1), 0)
	w.refused(err, "not resumed while C1 is not decided")
	w.signed(w.deciding(c.ID, blocklist.Reject), "carl")
	w.suspended(1)
	id := w.draft(w.resuming(1))
	w.approve(id, "carl")
	w.suspended(1)
	w.approve(id, "bo")
	w.listed("a.example", "b.example")

	// Closing decides nothing.
	again, err := credible(complaint, "carl")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.CloseCase(again.ID, "the owner took it back"); err != nil {
		t.Fatal(err)
	}
	w.caseIs(again.ID, "", false)
	w.suspended(1)
	w.signed(w.deciding(again.ID, blocklist.Reject), "carl")
	w.caseIs(again.ID, "", false) // too late
	w.decide(w.resuming(1), "anna", "bo")
	w.listed("a.example", "b.example")
}

func TestCaseIsRefused(t *testing.T) {
	w := office(t)
	w.decide(w.adding("a.example", "b.example"), "anna", "bo")
	w.decide(w.withdrawing(2), "anna")
	w.draft(w.adding("c.example"))
	good := blocklist.Case{Entry: 1, Kind: "complaint", From: "owner", Text: "x"}
	for why, change := range map[string]func(*blocklist.Case){
		"there is no entry E9":                    func(c *blocklist.Case) { c.Entry = 9 },
		"E2 is neither in force nor suspended":    func(c *blocklist.Case) { c.Entry = 2 },
		"E3 is neither in force nor suspended":    func(c *blocklist.Case) { c.Entry = 3 },
		"kind of a case is none of":               func(c *blocklist.Case) { c.Kind = "letter" },
		"a case comes from none of":               func(c *blocklist.Case) { c.From = "bo" },
		"text is empty":                           func(c *blocklist.Case) { c.Text = "" },
		"control character or invalid UTF-8 in a": func(c *blocklist.Case) { c.Text = "a\nb" },
	} {
		c := good
		change(&c)
		_, err := w.OpenCase(c)
		w.refused(err, why)
		_, _, err = w.OpenCredibleCase(c, "x", needs, "anna", w.with("anna"))
		w.refused(err, why)
	}
	id := w.complaint(1)
	for why, change := range map[string]func(*blocklist.Decision){
		"there is no case C2":            func(d *blocklist.Decision) { d.Cases[0].Case = 2 },
		"C1 is about another list":       func(d *blocklist.Decision) { d.List = "other" },
		"its entry not withdrawn":        func(d *blocklist.Decision) { d.Withdraw = nil },
		"its entry is not suspended":     func(d *blocklist.Decision) { d.Cases[0].Step = blocklist.Suspend },
		"not in order of their ids":      func(d *blocklist.Decision) { d.Cases = append(d.Cases, d.Cases[0]) },
		"step in a case is none of susp": func(d *blocklist.Decision) { d.Cases[0].Step = "forget" },
	} {
		d := w.deciding(id, blocklist.Uphold)
		change(&d)
		_, err := w.NewDraft(d, 0)
		w.refused(err, why)
	}
}

// The verdict of a stolen key is none; what it withdrew stays away.
func TestVoidVerdict(t *testing.T) {
	w := office(t)
	w.decide(w.adding("a.example", "b.example"), "anna", "bo")
	one, two := w.complaint(1), w.complaint(2)
	stolen := w.tick(time.Minute)
	w.signed(w.deciding(one, blocklist.Uphold), "carl")
	w.signed(w.deciding(two, blocklist.Reject), "carl")
	w.tick(time.Minute)
	w.decide(revoking("carl", stolen), "bo")
	w.caseIs(one, "", true)
	w.caseIs(two, "", true)
	w.listed("b.example")
	w.signed(w.deciding(two, blocklist.Uphold), "dora")
	w.caseIs(two, blocklist.Uphold, false)
	w.listed()
}

// casework is a history with rechecks and cases in it.
func casework(t *testing.T) *world {
	t.Helper()
	w := office(t)
	w.decide(w.adding("a.example", "b.example", "c.example", "d.example"), "anna", "bo")
	w.decide(w.withdrawing(4), "anna")
	w.tick(30 * oneDay)
	w.signed(w.rechecking(blocklist.Still, 1), "holly")
	w.signed(w.rechecking(blocklist.ChangedOwner, 2), "henk")
	one := w.complaint(3)
	w.signed(w.deciding(one, blocklist.Reject), "carl")
	if err := w.CloseCase(one, "answered"); err != nil {
		t.Fatal(err)
	}
	w.complaint(1)
	return w
}

func TestEveryChangedOctetOfCaseworkIsFound(t *testing.T) {
	changeEveryOctet(t, casework(t), func(r record) bool {
		return r.kind == kindCase || r.kind == kindClose || bytes.Contains(r.body, []byte("\n= ")) || bytes.Contains(r.body, []byte("\ncase\t"))
	})
}

func TestForgedCaseworkIsRefused(t *testing.T) {
	w := casework(t)
	now := w.now
	add := func(kind, subject, body string) func([]record) []record {
		return func(r []record) []record {
			return append(r, record{time: now, kind: kind, subject: subject, body: []byte(body)})
		}
	}
	signed := func(officer string, d blocklist.Decision, quorum int) func([]record) []record {
		d.Register, d.Environment, d.ID = w.ID, "production", blocklist.DecisionID(len(w.Decisions)+1)
		text := d.Bytes()
		body := approval{officer, quorum, w.signText(text, officer, blocklist.DecisionNamespace)}.bytes()
		return func(r []record) []record {
			return append(r, record{time: now, kind: kindDraft, subject: d.ID.String(), body: text},
				record{time: now, kind: kindApprove, subject: d.ID.String(), body: body})
		}
	}
	tomorrow := w.rechecking(blocklist.Still, 3)
	tomorrow.Rechecks[0].Day = tomorrow.Rechecks[0].Day.Add(oneDay)
	more := w.rechecking(blocklist.Still, 3)
	more.Suspend = []blocklist.Withdrawal{{ID: 3, Target: entry(t, "c.example").Target}}
	for name, edit := range map[string]func([]record) []record{
		"a recheck of another entry":         func(r []record) []record { return swap(t, r, "= E1\tdomain\ta.", "= E3\tdomain\tc.") },
		"another result":                     func(r []record) []record { return swap(t, r, "\tchanged-owner\t", "\tstill\t") },
		"another verdict":                    func(r []record) []record { return swap(t, r, "\treject\n", "\tsuspend\n") },
		"a verdict in another case":          func(r []record) []record { return swap(t, r, "case\tC1", "case\tC2") },
		"a recheck of tomorrow":              signed("anna", tomorrow, 1),
		"a hotline officer suspends more":    signed("holly", more, 1),
		"a hotline officer as one of two":    signed("holly", w.rechecking(blocklist.Still, 3), 2),
		"a hotline officer decides a case":   signed("holly", w.deciding(2, blocklist.Reject), 1),
		"who listed it decides":              signed("anna", w.deciding(2, blocklist.Reject), 1),
		"a stranger's recheck":               signed("mole", w.rechecking(blocklist.Still, 3), 1),
		"a case of no entry":                 add(kindCase, "C3", "E99 complaint owner\nx"),
		"a case of what is out":              add(kindCase, "C3", "E4 complaint owner\nx"),
		"a case with another id":             add(kindCase, "C4", "E1 complaint owner\nx"),
		"a case again":                       add(kindCase, "C2", "E1 complaint owner\nx"),
		"a case of another kind":             add(kindCase, "C3", "E1 letter owner\nx"),
		"a case from a person":               add(kindCase, "C3", "E1 complaint anna\nx"),
		"a case without a text":              add(kindCase, "C3", "E1 complaint owner\n"),
		"a case without a line":              add(kindCase, "C3", "E1 complaint owner"),
		"a case of four fields":              add(kindCase, "C3", "E1 complaint owner x\nx"),
		"a case closed twice":                add(kindClose, "C1", "again"),
		"a case closed that there never was": add(kindClose, "C9", "x"),
		"no case closed":                     add(kindClose, "E1", "x"),
		"an uphold without a withdrawal": func(r []record) []record {
			d := w.deciding(2, blocklist.Uphold)
			d.Withdraw = nil
			return signed("carl", d, 1)(r)
		},
	} {
		if _, err := w.forge(edit); !errors.Is(err, ErrTampered) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The same by the rules: what is refused above is refused for its reason.
	for name, edit := range map[string]func([]record) []record{
		"recheck":                   signed("holly", w.rechecking(blocklist.Still, 3), 1),
		"recheck that suspends":     signed("holly", w.rechecking(blocklist.ChangedOwner, 3), 1),
		"more, by police":           signed("anna", more, 1),
		"one of two, police":        signed("anna", w.rechecking(blocklist.Still, 3), 2),
		"verdict":                   signed("carl", w.deciding(2, blocklist.Reject), 1),
		"uphold":                    signed("carl", w.deciding(2, blocklist.Uphold), 1),
		"case":                      add(kindCase, "C3", "E1 complaint owner\nx"),
		"case of what is suspended": add(kindCase, "C3", "E2 complaint owner\nx"),
		"close":                     add(kindClose, "C2", "x"),
	} {
		if _, err := w.forge(edit); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What an auditor is told of casework has no name in it, and nothing that
// somebody wrote about an entry.
func TestRecordsOfCaseworkTellNoName(t *testing.T) {
	w := casework(t)
	var all strings.Builder
	if err := w.Records(func(r Record) error { _, err := fmt.Fprintf(&all, "%+v\n", r); return err }); err != nil {
		t.Fatal(err)
	}
	if text := all.String(); strings.Contains(text, ".example") || strings.Contains(text, "shop") || !strings.Contains(text, "E3 complaint owner") {
		t.Errorf("records:\n%s", text)
	}
}
