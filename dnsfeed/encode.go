package dnsfeed

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/vaern/vaern/blocklist"
)

// Types, classes and opcodes of RFC 1035, 1995, 6891 and 8945 that this
// package knows.
const (
	typeNS    = 2
	typeCNAME = 5
	typeSOA   = 6
	typeOPT   = 41
	typeTSIG  = 250
	typeIXFR  = 251
	typeAXFR  = 252

	classIN  = 1
	classANY = 255
)

const (
	headerLen = 12
	// maxMessage bounds a message of an image, in octets without prefix and
	// TSIG: a compression pointer reaches offsets below 0x4000 (RFC 1035,
	// section 4.1.4), and what it cannot reach is spelt out again.
	maxMessage = 0x4000
	// minMessage is what a message of an image holds at least before it may
	// end where the names say so (see cut).
	minMessage = 0x3400

	flagQR = 0x8000
	flagAA = 0x0400
)

// WriteImage writes the zone as zone.image, whose format the package
// documentation gives. The same zone, serial and set give the same octets. No
// name stands in an error.
func (z Zone) WriteImage(w io.Writer, serial blocklist.Serial, set *blocklist.Set) error {
	wire, err := z.wire()
	if err != nil {
		return err
	}
	e := &encoder{zone: wire, serial: serial, w: w, out: make([]byte, 0, flushAt+maxMessage)}
	e.head(wire.records(set))
	e.names(set, z.MaxText(blocklist.Domain), z.MaxText(blocklist.Host))
	e.tail()
	if e.err != nil {
		return fmt.Errorf("write zone image: %w", e.err)
	}
	return nil
}

// encoder makes an image. It compresses names in two ways: the few names of
// the configuration against all suffixes of each other (known), and the owner
// names against the one before (chain), which is as good: in canonical
// order the longest suffix that a name shares with any earlier one is shared
// with the one just before it. Both are emptied with each message.
type encoder struct {
	zone   wireZone
	serial blocklist.Serial

	w   io.Writer
	err error
	out []byte // finished items, not yet written

	msg   []byte // the message being made, without its prefix
	count uint16 // its answers
	total int    // answers of the transfer, without those of this message
	known []suffix
	prev  string // the owner before, and its suffixes from the shortest on
	chain []link
	rest  []byte // of every CNAME record after the first of a message
}

// suffix is a name of the configuration and where it stands in the message.
type suffix struct {
	wire string
	at   uint16
}

// link is a suffix of the owner before: its length as text and its place.
type link struct {
	text int
	at   uint16
}

// records returns how many records a full transfer holds.
func (z *wireZone) records(set *blocklist.Set) int {
	return 1 + len(z.ns) + 2*len(set.Rows(blocklist.Domain)) + len(set.Rows(blocklist.Host)) + 1
}

// head makes all that stands before the names.
func (e *encoder) head(records int) {
	e.out = append(e.out, imageMagic...)
	e.out = binary.BigEndian.AppendUint32(e.out, uint32(e.serial))
	e.out = binary.BigEndian.AppendUint32(e.out, uint32(records)) //nolint:gosec // far below 2^32
	e.item([]byte(e.zone.name))

	e.begin(typeSOA)
	e.soa()
	e.end()
	e.begin(typeNS)
	e.servers()
	e.end()

	e.total = 0
	e.begin(typeAXFR)
	e.soa()
	e.servers()
}

// names makes the records of all names.
func (e *encoder) names(set *blocklist.Set, maxDomain, maxHost int) {
	for row := range set.Tree() {
		text, host := row.Target.Reveal(), row.Target.Unit == blocklist.Host
		if len(text) > maxHost || !host && len(text) > maxDomain {
			e.err = cmp.Or(e.err, errNoRoom)
			return
		}
		if e.owner(text, host); e.err != nil {
			return
		}
	}
}

// tail makes what stands behind the names.
func (e *encoder) tail() {
	if len(e.msg)+e.soaSize() > maxMessage {
		e.end()
		e.begin(0)
	}
	e.soa()
	e.end()
	e.flush(0)
}

// item adds a length and that many octets to the file.
func (e *encoder) item(b []byte) {
	e.out = binary.BigEndian.AppendUint16(e.out, uint16(len(b))) //nolint:gosec // at most maxMessage
	e.out = append(e.out, b...)
	e.flush(flushAt)
}

// flush writes what has gathered once it is more than limit octets.
func (e *encoder) flush(limit int) {
	if len(e.out) > limit && e.err == nil {
		_, e.err = e.w.Write(e.out)
		e.out = e.out[:0]
	}
}

// begin starts a message, with the question for qtype unless that is zero
// (RFC 5936, section 2.2.1: the first message has it, the others need not).
func (e *encoder) begin(qtype uint16) {
	e.msg = append(e.msg[:0], 0, 0, (flagQR|flagAA)>>8, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	e.count, e.known, e.chain, e.prev, e.rest = 0, e.known[:0], e.chain[:0], "", e.rest[:0]
	if qtype != 0 {
		e.msg[5] = 1 // QDCOUNT
		e.name(e.zone.name)
		e.msg = binary.BigEndian.AppendUint16(e.msg, qtype)
		e.msg = binary.BigEndian.AppendUint16(e.msg, classIN)
	}
}

func (e *encoder) end() {
	binary.BigEndian.PutUint16(e.msg[6:], e.count) // ANCOUNT
	e.total += int(e.count)
	e.item(e.msg)
}

// name appends a name of the configuration, as a pointer from the longest
// suffix on that is known.
func (e *encoder) name(wire string) {
	for len(wire) > 1 {
		if at := e.find(wire); at != 0 {
			e.msg = binary.BigEndian.AppendUint16(e.msg, 0xc000|at)
			return
		}
		e.known = append(e.known, suffix{wire, uint16(len(e.msg))}) //nolint:gosec // below maxMessage
		label := 1 + int(wire[0])
		e.msg = append(e.msg, wire[:label]...)
		wire = wire[label:]
	}
	e.msg = append(e.msg, 0)
}

// find returns where a name of the configuration stands, or zero.
func (e *encoder) find(wire string) uint16 {
	for _, k := range e.known {
		if k.wire == wire {
			return k.at
		}
	}
	return 0
}

// record appends what follows an owner; rdata appends its own octets.
func (e *encoder) record(rrtype uint16, rdata func()) {
	e.msg = binary.BigEndian.AppendUint16(e.msg, rrtype)
	e.msg = binary.BigEndian.AppendUint16(e.msg, classIN)
	e.msg = binary.BigEndian.AppendUint32(e.msg, e.zone.ttl)
	e.msg = append(e.msg, 0, 0)
	start := len(e.msg)
	rdata()
	binary.BigEndian.PutUint16(e.msg[start-2:], uint16(len(e.msg)-start)) //nolint:gosec // below maxMessage
	e.count++
}

func (e *encoder) soa() {
	e.name(e.zone.name)
	e.record(typeSOA, func() {
		e.name(e.zone.ns[0])
		e.name(e.zone.hostmaster)
		for _, n := range []uint32{uint32(e.serial), soaRefresh, soaRetry, soaExpire, soaMinimum} {
			e.msg = binary.BigEndian.AppendUint32(e.msg, n)
		}
	})
}

// soaSize is more than a SOA record can take.
func (e *encoder) soaSize() int {
	return len(e.zone.name) + 10 + len(e.zone.ns[0]) + len(e.zone.hostmaster) + soaNumbers
}

func (e *encoder) servers() {
	for _, host := range e.zone.ns {
		e.name(e.zone.name)
		e.record(typeNS, func() { e.name(host) })
	}
}

// owner appends the records of one name, to the next message if this one ends
// before it.
func (e *encoder) owner(text string, host bool) {
	if e.ends(text) {
		e.end()
		e.begin(0)
	}
	e.policy(text, host)
}

// ends says whether the message ends before this name.
func (e *encoder) ends(text string) bool {
	const fixed = 10 // type, class, TTL, length
	longest := len(text) + 1 + len(e.zone.name) + len("*") + 1 + 2 + 2*(fixed+len(e.zone.target))
	return len(e.msg)+longest > maxMessage || len(e.msg) > minMessage && cut(text)
}

// policy appends the records of one name. The two of a domain stay in one
// message, so that the second can point to the first.
func (e *encoder) policy(text string, host bool) {
	at := len(e.msg)
	e.ownerName(text)
	e.cname()
	if !host {
		e.msg = append(e.msg, 1, '*', 0xc0|byte(at>>8), byte(at))
		e.cname()
	}
}

// cut says whether a message may end before this name: one in some twenty. Where
// messages end depends on the names around and not on how many there were
// before, so that two editions one after the other have most messages in
// common, and their difference is found by comparing octets. Who changes this,
// or anything else that a message depends on, has to change the version in
// imageMagic: messages of the edition before are copied.
func cut(text string) bool {
	h := uint32(2166136261) // FNV-1a
	for i := range len(text) {
		h = (h ^ uint32(text[i])) * 16777619
	}
	return h>>16%20 == 0
}

// ownerName appends text and the zone: the labels that the name before does
// not have, then a pointer.
func (e *encoder) ownerName(text string) {
	own, chain := text, e.shared(text)
	e.chain = chain
	if n := len(chain); n > 0 {
		own = text[:max(0, len(text)-chain[n-1].text-1)]
	}
	if own != "" {
		base := len(e.msg)
		e.msg = append(e.msg, 0)
		e.msg = append(e.msg, own...)
		size := byte(0)
		for i := len(own) - 1; i >= -1; i-- { // each dot becomes the length of the label after it
			if i >= 0 && own[i] != '.' {
				size++
				continue
			}
			e.msg[base+1+i] = size
			e.chain = append(e.chain, link{len(text) - 1 - i, uint16(base + 1 + i)}) //nolint:gosec // below maxMessage
			size = 0
		}
	}
	e.prev = text
	if n := len(chain); n > 0 {
		e.msg = binary.BigEndian.AppendUint16(e.msg, 0xc000|chain[n-1].at)
		return
	}
	e.name(e.zone.name)
}

// shared returns the part of the chain that is suffixes of text too.
func (e *encoder) shared(text string) []link {
	a, b := text, e.prev
	same := 0
	for same < min(len(a), len(b)) && a[len(a)-1-same] == b[len(b)-1-same] {
		same++
	}
	for n, l := range e.chain {
		whole := l.text <= same && (l.text == len(text) || text[len(text)-1-l.text] == '.')
		if !whole {
			return e.chain[:n]
		}
	}
	return e.chain
}

// cname appends the rest of a policy record. All but the first of a message
// are the same octets.
func (e *encoder) cname() {
	if len(e.rest) > 0 {
		e.msg = append(e.msg, e.rest...)
		e.count++
		return
	}
	start := len(e.msg)
	e.record(typeCNAME, func() { e.name(e.zone.target) })
	e.rest = append(e.rest, e.msg[start:start+8]...)
	if at := e.find(e.zone.target); at != 0 {
		e.rest = append(e.rest, 0, 2, 0xc0|byte(at>>8), byte(at))
	} else {
		e.rest = append(e.rest, 0, byte(len(e.zone.target)))
		e.rest = append(e.rest, e.zone.target...)
	}
}
