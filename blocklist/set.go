package blocklist

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// Row is one line of an edition: a target, the category (the one detail of an
// entry that leaves the house) and the date of the first edition that had it
// without a gap, as YYYY-MM-DD.
type Row struct {
	Target   Target
	Category string
	Added    string
}

// Set is what an edition blocks: rows by unit, sorted by [Target.Compare],
// each target once, names that a domain covers left out. It is immutable and
// safe for concurrent use.
type Set struct {
	rows [3][]Row
	// hasDomain looks a domain up. The table is behind a function because fmt
	// shows the keys of any map that it can reach.
	hasDomain func(text string) bool
}

// NewSet sorts rows and leaves out duplicates (the first one given wins) and
// hosts and domains below a domain. It takes ownership of rows.
func NewSet(rows []Row) *Set {
	rows = sorted(rows)
	rows = slices.CompactFunc(rows, func(a, b Row) bool { return a.Target.Compare(b.Target) == 0 })

	domains := make(map[string]struct{}, len(rows))
	shortest := maxNameText // spares the look-up of every top-level domain
	for _, r := range rows {
		if text := r.Target.Reveal(); r.Target.Unit == Domain {
			domains[text] = struct{}{}
			shortest = min(shortest, len(text))
		}
	}
	s := &Set{hasDomain: func(text string) bool {
		if len(text) < shortest {
			return false
		}
		_, ok := domains[text]
		return ok
	}}
	for _, r := range rows {
		t := r.Target
		if t.Unit == URL || !s.coveredAbove(t.Reveal()) && (t.Unit == Domain || !s.hasDomain(t.Reveal())) {
			s.rows[t.Unit] = append(s.rows[t.Unit], r)
		}
	}
	return s
}

// sorted returns rows in the order of [Target.Compare], equal ones as given.
// Most comparisons end within the first octets, which lie side by side; the
// texts are all over the memory.
func sorted(rows []Row) []Row {
	if slices.IsSortedFunc(rows, func(a, b Row) int { return a.Target.Compare(b.Target) }) {
		return rows
	}
	type key struct {
		head uint64 // unit, then the first seven octets
		text string
		i    int
	}
	order := make([]key, len(rows))
	for i, r := range rows {
		text := r.Target.Reveal()
		var head [8]byte
		head[0] = byte(r.Target.Unit)
		copy(head[1:], text)
		order[i] = key{binary.BigEndian.Uint64(head[:]), text, i}
	}
	slices.SortFunc(order, func(a, b key) int {
		if a.head != b.head {
			return cmp.Compare(a.head, b.head)
		}
		return cmp.Or(strings.Compare(a.text, b.text), cmp.Compare(a.i, b.i))
	})
	moved := make([]Row, len(rows))
	for to, k := range order {
		moved[to] = rows[k.i]
	}
	return moved
}

// Format prints how much a set holds and no more.
func (s Set) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "set of %d", s.Len()) }

// Rows returns the rows of one unit in order. The caller must not change them.
func (s *Set) Rows(u Unit) []Row { return s.rows[u] }

// Len returns the number of rows of all units.
func (s *Set) Len() int { return len(s.rows[Domain]) + len(s.rows[Host]) + len(s.rows[URL]) }

// Covers says whether everything that t blocks is blocked by the set: a
// domain by itself or a domain above, a host by itself or a domain at or
// above it, a URL by itself only.
func (s *Set) Covers(t Target) bool {
	if t.Unit != URL && (s.hasDomain(t.Reveal()) || s.coveredAbove(t.Reveal())) {
		return true
	}
	_, found := s.Find(t)
	return found
}

// Find returns the row of exactly that target.
func (s *Set) Find(t Target) (Row, bool) {
	rows := s.rows[t.Unit]
	i, ok := slices.BinarySearchFunc(rows, t, func(r Row, t Target) int {
		return strings.Compare(r.Target.Reveal(), t.Reveal())
	})
	if !ok {
		return Row{}, false
	}
	return rows[i], true
}

func (s *Set) coveredAbove(text string) (covered bool) {
	ancestors(text, func(above string) bool {
		covered = s.hasDomain(above)
		return !covered
	})
	return covered
}

// Changes is the difference between two sets.
type Changes struct{ Added, Removed []Row }

// Diff returns the rows that only b has and the rows that only a has, in
// order.
func Diff(a, b *Set) Changes {
	var c Changes
	for u := range a.rows {
		x, y := a.rows[u], b.rows[u]
		for len(x) > 0 || len(y) > 0 {
			switch order := headOrder(x, y); {
			case order < 0:
				c.Removed = append(c.Removed, x[0])
				x = x[1:]
			case order > 0:
				c.Added = append(c.Added, y[0])
				y = y[1:]
			default:
				x, y = x[1:], y[1:]
			}
		}
	}
	return c
}

func headOrder(x, y []Row) int {
	switch {
	case len(x) == 0:
		return 1
	case len(y) == 0:
		return -1
	}
	return x[0].Target.Compare(y[0].Target)
}
