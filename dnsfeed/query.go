package dnsfeed

import "encoding/binary"

// query is one message from a client, or a reply to one of ours, read as far as
// this package needs it. Slices point into raw.
type query struct {
	raw      []byte
	id       uint16
	opcode   uint16 // in place, as in the header's second word
	desired  uint16 // the RD flag, in place
	question []byte // name, type and class as the client spelt them
	name     []byte // of the question, lower case, on the wire
	qtype    uint16
	class    uint16

	hasSerial bool   // IXFR: the authority section holds the client's SOA
	serial    uint32 // of that SOA

	edns    bool
	version byte
	size    int // the UDP payload the client takes (RFC 6891, section 6.2.3)

	signed bool
	tsig   tsig
}

const (
	maskOpcode = 0x7800
	flagTC     = 0x0200
	flagRD     = 0x0100

	ednsLen  = 11   // an OPT record without options
	ednsSize = 1232 // what we say that we take, and the most that we use
	udpSize  = 512  // RFC 1035, section 4.2.1
)

// verdict says what became of a message.
type verdict uint8

const (
	readable  verdict = iota
	malformed         // a header was there: FORMERR
	notOurs           // no header, or an answer: never to be answered
)

// readQuery reads a message. It insists on one question and on nothing behind
// the last record, as all the clients it is for send. It takes any input.
func readQuery(raw []byte) (q query, v verdict) {
	if len(raw) < headerLen || raw[2]&(flagQR>>8) != 0 {
		return q, notOurs
	}
	return parse(raw)
}

// readReply reads a message that answers one of ours, as strictly. There may be
// no question, which servers leave out with some errors; then there is no name.
func readReply(raw []byte) (q query, v verdict) {
	if len(raw) < headerLen || raw[2]&(flagQR>>8) == 0 {
		return q, notOurs
	}
	return parse(raw)
}

// parse reads header, question and records.
func parse(raw []byte) (q query, v verdict) {
	flags := binary.BigEndian.Uint16(raw[2:])
	q = query{
		raw:     raw,
		id:      binary.BigEndian.Uint16(raw),
		opcode:  flags & maskOpcode,
		desired: flags & flagRD,
		size:    udpSize,
	}
	off, ok := headerLen, true
	if flags&flagQR == 0 || binary.BigEndian.Uint16(raw[4:]) != 0 {
		off, ok = q.readQuestion()
	}
	if !ok {
		return q, malformed
	}
	for section := 1; section <= 3; section++ {
		count := int(binary.BigEndian.Uint16(raw[4+2*section:]))
		for i := range count {
			rr, next, ok := readRecord(raw, off)
			if !ok || !q.take(rr, section, section == 3 && i == count-1) {
				return q, malformed
			}
			off = next
		}
	}
	if off != len(raw) || q.qtype == typeIXFR && q.opcode == 0 && !q.hasSerial {
		return q, malformed
	}
	return q, readable
}

// readQuestion reads the question section: one question, its name spelt out.
func (q *query) readQuestion() (next int, ok bool) {
	if binary.BigEndian.Uint16(q.raw[4:]) != 1 {
		return 0, false
	}
	q.name, next, ok = readName(nil, q.raw, headerLen)
	if !ok || next != headerLen+len(q.name) || next+4 > len(q.raw) {
		return 0, false
	}
	q.qtype = binary.BigEndian.Uint16(q.raw[next:])
	q.class = binary.BigEndian.Uint16(q.raw[next+2:])
	q.question = q.raw[headerLen : next+4]
	return next + 4, true
}

// record is a resource record as it stands in a message.
type record struct {
	start  int    // of the record
	name   []byte // lower case, on the wire
	rrtype uint16
	class  uint16
	ttl    uint32
	data   int // where RDATA starts
	end    int // where it ends
}

func readRecord(raw []byte, off int) (rr record, next int, ok bool) {
	rr.start = off
	if rr.name, off, ok = readName(nil, raw, off); !ok || off+10 > len(raw) {
		return rr, 0, false
	}
	rr.rrtype = binary.BigEndian.Uint16(raw[off:])
	rr.class = binary.BigEndian.Uint16(raw[off+2:])
	rr.ttl = binary.BigEndian.Uint32(raw[off+4:])
	rr.data = off + 10
	rr.end = rr.data + int(binary.BigEndian.Uint16(raw[off+8:]))
	return rr, rr.end, rr.end <= len(raw)
}

// take notes what a record says. It refuses a TSIG anywhere but at the very
// end (RFC 8945, section 5.2), an OPT outside the additional section or a
// second one (RFC 6891, section 6.1.1). What it has no use for it passes over.
func (q *query) take(rr record, section int, last bool) bool {
	switch {
	case rr.rrtype == typeTSIG:
		if !last {
			return false
		}
		q.signed = true
		return q.tsig.read(q.raw, rr)
	case rr.rrtype == typeOPT:
		if section != 3 || q.edns || len(rr.name) != 1 {
			return false
		}
		q.edns, q.version = true, byte(rr.ttl>>16)
		q.size = max(udpSize, int(rr.class))
	case rr.rrtype == typeSOA && section == 2 && q.qtype == typeIXFR:
		return q.takeSOA(rr)
	}
	return true
}

// takeSOA reads the serial the client has (RFC 1995, section 3).
func (q *query) takeSOA(rr record) bool {
	_, off, ok := readName(nil, q.raw, rr.data)
	if !ok {
		return false
	}
	_, off, ok = readName(nil, q.raw, off)
	if !ok || q.hasSerial || rr.class != classIN || off+soaNumbers != rr.end || string(rr.name) != string(q.name) {
		return false
	}
	q.hasSerial, q.serial = true, binary.BigEndian.Uint32(q.raw[off:])
	return true
}
