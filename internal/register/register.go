package register

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	weakrand "math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/vaern/vaern/blocklist"
)

// store is where a history is kept.
type store interface {
	read(each func(record) error) error
	body(seq int64) ([]byte, error)
	last() (int64, error)
	append(old head, records []record) error
	close() error
}

// Register is an open register: its state, and the history behind it.
type Register struct {
	*State
	store       store
	environment string // of the configuration
	now         func() time.Time
}

// Create makes a new register in the file path, which must not exist. It
// belongs to no environment until the first officer founds it.
func Create(path string, now func() time.Time) error {
	s, err := createSQLite(path)
	if err != nil {
		return fmt.Errorf("create register: %w", err)
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	r := record{kind: kindRegister, subject: hex.EncodeToString(id[:]), body: []byte{}}
	r.follow(head{}, now())
	if err := errors.Join(s.append(head{}, []record{r}), s.close()); err != nil {
		_ = os.Remove(path)
		return fmt.Errorf("create register: %w", err)
	}
	return nil
}

// Open replays the register in the file path. environment is the one of the
// configuration: a register belongs to one only.
func Open(path, environment string, now func() time.Time) (*Register, error) {
	s, err := openSQLite(path)
	if err != nil {
		return nil, fmt.Errorf("open register: %w", err)
	}
	r := &Register{store: s, environment: environment, now: now}
	if err := r.reload(); err != nil {
		return nil, errors.Join(fmt.Errorf("open register: %w", err), s.close())
	}
	return r, nil
}

// Close releases the register.
func (r *Register) Close() error { return r.store.close() }

// maxTries bounds how often a change is tried again after others were first: for
// some seconds, as each waits a random while, longer from try to try.
const maxTries = 100

// change appends the records that make returns and lets them take effect. If
// another process was first, the register is replayed and make asked again.
func (r *Register) change(make func() ([]record, error)) error {
	for try := range maxTries {
		time.Sleep(weakrand.N(1 + time.Duration(try)*time.Millisecond)) //nolint:gosec // spreads load
		records, err := make()
		if err != nil {
			return err
		}
		for _, rec := range records {
			if len(rec.body) > maxText {
				return fmt.Errorf("write register: larger than %d MiB: split the decision into several", maxText>>20)
			}
		}
		old := r.head
		restart, err := r.try(records)
		if err == nil {
			err = r.store.append(old, records)
		}
		if err == nil && !restart {
			return nil
		}
		// The state is ahead of the history, or other than it should be.
		again := r.reload()
		if !errors.Is(err, errConflict) || again != nil {
			if err != nil {
				err = fmt.Errorf("write register: %w", err)
			}
			return errors.Join(err, again)
		}
	}
	return fmt.Errorf("write register: %w; run the command again", errConflict)
}

// try lets records take effect before they are in the history: one that the
// rules refuse must never get there, or no program could open it again.
// restart is true if only a replay tells their effect.
func (r *Register) try(records []record) (restart bool, err error) {
	r.pending = records
	defer func() { r.pending = nil }()
	for i := range records {
		next := records[i].follow(r.head, r.now())
		err := r.effect(records[i])
		if err != nil && !errors.Is(err, errRestart) {
			return false, err
		}
		restart = restart || err != nil
		r.advance(next)
	}
	return restart, nil
}

// reload replays the register, which must be the one that it was.
func (r *Register) reload() error {
	state, err := replay(r.store)
	if err != nil {
		return fmt.Errorf("read register: %w", err)
	}
	if len(state.Officers) > 0 && state.Environment != r.environment {
		return fmt.Errorf("it is of environment %q, the configuration says %q", state.Environment, r.environment)
	}
	if r.State != nil && r.ID != state.ID {
		return fmt.Errorf("%w: it is another register", ErrTampered)
	}
	r.State = state
	return nil
}

// Text returns the signed text of a decision.
func (r *Register) Text(id blocklist.DecisionID) ([]byte, error) {
	d, err := r.Decision(id)
	if err != nil {
		return nil, err
	}
	return r.store.body(d.seq)
}

// Signatures returns the armored signatures of a decision's approvals by
// officer.
func (r *Register) Signatures(id blocklist.DecisionID) (map[string][]byte, error) {
	all := map[string][]byte{}
	err := r.store.read(func(rec record) error {
		if rec.kind == kindApprove && rec.subject == id.String() {
			a, err := parseApproval(rec.body)
			if err != nil {
				return err
			}
			all[a.officer] = a.signature
		}
		return nil
	})
	return all, err
}

// Found adds an officer without a decision, which is possible only until two
// police officers have founded the register.
func (r *Register) Found(c blocklist.OfficerChange) error {
	return r.change(func() ([]record, error) {
		if r.Founded() {
			return nil, errors.New("the register is founded: an officer is added by a decision")
		}
		if err := r.checkNewOfficer(c, r.moment()); err != nil {
			return nil, err
		}
		body := fmt.Appendf(nil, "%s\n%s\n%s", r.environment, c.Role, c.Key)
		return []record{{kind: kindOfficer, subject: c.Name, body: body}}, nil
	})
}

// Exception is an override for an entry of the same decision, which has no id
// yet: it lets Decision.Add[Entry] through a rule.
type Exception struct {
	Rule  blocklist.Rule
	Entry int
}

// maxText bounds the text of a record, in octets: the engine holds it several
// times over, and ends the program when it can not. It is a variable for a test.
var maxText = 128 << 20

// NewDraft records a decision for officers to sign, and rejects the one it
// replaces, in the same moment, if that is not zero. It gives the decision its
// ids, and the exceptions theirs, and returns it.
func (r *Register) NewDraft(d blocklist.Decision, replaces blocklist.DecisionID, exceptions ...Exception) (*Decision, error) {
	return r.NewDraftFrom(d, replaces, Origins{}, exceptions...)
}

// NewDraftFrom is NewDraft, and records in the same moment from which reports
// of the inbox the entries come: both are there, or neither. A report that
// [State.Holds] says is taken is refused.
func (r *Register) NewDraftFrom(d blocklist.Decision, replaces blocklist.DecisionID, from Origins, exceptions ...Exception) (*Decision, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	overrides := d.Overrides
	err := r.change(func() ([]record, error) {
		if !r.Founded() {
			return nil, errors.New("the register is not founded: it needs two police officers first")
		}
		if err := r.CheckResume(d.Resume); err != nil {
			return nil, err
		}
		var records []record
		if replaces != 0 {
			if _, err := r.draftOf(replaces.String()); err != nil {
				return nil, err
			}
			records = append(records, record{kind: kindReject, subject: replaces.String(), body: []byte("replaced")})
		}
		r.number(&d)
		d.Overrides = slices.Clip(overrides)
		for _, x := range exceptions {
			e := &d.Add[x.Entry]
			d.Overrides = append(d.Overrides, blocklist.Override{Rule: x.Rule, For: e.ID.String(), Digest: e.Digest()})
		}
		records = append(records, record{kind: kindDraft, subject: d.ID.String(), body: d.Bytes()})
		if len(from.Reports) > 0 {
			if err := r.checkOrigins(from, replaces); err != nil {
				return nil, err
			}
			records = append(records, record{kind: kindReports, subject: d.ID.String(), body: from.bytes(d.Add)})
		}
		return records, nil
	})
	if err != nil {
		return nil, err
	}
	return r.Decision(d.ID)
}

// number gives a decision and what it adds their ids.
func (r *Register) number(d *blocklist.Decision) {
	d.Register, d.Environment = r.ID, r.Environment
	d.ID = blocklist.DecisionID(len(r.Decisions) + 1)
	for i := range d.Add {
		d.Add[i].ID = r.nextEntry + blocklist.EntryID(i)
	}
}

// Approve records an officer's signature over a decision, if it counts.
// needs says how many approvals the decision needs now.
func (r *Register) Approve(id blocklist.DecisionID, officer string, signature []byte, needs func(*Decision) int) (*Decision, error) {
	return r.approveAs(id, officer, signature, needs, false)
}

// ApproveUrgent is Approve, and asks for what the decision takes out to be
// published at once, if this approval is the last that it needs. If not,
// nothing is remembered of that wish.
func (r *Register) ApproveUrgent(id blocklist.DecisionID, officer string, signature []byte, needs func(*Decision) int) (*Decision, error) {
	return r.approveAs(id, officer, signature, needs, true)
}

func (r *Register) approveAs(id blocklist.DecisionID, officer string, signature []byte, needs func(*Decision) int, urgent bool) (*Decision, error) {
	err := r.change(func() ([]record, error) {
		d, err := r.draftOf(id.String())
		if err != nil {
			return nil, err
		}
		a := approval{officer, max(needs(d), minQuorum(r.Environment, d)), signature}
		if err := r.checkApproval(d, a, r.moment()); err != nil {
			return nil, err
		}
		for _, c := range d.Officers {
			if err := r.CheckOfficer(c); err != nil {
				return nil, err
			}
		}
		if urgent && d.AddsAnything() {
			return nil, errUrgentAdds
		}
		records := []record{{kind: kindApprove, subject: id.String(), body: a.bytes()}}
		if urgent && d.Valid()+1 >= a.quorum {
			records = append(records, r.urgentRecords(d)...)
		}
		return records, nil
	})
	if err != nil {
		return nil, err
	}
	return r.Decision(id)
}

// RollBack records a rollback and the one signature that it needs, as Decide
// does.
func (r *Register) RollBack(what func() (blocklist.Decision, error), officer string, sign func(text []byte) ([]byte, error)) (*Decision, error) {
	rollback := func() (blocklist.Decision, []record, error) {
		d, err := what()
		if err == nil && (d.Rollback == 0 || len(d.Suspend) == 0) {
			err = errors.New("not a rollback, or it suspends nothing")
		}
		return d, nil, err
	}
	return r.decide(rollback, func(*Decision) int { return 1 }, officer, sign)
}

// Decide records a decision and the first signature over it in the same moment:
// both are there, or neither. If it needs no other it is in force, and what it
// takes out is to be published at once. what makes the decision from the state
// as it is, needs says how many approvals it needs, and sign signs its text; all
// are asked again if somebody else changed the register meanwhile.
func (r *Register) Decide(what func() (blocklist.Decision, error), needs func(*Decision) int, officer string, sign func(text []byte) ([]byte, error)) (*Decision, error) {
	return r.decide(func() (blocklist.Decision, []record, error) {
		d, err := what()
		return d, nil, err
	}, needs, officer, sign)
}

// decide is Decide, with records that go before those of the decision.
func (r *Register) decide(what func() (blocklist.Decision, []record, error), needs func(*Decision) int, officer string, sign func(text []byte) ([]byte, error)) (*Decision, error) {
	var id blocklist.DecisionID
	err := r.change(func() ([]record, error) {
		d, records, err := what()
		if err == nil {
			err = d.Check()
		}
		if err != nil {
			return nil, err
		}
		r.number(&d)
		id = d.ID
		planned := planned(&d)
		a := approval{officer: officer, quorum: max(needs(planned), minQuorum(r.Environment, planned))}
		text := d.Bytes()
		if a.signature, err = sign(text); err != nil {
			return nil, err
		}
		if _, err := r.signer(planned, a, r.moment()); err != nil {
			return nil, err
		}
		records = append(records,
			record{kind: kindDraft, subject: id.String(), body: text},
			record{kind: kindApprove, subject: id.String(), body: a.bytes()})
		if a.quorum == 1 && d.Rollback == 0 && len(d.Withdraw)+len(d.Suspend) > 0 {
			records = append(records, r.urgentRecords(planned)...)
		}
		return records, nil
	})
	if err != nil {
		return nil, err
	}
	return r.Decision(id)
}

// planned is what the state will know of a decision that is no draft yet.
func planned(d *blocklist.Decision) *Decision {
	p := &Decision{
		ID: d.ID, List: d.List, Basis: d.Basis, Status: Draft, Rollback: d.Rollback,
		Adds: len(d.Add), Withdraws: len(d.Withdraw), Suspends: len(d.Suspend), Resumes: len(d.Resume), Rechecks: len(d.Rechecks),
		Cases: d.Cases, Officers: d.Officers, Overrides: d.Overrides,
		withdrawn: d.Withdraw, suspended: d.Suspend, resumed: d.Resume, rechecked: d.Rechecks,
	}
	p.hotline = p.ofHotline()
	return p
}

// CheckOfficer says whether a change of officers could take effect now.
func (r *Register) CheckOfficer(c blocklist.OfficerChange) error {
	at := r.moment()
	switch {
	case !c.Revoke:
		return r.checkNewOfficer(c, at)
	case c.Since.After(at):
		return errors.New("revocation is in the future")
	case len(r.revocable(c.Name, c.Since)) == 0:
		return fmt.Errorf("there is no officer %q with a key to revoke: it is unknown, or revoked since then already", c.Name)
	}
	return nil
}

// moment is the time that a record appended now would have.
func (r *Register) moment() time.Time { return r.head.moment(r.now()) }

// Reject ends an open decision.
func (r *Register) Reject(id blocklist.DecisionID, reason string) error {
	if err := blocklist.CheckLine(reason); err != nil {
		return fmt.Errorf("reason: %w", err)
	}
	return r.change(func() ([]record, error) {
		if _, err := r.draftOf(id.String()); err != nil {
			return nil, err
		}
		return []record{{kind: kindReject, subject: id.String(), body: []byte(reason)}}, nil
	})
}

// Reserve takes the next serial for a list before anything is written under
// it; known are serials found elsewhere. Reserved means used: if the process
// dies now, the number is never given again. What the guards are goes on record
// with it: a digest, and how many names the never-block files hold, together
// and each.
func (r *Register) Reserve(list string, known []blocklist.Serial, policy string, protected int, files ...FileNames) (blocklist.Serial, error) {
	var serial blocklist.Serial
	err := r.change(func() ([]record, error) {
		reserved := r.Highest[list].Serial
		highest := reserved
		for _, s := range known {
			// RFC 1982 has no order over a full circle: two steps of nearly
			// half of it each would lead back before what is reserved.
			if highest == 0 || s.After(highest) && (reserved == 0 || s.After(reserved)) {
				highest = s
			}
		}
		serial = highest.Next(r.now())
		return []record{{kind: kindSerial, subject: list, body: Reservation{Serial: serial, Policy: policy, Protected: protected, Files: files}.bytes()}}, nil
	})
	return serial, err
}

// Lost counts, for each list, the entries that would leave if an officer were
// revoked since a moment: those of decisions that then lack their quorum, and
// of decisions by officers whom such decisions added. It replays the history
// as if, so that it can not differ from what a revocation does.
func (r *Register) Lost(officer string, since time.Time) map[string]int {
	lost := map[string]int{}
	targets := r.revocable(officer, since)
	if !slices.ContainsFunc(targets, func(o *Officer) bool { return r.approvedSince(o, since) }) {
		return lost
	}
	h := &hindsight{r.head, maps.Clone(r.hindsight.voids), maps.Clone(r.hindsight.carried), nil}
	for _, o := range targets {
		h.voids[string(o.Key.Marshal())] = since
	}
	then, err := replayWith(r.store, h, nil)
	for name := range r.lists {
		stays := map[blocklist.EntryID]bool{}
		if err == nil { // else all is lost, which asks for more officers
			for _, e := range then.InForce(name) {
				stays[e.ID] = true
			}
		}
		for _, e := range r.InForce(name) {
			if !stays[e.ID] {
				lost[name]++
			}
		}
	}
	return lost
}

// Includes says whether the history has ever been in the state that head
// names: a register that does not know what was published is an old copy.
func (s *State) Includes(published blocklist.RegisterHead) bool {
	n := published.Records
	return 0 < n && n <= int64(len(s.hashes)) && head{hash: s.hashes[n-1]}.hex() == published.Hash
}
