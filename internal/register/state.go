package register

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/sshsig"
)

// Status is how far a decision has come.
type Status string

// A decision is a draft until enough officers approved it or one rejected it. It
// is void if it was approved by a key that was later revoked since before
// that moment.
const (
	Draft    Status = "draft"
	Approved Status = "approved"
	Rejected Status = "rejected"
	Void     Status = "void"
)

// Decision is what the state knows of a decision; its text is in the history.
type Decision struct {
	ID        blocklist.DecisionID
	List      string
	Basis     string
	Digest    string // sha256 of the signed text, hex
	Status    Status
	Drafted   time.Time
	Decided   time.Time // when the quorum was reached, or it was rejected
	Reason    string    // of the rejection
	Adds      int
	Withdraws int
	Officers  []blocklist.OfficerChange
	Overrides []blocklist.Override
	Approvals []Approval
	Quorum    int // that its latest approval was recorded with

	seq       int64 // record of the text
	added     []blocklist.Listed
	withdrawn []blocklist.Withdrawal
}

// AddsAnything says whether the decision needs the quorum for additions:
// whatever is not only taking away.
func (d *Decision) AddsAnything() bool {
	for _, o := range d.Officers {
		if !o.Revoke {
			return true
		}
	}
	return d.Adds > 0 || len(d.Overrides) > 0
}

func (d *Decision) onlyRevokes() bool {
	return !d.AddsAnything() && d.Withdraws == 0
}

// Approval is one officer's signature, as it was recorded.
type Approval struct {
	Officer     string
	Fingerprint string
	At          time.Time
	Void        bool // the key was revoked since before At
}

// State is everything that follows from a history. It is only ever changed by
// replaying the next record.
type State struct {
	ID          string // 128 random bits in hex
	Environment string
	Officers    []*Officer
	Decisions   []*Decision // D1 first
	Highest     map[string]Reservation

	head           head
	nextEntry      blocklist.EntryID
	lists          map[string]*list
	officersBefore []byte
	voids          map[string]time.Time // officer's key → approvals from here on are void
	text           func(seq int64) ([]byte, error)
}

// list is what is in force on one list.
type list struct {
	entries []blocklist.Listed // by id; Decision 0: withdrawn
	sorted  bool
	gone    map[string]struct{} // targets that a decision took out, as unit and text
}

// Reservation is the highest serial that was ever reserved for a list, and
// what the guards were when it was.
type Reservation struct {
	Serial    blocklist.Serial
	Policy    string // digest of quorum, guards and never-block files
	Protected int    // names in the never-block files
}

// Head names the end of the history, as MANIFEST does.
func (s *State) Head() blocklist.RegisterHead {
	return blocklist.RegisterHead{Records: s.head.seq, Hash: s.head.hex()}
}

// Decision returns the decision with that id.
func (s *State) Decision(id blocklist.DecisionID) (*Decision, error) {
	if id < 1 || int(id) > len(s.Decisions) {
		return nil, fmt.Errorf("there is no decision %v", id)
	}
	return s.Decisions[id-1], nil
}

// InForce returns the entries in force on a list, by id. The caller must not
// change them.
func (s *State) InForce(name string) []blocklist.Listed {
	l := s.lists[name]
	if l == nil {
		return nil
	}
	l.settle()
	return l.entries
}

// WasListed says whether a decision once listed a target that is not in force
// any more, so that its absence is explained.
func (s *State) WasListed(name string, t blocklist.Target) bool {
	l := s.lists[name]
	if l == nil {
		return false
	}
	_, ok := l.gone[t.Key()]
	return ok
}

// Overridden says whether an approved decision lets id through a rule. It is
// bound to the text of that decision as it is now.
func (s *State) Overridden(rule blocklist.Rule, id blocklist.DecisionID) bool {
	for _, d := range s.Decisions {
		if d.Status != Approved {
			continue
		}
		for _, o := range d.Overrides {
			if of, err := s.Decision(id); err == nil && o.Rule == rule && o.For == id && o.Digest == of.Digest {
				return true
			}
		}
	}
	return false
}

// settle brings the entries in order and drops those that were withdrawn.
func (l *list) settle() {
	if l.sorted {
		return
	}
	l.entries = slices.DeleteFunc(l.entries, func(e blocklist.Listed) bool { return e.Decision == 0 })
	slices.SortFunc(l.entries, func(a, b blocklist.Listed) int { return int(a.ID - b.ID) })
	l.sorted = true
}

// withdraw takes entries out; one that another decision took out meanwhile is
// passed over.
func (l *list) withdraw(gone []blocklist.Withdrawal) {
	if len(gone) == 0 {
		return
	}
	l.settle()
	for _, w := range gone {
		i, ok := slices.BinarySearchFunc(l.entries, w.ID, func(e blocklist.Listed, id blocklist.EntryID) int { return int(e.ID - id) })
		if ok {
			l.entries[i].Decision = 0
			l.gone[l.entries[i].Target.Key()] = struct{}{}
		}
	}
	l.sorted = false
}

func (s *State) list(name string) *list {
	l := s.lists[name]
	if l == nil {
		l = &list{gone: map[string]struct{}{}}
		s.lists[name] = l
	}
	return l
}

// errRestart asks for the replay to begin again, with a void that a later
// record revealed.
var errRestart = errors.New("a revocation reaches back")

var errNewer = errors.New("unknown kind of record: this program is older than the register")

// replay builds the state of a whole history. A revocation that reaches back
// changes what earlier records meant, so the replay then begins again knowing
// it; voids only ever grow, so it ends.
func replay(s store) (*State, error) {
	voids := map[string]time.Time{}
	for {
		st := &State{Highest: map[string]Reservation{}, lists: map[string]*list{}, nextEntry: 1, voids: voids, text: s.body}
		err := s.read(st.apply)
		if errors.Is(err, errRestart) {
			continue
		}
		if err == nil && st.head.seq == 0 {
			err = errors.New("the register is empty: restore it from a backup")
		}
		return st, err
	}
}

// apply checks one record against the chain and lets it take effect.
func (s *State) apply(r record) error {
	next, err := r.check(s.head)
	if err != nil {
		return err
	}
	if err := s.effect(r); err != nil {
		if !errors.Is(err, errRestart) && !errors.Is(err, errNewer) {
			// Whoever wrote it also wrote its hash, but not by our rules.
			err = fmt.Errorf("%w: %w", ErrTampered, err)
		}
		return err
	}
	s.head = next
	return nil
}

func (s *State) effect(r record) error {
	if (r.seq == 1) != (r.kind == kindRegister) {
		return ErrTampered
	}
	switch r.kind {
	case kindRegister:
		s.ID = r.subject
		return nil
	case kindOfficer:
		return s.foundingOfficer(r)
	case kindDraft:
		return s.draft(r)
	case kindApprove:
		return s.approve(r)
	case kindReject:
		return s.reject(r)
	case kindSerial:
		return s.serial(r)
	}
	return errNewer
}

// foundingOfficer reads environment, role and key, a line each. The first
// officer gives the register its environment.
func (s *State) foundingOfficer(r record) error {
	if s.Founded() {
		return errors.New("an officer was added without a decision")
	}
	f := strings.Split(string(r.body), "\n")
	if len(f) != 3 || len(s.Officers) > 0 && f[0] != s.Environment {
		return errors.New("not a founding officer of this environment")
	}
	s.Environment = f[0]
	return s.addOfficer(blocklist.OfficerChange{Name: r.subject, Role: blocklist.Role(f[1]), Key: f[2]}, r.time, 0)
}

// draft reads a decision's text, the only place where that is done. The
// entries wait beside the decision until it is approved.
func (s *State) draft(r record) error {
	d := &Decision{Status: Draft, Drafted: r.time, seq: r.seq, Digest: blocklist.Digest(r.body)}
	head, err := blocklist.ScanDecision(r.body, blocklist.Each{
		Add: func(e blocklist.Entry) error {
			if e.ID != s.nextEntry {
				return errors.New("entry has not the next id")
			}
			s.nextEntry++
			d.added = append(d.added, blocklist.Listed{ID: e.ID, Target: e.Target, Category: strings.Clone(e.Category)})
			return nil
		},
		Withdraw: func(w blocklist.Withdrawal) error { d.withdrawn = append(d.withdrawn, w); return nil },
		Officer:  func(o blocklist.OfficerChange) error { d.Officers = append(d.Officers, o); return nil },
		Override: func(o blocklist.Override) error { d.Overrides = append(d.Overrides, o); return nil },
	})
	if err != nil {
		return err
	}
	if head.Register != s.ID || head.Environment != s.Environment {
		return errors.New("decision is of another register or environment")
	}
	if want := blocklist.DecisionID(len(s.Decisions) + 1); head.ID != want || r.subject != want.String() {
		return errors.New("decision has not the next id")
	}
	d.ID, d.List, d.Basis = head.ID, head.List, head.Basis
	d.Adds, d.Withdraws = len(d.added), len(d.withdrawn)
	s.Decisions = append(s.Decisions, d)
	return nil
}

// approve reads "officer quorum" on the first line and the signature below.
func (s *State) approve(r record) error {
	d, err := s.draftOf(r.subject)
	if err != nil {
		return err
	}
	first, signature, _ := strings.Cut(string(r.body), "\n")
	name, number, _ := strings.Cut(first, " ")
	quorum, err := strconv.Atoi(number)
	if err != nil || quorum < 1 || quorum < minQuorum(s.Environment, d) {
		return errors.New("approval without a quorum")
	}
	a, err := s.checkApproval(d, name, []byte(signature), r.time)
	if err != nil {
		return err
	}
	d.Approvals = append(d.Approvals, a)
	d.Quorum = quorum
	switch {
	case d.Valid() >= quorum:
		d.Status, d.Decided = Approved, r.time
		return s.take(d)
	case s.counted(d) >= quorum:
		// It took effect at this record, until a later one revoked a key
		// since before this moment.
		d.Status, d.Decided = Void, r.time
		s.forget(d)
	}
	return nil
}

// Valid counts the approvals that are not void.
func (d *Decision) Valid() int {
	n := 0
	for _, a := range d.Approvals {
		if !a.Void {
			n++
		}
	}
	return n
}

// counted counts the approvals as they counted when the record was written:
// a void one did until its key was revoked.
func (s *State) counted(d *Decision) int {
	n := 0
	for _, a := range d.Approvals {
		if !a.Void || !s.isRevoked(a.Fingerprint) {
			n++
		}
	}
	return n
}

func (s *State) isRevoked(fingerprint string) bool {
	for _, o := range s.Officers {
		if o.Fingerprint() == fingerprint {
			return !o.Revoked.IsZero()
		}
	}
	return false
}

// forget remembers the targets of a void decision as taken out.
func (s *State) forget(d *Decision) {
	l := s.list(d.List)
	for _, e := range d.added {
		l.gone[e.Target.Key()] = struct{}{}
	}
	d.added, d.withdrawn = nil, nil
}

// minQuorum is the least that a record may claim: in production nothing is
// ever added by one person.
func minQuorum(environment string, d *Decision) int {
	if environment == production && d.AddsAnything() {
		return 2
	}
	return 1
}

const production = "production"

// checkApproval verifies one officer's signature over a decision's text, and
// that nothing of it counts twice.
func (s *State) checkApproval(d *Decision, name string, signature []byte, at time.Time) (Approval, error) {
	var o *Officer
	key, err := sshsig.PublicKeyOf(signature)
	if err != nil {
		return Approval{}, err
	}
	for _, known := range s.Officers {
		if known.Name == name && known.Fingerprint() == sshsig.Fingerprint(key) && known.activeAt(at) {
			o = known
		}
	}
	switch {
	case s.active(name, at) == nil:
		return Approval{}, fmt.Errorf("there is no active officer %q", name)
	case o == nil:
		return Approval{}, fmt.Errorf("signature of %v is not made with the key of officer %q", d.ID, name)
	case o.Role != blocklist.Police:
		return Approval{}, fmt.Errorf("officer %q is of role %s: only police approve", name, o.Role)
	}
	for _, a := range d.Approvals {
		if a.Officer == name || a.Fingerprint == o.Fingerprint() {
			return Approval{}, fmt.Errorf("officer %q, or the same key, has approved %v already", name, d.ID)
		}
	}
	text, err := s.text(d.seq)
	if err != nil {
		return Approval{}, err
	}
	if err := sshsig.VerifyKey(o.Key, blocklist.DecisionNamespace, text, signature); err != nil {
		return Approval{}, fmt.Errorf("signature of %v by %q: %w", d.ID, name, err)
	}
	// Taking a key away is never undone by what became of the keys that did it.
	since, revoked := s.voids[string(o.Key.Marshal())]
	void := revoked && !at.Before(since) && !d.onlyRevokes()
	return Approval{Officer: name, Fingerprint: o.Fingerprint(), At: at, Void: void}, nil
}

// take lets an approved decision take effect, whole.
func (s *State) take(d *Decision) error {
	l := s.list(d.List)
	for i := range d.added {
		d.added[i].Decision = d.ID
	}
	l.entries = append(l.entries, d.added...)
	l.sorted = false
	l.withdraw(d.withdrawn)
	d.added, d.withdrawn = nil, nil
	for _, c := range d.Officers {
		if err := s.changeOfficer(c, d); err != nil {
			return err
		}
	}
	return nil
}

func (s *State) changeOfficer(c blocklist.OfficerChange, d *Decision) error {
	if !c.Revoke {
		if err := s.checkNewOfficer(c, d.Decided); err != nil {
			return nil // another decision was first; two drafts may name one key
		}
		return s.addOfficer(c, d.Decided, d.ID)
	}
	o := s.active(c.Name, d.Decided)
	if o == nil {
		return nil
	}
	key := string(o.Key.Marshal())
	if since, known := s.voids[key]; !known || c.Since.Before(since) {
		s.voids[key] = c.Since
		if s.approvedSince(o, c.Since) {
			return errRestart
		}
	}
	s.changeOfficers(func() { o.Revoked = revokedFrom(o, s.voids[key]) })
	return nil
}

// revokedFrom is the end of a key's validity: the moment it is revoked from,
// but not before it was added.
func revokedFrom(o *Officer, since time.Time) time.Time {
	if since.Before(o.Added) {
		return o.Added.Add(time.Second)
	}
	return since
}

// approvedSince says whether an approval of the officer's that has counted
// was recorded at or after t.
func (s *State) approvedSince(o *Officer, t time.Time) bool {
	for _, d := range s.Decisions {
		for _, a := range d.Approvals {
			if a.Fingerprint == o.Fingerprint() && !a.Void && !a.At.Before(t) {
				return true
			}
		}
	}
	return false
}

func (s *State) reject(r record) error {
	d, err := s.draftOf(r.subject)
	if err != nil {
		return err
	}
	d.Status, d.Decided, d.Reason = Rejected, r.time, string(r.body)
	d.added, d.withdrawn = nil, nil
	return nil
}

func (s *State) draftOf(subject string) (*Decision, error) {
	id, err := blocklist.ParseDecisionID(subject)
	if err != nil {
		return nil, err
	}
	d, err := s.Decision(id)
	if err == nil && d.Status != Draft {
		err = fmt.Errorf("%v is %s already", id, d.Status)
	}
	return d, err
}

// serial reads "serial protected policy".
func (s *State) serial(r record) error {
	f := strings.Fields(string(r.body))
	if len(f) != 3 {
		return errors.New("not a reservation")
	}
	serial, err := blocklist.ParseSerial(f[0])
	if err != nil {
		return err
	}
	protected, err := strconv.Atoi(f[1])
	if err != nil {
		return errors.New("not a reservation")
	}
	if old := s.Highest[r.subject].Serial; old != 0 && !serial.After(old) {
		return errors.New("a serial was reserved twice")
	}
	s.Highest[r.subject] = Reservation{serial, f[2], protected}
	return nil
}
