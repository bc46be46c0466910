package dnsfeed

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/vaern/vaern/blocklist"
)

// difference is what a client with one version of a zone needs to have
// another, as the messages of an incremental transfer (RFC 1995, section 4):
//
//	SOA(new) SOA(old) deletions SOA(new) additions SOA(new)
//
// Whatever came between the two is condensed away. The messages are made like
// those of an image, and sent like them.
type difference struct {
	messages [][]byte
	size     int // octets of them
}

var (
	errLarger = errors.New("larger than the zone")
	errApex   = errors.New("more than names differs")
)

// newDifference compares two images of a zone. It fails with errApex if the
// action, the TTL or anything at the apex has changed, which is another zone;
// and with errLarger if the full zone is the shorter answer.
func newDifference(old, now *Image) (*difference, error) {
	if !old.config.equal(&now.config) {
		return nil, errApex
	}
	out := &limited{limit: now.size}
	e := &encoder{zone: now.config, w: out}
	soa := func(s blocklist.Serial) {
		if len(e.msg)+e.soaSize() > maxMessage {
			e.end()
			e.begin(0)
		}
		e.serial = s
		e.soa()
	}
	e.begin(typeIXFR)
	soa(now.serial)
	soa(old.serial)
	err := compare(old, now, func(name []byte, was, is scope) error {
		e.part(name, was&^is)
		return e.err
	})
	if err != nil {
		return nil, err
	}
	soa(now.serial)
	err = compare(old, now, func(name []byte, was, is scope) error {
		e.part(name, is&^was)
		return e.err
	})
	if err != nil {
		return nil, err
	}
	soa(now.serial)
	e.end()
	if e.flush(0); e.err != nil {
		return nil, e.err
	}
	messages, err := splitItems(out.octets)
	return &difference{messages: messages, size: len(out.octets)}, err
}

// limited takes octets up to a limit.
type limited struct {
	octets []byte
	limit  int
}

func (l *limited) Write(p []byte) (int, error) {
	if len(l.octets)+len(p) >= l.limit {
		return 0, errLarger
	}
	l.octets = append(l.octets, p...)
	return len(p), nil
}

// equal says whether two zones have the same records but for the names.
func (z *wireZone) equal(o *wireZone) bool {
	return z.name == o.name && z.target == o.target && z.hostmaster == o.hostmaster && z.ttl == o.ttl && slices.Equal(z.ns, o.ns)
}

// part appends some of the records of a name, which is on the wire with the
// zone's.
func (e *encoder) part(name []byte, records scope) {
	if records == 0 || e.err != nil {
		return
	}
	text := e.text(name)
	if records == below {
		text = "*." + text
	}
	e.owner(text, records != exact|below)
}

// text returns a name without the zone.
func (e *encoder) text(name []byte) string {
	text := make([]byte, 0, maxName)
	for rest := name[:len(name)-len(e.zone.name)]; len(rest) > 0; {
		n := 1 + int(rest[0])
		text = append(append(text, rest[1:n]...), '.')
		rest = rest[n:]
	}
	return string(text[:len(text)-1])
}

// scope says which of its two records a name has.
type scope uint8

const (
	exact scope = 1 << iota // NAME
	below                   // *.NAME
)

// compare calls differ for each name whose records are not the same in both
// images, in canonical order. The name is overwritten afterwards.
func compare(old, now *Image, differ func(name []byte, was, is scope) error) error {
	a, b := &owners{image: old}, &owners{image: now}
	err := a.next(b)
	for err == nil && !(a.done && b.done) {
		order := a.compare(b)
		name, was, is := a.name, a.scope, b.scope
		if order < 0 {
			is = 0
		}
		if order > 0 {
			name, was = b.name, 0
		}
		if was != is {
			if err := differ(name, was, is); err != nil {
				return err
			}
		}
		switch {
		case order < 0:
			err = a.step()
		case order > 0:
			err = b.step()
		default:
			err = a.next(b)
		}
	}
	return err
}

// owners goes through the names of an image, each with both its records. It
// trusts what OpenImage has checked, and that the names ascend it checks
// itself.
type owners struct {
	image *Image
	check *walker // checks the messages first; nil: OpenImage did
	done  bool
	name  []byte // on the wire, with the zone's
	scope scope
	first bool // of its message

	at   int // the message
	off  int // in it, of the next record; zero: the message is not begun
	left int // records from there
	last []byte
}

// next steps in both, over messages that are the same in both at once: of two
// editions one after the other that is nearly all of them.
func (a *owners) next(b *owners) error {
	for a.left == 0 && b.left == 0 && a.at < len(a.image.messages) && b.at < len(b.image.messages) &&
		bytes.Equal(a.image.messages[a.at], b.image.messages[b.at]) {
		a.at++
		b.at++
	}
	return errors.Join(a.step(), b.step())
}

// step goes to the next name.
func (a *owners) step() error {
	for {
		if a.left == 0 {
			if a.at == len(a.image.messages) {
				a.done, a.name, a.scope = true, a.name[:0], 0
				return nil
			}
			if err := a.begin(); err != nil {
				return err
			}
		}
		owner := a.off
		if a.read(owner) {
			a.first = owner == headerLen
			return a.pair(owner)
		}
	}
}

func (a *owners) message() []byte { return a.image.messages[a.at-1] }

// begin goes to the first record of the next message.
func (a *owners) begin() error {
	a.at++
	questions := 0
	a.off = headerLen
	if a.at == 1 {
		questions = 1
		a.off += a.image.question()
	}
	a.left = int(binary.BigEndian.Uint16(a.message()[6:]))
	if a.check == nil {
		return nil
	}
	soa, ns, cname, err := a.check.records(a.message(), questions)
	if err != nil || soa+ns+cname != a.left {
		return fmt.Errorf("message %d: %w", a.at-1, cmp.Or(err, errRecord))
	}
	return nil
}

// read passes over one record, and says whether it is a CNAME.
func (a *owners) read(off int) bool {
	msg := a.message()
	for n := int(msg[off]); n != 0 && n <= maxLabel; n = int(msg[off]) {
		off += 1 + n
	}
	if msg[off] != 0 {
		off++
	}
	off++
	a.off = off + 10 + int(binary.BigEndian.Uint16(msg[off+8:]))
	a.left--
	return binary.BigEndian.Uint16(msg[off:]) == typeCNAME
}

// pair reads the name whose first record was just passed, and passes over the
// second one if that is next.
func (a *owners) pair(owner int) error {
	msg := a.message()
	a.last, a.name = a.name, a.last
	var ok bool
	if a.name, _, ok = readName(a.name[:0], msg, owner); !ok || len(a.last) > 0 && order(a.last, a.name) >= 0 {
		return fmt.Errorf("compare images: message %d: names do not ascend", a.at-1)
	}
	a.scope = exact
	if a.left > 0 && string(msg[a.off:a.off+4]) == string([]byte{1, '*', 0xc0 | byte(owner>>8), byte(owner)}) {
		a.scope |= below
		a.read(a.off)
	}
	return nil
}

// compare is order, with everything before the end.
func (a *owners) compare(b *owners) int {
	switch {
	case a.done && b.done:
		return 0
	case a.done:
		return 1
	case b.done:
		return -1
	}
	return order(a.name, b.name)
}

// order is the canonical order of names (RFC 4034, section 6.1).
func order(a, b []byte) int {
	if bytes.Equal(a, b) {
		return 0
	}
	var labelsA, labelsB [maxName / 2]uint8
	i, j := labels(a, &labelsA), labels(b, &labelsB)
	for i > 0 && j > 0 {
		i--
		j--
		x, y := a[labelsA[i]:], b[labelsB[j]:]
		if c := bytes.Compare(x[1:1+x[0]], y[1:1+y[0]]); c != 0 {
			return c
		}
	}
	return i - j
}

// labels notes where each label of a name begins, and returns how many there
// are.
func labels(name []byte, at *[maxName / 2]uint8) (n int) {
	for off := 0; name[off] != 0; off += 1 + int(name[off]) {
		at[n] = uint8(off) //nolint:gosec // a name is at most 255 octets
		n++
	}
	return n
}
