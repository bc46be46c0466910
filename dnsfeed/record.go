package dnsfeed

import (
	"encoding/binary"
	"errors"
	"strings"
)

// walker reads the records of one message of an image after another, and
// believes nothing: names that are too long or do not end, pointers to
// anything but a name before them, lengths that do not fit, what is outside
// the zone.
type walker struct {
	zone string // on the wire
	msg  []byte
	// names says, for each offset at which a name of this message begins, how
	// long that name is; zero: none begins there.
	names [maxMessage]struct {
		size   uint8
		inZone bool
	}
	last     uint16 // type of the last record
	lastData int    // where its data starts

	ttl      uint32 // of every record
	target   string // of every CNAME, on the wire
	targetAt int    // where that stands in this message, or zero
}

var errRecord = errors.New("not a record of a policy zone")

// records checks the records of msg from off to its end, and returns how many
// of each kind there are.
func (w *walker) records(msg []byte, questions int) (soa, ns, cname int, err error) {
	w.msg, w.targetAt = msg, 0
	clear(w.names[:len(msg)])
	off := headerLen
	for range questions {
		if _, off, err = w.name(off); err != nil {
			return 0, 0, 0, err
		}
		off += 4
	}
	for off < len(msg) {
		owner := off
		inZone, next, err := w.name(off)
		if err != nil {
			return 0, 0, 0, err
		}
		const fixed = 10 // type, class, TTL, length
		if !inZone || len(msg)-next < fixed || binary.BigEndian.Uint16(msg[next+2:]) != classIN ||
			binary.BigEndian.Uint32(msg[next+4:]) != w.ttl {
			return 0, 0, 0, errRecord
		}
		rrtype := binary.BigEndian.Uint16(msg[next:])
		w.last = rrtype
		data := next + fixed
		w.lastData = data
		off = data + int(binary.BigEndian.Uint16(msg[next+8:]))
		apex := int(w.names[owner].size) == len(w.zone)
		end := data
		switch {
		case off > len(msg):
			return 0, 0, 0, errRecord
		case rrtype == typeCNAME && !apex:
			cname++
			if _, end, err = w.name(data); err == nil && !w.isTarget(data) {
				err = errRecord
			}
		case rrtype == typeNS && apex:
			ns++
			_, end, err = w.name(data)
		case rrtype == typeSOA && apex:
			soa++
			if _, end, err = w.name(data); err == nil {
				_, end, err = w.name(end)
			}
			end += soaNumbers
		default:
			return 0, 0, 0, errRecord
		}
		if err != nil || end != off {
			return 0, 0, 0, errRecord
		}
	}
	return soa, ns, cname, nil
}

// isTarget says whether the name at off, which was read, is that of every
// CNAME: it is spelt out once in a message, and pointed to from there on.
func (w *walker) isTarget(off int) bool {
	if n := int(w.msg[off]); n >= 0xc0 {
		off = (n&0x3f)<<8 | int(w.msg[off+1])
	}
	if off == w.targetAt {
		return true
	}
	name, _, ok := readName(make([]byte, 0, maxName), w.msg, off)
	w.targetAt = off
	return ok && string(name) == w.target
}

// name reads the name at off, remembers it and its parents for pointers to
// come, and returns where it ends.
func (w *walker) name(off int) (inZone bool, next int, err error) {
	start, size := off, 0 // size: of the labels that are spelt out
	for {
		if off >= len(w.msg) {
			return false, 0, errRecord
		}
		n := int(w.msg[off])
		switch {
		case n == 0:
			spelt := string(w.msg[start : off+1])
			zoneAt := off + 1 - len(w.zone)
			in := strings.HasSuffix(spelt, w.zone)
			return w.remember(start, off, 1, func(at int) bool { return in && at <= zoneAt }), off + 1, w.bounded(size + 1)
		case n <= maxLabel:
			if off+1+n > len(w.msg) || !isLabel(w.msg[off+1:off+1+n]) {
				return false, 0, errRecord
			}
			off += 1 + n
			size += 1 + n
		case n >= 0xc0 && off+1 < len(w.msg):
			to := (n&0x3f)<<8 | int(w.msg[off+1])
			if to >= start || w.names[to].size == 0 {
				return false, 0, errRecord
			}
			known := w.names[to]
			if err := w.bounded(size + int(known.size)); err != nil {
				return false, 0, err
			}
			if off == start {
				w.names[start] = known
				return known.inZone, off + 2, nil
			}
			return w.remember(start, off, int(known.size), func(int) bool { return known.inZone }), off + 2, nil
		default:
			return false, 0, errRecord
		}
	}
}

// isLabel says whether a label is one that wireName writes, or the asterisk.
func isLabel(label []byte) bool {
	for _, c := range label {
		if !inLabel[c] {
			return string(label) == "*"
		}
	}
	return true
}

// inLabel has the octets of names in a zone.
var inLabel = func() (t [256]bool) {
	for _, c := range "abcdefghijklmnopqrstuvwxyz0123456789-_" {
		t[c] = true
	}
	return t
}()

func (w *walker) bounded(size int) error {
	if size > maxName {
		return errRecord
	}
	return nil
}

// remember notes the names that begin at each label from start to end, where
// tail more octets follow.
func (w *walker) remember(start, end, tail int, inZone func(at int) bool) bool {
	for at := start; at < end; at += 1 + int(w.msg[at]) {
		if size := end - at + tail; size <= maxName {
			w.names[at].size, w.names[at].inZone = uint8(size), inZone(at) //nolint:gosec // at most 255
		}
	}
	if start == end { // the root
		return inZone(start)
	}
	return w.names[start].inZone
}
