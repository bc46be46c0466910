package register

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/vaern/vaern/blocklist"
)

// OpenCopy replays a copy of a register, whatever its environment, for somebody
// who holds it against something else.
func OpenCopy(path string) (*Register, error) {
	s, err := openSQLite(path)
	if err != nil {
		return nil, fmt.Errorf("open register: %w", err)
	}
	state, err := replay(s)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open register: read register: %w", err), s.close())
	}
	return &Register{State: state, store: s, environment: state.Environment, now: func() time.Time { return state.head.time }}, nil
}

// Record is a record of the history, for an auditor. It holds no listed name.
type Record struct {
	Seq     int64     `json:"seq"`
	Time    time.Time `json:"time"`
	Kind    string    `json:"kind"`
	Subject string    `json:"subject"`        // a decision, an officer, a list
	Says    string    `json:"says,omitempty"` // what of the body may be told
	Hash    string    `json:"hash"`           // sha256 over this and all before it, hex
}

// Records calls each for every record of the history, the first one first.
func (r *Register) Records(each func(Record) error) error {
	return r.store.read(func(rec record) error {
		h := head{hash: rec.hash}
		return each(Record{rec.seq, rec.time, rec.kind, rec.subject, rec.says(), h.hex()})
	})
}

// says is what may be told of a body: of a decision its digest, since its text
// has names in it.
func (r *record) says() string {
	switch r.kind {
	case kindDraft:
		return "sha256 " + blocklist.Digest(r.body)
	case kindApprove:
		if a, err := parseApproval(r.body); err == nil {
			return fmt.Sprintf("officer %s, quorum %d", a.officer, a.quorum)
		}
	case kindOfficer:
		_, role, _ := strings.Cut(string(r.body), "\n")
		return strings.ReplaceAll(role, "\n", " ")
	case kindExpire:
		return fmt.Sprintf("entries: %d", len(bytes.Fields(r.body)))
	case kindCase:
		what, _, _ := strings.Cut(string(r.body), "\n")
		return what
	case kindReject, kindClose, kindEdition, kindSerial, kindUrgent:
		return string(r.body)
	}
	return ""
}

// CheckKeys says whether every key that ever was an officer's here is known to
// somebody who keeps the officers' public keys elsewhere. A register that was
// made anew with other keys is whole, and of somebody else.
func (s *State) CheckKeys(knows func(officer string, fingerprint string) bool) error {
	for _, o := range s.Officers {
		if !knows(o.Name, o.Fingerprint()) {
			return fmt.Errorf("the key %s of officer %q is not known", o.Fingerprint(), o.Name)
		}
	}
	return nil
}
