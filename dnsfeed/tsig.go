package dnsfeed

import (
	"crypto/hmac"
	"encoding/binary"
	"hash"
	"time"
)

// Values of the TSIG error field (RFC 8945, section 3; RFC 6895).
const (
	tsigBadSig   = 16
	tsigBadKey   = 17
	tsigBadTime  = 18
	tsigBadTrunc = 22
)

const (
	// maxFudge caps what a request may ask for, in seconds: a captured one
	// can be sent again for so long. It is also what we send (RFC 8945,
	// section 10, recommends 300).
	maxFudge = 300
	// maxTSIG is the greatest length of a TSIG record that we make, with the
	// key's name, the algorithm's, a SHA-512 and a time as other data.
	maxTSIG = maxName + 10 + 13 + 16 + 64 + 6
)

// tsig is a TSIG record of a request, or of the reply to one of ours (RFC 8945,
// section 4.2).
type tsig struct {
	prior []byte // in a reply: the MAC of its request

	start     int    // of the record in the message
	name      []byte // of the key; lower case, on the wire
	algorithm []byte // likewise
	time      uint64 // seconds since 1970; 48 bits
	fudge     uint16
	mac       []byte
	id        uint16 // of the message when it was signed
	code      uint16
	other     []byte
}

// read reads RDATA. It fails unless the fields fill it exactly.
func (t *tsig) read(raw []byte, rr record) bool {
	if rr.class != classANY || rr.ttl != 0 {
		return false
	}
	t.start, t.name = rr.start, rr.name
	var off int
	var ok bool
	// A name in RDATA of this type is not compressed (RFC 3597, section 4).
	if t.algorithm, off, ok = readName(nil, raw[:rr.end], rr.data); !ok || off != rr.data+len(t.algorithm) {
		return false
	}
	rest := raw[off:rr.end]
	if len(rest) < 10 {
		return false
	}
	t.time = uint64(binary.BigEndian.Uint16(rest))<<32 | uint64(binary.BigEndian.Uint32(rest[2:]))
	t.fudge = binary.BigEndian.Uint16(rest[6:])
	size := int(binary.BigEndian.Uint16(rest[8:]))
	if rest = rest[10:]; len(rest) < size+6 {
		return false
	}
	t.mac, rest = rest[:size], rest[size:]
	t.id = binary.BigEndian.Uint16(rest)
	t.code = binary.BigEndian.Uint16(rest[2:])
	t.other = rest[6:]
	return len(t.other) == int(binary.BigEndian.Uint16(rest[4:]))
}

// check verifies a message against the key it names, or nil if there is no
// such key; in the order of RFC 8945, section 5.2: key, MAC, time, truncation.
// The code is zero if all is well. A MAC of impossible length is malformed.
func (t *tsig) check(key *wireKey, raw []byte, now time.Time) (code uint16, v verdict) {
	if key == nil || string(t.algorithm) != key.algorithm {
		return tsigBadKey, readable
	}
	// Section 5.2.2.1.
	if len(t.mac) > key.size || len(t.mac) < max(10, key.size/2) {
		return 0, malformed
	}
	sum := t.digest(key, raw)
	if !hmac.Equal(sum[:len(t.mac)], t.mac) {
		return tsigBadSig, readable
	}
	if skew := now.Unix() - int64(t.time); max(skew, -skew) > int64(min(t.fudge, maxFudge)) { //nolint:gosec // 48 bits
		return tsigBadTime, readable
	}
	if len(t.mac) < key.size { // section 5.2.4: our policy is to take whole ones only
		return tsigBadTrunc, readable
	}
	return 0, readable
}

// digest computes the MAC that the message should have (section 4.3).
func (t *tsig) digest(key *wireKey, raw []byte) []byte {
	mac := key.mac()
	mac.Write(appendPrior(nil, t.prior))
	var head [headerLen]byte
	copy(head[:], raw)
	binary.BigEndian.PutUint16(head[:], t.id)
	binary.BigEndian.PutUint16(head[10:], binary.BigEndian.Uint16(head[10:])-1) // without the TSIG
	mac.Write(head[:])
	mac.Write(raw[headerLen:t.start])
	b := appendVariables(nil, key, t.time, t.fudge)
	b = binary.BigEndian.AppendUint16(b, t.code)
	b = binary.BigEndian.AppendUint16(b, uint16(len(t.other))) //nolint:gosec // was read from 16 bits
	mac.Write(append(b, t.other...))
	return mac.Sum(nil)
}

// appendPrior appends the MAC that the next one is chained to. A request, which
// answers nothing, has none (section 4.3.1).
func appendPrior(b, mac []byte) []byte {
	if len(mac) == 0 {
		return b
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(mac))) //nolint:gosec // at most 64
	return append(b, mac...)
}

// appendVariables appends the TSIG variables up to the fudge.
func appendVariables(b []byte, key *wireKey, at uint64, fudge uint16) []byte {
	b = append(b, key.name...)
	b = append(b, 0, classANY, 0, 0, 0, 0)
	b = append(b, key.algorithm...)
	return appendTimers(b, at, fudge)
}

func appendTimers(b []byte, at uint64, fudge uint16) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(at>>32)) //nolint:gosec // 48 bits
	b = binary.BigEndian.AppendUint32(b, uint32(at))     //nolint:gosec // the low 32 of them
	return binary.BigEndian.AppendUint16(b, fudge)
}

// signer signs the messages that answer one request, or a request of our own.
// It is for one goroutine.
type signer struct {
	key     *wireKey
	mac     hash.Hash
	prior   []byte // the request's MAC, then that of the last message
	chained bool   // past the first message
	scratch []byte
}

func newSigner(key *wireKey, request []byte) *signer {
	return &signer{key: key, mac: key.mac(), prior: append([]byte(nil), request...)}
}

// size returns the length of each record that sign appends, without other
// data; 0 for nil.
func (s *signer) size() int {
	if s == nil {
		return 0
	}
	return len(s.key.name) + 10 + len(s.key.algorithm) + 16 + s.key.size
}

// sign appends to dst the TSIG record for a message given in parts, whose
// header does not count it yet; the caller adds it to ARCOUNT afterwards. The
// first message is signed with the request's MAC and all variables, the
// others with the MAC before and the timers only (RFC 8945, section 5.3.1).
// Afterwards prior is the MAC.
func (s *signer) sign(dst []byte, id uint16, at uint64, code uint16, other []byte, message ...[]byte) []byte {
	s.mac.Reset()
	s.scratch = appendPrior(s.scratch[:0], s.prior)
	s.mac.Write(s.scratch)
	for _, part := range message {
		s.mac.Write(part)
	}
	if s.chained {
		s.scratch = appendTimers(s.scratch[:0], at, maxFudge)
	} else {
		s.scratch = appendVariables(s.scratch[:0], s.key, at, maxFudge)
		s.scratch = binary.BigEndian.AppendUint16(s.scratch, code)
		s.scratch = binary.BigEndian.AppendUint16(s.scratch, uint16(len(other))) //nolint:gosec // at most 6
		s.scratch = append(s.scratch, other...)
	}
	s.mac.Write(s.scratch)
	s.prior = s.mac.Sum(s.prior[:0])
	s.chained = true
	return appendTSIG(dst, s.key.name, s.key.algorithm, at, s.prior, id, code, other)
}

// appendTSIG appends a TSIG record.
func appendTSIG(b []byte, name, algorithm string, at uint64, mac []byte, id, code uint16, other []byte) []byte {
	b = append(b, name...)
	b = append(b, 0, typeTSIG, 0, classANY, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(algorithm)+16+len(mac)+len(other))) //nolint:gosec // below maxTSIG
	b = append(b, algorithm...)
	b = appendTimers(b, at, maxFudge)
	b = binary.BigEndian.AppendUint16(b, uint16(len(mac))) //nolint:gosec // at most 64
	b = append(b, mac...)
	b = binary.BigEndian.AppendUint16(b, id)
	b = binary.BigEndian.AppendUint16(b, code)
	b = binary.BigEndian.AppendUint16(b, uint16(len(other))) //nolint:gosec // at most 6
	return append(b, other...)
}
