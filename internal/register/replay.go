package register

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/sshsig"
)

// hindsight is what a replay has learned of a history, and knows when it
// begins again.
//
// Each record is held against the rules once, with what was known when it was
// written: an approval is refused if its officer was unknown, or revoked, by
// then. What it is worth is another question, and is answered with all that
// is known: a later record may say that the officer's key was stolen before.
type hindsight struct {
	checked        head                 // every record up to here was held against the rules
	voids          map[string]time.Time // officer's key → its approvals from here on are void
	carried        map[int64]bool       // approvals that made a quorum full when they were recorded
	officersBefore []byte               // the officers file before the record that last changed it
}

// errRestart asks for the replay to begin again: a revocation reached back.
var errRestart = errors.New("a revocation reaches back")

var errNewer = errors.New("unknown kind of record: this program is older than the register")

// replay builds the state of a whole history. A revocation that reaches back
// changes what earlier records are worth, so the replay then begins again
// knowing it. That ends: each time some key is void from an earlier moment,
// and there are no more keys and moments than records.
func replay(s store) (*State, error) {
	return replayWith(s, &hindsight{voids: map[string]time.Time{}, carried: map[int64]bool{}}, nil)
}

func replayWith(s store, h *hindsight, moves *[]Move) (*State, error) {
	for {
		if moves != nil {
			*moves = nil
		}
		st := &State{
			Highest: map[string]Reservation{}, lists: map[string]*list{}, nextEntry: 1,
			overrides: map[overridden][]grant{}, hindsight: h, text: s.body, drafted: map[blocklist.ReportID]Drafted{},
			looked: map[blocklist.EntryID]looked{}, sooner: map[blocklist.EntryID]sooner{}, moves: moves,
		}
		err := s.read(st.apply)
		if errors.Is(err, errRestart) {
			continue
		}
		if err == nil && st.head.seq == 0 {
			err = errors.New("the register is empty: restore it from a backup")
		}
		if err == nil && st.head.seq < h.checked.seq {
			err = ErrTampered // cut off between two readings
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
	if next.seq == s.hindsight.checked.seq && next.hash != s.hindsight.checked.hash {
		return ErrTampered // between two readings
	}
	err = s.effect(r)
	switch {
	case err == nil:
		s.advance(next)
	case errors.Is(err, errRestart) && s.isNew(r):
		s.hindsight.checked = next
	case errors.Is(err, errRestart), errors.Is(err, errNewer):
	case errors.Is(err, ErrDisk): // not read is not changed
	default:
		// Whoever wrote it also wrote its hash, but not by our rules.
		err = fmt.Errorf("%w: %w", ErrTampered, err)
	}
	return err
}

// advance moves the end of the history to the record that took effect.
func (s *State) advance(next head) {
	s.head = next
	s.hashes = append(s.hashes, next.hash)
}

// isNew says whether a record was not yet held against the rules.
func (s *State) isNew(r record) bool { return r.seq > s.hindsight.checked.seq }

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
	case kindReports:
		return s.origins(r)
	case kindApprove:
		return s.approve(r)
	case kindReject:
		return s.reject(r)
	case kindEdition:
		return s.edition(r)
	case kindSerial:
		return s.serial(r)
	case kindExpire:
		return s.expire(r)
	case kindUrgent:
		return s.urge(r)
	case kindCase:
		return s.openCase(r)
	case kindClose:
		return s.closeCase(r)
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
	s.keepOfficersFile(r)
	return s.addOfficer(blocklist.OfficerChange{Name: r.subject, Role: blocklist.Role(f[1]), Key: f[2]}, r.time, 0)
}

// draft reads a decision's text, the only place where that is done. The
// entries wait beside the decision until it is approved.
func (s *State) draft(r record) error {
	if !s.Founded() {
		return errors.New("the register is not founded")
	}
	d := &Decision{Status: Draft, Drafted: r.time, seq: r.seq, first: s.nextEntry}
	n := bytes.Count(r.body, []byte("\n+ "))
	d.added = make([]blocklist.Listed, 0, n+n/8) // room for the decisions after a large one
	hashed := make(chan sshsig.Hashed, 1)
	go func() { hashed <- sshsig.Hash(r.body) }() // a million entries take as long to hash as to read
	head, err := blocklist.ScanDecision(r.body, blocklist.Each{
		Add: func(e blocklist.Entry) error {
			if e.ID != s.nextEntry {
				return errors.New("entry has not the next id")
			}
			s.nextEntry++
			d.added = append(d.added, blocklist.Listed{ID: e.ID, Target: e.Target, Category: e.Category})
			s.noteSooner(e)
			return nil
		},
		Withdraw: func(w blocklist.Withdrawal) error { d.withdrawn = append(d.withdrawn, w); return nil },
		Rollback: func(serial blocklist.Serial) error { d.Rollback = serial; return nil },
		Suspend: func(w blocklist.Withdrawal) error {
			if w.ID >= s.nextEntry {
				return errors.New("a suspension is of an entry that does not exist")
			}
			d.suspended = append(d.suspended, w)
			return nil
		},
		Resume: func(w blocklist.Withdrawal) error {
			if w.ID >= s.nextEntry {
				return errors.New("a resumption is of an entry that does not exist")
			}
			d.resumed = append(d.resumed, w)
			return nil
		},
		Recheck: func(c blocklist.Recheck) error {
			if c.ID >= s.nextEntry || c.Day.After(r.time) {
				return errors.New("a recheck is of an entry that does not exist, or on a day that has not come")
			}
			d.rechecked = append(d.rechecked, c)
			return nil
		},
		Case:     func(c blocklist.CaseStep) error { d.Cases = append(d.Cases, c); return nil },
		Officer:  func(o blocklist.OfficerChange) error { d.Officers = append(d.Officers, o); return nil },
		Override: func(o blocklist.Override) error { d.Overrides = append(d.Overrides, o); return nil },
	})
	sums := <-hashed
	d.hashed, d.Digest = &sums, hex.EncodeToString(sums.SHA256())
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
	d.Adds, d.Withdraws, d.Suspends, d.Resumes = len(d.added), len(d.withdrawn), len(d.suspended), len(d.resumed)
	d.Rechecks = len(d.rechecked)
	d.hotline = d.ofHotline()
	if err := s.checkSteps(d); err != nil {
		return err
	}
	s.Decisions = append(s.Decisions, d)
	return nil
}

func (s *State) reject(r record) error {
	d, err := s.draftOf(r.subject)
	if err != nil {
		return err
	}
	d.Status, d.Decided, d.Reason = Rejected, r.time, string(r.body)
	s.giveBack(d)
	d.forget()
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
