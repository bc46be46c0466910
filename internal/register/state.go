package register

import (
	"fmt"
	"slices"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/sshsig"
)

// Status is how far a decision has come.
type Status string

// A decision is a draft until enough officers approved it or one rejected it.
// It is void if it was in force and lacks its quorum since a key that approved
// it was revoked from before that moment: it never comes back, and what it did
// is undone, apart from the keys that it took away.
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
	Decided   time.Time // when the quorum was reached, even if it is void now, or when it was rejected
	Reason    string    // of the rejection
	Taken     int64     // number of the record that let it take effect, even if it is void now; zero: none did
	Adds      int
	Withdraws int
	Suspends  int
	Resumes   int
	Rechecks  int
	Rollback  blocklist.Serial // the edition that it leads back to; zero: it is no rollback
	Cases     []blocklist.CaseStep
	Officers  []blocklist.OfficerChange
	Overrides []blocklist.Override
	Approvals []Approval
	Quorum    int // that its latest approval was recorded with

	seq       int64             // record of the text
	first     blocklist.EntryID // that it adds; the others follow
	spent     int64             // record that last suspended one of its entries
	added     []blocklist.Listed
	withdrawn []blocklist.Withdrawal
	suspended []blocklist.Withdrawal
	resumed   []blocklist.Withdrawal
	rechecked []blocklist.Recheck
	reports   []blocklist.ReportID // that it was drafted from
	hotline   bool                 // a hotline officer may sign it: see ofHotline
	hashed    *sshsig.Hashed       // the text, for the approvals of a draft
}

// forget lets go of what waited for the approval.
func (d *Decision) forget() {
	d.added, d.withdrawn, d.suspended, d.resumed, d.rechecked, d.reports, d.hashed = nil, nil, nil, nil, nil, nil, nil
}

// AddsAnything says whether the decision needs the quorum for additions:
// whatever is not only taking away.
func (d *Decision) AddsAnything() bool {
	for _, o := range d.Officers {
		if !o.Revoke {
			return true
		}
	}
	return d.Adds+d.Resumes > 0 || len(d.Overrides) > 0
}

// onlyRevokes is true of decisions that can not become void: taking a key
// away is never undone by what became of the keys that did it.
func (d *Decision) onlyRevokes() bool {
	return !d.AddsAnything() && d.Withdraws+d.Suspends+d.Rechecks+len(d.Cases) == 0
}

// OnlySays is true of decisions that say what was found of entries, or what
// becomes of a case, and neither add nor take away.
func (d *Decision) OnlySays() bool {
	return d.Rechecks+len(d.Cases) > 0 && !d.AddsAnything() && d.Withdraws+d.Suspends+len(d.Officers) == 0
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

// Approval is one officer's signature, as it was recorded.
type Approval struct {
	Officer     string
	Fingerprint string
	At          time.Time
	Void        bool // by what is known now, the key did not count at At
}

// State is everything that follows from a history. It is only ever changed by
// replaying the next record.
type State struct {
	ID          string // 128 random bits in hex
	Environment string
	Officers    []*Officer
	Decisions   []*Decision // D1 first
	Cases       []*Case     // C1 first
	Highest     map[string]Reservation

	head      head
	hashes    [][32]byte // of the records up to head
	nextEntry blocklist.EntryID
	lists     map[string]*list
	overrides map[overridden][]grant
	digests   map[blocklist.EntryID]string // of the lines of entries with an override
	looked    map[blocklist.EntryID]looked // at what was rechecked while it was in force
	sooner    map[blocklist.EntryID]sooner // than others is due for a recheck
	hindsight *hindsight
	text      func(seq int64) ([]byte, error)
	pending   []record // that take effect before they are in the history
	drafted   map[blocklist.ReportID]Drafted
	inbox     InboxHead
	moves     *[]Move // to be noted there; nil: nobody wants them
}

// list is what is in force on one list.
type list struct {
	entries   []blocklist.Listed // Decision 0: taken out, and still there
	unsorted  bool               // entries are not by id
	out       int                // how many of them are taken out
	gone      map[string]Former  // by target, as unit and text
	suspended []blocklist.Listed // by id
	urgent    int64              // record of the last urgent request
	moves     *[]Move            // of the state
	moving    Move               // what is so of all that moves now
}

// Leave says how an entry left.
type Leave string

// The ways to leave. To come back takes a new decision.
const (
	WasWithdrawn Leave = "withdrawn"
	WasSuspended Leave = "suspended"
	WasExpired   Leave = "expired"
	WasVoid      Leave = "void" // its decision lacks its quorum since an officer was revoked
)

// Former is an entry that is not in force any more.
type Former struct {
	ID  blocklist.EntryID
	How Leave
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
	l.sweep()
	return l.entries
}

// sweep removes what was taken out.
func (l *list) sweep() {
	if l.out > 0 {
		l.entries = slices.DeleteFunc(l.entries, isOut)
		l.out = 0
	}
}

// WasListed says whether a decision once listed a target that is not in force
// any more, so that its absence is explained.
func (s *State) WasListed(name string, t blocklist.Target) bool {
	_, ok := s.Former(name, t)
	return ok
}

// Former returns the entry that last listed a target and is not in force any
// more. Another one may list it now.
func (s *State) Former(name string, t blocklist.Target) (Former, bool) {
	l := s.lists[name]
	if l == nil {
		return Former{}, false
	}
	f, ok := l.gone[t.RevealKey()]
	return f, ok
}

// Suspended returns the entries of a list that are suspended, by id. The
// caller must not change them.
func (s *State) Suspended(name string) []blocklist.Listed {
	if l := s.lists[name]; l != nil {
		return l.suspended
	}
	return nil
}

// settle brings the entries in order, those that were taken out too.
func (l *list) settle() {
	if l.unsorted {
		slices.SortFunc(l.entries, byID)
		l.unsorted = false
	}
}

func isOut(e blocklist.Listed) bool { return e.Decision == 0 }

// add puts entries in force; nothing needs to explain their absence any more.
func (l *list) add(entries []blocklist.Listed) {
	if len(entries) == 0 {
		return
	}
	if l.moves != nil {
		for _, e := range entries {
			l.moved(e.ID, true, false)
		}
	}
	if n := len(l.entries); n == 0 {
		l.entries = entries // whoever added them has no more use for them
	} else {
		l.unsorted = l.unsorted || l.entries[n-1].ID > entries[0].ID
		if n+len(entries) > cap(l.entries) {
			l.entries = slices.Grow(l.entries, max(n, len(entries))) // twice as many, so that large ones are moved seldom
		}
		l.entries = append(l.entries, entries...)
	}
	if len(l.gone) > 0 {
		for _, e := range entries {
			delete(l.gone, e.Target.RevealKey())
		}
	}
}

// withdraw takes entries out for good, suspended ones too. One that another
// decision took out meanwhile is passed over, and so is an id that stands
// beside another target than its own: officers sign the target that they
// read, not a number.
func (l *list) withdraw(gone []blocklist.Withdrawal) {
	for _, w := range gone {
		i, ok := place(l.suspended, w.ID)
		if ok && l.suspended[i].Target.RevealKey() == w.Target.RevealKey() {
			l.suspended = slices.Delete(l.suspended, i, i+1)
			l.gone[w.Target.RevealKey()] = Former{w.ID, WasWithdrawn}
			l.moved(w.ID, false, true)
		}
	}
	l.takeOut(gone, WasWithdrawn)
}

// suspend takes entries out as withdraw does, but remembers and returns them.
func (l *list) suspend(out []blocklist.Withdrawal) []blocklist.Listed {
	taken := l.takeOut(out, WasSuspended)
	if len(taken) > 0 {
		l.suspended = append(l.suspended, taken...)
		slices.SortFunc(l.suspended, byID)
	}
	return taken
}

// resume puts suspended entries back in force as they were. One that was
// withdrawn meanwhile, or stands beside another target than its own, is passed
// over.
func (l *list) resume(back []blocklist.Withdrawal) {
	var again []blocklist.Listed
	for _, w := range back {
		i, ok := place(l.suspended, w.ID)
		if ok && l.suspended[i].Target.RevealKey() == w.Target.RevealKey() {
			again = append(again, l.suspended[i])
			l.suspended = slices.Delete(l.suspended, i, i+1)
		}
	}
	if len(again) > 0 {
		l.sweep() // what they were until they were suspended still lies there
		l.add(again)
	}
}

// takeOut takes entries out of force and returns them as they were.
func (l *list) takeOut(out []blocklist.Withdrawal, how Leave) []blocklist.Listed {
	var taken []blocklist.Listed
	for _, w := range out {
		key := w.Target.RevealKey()
		i, ok := l.find(w.ID)
		if !ok || l.entries[i].Target.RevealKey() != key {
			continue
		}
		if how == WasSuspended {
			taken = append(taken, l.entries[i])
		}
		l.drop(i, how)
	}
	return taken
}

// find returns the place of an entry that is in force.
func (l *list) find(id blocklist.EntryID) (int, bool) {
	l.settle()
	i, ok := place(l.entries, id)
	return i, ok && !isOut(l.entries[i])
}

// drop takes the entry at a place out of force.
func (l *list) drop(i int, how Leave) {
	e := &l.entries[i]
	l.gone[e.Target.RevealKey()] = Former{e.ID, how}
	l.moved(e.ID, false, false)
	e.Decision = 0
	l.out++
}

// place returns the place of an id among entries that are in order.
func place(entries []blocklist.Listed, id blocklist.EntryID) (int, bool) {
	return slices.BinarySearchFunc(entries, id, func(e blocklist.Listed, id blocklist.EntryID) int { return int(e.ID - id) })
}

func byID(a, b blocklist.Listed) int { return int(a.ID - b.ID) }

func (s *State) list(name string) *list {
	l := s.lists[name]
	if l == nil {
		l = &list{gone: map[string]Former{}, moves: s.moves}
		s.lists[name] = l
	}
	return l
}
