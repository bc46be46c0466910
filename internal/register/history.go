package register

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"
)

// Kinds of record. The text of a kind is part of what is hashed: none may
// ever change its meaning.
const (
	kindRegister = "register" // subject: id, no body
	kindOfficer  = "officer"  // subject: name, body: environment, role, key; founding only, later officers come by decision
	kindDraft    = "draft"    // subject: D7, body: the text to sign
	kindReports  = "reports"  // subject: D7, right behind its draft; body: see origins
	kindApprove  = "approve"  // subject: D7, body: officer, quorum, signature
	kindReject   = "reject"   // subject: D7, body: reason
	kindEdition  = "edition"  // subject: list, body: a reserved serial, of an edition that is the latest now
	kindSerial   = "serial"   // subject: list, body: see reservation
	kindExpire   = "expire"   // subject: list, body: the ids of entries whose limit has passed, a line each
	kindUrgent   = "urgent"   // subject: list, body: D7, which took something out and is to be published at once
	kindCase     = "case"     // subject: C3, body: see caseBytes
	kindClose    = "close"    // subject: C3, body: reason
)

// record is one line of the history.
type record struct {
	seq     int64
	time    time.Time // whole seconds, UTC; never before the record before it
	kind    string
	subject string
	body    []byte
	nonce   [16]byte
	hash    [32]byte
}

// head is the end of a history.
type head struct {
	seq  int64
	time time.Time
	hash [32]byte
}

func (h head) hex() string { return hex.EncodeToString(h.hash[:]) }

// historyDomain keeps these hashes apart from all others.
const historyDomain = "vaern history 1\n"

// sum hashes a record and the hash before it; every field is preceded by its
// length, so that no two records give the same octets.
func (r *record) sum(previous [32]byte) [32]byte {
	h := sha256.New()
	h.Write([]byte(historyDomain))
	h.Write(previous[:])
	var n [8]byte
	number := func(v int64) {
		binary.BigEndian.PutUint64(n[:], uint64(v)) //nolint:gosec // the bit pattern is what is hashed
		h.Write(n[:])
	}
	number(r.seq)
	number(r.time.Unix())
	for _, field := range [][]byte{[]byte(r.kind), []byte(r.subject), r.nonce[:], r.body} {
		number(int64(len(field)))
		h.Write(field)
	}
	return [32]byte(h.Sum(nil))
}

// moment is the time of a record that follows h now. Time in a history never
// runs backwards, whatever the clock does: the validity of a key must not
// depend on it.
func (h head) moment(now time.Time) time.Time {
	at := now.UTC().Truncate(time.Second)
	if at.Before(h.time) {
		return h.time
	}
	return at
}

// follow makes r the record after h at the given moment.
func (r *record) follow(h head, now time.Time) head {
	r.seq = h.seq + 1
	r.time = h.moment(now)
	_, _ = rand.Read(r.nonce[:]) // never fails (crypto/rand)
	r.hash = r.sum(h.hash)
	return head{r.seq, r.time, r.hash}
}

// ErrTampered is what opening a register finds when a record was changed,
// removed or moved by anything but this package.
var ErrTampered = errors.New("the history was changed by hand")

// check verifies that r follows h.
func (r *record) check(h head) (head, error) {
	if r.seq != h.seq+1 || r.time.Before(h.time) || r.hash != r.sum(h.hash) {
		return h, ErrTampered
	}
	return head{r.seq, r.time, r.hash}, nil
}
