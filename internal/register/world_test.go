package register

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/sshsig"
)

// world is a register with its people and its clock.
type world struct {
	t    testing.TB
	path string
	now  time.Time
	keys map[string]ssh.Signer
	*Register
}

// start is when every test's history begins.
var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func newWorld(t testing.TB, environment string) *world {
	t.Helper()
	w := &world{t: t, path: filepath.Join(t.TempDir(), "register.db"), now: start, keys: map[string]ssh.Signer{}}
	if err := Create(w.path, w.clock); err != nil {
		t.Fatal(err)
	}
	w.Register = w.opened(environment)
	return w
}

// founded is a world with the police officers anna and bo.
func founded(t testing.TB, environment string) *world {
	t.Helper()
	w := newWorld(t, environment)
	for _, name := range []string{"anna", "bo"} {
		if err := w.Found(w.officer(name, name, blocklist.Police)); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) clock() time.Time { return w.now }

func (w *world) tick(d time.Duration) time.Time {
	w.now = w.now.Add(d)
	return w.now
}

// opened opens the file a second time.
func (w *world) opened(environment string) *Register {
	w.t.Helper()
	r, err := Open(w.path, environment, w.clock)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = r.Close() })
	return r
}

// key returns the key of that label, made when it is first asked for.
func (w *world) key(label string) ssh.Signer {
	w.t.Helper()
	if w.keys[label] == nil {
		private, _, err := sshsig.GenerateEd25519(label)
		if err != nil {
			w.t.Fatal(err)
		}
		if w.keys[label], err = ssh.ParsePrivateKey(private); err != nil {
			w.t.Fatal(err)
		}
	}
	return w.keys[label]
}

// officer is the addition of a person with the key of a label.
func (w *world) officer(name, label string, role blocklist.Role) blocklist.OfficerChange {
	return blocklist.OfficerChange{Name: name, Role: role, Key: sshsig.Text(w.key(label).PublicKey())}
}

func entry(t testing.TB, name string) blocklist.Entry {
	t.Helper()
	e, err := blocklist.NewEntry([10]string{"domain", name})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (w *world) adding(names ...string) blocklist.Decision {
	d := blocklist.Decision{List: "csam", Basis: "court order"}
	for _, n := range names {
		d.Add = append(d.Add, entry(w.t, n))
	}
	return d
}

func (w *world) withdrawing(ids ...blocklist.EntryID) blocklist.Decision {
	d := blocklist.Decision{List: "csam", Basis: "appeal"}
	for _, e := range w.InForce("csam") {
		if slices.Contains(ids, e.ID) {
			d.Withdraw = append(d.Withdraw, blocklist.Withdrawal{ID: e.ID, Target: e.Target})
		}
	}
	if len(d.Withdraw) != len(ids) {
		w.t.Helper()
		w.t.Fatalf("not all of %v are in force", ids)
	}
	return d
}

func changing(changes ...blocklist.OfficerChange) blocklist.Decision {
	return blocklist.Decision{List: blocklist.NoList, Basis: "staff", Officers: changes}
}

func revoking(name string, since time.Time) blocklist.Decision {
	return changing(blocklist.OfficerChange{Revoke: true, Name: name, Since: since})
}

func (w *world) draft(d blocklist.Decision) blocklist.DecisionID {
	w.t.Helper()
	made, err := w.NewDraft(d, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return made.ID
}

func (w *world) sign(id blocklist.DecisionID, label string) []byte {
	w.t.Helper()
	text, err := w.Text(id)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.signText(text, label, blocklist.DecisionNamespace)
}

func (w *world) signText(text []byte, label, namespace string) []byte {
	w.t.Helper()
	sig, err := sshsig.Sign(w.key(label), namespace, text)
	if err != nil {
		w.t.Fatal(err)
	}
	return sig
}

// needs is the quorum of most registers: two to add, one to withdraw.
func needs(d *Decision) int {
	if d.AddsAnything() {
		return 2
	}
	return 1
}

// approve signs with the key of each name's own label.
func (w *world) approve(id blocklist.DecisionID, names ...string) *Decision {
	w.t.Helper()
	var d *Decision
	for _, n := range names {
		var err error
		if d, err = w.Approve(id, n, w.sign(id, n), needs); err != nil {
			w.t.Fatalf("%s approves %v: %v", n, id, err)
		}
	}
	return d
}

// decide drafts and approves.
func (w *world) decide(d blocklist.Decision, names ...string) blocklist.DecisionID {
	w.t.Helper()
	id := w.draft(d)
	w.approve(id, names...)
	return id
}

// hire adds a third, fourth... police officer, whose key has the name's label.
func (w *world) hire(name string, by ...string) blocklist.DecisionID {
	w.t.Helper()
	return w.decide(changing(w.officer(name, name, blocklist.Police)), by...)
}

func (w *world) status(id blocklist.DecisionID, want Status) {
	w.t.Helper()
	if d, err := w.Decision(id); err != nil || d.Status != want {
		w.t.Errorf("%v is %v, %v; want %s", id, d.Status, err, want)
	}
}

// listed checks what is in force, and that a second opening sees the same.
func (w *world) listed(want ...string) {
	w.t.Helper()
	var got []string
	for _, e := range w.InForce("csam") {
		got = append(got, e.Target.Reveal())
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("listed %v, want %v", got, want)
	}
	w.same()
}

// same checks that the state after changes is the state after opening.
func (w *world) same() {
	w.t.Helper()
	r, err := Open(w.path, w.environment, w.clock)
	if err != nil {
		w.t.Fatalf("open again: %v", err)
	}
	defer r.Close()
	if a, b := dump(w.State), dump(r.State); a != b {
		w.t.Errorf("after changes:\n%s\nafter opening:\n%s", a, b)
	}
}

// refused checks that a change fails, says why, and left no record.
func (w *world) refused(err error, why string) {
	w.t.Helper()
	if err == nil || !strings.Contains(err.Error(), why) {
		w.t.Errorf("got %v, want an error with %q", err, why)
	}
	if errors.Is(err, ErrTampered) {
		w.t.Errorf("a refusal must not look like tampering: %v", err)
	}
	w.same()
}

// dump writes all of a state that anybody can see.
func dump(s *State) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %v next %v\n", s.ID, s.Environment, s.Head(), s.nextEntry)
	for _, o := range s.Officers {
		fmt.Fprintf(&b, "%s %s %s %v %v %v\n", o.Name, o.Role, o.Fingerprint(), o.Added, o.Revoked, o.By)
	}
	for _, d := range s.Decisions {
		fmt.Fprintf(&b, "%v %s %s %s %q %v %v %d %d %v\n", d.ID, d.List, d.Status, d.Digest, d.Reason, d.Drafted, d.Decided, d.Adds, d.Quorum, d.Approvals)
	}
	for _, c := range s.Cases {
		fmt.Fprintf(&b, "%+v\n", *c)
	}
	for _, id := range slices.Sorted(maps.Keys(s.looked)) {
		fmt.Fprintf(&b, "%v looked at %+v\n", id, s.looked[id])
	}
	for _, id := range slices.Sorted(maps.Keys(s.sooner)) {
		fmt.Fprintf(&b, "%v sooner %+v\n", id, s.sooner[id])
	}
	var names []string
	for n := range s.lists {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		for _, e := range s.InForce(n) {
			fmt.Fprintf(&b, "%s %v %v %s\n", n, e.ID, e.Decision, e.Target.Reveal())
		}
		for _, e := range s.Suspended(n) {
			fmt.Fprintf(&b, "%s suspended %v of %v\n", n, e.ID, e.Decision)
		}
		l := s.lists[n]
		for _, key := range slices.Sorted(maps.Keys(l.gone)) {
			fmt.Fprintf(&b, "%s gone %s %v\n", n, key, l.gone[key])
		}
		fmt.Fprintf(&b, "%s urgent %v\n", n, l.urgent)
	}
	fmt.Fprintf(&b, "%v\n%s", s.Highest, s.OfficersFile())
	return b.String()
}

// memory is a store without a disk, for tests of many histories.
type memory struct {
	mu      sync.Mutex
	records []record
}

func (m *memory) read(each func(record) error) error {
	for _, r := range m.records {
		if err := each(r); err != nil {
			return fmt.Errorf("record %d: %w", r.seq, err)
		}
	}
	return nil
}

func (m *memory) body(seq int64) ([]byte, error) { return m.records[seq-1].body, nil }

func (m *memory) last() (int64, error) { return int64(len(m.records)), nil }

func (m *memory) append(old head, records []record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if int64(len(m.records)) != old.seq {
		return errConflict
	}
	m.records = append(m.records, records...)
	return nil
}

func (m *memory) close() error { return nil }
