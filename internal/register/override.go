package register

import (
	"fmt"
	"slices"

	"github.com/vaern/vaern/blocklist"
)

// overridden is what an override is for.
type overridden struct {
	rule    blocklist.Rule
	subject string // D7, E12 or a list
}

// grant is an override of a decision in force.
type grant struct {
	digest string
	record int64 // that let its decision take effect
}

// grant lets the overrides of an approved decision count.
func (s *State) grant(d *Decision) {
	for _, o := range d.Overrides {
		key := overridden{o.Rule, o.For}
		s.overrides[key] = append(s.overrides[key], grant{o.Digest, d.Taken})
	}
}

// Overridden says whether an approved decision lets something through a rule:
// a decision if it is bound to the text of that, an entry if it is bound to its
// line in the signed text, a list if it is bound to digest, which says what
// stands against the list now.
//
// An override for a decision is used once. It let the entries of that decision
// in together; as soon as one of them is suspended, or the decision is void,
// it is spent, and only one that is decided later counts.
func (s *State) Overridden(rule blocklist.Rule, subject, digest string) bool {
	grants := s.overrides[overridden{rule, subject}]
	if len(grants) == 0 {
		return false
	}
	var spent int64
	switch rule.Subject() {
	case blocklist.OfDecision:
		id, _ := blocklist.ParseDecisionID(subject)
		of, err := s.Decision(id)
		if err != nil || of.Status == Void {
			return false
		}
		digest, spent = of.Digest, of.spent
	case blocklist.OfEntry:
		id, _ := blocklist.ParseEntryID(subject)
		var err error
		if digest, err = s.EntryDigest(id); err != nil {
			return false
		}
	}
	for _, g := range grants {
		if g.digest == digest && g.record > spent {
			return true
		}
	}
	return false
}

// EntryDigest returns the sha256 of an entry's line in the signed text of its
// decision, in hex. It reads that text, and remembers the digests of all
// entries of it that have an override.
func (s *State) EntryDigest(id blocklist.EntryID) (string, error) {
	if digest, ok := s.digests[id]; ok {
		return digest, nil
	}
	d, err := s.DecisionOf(id)
	if err != nil {
		return "", err
	}
	text, err := s.textOf(d)
	if err != nil {
		return "", err
	}
	if s.digests == nil {
		s.digests = map[blocklist.EntryID]string{}
	}
	wanted := map[blocklist.EntryID]bool{id: true}
	for key := range s.overrides {
		if other, err := blocklist.ParseEntryID(key.subject); err == nil {
			wanted[other] = true
		}
	}
	blocklist.EntryDigests(text, func(id blocklist.EntryID, digest func() string) {
		if wanted[id] {
			s.digests[id] = digest()
		}
	})
	return s.digests[id], nil
}

// DecisionOf returns the decision, of whatever status, that adds an entry.
func (s *State) DecisionOf(id blocklist.EntryID) (*Decision, error) {
	// Decisions that add nothing have the first id of the one after them.
	after, _ := slices.BinarySearchFunc(s.Decisions, id, func(d *Decision, id blocklist.EntryID) int {
		if d.first+blocklist.EntryID(d.Adds) <= id {
			return -1
		}
		return 1
	})
	if id < 1 || after == len(s.Decisions) {
		return nil, fmt.Errorf("there is no entry %v", id)
	}
	return s.Decisions[after], nil
}
