package blocklist

import (
	"cmp"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"unsafe"
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
	all    []Row           // of all units, one behind the other
	rows   [3][]Row        // parts of all
	heads  [3][]uint64     // textHead of each row: most of a look-up ends here
	tree   func() []uint32 // the places in all of domains and hosts, in canonical order of the DNS
	places func() *places
}

// NewSet sorts rows and leaves out duplicates (the first one given wins) and
// hosts and domains below a domain. The texts are copied side by side in their
// new order: all that follows reads them in it.
func NewSet(rows []Row) *Set {
	return newSet(len(rows), func(i uint32) *Target { return &rows[i].Target }, func(i uint32) Row { return rows[i] })
}

// newSet makes a set of n rows, each of which has the target that target
// tells.
func newSet(n int, target func(uint32) *Target, row func(uint32) Row) *Set {
	given := &given{n, target}
	var tree []uint32
	var out []bool
	var byText [3][]key
	var wg sync.WaitGroup
	wg.Go(func() { tree, out = given.inTree() })
	for u := range byText {
		byText[u] = given.inText(Unit(u)) //nolint:gosec // three
	}
	wg.Wait()

	s := &Set{}
	place := make([]uint32, n) // where a row went
	kept := make([]Row, 0, len(tree)+len(byText[URL]))
	var lens [3]int
	for u, keys := range byText {
		all, size := 0, 0
		for i, k := range keys {
			if i%prefetched == 0 {
				given.prefetch(keys[i:min(len(keys), i+prefetched)])
			}
			// In the tree duplicates are out already; of URLs they are found here.
			if u == int(URL) && i > 0 && given.text(keys[i-1].at) == given.text(k.at) {
				out[k.at] = true
			}
			if !out[k.at] {
				all++
				size += target(k.at).n
			}
		}
		begin, texts := len(kept), make([]byte, 0, size)
		heads := make([]uint64, 0, all)
		for _, k := range keys {
			if out[k.at] {
				continue
			}
			place[k.at] = uint32(len(kept)) //nolint:gosec // far below 2^32
			r := row(k.at)
			texts = append(texts, r.Target.Reveal()...)
			kept, heads = append(kept, r), append(heads, k.head)
		}
		rest := unsafe.String(unsafe.SliceData(texts), len(texts)) // which nobody changes from here on
		for i := begin; i < len(kept); i++ {
			t := &kept[i].Target
			t.sealed, rest = seal(rest[:t.n]), rest[t.n:]
		}
		lens[u], s.heads[u] = len(kept)-begin, heads
	}
	s.take(kept, lens)
	for i, at := range tree {
		tree[i] = place[at]
	}
	s.prepare(func() []uint32 { return tree })
	return s
}

// sortedSet takes rows that are in order, each once and none covered, as a
// published edition holds them.
func sortedSet(rows []Row) *Set {
	s := &Set{}
	var lens [3]int
	for i := range rows {
		lens[rows[i].Target.Unit]++
	}
	s.take(rows, lens)
	for u := range s.rows {
		s.heads[u] = make([]uint64, len(s.rows[u]))
		for i, r := range s.rows[u] {
			s.heads[u][i] = textHead(r.Target.Reveal())
		}
	}
	s.prepare(s.sortedTree)
	return s
}

// sortedTree makes the tree of a set whose rows are in place.
func (s *Set) sortedTree() []uint32 {
	tree, _ := s.asGiven().inTree()
	return tree
}

// take makes rows those of the set, so many of each unit.
func (s *Set) take(rows []Row, lens [3]int) {
	s.all = rows
	for u, n := range lens {
		s.rows[u], rows = rows[:n:n], rows[n:]
	}
}

// prepare sets how the set's tree is made when it is asked for, and that of
// its table of places.
func (s *Set) prepare(tree func() []uint32) {
	s.tree = sync.OnceValue(tree)
	s.places = sync.OnceValue(func() *places { return newPlaces(s.all) })
}

// given is what a set is made from: so many rows, in any order.
type given struct {
	n      int
	target func(uint32) *Target
}

func (g *given) text(i uint32) string { return g.target(i).Reveal() }

// prefetched is how many rows are asked for in advance.
const prefetched = 128

// prefetch touches the texts of some rows. They are far apart in memory, and
// asked for together they have not to be waited for one by one.
func (g *given) prefetch(some []key) {
	var touched byte
	for _, k := range some {
		touched += *g.target(k.at).first
	}
	runtime.KeepAlive(touched)
}

// asGiven is the set's domains and hosts.
func (s *Set) asGiven() *given {
	return &given{len(s.rows[Domain]) + len(s.rows[Host]), func(i uint32) *Target { return &s.all[i].Target }}
}

// inText returns the rows of one unit in the order of their texts.
func (g *given) inText(u Unit) []key {
	n, ordered := 0, true
	for i := range uint32(g.n) { //nolint:gosec // far below 2^32
		if g.target(i).Unit == u {
			n++
		}
	}
	keys := make([]key, 0, n)
	before := ""
	for i := range uint32(g.n) { //nolint:gosec // far below 2^32
		if g.target(i).Unit != u {
			continue
		}
		text := g.text(i)
		keys = append(keys, key{textHead(text), i})
		ordered, before = ordered && before <= text, text
	}
	if !ordered {
		sortKeys(keys, func(a, b uint32) int {
			return cmp.Or(strings.Compare(g.text(a), g.text(b)), cmp.Compare(a, b))
		})
	}
	return keys
}

// inTree returns domains and hosts in canonical order, and which rows have no
// place in a set: what a domain covers, and what was there before. In that
// order all that a name covers follows it, the host of the same name first.
func (g *given) inTree() (tree []uint32, out []bool) {
	keys := make([]key, 0, g.n)
	for i := range uint32(g.n) { //nolint:gosec // far below 2^32
		if t := g.target(i); t.Unit != URL {
			keys = append(keys, key{treeHead(t.Reveal()), i})
		}
	}
	sortKeys(keys, func(a, b uint32) int {
		x, y := g.target(a), g.target(b)
		return cmp.Or(compareTree(x.Reveal(), y.Reveal()), cmp.Compare(x.Unit, y.Unit), cmp.Compare(a, b))
	})
	tree, out = make([]uint32, 0, len(keys)), make([]bool, g.n)
	var domain, last string
	for i, k := range keys {
		if i%prefetched == 0 {
			g.prefetch(keys[i:min(len(keys), i+prefetched)])
		}
		t := g.target(k.at)
		text := t.Reveal()
		switch {
		case domain != "" && (text == domain || isBelow(text, domain)), text == last: // of equal ones the domain came first
			out[k.at] = true
			continue
		case t.Unit == Domain:
			domain = text
		}
		last = text
		tree = append(tree, k.at)
	}
	return tree, out
}

// Format prints how much a set holds and no more.
func (s Set) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "set of %d", s.Len()) }

// Rows returns the rows of one unit in order. The caller must not change them.
func (s *Set) Rows(u Unit) []Row { return s.rows[u] }

// Tree yields domains and hosts in the canonical order of the DNS (RFC 4034,
// section 6.1). The caller must not change the rows.
func (s *Set) Tree() iter.Seq[*Row] {
	return func(yield func(*Row) bool) {
		for some := range slices.Chunk(s.tree(), prefetched) {
			var touched byte // see given.prefetch
			for _, at := range some {
				touched += *s.all[at].Target.first
			}
			runtime.KeepAlive(touched)
			for _, at := range some {
				if !yield(&s.all[at]) {
					return
				}
			}
		}
	}
}

// Len returns the number of rows of all units.
func (s *Set) Len() int { return len(s.all) }

// Covers says whether everything that t blocks is blocked by the set: a
// domain by itself or a domain above, a host by itself or a domain at or
// above it, a URL by itself only.
func (s *Set) Covers(t Target) bool {
	if _, found := s.find(t.Unit, t.Reveal()); found {
		return true
	}
	if t.Unit == URL || len(s.rows[Domain]) == 0 {
		return false
	}
	if _, found := s.find(Domain, t.Reveal()); found {
		return true
	}
	covered := false
	ancestors(t.Reveal(), func(above string) bool {
		_, covered = s.find(Domain, above)
		return !covered
	})
	return covered
}

// Find returns the row of exactly that target.
func (s *Set) Find(t Target) (Row, bool) {
	i, ok := s.find(t.Unit, t.Reveal())
	if !ok {
		return Row{}, false
	}
	return s.rows[t.Unit][i], true
}

func (s *Set) find(u Unit, text string) (int, bool) {
	heads, rows := s.heads[u], s.rows[u]
	head := textHead(text)
	i, end := 0, len(heads)
	for i < end { // the first that is not before text
		m := int(uint(i+end) >> 1) //nolint:gosec // not negative
		if heads[m] < head || heads[m] == head && rows[m].Target.Reveal() < text {
			i = m + 1
		} else {
			end = m
		}
	}
	return i, i < len(rows) && heads[i] == head && rows[i].Target.Reveal() == text
}

// Equal says whether two sets have the same rows, categories and dates too.
func (s *Set) Equal(o *Set) bool {
	for u := range s.rows {
		if len(s.rows[u]) != len(o.rows[u]) {
			return false
		}
		for i := range s.rows[u] {
			x, y := &s.rows[u][i], &o.rows[u][i]
			if x.Target.Reveal() != y.Target.Reveal() || x.Category != y.Category || x.Added != y.Added {
				return false
			}
		}
	}
	return true
}

// Changes is the difference between two sets.
type Changes struct{ Added, Removed []Row }

// Diff returns the rows that only b has and the rows that only a has, in
// order.
func Diff(a, b *Set) Changes {
	var c Changes
	merge(a, b, func(x, y *Row) {
		if x != nil {
			c.Removed = append(c.Removed, *x)
		} else {
			c.Added = append(c.Added, *y)
		}
	})
	return c
}

// merge walks two sets in order. one is called for a row that only one has,
// the other is nil.
func merge(a, b *Set, one func(x, y *Row)) {
	for u := range a.rows {
		x, y := a.rows[u], b.rows[u]
		i, j := 0, 0
		for i < len(x) && j < len(y) {
			order := cmp.Compare(a.heads[u][i], b.heads[u][j])
			if order == 0 {
				order = strings.Compare(x[i].Target.Reveal(), y[j].Target.Reveal())
			}
			switch {
			case order < 0:
				one(&x[i], nil)
				i++
			case order > 0:
				one(nil, &y[j])
				j++
			default:
				i++
				j++
			}
		}
		for ; i < len(x); i++ {
			one(&x[i], nil)
		}
		for ; j < len(y); j++ {
			one(nil, &y[j])
		}
	}
}
