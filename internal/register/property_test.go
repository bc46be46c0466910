package register

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"pgregory.net/rapid"

	"github.com/vaern/vaern/blocklist"
)

// act is one record of a history as a naive model sees it.
type act struct {
	at       time.Time
	decision int    // D1 is 0
	kind     string // draft, approve, reject, expire, case, close
	text     blocklist.Decision
	about    int // entry of a case, or the case that is closed: C1 is 0
	officer  string
	key      string // label of the officer's key
	took     bool   // it made the quorum full when it was recorded
}

// model is what follows from a list of acts, by the plainest computation
// there is.
type model struct {
	people  []person
	status  []Status
	texts   []blocklist.Decision
	signers [][]string // keys that count, by decision
	forced  map[blocklist.EntryID]string
	out     map[blocklist.EntryID]string    // suspended
	limit   map[blocklist.EntryID]time.Time // when what is in force expires
	next    blocklist.EntryID
	said    [][]string // officers whose approvals were recorded, by decision
	cases   []complaint
}

type person struct {
	name, key string
	hotline   bool
	from, to  time.Time // to is zero if not revoked
}

type complaint struct {
	entry   blocklist.EntryID
	verdict blocklist.Step
	closed  bool
}

func (p person) at(t time.Time) bool { return !t.Before(p.from) && (p.to.IsZero() || t.Before(p.to)) }

func onlyRevokes(d blocklist.Decision) bool {
	return len(d.Add)+len(d.Withdraw)+len(d.Suspend)+len(d.Resume)+len(d.Rechecks)+len(d.Cases) == 0 && !slices.ContainsFunc(d.Officers, func(o blocklist.OfficerChange) bool { return !o.Revoke })
}

func quorumOf(d blocklist.Decision) int {
	if len(d.Add)+len(d.Resume) > 0 || slices.ContainsFunc(d.Officers, func(o blocklist.OfficerChange) bool { return !o.Revoke }) {
		return 2
	}
	return 1
}

// hotlineMay says whether a decision is no more than a recheck.
func hotlineMay(d blocklist.Decision) bool {
	if len(d.Rechecks) == 0 || len(d.Add)+len(d.Withdraw)+len(d.Resume)+len(d.Cases)+len(d.Officers) > 0 || d.Rollback != 0 {
		return false
	}
	for _, w := range d.Suspend {
		if !slices.ContainsFunc(d.Rechecks, func(c blocklist.Recheck) bool { return c.ID == w.ID && c.Result == blocklist.ChangedOwner }) {
			return false
		}
	}
	return true
}

// listing returns the decision that adds an entry, and the entry's name.
func (m *model) listing(id blocklist.EntryID) (decision int, name string) {
	for i, d := range m.texts {
		for _, e := range d.Add {
			if e.ID == id {
				return i, e.Target.Reveal()
			}
		}
	}
	return -1, ""
}

// may says whether an officer may approve a text at a moment.
func (m *model) may(d blocklist.Decision, name string, at time.Time) (key string, ok bool) {
	for _, p := range m.people {
		if p.name == name && p.at(at) {
			key, ok = p.key, !p.hotline || hotlineMay(d)
		}
	}
	for _, c := range d.Cases {
		if c.Decides() {
			listing, _ := m.listing(m.cases[c.Case-1].entry)
			ok = ok && !slices.Contains(m.said[listing], name)
		}
	}
	return key, ok
}

func (m *model) waits(id blocklist.EntryID) bool {
	return slices.ContainsFunc(m.cases, func(c complaint) bool { return c.entry == id && c.verdict == "" && !c.closed })
}

// inOrder ranges over entries by id, so that a history that failed can be made
// again.
func inOrder(entries map[blocklist.EntryID]string) iter.Seq2[blocklist.EntryID, string] {
	return func(yield func(blocklist.EntryID, string) bool) {
		for _, id := range slices.Sorted(maps.Keys(entries)) {
			if !yield(id, entries[id]) {
				return
			}
		}
	}
}

// compute goes over all acts until no revocation in them reaches further back
// than the time before.
func compute(acts []act, founders []person) *model {
	since := map[string]time.Time{}
	for {
		m := &model{
			people: slices.Clone(founders), forced: map[blocklist.EntryID]string{}, out: map[blocklist.EntryID]string{},
			limit: map[blocklist.EntryID]time.Time{}, next: 1,
		}
		again := false
		for _, a := range acts {
			switch a.kind {
			case "draft":
				m.texts = append(m.texts, a.text)
				m.status = append(m.status, Draft)
				m.signers = append(m.signers, nil)
				m.said = append(m.said, nil)
				m.next += blocklist.EntryID(len(a.text.Add))
			case "reject":
				m.status[a.decision] = Rejected
			case "expire":
				for id := range m.forced {
					if !m.limit[id].After(a.at) {
						delete(m.forced, id)
					}
				}
			case "case":
				m.cases = append(m.cases, complaint{entry: blocklist.EntryID(a.about)})
			case "close":
				m.cases[a.about].closed = true
			case "approve":
				again = m.approve(a, since) || again
			}
		}
		if !again {
			return m
		}
	}
}

func (m *model) approve(a act, since map[string]time.Time) (again bool) {
	d := m.texts[a.decision]
	m.said[a.decision] = append(m.said[a.decision], a.officer)
	counts := onlyRevokes(d)
	for _, p := range m.people {
		void, known := since[p.key]
		counts = counts || p.key == a.key && p.at(a.at) && (!known || a.at.Before(void))
	}
	if counts {
		m.signers[a.decision] = append(m.signers[a.decision], a.key)
	}
	if !a.took {
		return false
	}
	valid := len(m.signers[a.decision]) >= quorumOf(d)
	m.status[a.decision] = Void
	if valid {
		m.status[a.decision] = Approved
		for _, c := range d.Rechecks {
			_, inForce := m.forced[c.ID]
			until := c.Day.Add(MaxAge)
			if inForce && c.Result == blocklist.Still && m.limit[c.ID].After(a.at) && until.After(m.limit[c.ID]) {
				m.limit[c.ID] = until
			}
		}
		for _, c := range d.Cases {
			if k := &m.cases[c.Case-1]; c.Decides() && k.verdict == "" && !k.closed {
				k.verdict = c.Step
			}
		}
		for _, e := range d.Add {
			m.forced[e.ID] = e.Target.Reveal()
			m.limit[e.ID] = a.at.Add(MaxAge)
		}
	}
	for _, w := range d.Withdraw { // taken away stays away, whoever signed it
		delete(m.forced, w.ID)
		delete(m.out, w.ID)
	}
	for _, w := range d.Resume {
		if name, ok := m.out[w.ID]; ok && valid {
			m.forced[w.ID] = name
			delete(m.out, w.ID)
		}
	}
	for _, w := range d.Suspend {
		if name, ok := m.forced[w.ID]; ok {
			m.out[w.ID] = name
			delete(m.forced, w.ID)
		}
	}
	for _, c := range d.Officers {
		if !c.Revoke {
			p := person{name: c.Name, key: c.Key, hotline: c.Role == blocklist.Hotline, from: a.at}
			if !valid {
				p.to = a.at
			}
			m.people = append(m.people, p)
			continue
		}
		for i := range m.people {
			p := &m.people[i]
			if p.name != c.Name || !p.to.IsZero() && (!c.Since.Before(p.to) || p.to.Equal(p.from)) {
				continue
			}
			if known, ok := since[p.key]; !ok || c.Since.Before(known) {
				since[p.key], again = c.Since, true
			}
			p.to = since[p.key]
			if p.to.Before(p.from) {
				p.to = p.from
			}
		}
	}
	return again
}

func (m *model) String() string {
	var b strings.Builder
	for _, p := range m.people {
		fmt.Fprintf(&b, "%s %v %v\n", p.name, p.from, p.to)
	}
	for i, s := range m.status {
		fmt.Fprintf(&b, "D%d %s %d\n", i+1, s, len(m.signers[i]))
	}
	for id := blocklist.EntryID(1); id < m.next; id++ {
		if name, ok := m.forced[id]; ok {
			fmt.Fprintf(&b, "%v %s until %v\n", id, name, m.limit[id])
		}
	}
	for id := blocklist.EntryID(1); id < m.next; id++ {
		if name, ok := m.out[id]; ok {
			fmt.Fprintf(&b, "suspended %v %s\n", id, name)
		}
	}
	for i, c := range m.cases {
		fmt.Fprintf(&b, "C%d %v %q %v\n", i+1, c.entry, c.verdict, c.closed)
	}
	return b.String()
}

// view writes a State as model.String does.
func view(s *State) string {
	var b strings.Builder
	for _, o := range s.Officers {
		fmt.Fprintf(&b, "%s %v %v\n", o.Name, o.Added, o.Revoked)
	}
	for _, d := range s.Decisions {
		fmt.Fprintf(&b, "%v %s %d\n", d.ID, d.Status, d.Valid())
	}
	for _, e := range s.InForce("csam") {
		fmt.Fprintf(&b, "%v %s until %v\n", e.ID, e.Target.Reveal(), s.Expires(e))
	}
	for _, e := range s.Suspended("csam") {
		fmt.Fprintf(&b, "suspended %v %s\n", e.ID, e.Target.Reveal())
	}
	for _, c := range s.Cases {
		fmt.Fprintf(&b, "%v %v %q %v\n", c.ID, c.Entry, c.Verdict, !c.Closed.IsZero())
	}
	return b.String()
}

// TestStateEqualsTheModel makes random histories and compares the state after
// every record with the naive computation, and with a replay from the start.
func TestStateEqualsTheModel(t *testing.T) {
	pool := map[string]ssh.Signer{}
	labels := map[string]string{} // public key → label
	label := func(name, key string) string {
		if l, ok := labels[key]; ok {
			return l
		}
		return name
	}
	rapid.Check(t, func(rt *rapid.T) {
		w := &world{t: t, now: start, keys: pool}
		mem := &memory{}
		first := record{kind: kindRegister, subject: strings.Repeat("0", 32), body: []byte{}}
		first.follow(head{}, start)
		mem.records = []record{first}
		w.Register = &Register{store: mem, environment: "production", now: w.clock}
		if err := w.reload(); err != nil {
			rt.Fatal(err)
		}
		var founders []person
		for _, name := range []string{"anna", "bo"} {
			c := w.officer(name, name, blocklist.Police)
			if err := w.Found(c); err != nil {
				rt.Fatal(err)
			}
			founders = append(founders, person{name: name, key: c.Key, from: start})
		}
		var acts []act
		names := []string{"anna", "bo", "carl", "dora"}
		for step := range rapid.IntRange(5, 40).Draw(rt, "steps") {
			w.tick(time.Duration(rapid.IntRange(-1, 3).Draw(rt, "tick")) * time.Second)
			if rapid.IntRange(0, 9).Draw(rt, "months") == 0 {
				w.tick(MaxAge / 2)
			}
			m := compute(acts, founders)
			now := w.moment()
			d, name := blocklist.Decision{List: "csam", Basis: "x"}, rapid.SampledFrom(names).Draw(rt, "name")
			what := rapid.SampledFrom([]string{"add", "add", "withdraw", "suspend", "resume", "resume", "rollback", "expire", "hire", "revoke", "recheck", "recheck", "recheck", "case", "verdict", "verdict", "close", "approve", "approve", "approve", "approve", "reject"}).Draw(rt, "what")
			open := slices.Index(m.status, Draft)
			approve := func(m *model, open int, name string) {
				text := m.texts[open]
				key, active := m.may(text, name, now)
				may := active && !slices.Contains(m.signers[open], key)
				for _, c := range text.Officers {
					taken := slices.ContainsFunc(m.people, func(p person) bool { return p.name == c.Name && p.at(now) })
					reach := slices.ContainsFunc(m.people, func(p person) bool {
						return p.name == c.Name && (p.to.IsZero() || c.Since.Before(p.to) && !p.to.Equal(p.from))
					})
					may = may && (c.Revoke && reach || !c.Revoke && !taken)
				}
				id := blocklist.DecisionID(open + 1)
				_, err := w.Approve(id, name, w.sign(id, label(name, key)), needs)
				if errors.Is(err, ErrTampered) {
					rt.Fatal(err)
				}
				if (err == nil) != may {
					rt.Fatalf("%s approves %v: %v, the model says %v", name, id, err, may)
				}
				if err == nil {
					acts = append(acts, act{at: now, kind: "approve", decision: open, officer: name, key: key, took: len(m.signers[open])+1 >= quorumOf(text)})
				}
			}
			atOnce := func(d blocklist.Decision) {
				key, may := m.may(d, name, now)
				_, err := w.Decide(func() (blocklist.Decision, error) { return d, nil }, needs, name, w.with(label(name, key)))
				if errors.Is(err, ErrTampered) || (err == nil) != may {
					rt.Fatalf("%s decides alone: %v, the model says %v", name, err, may)
				}
				if may {
					acts = append(acts, act{at: now, kind: "draft", text: d},
						act{at: now, kind: "approve", decision: len(m.texts), officer: name, key: key, took: true})
				}
			}
			switch what {
			case "add":
				d = w.adding(fmt.Sprintf("n%d.example", step))
			case "withdraw":
				for id, target := range inOrder(m.forced) {
					d.Withdraw = []blocklist.Withdrawal{{ID: id, Target: entry(t, target).Target}}
				}
			case "suspend":
				for id, target := range inOrder(m.forced) {
					d.Suspend = []blocklist.Withdrawal{{ID: id, Target: entry(t, target).Target}}
				}
			case "resume":
				for id, target := range inOrder(m.out) {
					d.Resume = []blocklist.Withdrawal{{ID: id, Target: entry(t, target).Target}}
				}
			case "rollback":
				for _, e := range w.InForce("csam") {
					if rapid.Bool().Draw(rt, "since") {
						d.Suspend = append(d.Suspend, blocklist.Withdrawal{ID: e.ID, Target: e.Target})
					}
				}
				if len(d.Suspend) > 0 {
					d.Rollback = 5
				}
			case "expire":
				if _, err := w.Expire("csam"); err != nil {
					rt.Fatal(err)
				}
				acts = append(acts, act{at: w.now, kind: "expire"}) // by the clock, which may be behind the history
			case "hire":
				newest := fmt.Sprintf("%s %d", name, step)
				role := rapid.SampledFrom([]blocklist.Role{blocklist.Police, blocklist.Police, blocklist.Hotline}).Draw(rt, "role")
				d.Officers = []blocklist.OfficerChange{w.officer(name, newest, role)}
				labels[d.Officers[0].Key] = newest
			case "revoke":
				since := now.Add(-time.Duration(rapid.IntRange(0, 20).Draw(rt, "back")) * time.Second)
				d.Officers = []blocklist.OfficerChange{{Revoke: true, Name: name, Since: since}}
			case "recheck":
				for id := blocklist.EntryID(1); id < m.next; id++ {
					if rapid.IntRange(0, 2).Draw(rt, "which") == 0 {
						continue
					}
					_, target := m.listing(id)
					c := blocklist.Recheck{ID: id, Target: entry(t, target).Target, Day: now.Truncate(24 * time.Hour)}
					c.Day = c.Day.AddDate(0, 0, -rapid.IntRange(0, 50).Draw(rt, "days ago"))
					c.Result = rapid.SampledFrom([]blocklist.Result{blocklist.Still, blocklist.Still, blocklist.Still, blocklist.Gone, blocklist.ChangedOwner}).Draw(rt, "result")
					d.Rechecks = append(d.Rechecks, c)
					if c.Result == blocklist.ChangedOwner || rapid.IntRange(0, 20).Draw(rt, "more") == 0 {
						d.Suspend = append(d.Suspend, blocklist.Withdrawal{ID: id, Target: c.Target})
					}
				}
				if len(d.Rechecks) > 0 && rapid.Bool().Draw(rt, "at once") {
					atOnce(d)
					d = blocklist.Decision{}
				}
			case "case":
				if m.next == 1 {
					continue
				}
				id := blocklist.EntryID(rapid.IntRange(1, int(m.next)-1).Draw(rt, "entry"))
				_, inForce := m.forced[id]
				_, out := m.out[id]
				c := blocklist.Case{Entry: id, Kind: "revision", From: "provider", Text: "x"}
				if rapid.Bool().Draw(rt, "credible") {
					_, target := m.listing(id)
					d.Suspend = []blocklist.Withdrawal{{ID: id, Target: entry(t, target).Target}}
					key, may := m.may(d, name, now)
					may = may && (inForce || out)
					_, _, err := w.OpenCredibleCase(c, "x", needs, name, w.with(label(name, key)))
					if errors.Is(err, ErrTampered) || (err == nil) != may {
						rt.Fatalf("%s suspends by a case: %v, the model says %v", name, err, may)
					}
					if may {
						acts = append(acts, act{at: now, kind: "case", about: int(id)}, act{at: now, kind: "draft", text: d},
							act{at: now, kind: "approve", decision: len(m.texts), officer: name, key: key, took: true})
					}
					d = blocklist.Decision{}
				} else {
					_, err := w.OpenCase(c)
					if errors.Is(err, ErrTampered) || (err == nil) != (inForce || out) {
						rt.Fatalf("a case about %v: %v", id, err)
					}
					if err == nil {
						acts = append(acts, act{at: now, kind: "case", about: int(id)})
					}
				}
			case "verdict":
				if len(m.cases) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(m.cases)-1).Draw(rt, "case")
				d.Cases = []blocklist.CaseStep{{Case: blocklist.CaseID(i + 1), Step: blocklist.Reject}}
				if rapid.Bool().Draw(rt, "uphold") {
					d.Cases[0].Step = blocklist.Uphold
					_, target := m.listing(m.cases[i].entry)
					d.Withdraw = []blocklist.Withdrawal{{ID: m.cases[i].entry, Target: entry(t, target).Target}}
				}
				if rapid.Bool().Draw(rt, "at once") {
					atOnce(d)
					d = blocklist.Decision{}
				}
			case "close":
				if i := slices.IndexFunc(m.cases, func(c complaint) bool { return !c.closed }); i >= 0 {
					if err := w.CloseCase(blocklist.CaseID(i+1), "x"); err != nil {
						rt.Fatal(err)
					}
					acts = append(acts, act{at: now, kind: "close", about: i})
				}
			case "reject":
				if open >= 0 {
					if err := w.Reject(blocklist.DecisionID(open+1), "no"); err != nil {
						rt.Fatal(err)
					}
					acts = append(acts, act{at: now, kind: "reject", decision: open})
				}
			case "approve":
				if open < 0 {
					continue
				}
				if second := slices.Index(m.status[open+1:], Draft); second >= 0 && rapid.Bool().Draw(rt, "other") {
					open += 1 + second
				}
				approve(m, open, name)
			}
			if len(d.Add)+len(d.Withdraw)+len(d.Suspend)+len(d.Resume)+len(d.Rechecks)+len(d.Cases)+len(d.Officers) > 0 {
				d.Add = slices.Clone(d.Add)
				waits := slices.ContainsFunc(d.Resume, func(w blocklist.Withdrawal) bool { return m.waits(w.ID) })
				if _, err := w.NewDraft(d, 0); (err != nil) != waits {
					rt.Fatal(err)
				}
				if waits {
					continue
				}
				acts = append(acts, act{at: now, kind: "draft", text: d})
				for _, name := range rapid.Permutation(names).Draw(rt, "signed by") {
					if m := compute(acts, founders); m.status[len(m.status)-1] == Draft && rapid.IntRange(0, 3).Draw(rt, "signs") > 0 {
						approve(m, len(m.status)-1, name)
					}
				}
			}
			if got, want := view(w.State), compute(acts, founders).String(); got != want {
				rt.Fatalf("after %s %s the state is\n%s\nthe model says\n%s", what, name, got, want)
			}
			again, err := replay(mem)
			if err != nil {
				rt.Fatalf("after %s %s: %v", what, name, err)
			}
			if a, b := dump(w.State), dump(again); a != b {
				rt.Fatalf("after changes:\n%s\nafter a replay:\n%s", a, b)
			}
		}
		if err := checkMoves(w.Register); err != nil {
			rt.Fatal(err)
		}
	})
}

// checkMoves says whether the moves lead to what is in force, each entry coming
// and leaving by turns.
func checkMoves(r *Register) error {
	moves, err := r.Moves()
	if err != nil {
		return err
	}
	in := map[blocklist.EntryID]bool{}
	var last time.Time
	for _, m := range moves {
		if m.In == in[m.Entry] && !m.Ended || m.Ended && in[m.Entry] || m.At.Before(last) || m.List != "csam" {
			return fmt.Errorf("%+v after %v, in force before: %v", m, last, in[m.Entry])
		}
		in[m.Entry], last = m.In, m.At
	}
	for _, e := range r.InForce("csam") {
		if !in[e.ID] {
			return fmt.Errorf("%v is in force, and did not come", e.ID)
		}
		delete(in, e.ID)
	}
	for id, still := range in {
		if still {
			return fmt.Errorf("%v came, did not leave, and is not in force", id)
		}
	}
	return nil
}
