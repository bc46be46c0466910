package register

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/sshsig"
)

// approval is the body of an approve record: "officer quorum" on the first
// line, the armored signature below.
type approval struct {
	officer   string
	quorum    int // that the decision needed when the approval was recorded
	signature []byte
}

func (a approval) bytes() []byte {
	return fmt.Appendf(nil, "%s %d\n%s", a.officer, a.quorum, a.signature)
}

func parseApproval(body []byte) (approval, error) {
	first, signature, _ := strings.Cut(string(body), "\n")
	name, number, _ := strings.Cut(first, " ")
	quorum, err := strconv.Atoi(number)
	if err != nil || quorum < 1 {
		return approval{}, errors.New("approval without a quorum")
	}
	return approval{name, quorum, []byte(signature)}, nil
}

// approve counts an approval. It takes effect, or did once and is void, if it
// made the quorum full when it was recorded.
func (s *State) approve(r record) error {
	d, err := s.draftOf(r.subject)
	if err != nil {
		return err
	}
	a, err := parseApproval(r.body)
	if err != nil {
		return err
	}
	if s.isNew(r) {
		if a.quorum < minQuorum(s.Environment, d) {
			return errors.New("approval with too small a quorum")
		}
		if err := s.checkApproval(d, a, r.time); err != nil {
			return err
		}
	}
	key, err := sshsig.PublicKeyOf(a.signature)
	if err != nil {
		return err
	}
	d.Approvals = append(d.Approvals, Approval{
		Officer: a.officer, Fingerprint: sshsig.Fingerprint(key), At: r.time,
		Void: !d.onlyRevokes() && !s.counts(key, r.time),
	})
	d.Quorum = a.quorum
	full := d.Valid() >= a.quorum
	if s.isNew(r) && full {
		s.hindsight.carried[r.seq] = true
	}
	if !s.hindsight.carried[r.seq] {
		return nil
	}
	d.Status, d.Decided, d.Taken = Approved, r.time, r.seq
	if !full {
		d.Status = Void
	}
	return s.take(d, r)
}

// counts says whether, by all that is known, an approval by the key that was
// recorded at a moment is worth anything.
func (s *State) counts(key sshsig.PublicKey, at time.Time) bool {
	since, revoked := s.hindsight.voids[string(key.Marshal())]
	if revoked && !at.Before(since) {
		return false
	}
	o := s.owner(key)
	return o != nil && o.activeAt(at)
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
func (s *State) checkApproval(d *Decision, a approval, at time.Time) error {
	o, err := s.signer(d, a, at)
	if err != nil {
		return err
	}
	for _, other := range d.Approvals {
		if !other.Void && (other.Officer == a.officer || other.Fingerprint == o.Fingerprint()) {
			return fmt.Errorf("officer %q, or the same key, has approved %v already", a.officer, d.ID)
		}
	}
	// What takes effect must be what was signed: the hash is of the very octets
	// that the entries were read from.
	if err := d.hashed.VerifyKey(o.Key, blocklist.DecisionNamespace, a.signature); err != nil {
		return fmt.Errorf("signature of %v by %q: %w", d.ID, a.officer, err)
	}
	return nil
}

// signer returns the officer whose key made a signature, if that officer may
// approve the decision. A hotline officer approves what is no more than a
// recheck, alone or not at all: two of them are not two police officers.
func (s *State) signer(d *Decision, a approval, at time.Time) (*Officer, error) {
	key, err := sshsig.PublicKeyOf(a.signature)
	if err != nil {
		return nil, err
	}
	o := s.owner(key)
	switch {
	case s.active(a.officer, at) == nil:
		return nil, fmt.Errorf("there is no active officer %q", a.officer)
	case o == nil || o.Name != a.officer || !o.activeAt(at):
		return nil, fmt.Errorf("signature of %v is not made with the key of officer %q", d.ID, a.officer)
	case o.Role == blocklist.Hotline && d.hotline && a.quorum == 1:
	case o.Role != blocklist.Police:
		return nil, fmt.Errorf("officer %q is of role %s: only police approve", a.officer, o.Role)
	}
	return o, s.checkImpartial(d, o)
}

// textOf reads a decision's text again. What takes effect must be what was
// signed, so it must be what was read before.
func (s *State) textOf(d *Decision) ([]byte, error) {
	for _, r := range s.pending {
		if r.seq == d.seq {
			return r.body, nil
		}
	}
	text, err := s.text(d.seq)
	if err == nil && blocklist.Digest(text) != d.Digest {
		err = ErrTampered
	}
	return text, err
}

// take lets a decision take effect, whole. Of one that is void by now what it
// took away stays away, entries and keys: to bring something back is to add,
// and takes the signatures for that. Its targets are remembered as taken out,
// so that their absence is explained.
func (s *State) take(d *Decision, r record) error {
	l := s.list(d.List)
	l.moving = Move{List: d.List, At: r.time, Decision: d.ID}
	if d.Status != Void {
		s.recheck(d, l)
		s.stepCases(d)
	}
	if d.Status == Void {
		for _, e := range d.added {
			l.gone[e.Target.RevealKey()] = Former{e.ID, WasVoid}
		}
	} else {
		for i := range d.added {
			d.added[i].Decision = d.ID
		}
		l.add(d.added)
		s.grant(d)
	}
	l.withdraw(d.withdrawn)
	if d.Status != Void {
		l.resume(d.resumed)
	}
	for _, e := range l.suspend(d.suspended) {
		s.Decisions[e.Decision-1].spent = r.seq
	}
	d.forget()
	if len(d.Officers) == 0 {
		return nil
	}
	s.keepOfficersFile(r)
	for _, c := range d.Officers {
		if err := s.changeOfficer(c, d); err != nil {
			return err
		}
	}
	return nil
}

func (s *State) changeOfficer(c blocklist.OfficerChange, d *Decision) error {
	if c.Revoke {
		return s.revoke(c, d.Decided)
	}
	if s.checkNewOfficer(c, d.Decided) != nil {
		return nil // another decision was first: two drafts may name one key
	}
	if err := s.addOfficer(c, d.Decided, d.ID); err != nil {
		return err
	}
	if d.Status == Void {
		// Was an officer for a while, and by what is known now never was. The
		// key stays known, so that it does not come back.
		s.Officers[len(s.Officers)-1].Revoked = d.Decided
	}
	return nil
}

// revoke ends the validity of an officer's keys.
func (s *State) revoke(c blocklist.OfficerChange, decided time.Time) error {
	since := c.Since
	if since.After(decided) {
		since = decided // or the key would count on after its revocation
	}
	reachesBack := false
	for _, o := range s.revocable(c.Name, since) {
		key := string(o.Key.Marshal())
		if known, ok := s.hindsight.voids[key]; !ok || since.Before(known) {
			s.hindsight.voids[key] = since
			reachesBack = reachesBack || s.approvedSince(o, since)
		}
		o.Revoked = s.hindsight.voids[key]
		if o.Revoked.Before(o.Added) {
			o.Revoked = o.Added
		}
	}
	if reachesBack {
		return errRestart
	}
	return nil
}

// approvedSince says whether an approval of the officer's that has counted
// was recorded at or after t.
func (s *State) approvedSince(o *Officer, t time.Time) bool {
	for _, d := range s.Decisions {
		for _, a := range d.Approvals {
			if a.Fingerprint == o.Fingerprint() && !a.Void && !a.At.Before(t) && !d.onlyRevokes() {
				return true
			}
		}
	}
	return false
}
