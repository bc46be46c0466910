package dnsfeed

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
	"strings"

	"github.com/vaern/vaern/blocklist"
)

// FilesAfter returns the files that Files returns, for an edition that follows
// another one: image is the zone.image of that, changes are the rows that only
// one of their sets has. What is written is the same; it takes less time, the
// fewer names have changed.
func (z Zone) FilesAfter(image []byte, changes blocklist.Changes) []blocklist.File {
	files := z.Files()
	for i := range files {
		if whole := files[i].Write; files[i].Name == ImageName {
			files[i].Write = func(w io.Writer, s blocklist.Serial, set *blocklist.Set) error {
				if image := z.reviseImage(image, changes, s, set); image != nil {
					return image.write(w)
				}
				return whole(w, s, set)
			}
		}
	}
	return files
}

// reviseImage makes the image of a set from that of the set before it. It
// returns nil if that is of another zone, or does not hold what it has to hold:
// then the image has to be made from the names.
func (z Zone) reviseImage(image []byte, changes blocklist.Changes, serial blocklist.Serial, set *blocklist.Set) parts {
	wire, err := z.wire()
	if err != nil {
		return nil
	}
	// It is what was signed; what is read of it is checked all the same.
	old, err := openImage(image, func(*wireZone) func([]byte) bool {
		return func([]byte) bool { return true }
	})
	if err != nil || !old.config.equal(&wire) {
		return nil
	}
	var made parts
	r := &revision{
		encoder: encoder{zone: wire, serial: serial, w: &made},
		old:     &owners{image: old, check: old.walker()},
		changed: changedNames(&wire, changes),
		made:    &made,
	}
	records := wire.records(set)
	r.head(records)
	err = r.merge()
	r.tail()
	if err != nil || r.err != nil || r.total != records {
		return nil
	}
	return made
}

// revision is an image on its way from the one before to the next.
//
// Which names a message holds follows from them and from the name behind them
// (see ends), and how it says them from nothing else. So, when the next name is
// the first of a message of the image before and of a message that begins
// now, this is that message, unless one of its names has changed or the one
// behind them.
type revision struct {
	encoder
	old     *owners
	changed []changedName // which are still to come
	made    *parts
}

// merge makes all between head and tail.
func (r *revision) merge() error {
	err := r.old.step()
	for err == nil && !(r.old.done && len(r.changed) == 0) {
		name, is := r.old.name, r.old.scope
		c := r.before()
		if c >= 0 {
			name, is, r.changed = r.changed[0].name, r.changed[0].scope, r.changed[1:]
		}
		if is != 0 {
			if len(name) > maxName || is != exact && len(name) > maxName-len("*.") {
				return errNoRoom
			}
			text := r.text(name)
			if r.ends(text) {
				r.end()
				copied := c < 0 && r.old.first && r.copyMessages()
				r.begin(0)
				if copied {
					err = r.old.step()
					continue
				}
			}
			r.policy(text, is == exact)
		}
		if c <= 0 {
			err = r.old.step()
		}
	}
	return err
}

// before says whether the next name of the image before comes before the next
// one that has changed (-1), after it (1), or is that (0).
func (r *revision) before() int {
	switch {
	case len(r.changed) == 0:
		return -1
	case r.old.done:
		return 1
	}
	return order(r.old.name, r.changed[0].name)
}

// copyMessages takes over the message that the next name begins, and those
// behind it up to the next change, and says whether there are any. The last
// one is never among them.
func (r *revision) copyMessages() bool {
	messages, at := r.old.image.messages, r.old.at-1
	begin := at
	for ; at+1 < len(messages); at++ {
		next := firstOwner(messages[at+1])
		if next == nil || len(r.changed) > 0 && order(r.changed[0].name, next) <= 0 {
			break
		}
	}
	if at == begin {
		return false
	}
	r.flush(0)
	for _, msg := range messages[begin:at] {
		r.made.add(binary.BigEndian.AppendUint16(nil, uint16(len(msg)))) //nolint:gosec // at most maxMessage
		r.made.add(msg)
		r.total += int(binary.BigEndian.Uint16(msg[6:]))
	}
	r.old.at, r.old.left = at, 0
	return true
}

// firstOwner returns the first name of a message that begins with one that is
// listed, else nil.
func firstOwner(msg []byte) []byte {
	name, next, ok := readName(nil, msg, headerLen)
	if !ok || len(msg)-next < 2 || binary.BigEndian.Uint16(msg[next:]) != typeCNAME {
		return nil
	}
	return name
}

// changedName is a name of which other records are there than before.
type changedName struct {
	name  []byte // on the wire, with the zone's
	scope scope  // now
}

// changedNames returns them in canonical order.
func changedNames(zone *wireZone, changes blocklist.Changes) (all []changedName) {
	collect := func(rows []blocklist.Row, of [3]scope) {
		for i := range rows {
			if t := &rows[i].Target; t.Unit != blocklist.URL {
				all = append(all, changedName{zone.owner(t.Reveal()), of[t.Unit]})
			}
		}
	}
	collect(changes.Added, [3]scope{blocklist.Domain: exact | below, blocklist.Host: exact})
	collect(changes.Removed, [3]scope{})
	slices.SortStableFunc(all, func(a, b changedName) int { return order(a.name, b.name) })
	// What was a host and is a domain now, or the other way about, is in both.
	return slices.CompactFunc(all, func(a, b changedName) bool { return bytes.Equal(a.name, b.name) })
}

// owner returns the name on the wire of a listed name in the zone.
func (z *wireZone) owner(text string) []byte {
	name := make([]byte, 0, len(text)+1+len(z.name))
	for label := range strings.SplitSeq(text, ".") {
		name = append(append(name, byte(len(label))), label...)
	}
	return append(name, z.name...)
}

// parts is a file in parts, many of which lie elsewhere already.
type parts [][]byte

func (p *parts) add(part []byte) { *p = append(*p, part) }

// Write adds a copy.
func (p *parts) Write(b []byte) (int, error) {
	p.add(bytes.Clone(b))
	return len(b), nil
}

func (p parts) write(w io.Writer) error {
	for _, part := range p {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}
