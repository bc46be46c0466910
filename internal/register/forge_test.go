package register

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vaern/vaern/blocklist"
)

// forge gives the records of a world to a colleague who can write the file and
// knows how hashes are made, and replays what he made of them.
func (w *world) forge(edit func([]record) []record) (*State, error) {
	w.t.Helper()
	var records []record
	if err := w.store.read(func(r record) error {
		r.body = bytes.Clone(r.body)
		records = append(records, r)
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
	m := &memory{}
	var h head
	for _, r := range edit(records) {
		r.seq = h.seq + 1
		r.hash = r.sum(h.hash)
		h = head{r.seq, r.time, r.hash}
		m.records = append(m.records, r)
	}
	return replay(m)
}

func find(records []record, kind string, n int) int {
	for i, r := range records {
		if r.kind == kind {
			if n--; n < 0 {
				return i
			}
		}
	}
	return -1
}

// With all hashes made anew, what stops a forger are the signatures.
func TestForgedHistoryIsRefused(t *testing.T) {
	w := history(t)
	stranger := w.officer("mole", "mole", blocklist.Police)
	moleKey := fmt.Sprintf("production\npolice\n%s", stranger.Key)
	late := start.Add(time.Hour)
	replace := func(kind string, n int, old, new string) func([]record) []record {
		return func(r []record) []record {
			i := find(r, kind, n)
			changed := bytes.Replace(r[i].body, []byte(old), []byte(new), 1)
			if bytes.Equal(changed, r[i].body) {
				t.Fatalf("%q is not in %s %d", old, kind, n)
			}
			r[i].body = changed
			return r
		}
	}
	add := func(kind, subject, body string) func([]record) []record {
		return func(r []record) []record {
			return append(r, record{time: late, kind: kind, subject: subject, body: []byte(body)})
		}
	}
	text, err := w.Text(4)
	if err != nil {
		t.Fatal(err)
	}
	forged := approval{"bo", 1, w.signText(text, "mole", blocklist.DecisionNamespace)}
	same := func(r []record) []record { return r }
	if _, err := w.forge(same); err != nil {
		t.Fatalf("nothing forged: %v", err)
	}
	for name, edit := range map[string]func([]record) []record{
		"target of a decision in force": replace("draft", 0, "a.example", "z.example"),
		"entry added to it":             replace("draft", 0, "+ E2", "+ E2\tdomain\tz.example\t\t\t\t\t\t\t\t\n+ E3"),
		"withdrawal turned to another":  replace("draft", 2, "- E1\tdomain\ta.example", "- E2\tdomain\tb.example"),
		"signature of a stranger":       add("approve", "D4", string(forged.bytes())),
		"no signature":                  add("approve", "D4", "bo 1\n"),
		"approval under another name":   replace("approve", 0, "anna ", "bo "),
		"quorum of one in production":   replace("approve", 0, " 2\n", " 1\n"),
		"quorum of none":                replace("approve", 2, " 1\n", " 0\n"),
		"officer after founding":        add("officer", "mole", moleKey),
		"founder's key":                 func(r []record) []record { r[2].body = []byte(moleKey); return r },
		"hotline made police":           add("officer", "henk", strings.Replace(moleKey, "police", "hotline", 1)),
		"another register":              func(r []record) []record { r[0].subject = strings.Repeat("0", 32); return r },
		"another environment": func(r []record) []record {
			r[1].body = bytes.Replace(r[1].body, []byte("production"), []byte("test"), 1)
			return r
		},
		"approval of one, shown twice": func(r []record) []record { i := find(r, "approve", 0); r[i+1].body = r[i].body; return r },
		"approval moved to another":    func(r []record) []record { r[find(r, "approve", 0)].subject = "D2"; return r },
		"approval before its officer":  func(r []record) []record { i := find(r, "approve", 0); return slices.Insert(r, 2, r[i]) },
		"record of a second register":  func(r []record) []record { return append(r, r[0]) },
		"first record left out":        func(r []record) []record { return r[1:] },
		"a draft left out":             func(r []record) []record { i := find(r, "draft", 0); return slices.Delete(r, i, i+1) },
		"time run back":                func(r []record) []record { r[find(r, "reject", 0)].time = start; return r },
		"rejected, then approved":      func(r []record) []record { return append(r, r[find(r, "approve", 0)]) },
		"serial twice":                 func(r []record) []record { return append(r, r[find(r, "serial", 0)]) },
		"serial that is none":          add("serial", "csam", "0 1 p"),
		"reject of what is in force":   add("reject", "D1", "no"),
	} {
		if _, err := w.forge(edit); !errors.Is(err, ErrTampered) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The later kinds of record are held against the rules as well: what nobody
// signed can only say what is so.
func TestForgedLaterRecordsAreRefused(t *testing.T) {
	w := longHistory(t)
	w.decide(w.adding("g.example"), "anna", "bo") // E7 of D10
	draft := w.draft(w.suspending(7))
	rejected := w.draft(w.suspending(7))
	if err := w.Reject(rejected, "no"); err != nil {
		t.Fatal(err)
	}
	now := w.now
	add := func(kind, subject, body string) func([]record) []record {
		return func(r []record) []record {
			return append(r, record{time: now, kind: kind, subject: subject, body: []byte(body)})
		}
	}
	signed := func(change func(*blocklist.Decision)) func([]record) []record {
		d := blocklist.Decision{Register: w.ID, Environment: "production", List: "csam", ID: rejected + 1, Basis: "forged"}
		change(&d)
		text := d.Bytes()
		body := approval{"anna", 1, w.signText(text, "anna", blocklist.DecisionNamespace)}.bytes()
		return func(r []record) []record {
			return append(r, record{time: now, kind: kindDraft, subject: d.ID.String(), body: text},
				record{time: now, kind: kindApprove, subject: d.ID.String(), body: body})
		}
	}
	seven := []blocklist.Withdrawal{{ID: 7, Target: entry(t, "g.example").Target}}
	addition := w.adding("z.example").Add
	addition[0].ID = 8
	body := func(n int) string {
		r := w.records()
		return string(r[find(r, kindExpire, n)].body)
	}
	if body(0) != "E2\nE5\n" {
		t.Fatalf("what expired is %q", body(0))
	}
	for name, edit := range map[string]func([]record) []record{
		"expiry of what is not due": add(kindExpire, "csam", "E7\n"),
		"expiry a second too early": func(r []record) []record {
			i := find(r, kindExpire, 0)
			r[i].time = r[i].time.Add(-time.Second)
			r[i-1].time = r[i].time
			return r[:i+1]
		},
		"expiry of what is withdrawn": add(kindExpire, "csam", "E1\n"),
		"expiry of what is suspended": add(kindExpire, "csam", "E4\n"),
		"expiry twice":                add(kindExpire, "csam", body(0)),
		"expiry of what never was":    add(kindExpire, "csam", "E99\n"),
		"expiry on another list":      add(kindExpire, "other", "E7\n"),
		"expiry of one more": func(r []record) []record {
			i := find(r, kindExpire, 0)
			r[i].body = []byte("E2\nE5\nE6\n")
			return r[:i+1]
		},
		"expiry out of order":            func(r []record) []record { i := find(r, kindExpire, 0); r[i].body = []byte("E5\nE2\n"); return r[:i+1] },
		"expiry of one twice":            func(r []record) []record { i := find(r, kindExpire, 0); r[i].body = []byte("E2\nE2\n"); return r[:i+1] },
		"expiry without its last LF":     func(r []record) []record { i := find(r, kindExpire, 0); r[i].body = []byte("E2\nE5"); return r[:i+1] },
		"expiry of nothing":              add(kindExpire, "csam", ""),
		"urgent for a draft":             add(kindUrgent, "csam", draft.String()),
		"urgent for a rejected decision": add(kindUrgent, "csam", rejected.String()),
		"urgent for an addition":         add(kindUrgent, "csam", "D1"),
		"urgent for an override":         add(kindUrgent, "csam", "D5"),
		"urgent for nothing":             add(kindUrgent, "csam", "D99"),
		"urgent for no id":               add(kindUrgent, "csam", ""),
		"urgent for another list":        add(kindUrgent, "other", "D3"),
		"urgent before its approval":     func(r []record) []record { i := find(r, kindUrgent, 0); r[i-1], r[i] = r[i], r[i-1]; return r },
		"rollback with an addition":      signed(func(d *blocklist.Decision) { d.Rollback, d.Suspend, d.Add = 5, seven, addition }),
		"rollback with a withdrawal":     signed(func(d *blocklist.Decision) { d.Rollback, d.Withdraw = 5, seven }),
		"rollback with an officer":       signed(func(d *blocklist.Decision) { d.Rollback, d.Officers = 5, revoking("bo", start).Officers }),
		"rollback with an override": signed(func(d *blocklist.Decision) {
			d.Rollback, d.Overrides = 5, overriding(blocklist.RuleGrowth, "D1", w.digestOf(1)).Overrides
		}),
		"suspension of what does not exist": signed(func(d *blocklist.Decision) { d.Suspend = []blocklist.Withdrawal{{ID: 8, Target: seven[0].Target}} }),
		"one signature for an override": signed(func(d *blocklist.Decision) {
			d.Overrides = overriding(blocklist.RuleGrowth, "D1", w.digestOf(1)).Overrides
		}),
		"draft of nothing":                   add(kindDraft, (rejected + 1).String(), ""),
		"one signature for an addition":      signed(func(d *blocklist.Decision) { d.Add = addition }),
		"rollback turned to another edition": func(r []record) []record { return swap(t, r, "rollback\t", "rollback\t1") },
		"rollback turned to more":            func(r []record) []record { return swap(t, r, "~ E4\tdomain\td.", "~ E5\tdomain\te.") },
		"override turned to another entry":   func(r []record) []record { return swap(t, r, "override\tnever-block\tE2", "override\tnever-block\tE4") },
	} {
		if _, err := w.forge(edit); !errors.Is(err, ErrTampered) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The same by the rules: what is refused above is refused for its reason.
	for name, edit := range map[string]func([]record) []record{
		"suspension": signed(func(d *blocklist.Decision) { d.Suspend = seven }),
		"rollback":   signed(func(d *blocklist.Decision) { d.Rollback, d.Suspend = 5, seven }),
	} {
		s, err := w.forge(edit)
		if err != nil || len(s.InForce("csam")) != 0 || len(s.Suspended("csam")) != 2 {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, err := w.forge(add(kindUrgent, "csam", "D3"))
	if err != nil || s.UrgentRequest("csam") != w.Head().Records+1 {
		t.Errorf("urgent: %v", err)
	}
	now = now.Add(MaxAge)
	if s, err = w.forge(add(kindExpire, "csam", "E7\n")); err != nil || len(s.InForce("csam")) != 0 {
		t.Errorf("expiry: %v", err)
	}
}

// records are those of the history.
func (w *world) records() (all []record) {
	w.t.Helper()
	if err := w.store.read(func(r record) error { all = append(all, r); return nil }); err != nil {
		w.t.Fatal(err)
	}
	return all
}

// swap changes the text of the first draft that holds old.
func swap(t *testing.T, records []record, old, changed string) []record {
	t.Helper()
	for i := range records {
		if r := &records[i]; r.kind == kindDraft && bytes.Contains(r.body, []byte(old)) {
			r.body = bytes.Replace(r.body, []byte(old), []byte(changed), 1)
			return records
		}
	}
	t.Fatalf("%q is in no draft", old)
	return nil
}

// What no signature covers can be forged; then the history is another one
// than the one that MANIFESTs name.
func TestForgeriesThatOnlyPublicationTells(t *testing.T) {
	w := history(t)
	w.approve(4, "anna") // bo is revoked
	head := w.head
	for name, edit := range map[string]func([]record) []record{
		"a revocation left out":   func(r []record) []record { i := find(r, "approve", 3); return slices.Delete(r, i, i+1) },
		"a withdrawal left out":   func(r []record) []record { i := find(r, "approve", 2); return slices.Delete(r, i, i+1) },
		"a rejection left out":    func(r []record) []record { i := find(r, "reject", 0); return slices.Delete(r, i, i+1) },
		"times moved":             func(r []record) []record { r[len(r)-1].time = start.Add(2 * time.Hour); return r },
		"reason changed":          func(r []record) []record { r[find(r, "reject", 0)].body = []byte("yes"); return r },
		"hotline before founding": func(r []record) []record { r[1].nonce[0]++; return r },
	} {
		s, err := w.forge(edit)
		if err != nil {
			t.Errorf("%s: %v; if it is found now, say so in the package doc", name, err)
		} else if s.head.hash == head.hash {
			t.Errorf("%s: has the published head", name)
		}
	}
}

// New founders make a new register: nothing that was signed carries over.
func TestNewFoundersCarryNothingOver(t *testing.T) {
	w := history(t)
	mole := fmt.Sprintf("production\npolice\n%s", w.officer("anna", "mole", blocklist.Police).Key)
	edit := func(keep int) func([]record) []record {
		return func(r []record) []record {
			r[1].body = []byte(mole)
			return r[:keep]
		}
	}
	if _, err := w.forge(edit(5)); !errors.Is(err, ErrTampered) {
		t.Errorf("a decision carried over: %v", err)
	}
	s, err := w.forge(edit(3))
	if err != nil {
		t.Fatal(err)
	}
	if stale, err := s.CheckOfficersFile(w.OfficersFile()); err == nil || stale {
		t.Errorf("the officers file fits the new founders: %v, %v", stale, err)
	}
}

// racer changes a draft's text while a replay is under way: entries are read
// from one text and signatures would be verified over another.
type racer struct {
	store
	seq  int64
	text []byte
}

func (r *racer) body(seq int64) ([]byte, error) {
	if seq == r.seq {
		return r.text, nil
	}
	return r.store.body(seq)
}

func TestTextSwappedDuringReplayIsFound(t *testing.T) {
	w := history(t)
	text, err := w.Text(1)
	if err != nil {
		t.Fatal(err)
	}
	evil := bytes.Replace(text, []byte("a.example"), []byte("z.example"), 1)
	m := &memory{}
	var h head
	_ = w.store.read(func(r record) error {
		if r.kind == kindDraft && r.subject == "D1" {
			r.body = evil
		}
		r.hash = r.sum(h.hash)
		h = head{r.seq, r.time, r.hash}
		m.records = append(m.records, r)
		return nil
	})
	d, _ := w.Decision(1)
	if _, err := replay(&racer{m, d.seq, text}); !errors.Is(err, ErrTampered) {
		t.Errorf("got %v", err)
	}
}

// One real signature is not made enough for production by a smaller quorum.
func TestForgedQuorumIsRefused(t *testing.T) {
	w := founded(t, "production")
	w.approve(w.draft(w.adding("a.example")), "anna")
	_, err := w.forge(func(r []record) []record {
		i := find(r, "approve", 0)
		r[i].body = bytes.Replace(r[i].body, []byte(" 2\n"), []byte(" 1\n"), 1)
		return r
	})
	if !errors.Is(err, ErrTampered) {
		t.Errorf("got %v", err)
	}
}

// A revocation dated to the future, recorded past our commands, holds at once.
func TestRevocationHoldsAtOnce(t *testing.T) {
	w := founded(t, "production")
	id := w.draft(revoking("anna", start.Add(time.Hour)))
	body := approval{"bo", 1, w.sign(id, "bo")}.bytes()
	s, err := w.forge(func(r []record) []record {
		return append(r, record{time: start, kind: kindApprove, subject: id.String(), body: body})
	})
	if err != nil || s.active("anna", start) != nil {
		t.Errorf("anna is active, or %v", err)
	}
}
