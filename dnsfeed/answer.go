package dnsfeed

import (
	"encoding/binary"
	"time"
)

// Response codes (RFC 1035, section 4.1.1; RFC 8945; RFC 6891).
const (
	rcodeFormErr  = 1
	rcodeServFail = 2
	rcodeRefused  = 5
	rcodeNotAuth  = 9
	rcodeBadVers  = 16 // its upper bits stand in the OPT record
)

// outcome is what to do about one message: send reply, or run transfer, or
// (both nil) nothing at all.
type outcome struct {
	reply    []byte
	transfer *transfer
	carried  *transfer // that reply is all of
	client   *member   // who sent it, once its TSIG or its certificate is verified
	reason   string    // of a refusal, for the log; constant words
}

// answer decides about one message. It is the only place that does. Whatever
// is not granted is REFUSED in the same words: a zone of somebody else and
// one that does not exist, a name, a type, NOTIFY, UPDATE (AX4, NO3), and all
// that a client asks in the clear who may not (XT2).
func (s *Server) answer(raw []byte, p peer) outcome {
	q, v := readQuery(raw)
	switch v {
	case notOurs:
		return outcome{reason: "not a query"}
	case malformed:
		return outcome{reply: formErr(raw), reason: "malformed"}
	}
	r := responder{query: &q, now: s.Now(), tcp: p.transport != overUDP}
	access := s.access.Load()
	var key *wireKey
	if q.signed {
		holder := access.find(q.tsig.name)
		if v := r.verify(holder); v == malformed {
			return outcome{reply: formErr(raw), reason: "malformed TSIG"}
		}
		if r.code != 0 {
			return outcome{reply: r.finish(r.start(0, rcodeNotAuth), 0), reason: "TSIG error"}
		}
		key = holder.key
	}
	client := access.admit(key, p)
	if q.version > 0 { // RFC 6891, section 6.1.3
		return outcome{reply: r.finish(r.start(0, 0), rcodeBadVers>>4), client: client, reason: "EDNS version"}
	}
	if client == nil {
		return outcome{reply: r.refuse(), reason: "no credential, or one each of two clients"}
	}
	versions := s.zones.Load().find(q.name)
	if versions == nil || !client.may(string(q.name), p) || q.opcode != 0 || q.class != classIN {
		return outcome{reply: r.refuse(), client: client, reason: "not granted"}
	}
	out := r.grant(versions, client)
	if out.transfer != nil {
		out.transfer.access = access
	}
	return out
}

// grant answers a client about a zone that it may have.
func (r *responder) grant(v *Versions, client *member) outcome {
	switch r.query.qtype {
	case typeSOA:
		return outcome{reply: r.ready(v.newest.soa), client: client}
	case typeNS:
		return outcome{reply: r.ready(v.newest.ns), client: client}
	case typeIXFR:
		return r.incremental(v, client)
	case typeAXFR:
		if r.tcp { // RFC 5936, section 4.2
			return r.transfer(v.newest, v.newest.messages, client)
		}
		return outcome{reply: r.refuse(), client: client, reason: "AXFR over UDP"}
	}
	return outcome{reply: r.refuse(), client: client, reason: "type"}
}

// responder makes the reply to one query.
type responder struct {
	query  *query
	now    time.Time
	tcp    bool
	signer *signer // nil: the reply is not signed (TS4, TS7)
	code   uint16  // TSIG error
}

// verify checks the TSIG and settles whether replies are signed: not to a
// wrong key or MAC, but to a wrong time (RFC 8945, section 5.3.2).
func (r *responder) verify(client *member) (v verdict) {
	var key *wireKey
	if client != nil {
		key = client.key
	}
	t := &r.query.tsig
	if r.code, v = t.check(key, r.query.raw, r.now); v != readable {
		return v
	}
	if r.code != tsigBadKey && r.code != tsigBadSig {
		r.signer = newSigner(key, t.mac)
	}
	return readable
}

// formErr is the reply to what could not be read: a header, nothing else.
func formErr(raw []byte) []byte {
	b := make([]byte, headerLen)
	copy(b, raw[:2])
	flags := binary.BigEndian.Uint16(raw[2:])&(maskOpcode|flagRD) | flagQR | rcodeFormErr
	binary.BigEndian.PutUint16(b[2:], flags)
	return b
}

// start returns header and question of a reply.
func (r *responder) start(flags, rcode uint16) []byte {
	q := r.query
	b := make([]byte, headerLen, headerLen+len(q.question)+ednsLen+maxTSIG)
	binary.BigEndian.PutUint16(b, q.id)
	binary.BigEndian.PutUint16(b[2:], flagQR|q.opcode|q.desired|flags|rcode)
	b[5] = 1
	return append(b, q.question...)
}

func (r *responder) refuse() []byte { return r.finish(r.start(0, rcodeRefused), 0) }

// ready completes an answer that stands in the image; the question becomes
// the client's own, which asks for the same name in its own spelling.
func (r *responder) ready(prebuilt []byte) []byte {
	b := r.start(flagAA, 0)
	copy(b[6:8], prebuilt[6:8]) // ANCOUNT
	return r.finish(append(b, prebuilt[len(b):]...), 0)
}

// finish adds OPT and TSIG and keeps a reply over UDP to the size that the
// client takes, and to the size of the query unless that was authenticated,
// so that nobody can be flooded through us.
func (r *responder) finish(b []byte, extended byte) []byte {
	q, room := r.query, r.room()
	if len(b)+r.extra() > room && r.signer != nil { // cut it and sign that
		b = b[:headerLen+len(q.question)]
		b[2] |= flagTC >> 8
		copy(b[6:8], "\x00\x00")
	}
	if q.edns {
		b = appendOPT(b, extended)
		b[11]++
	}
	if q.signed {
		b = r.sign(b)
		b[11]++
	}
	if len(b) > room && r.signer == nil {
		b = b[:headerLen]
		copy(b[4:], make([]byte, 8))
	}
	return b
}

// room returns how many octets the reply may have.
func (r *responder) room() int {
	switch {
	case r.tcp:
		return maxMessage
	case r.signer == nil:
		return min(r.query.size, ednsSize, len(r.query.raw))
	}
	return min(r.query.size, ednsSize)
}

// extra returns how many octets OPT and TSIG will take.
func (r *responder) extra() (n int) {
	if r.query.edns {
		n += ednsLen
	}
	if r.signer != nil {
		n += r.signer.size() + len("time..")
	}
	return n
}

// appendOPT appends an OPT record without options (RFC 6891, section 6.1.2).
func appendOPT(b []byte, extended byte) []byte {
	return append(b, 0, 0, typeOPT, ednsSize>>8, ednsSize&0xff, extended, 0, 0, 0, 0, 0)
}

// sign appends the TSIG record: a signed one, or one that only says which
// error there was. To a wrong time the client's own time goes back, with ours
// as other data (RFC 8945, section 5.2.3).
func (r *responder) sign(b []byte) []byte {
	q, at := r.query, uint64(r.now.Unix()) //nolint:gosec // after 1970
	if r.signer == nil {
		t := &q.tsig
		return appendTSIG(b, string(t.name), string(t.algorithm), at, nil, q.id, r.code, nil)
	}
	var other []byte
	if r.code == tsigBadTime {
		other = appendTimers(nil, at, 0)[:6]
		at = q.tsig.time
	}
	return r.signer.sign(b, q.id, at, r.code, other, b)
}
