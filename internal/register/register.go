package register

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/vaern/vaern/blocklist"
)

// store is where a history is kept.
type store interface {
	read(each func(record) error) error
	body(seq int64) ([]byte, error)
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
	state, err := replay(s)
	if err == nil && len(state.Officers) > 0 && state.Environment != environment {
		err = fmt.Errorf("it is of environment %q, the configuration says %q", state.Environment, environment)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open register: %w", err), s.close())
	}
	return &Register{state, s, environment, now}, nil
}

// Close releases the register.
func (r *Register) Close() error { return r.store.close() }

// maxTries bounds how often a change is tried again after others were first.
const maxTries = 20

// change appends the record that make returns and lets it take effect. If
// another process was first, the register is replayed and make asked again.
func (r *Register) change(make func() (record, error)) error {
	for range maxTries {
		rec, err := make()
		if err != nil {
			return err
		}
		rec.follow(r.head, r.now())
		err = r.store.append(r.head, []record{rec})
		if err == nil {
			return r.applied(rec)
		}
		if !errors.Is(err, errConflict) {
			return fmt.Errorf("write register: %w", err)
		}
		if err := r.reload(); err != nil {
			return err
		}
	}
	return fmt.Errorf("write register: %w; run the command again", errConflict)
}

func (r *Register) applied(rec record) error {
	err := r.apply(rec)
	if errors.Is(err, errRestart) {
		return r.reload()
	}
	return err
}

func (r *Register) reload() error {
	state, err := replay(r.store)
	if err != nil {
		return fmt.Errorf("read register: %w", err)
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
			first, signature, _ := strings.Cut(string(rec.body), "\n")
			name, _, _ := strings.Cut(first, " ")
			all[name] = []byte(signature)
		}
		return nil
	})
	return all, err
}

// Found adds an officer without a decision, which is possible only until two
// police officers have founded the register.
func (r *Register) Found(c blocklist.OfficerChange) error {
	return r.change(func() (record, error) {
		if r.Founded() {
			return record{}, errors.New("the register is founded: an officer is added by a decision")
		}
		if err := r.checkNewOfficer(c, r.moment()); err != nil {
			return record{}, err
		}
		body := fmt.Appendf(nil, "%s\n%s\n%s", r.environment, c.Role, c.Key)
		return record{kind: kindOfficer, subject: c.Name, body: body}, nil
	})
}

// NewDraft records a decision for officers to sign, and rejects the one it
// replaces if that is not zero. It gives the decision its ids, and returns
// it.
func (r *Register) NewDraft(d blocklist.Decision, replaces blocklist.DecisionID) (*Decision, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	if replaces != 0 {
		// Rejected first: if the process dies in between, nothing is approved
		// that should not be; the draft is made by running the command again.
		if err := r.Reject(replaces, "replaced"); err != nil {
			return nil, err
		}
	}
	err := r.change(func() (record, error) {
		d.Register, d.Environment = r.ID, r.Environment
		d.ID = blocklist.DecisionID(len(r.Decisions) + 1)
		for i := range d.Add {
			d.Add[i].ID = r.nextEntry + blocklist.EntryID(i)
		}
		return record{kind: kindDraft, subject: d.ID.String(), body: d.Bytes()}, nil
	})
	if err != nil {
		return nil, err
	}
	return r.Decision(d.ID)
}

// Approve records an officer's signature over a decision, if it counts.
// needs says how many approvals the decision needs now.
func (r *Register) Approve(id blocklist.DecisionID, officer string, signature []byte, needs func(*Decision) int) (*Decision, error) {
	err := r.change(func() (record, error) {
		d, err := r.draftOf(id.String())
		if err != nil {
			return record{}, err
		}
		if _, err := r.checkApproval(d, officer, signature, r.moment()); err != nil {
			return record{}, err
		}
		for _, c := range d.Officers {
			if err := r.CheckOfficer(c); err != nil {
				return record{}, err
			}
		}
		body := fmt.Appendf(nil, "%s %d\n%s", officer, max(needs(d), minQuorum(r.Environment, d)), signature)
		return record{kind: kindApprove, subject: id.String(), body: body}, nil
	})
	if err != nil {
		return nil, err
	}
	return r.Decision(id)
}

// CheckOfficer says whether a change of officers could take effect now.
func (r *Register) CheckOfficer(c blocklist.OfficerChange) error {
	at := r.moment()
	switch {
	case !c.Revoke:
		return r.checkNewOfficer(c, at)
	case r.active(c.Name, at) == nil:
		return fmt.Errorf("there is no active officer %q to revoke", c.Name)
	case c.Since.After(at):
		return errors.New("revocation is in the future")
	}
	return nil
}

// moment is the time that a record appended now would have.
func (r *Register) moment() time.Time {
	at := r.now().UTC().Truncate(time.Second)
	if at.Before(r.head.time) {
		at = r.head.time
	}
	return at
}

// Reject ends an open decision.
func (r *Register) Reject(id blocklist.DecisionID, reason string) error {
	return r.change(func() (record, error) {
		if _, err := r.draftOf(id.String()); err != nil {
			return record{}, err
		}
		return record{kind: kindReject, subject: id.String(), body: []byte(reason)}, nil
	})
}

// Reserve takes the next serial for a list before anything is written under
// it; known are serials found elsewhere. Reserved means used: if the process
// dies now, the number is never given again.
func (r *Register) Reserve(list string, known []blocklist.Serial, policy string, protected int) (blocklist.Serial, error) {
	var serial blocklist.Serial
	err := r.change(func() (record, error) {
		highest := r.Highest[list].Serial
		for _, s := range known {
			if highest == 0 || s.After(highest) {
				highest = s
			}
		}
		serial = highest.Next(r.now())
		return record{kind: kindSerial, subject: list, body: fmt.Appendf(nil, "%v %d %s", serial, protected, policy)}, nil
	})
	return serial, err
}

// Lost counts, for each list, the entries that would leave if a key were
// revoked since a moment: those of decisions that then lack their quorum.
func (r *Register) Lost(officer string, since time.Time) map[string]int {
	lost := map[string]int{}
	o := r.active(officer, r.moment())
	if o == nil {
		return lost
	}
	for _, d := range r.Decisions {
		if d.Status != Approved {
			continue
		}
		for _, a := range d.Approvals {
			if a.Fingerprint == o.Fingerprint() && !a.Void && !a.At.Before(since) && d.Valid() <= d.Quorum {
				lost[d.List] += d.Adds
			}
		}
	}
	return lost
}

// Includes says whether the history has ever been in the state that head
// names: a register that does not know what was published is an old copy.
func (r *Register) Includes(published blocklist.RegisterHead) (bool, error) {
	found := false
	err := r.store.read(func(rec record) error {
		if rec.seq == published.Records {
			found = head{hash: rec.hash}.hex() == published.Hash
		}
		return nil
	})
	return found, err
}
