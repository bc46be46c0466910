package register

import (
	"errors"
	"fmt"
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
	kind     string // draft, approve, reject, expire
	text     blocklist.Decision
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
}

type person struct {
	name, key string
	from, to  time.Time // to is zero if not revoked
}

func (p person) at(t time.Time) bool { return !t.Before(p.from) && (p.to.IsZero() || t.Before(p.to)) }

func onlyRevokes(d blocklist.Decision) bool {
	return len(d.Add)+len(d.Withdraw)+len(d.Suspend)+len(d.Resume) == 0 && !slices.ContainsFunc(d.Officers, func(o blocklist.OfficerChange) bool { return !o.Revoke })
}

func quorumOf(d blocklist.Decision) int {
	if len(d.Add)+len(d.Resume) > 0 || slices.ContainsFunc(d.Officers, func(o blocklist.OfficerChange) bool { return !o.Revoke }) {
		return 2
	}
	return 1
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
				m.next += blocklist.EntryID(len(a.text.Add))
			case "reject":
				m.status[a.decision] = Rejected
			case "expire":
				for id := range m.forced {
					if !m.limit[id].After(a.at) {
						delete(m.forced, id)
					}
				}
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
			p := person{name: c.Name, key: c.Key, from: a.at}
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
			fmt.Fprintf(&b, "%v %s\n", id, name)
		}
	}
	for id := blocklist.EntryID(1); id < m.next; id++ {
		if name, ok := m.out[id]; ok {
			fmt.Fprintf(&b, "suspended %v %s\n", id, name)
		}
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
		fmt.Fprintf(&b, "%v %s\n", e.ID, e.Target.Reveal())
	}
	for _, e := range s.Suspended("csam") {
		fmt.Fprintf(&b, "suspended %v %s\n", e.ID, e.Target.Reveal())
	}
	return b.String()
}

// TestStateEqualsTheModel makes random histories and compares the state after
// every record with the naive computation, and with a replay from the start.
func TestStateEqualsTheModel(t *testing.T) {
	pool := map[string]ssh.Signer{}
	labels := map[string]string{} // public key → label
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
			what := rapid.SampledFrom([]string{"add", "add", "withdraw", "suspend", "resume", "resume", "rollback", "expire", "hire", "revoke", "approve", "approve", "approve", "approve", "reject"}).Draw(rt, "what")
			open := slices.Index(m.status, Draft)
			switch what {
			case "add":
				d = w.adding(fmt.Sprintf("n%d.example", step))
			case "withdraw":
				for id, target := range m.forced {
					d.Withdraw = []blocklist.Withdrawal{{ID: id, Target: entry(t, target).Target}}
				}
			case "suspend":
				for id, target := range m.forced {
					d.Suspend = []blocklist.Withdrawal{{ID: id, Target: entry(t, target).Target}}
				}
			case "resume":
				for id, target := range m.out {
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
				acts = append(acts, act{at: now, kind: "expire"})
			case "hire":
				newest := fmt.Sprintf("%s %d", name, step)
				d.Officers = []blocklist.OfficerChange{w.officer(name, newest, blocklist.Police)}
				labels[d.Officers[0].Key] = newest
			case "revoke":
				since := now.Add(-time.Duration(rapid.IntRange(0, 20).Draw(rt, "back")) * time.Second)
				d.Officers = []blocklist.OfficerChange{{Revoke: true, Name: name, Since: since}}
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
				key, active := "", false
				for _, p := range m.people {
					if p.name == name && p.at(now) {
						key, active = p.key, true
					}
				}
				text := m.texts[open]
				may := active && !slices.Contains(m.signers[open], key)
				for _, c := range text.Officers {
					taken := slices.ContainsFunc(m.people, func(p person) bool { return p.name == c.Name && p.at(now) })
					reach := slices.ContainsFunc(m.people, func(p person) bool {
						return p.name == c.Name && (p.to.IsZero() || c.Since.Before(p.to) && !p.to.Equal(p.from))
					})
					may = may && (c.Revoke && reach || !c.Revoke && !taken)
				}
				sign := name
				if l, ok := labels[key]; ok {
					sign = l
				}
				id := blocklist.DecisionID(open + 1)
				_, err := w.Approve(id, name, w.sign(id, sign), needs)
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
			if len(d.Add)+len(d.Withdraw)+len(d.Suspend)+len(d.Resume)+len(d.Officers) > 0 {
				d.Add = slices.Clone(d.Add)
				if _, err := w.NewDraft(d, 0); err != nil {
					rt.Fatal(err)
				}
				acts = append(acts, act{at: now, kind: "draft", text: d})
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
	})
}
