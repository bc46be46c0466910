package blocklist

import (
	"hash/maphash"
	"runtime"
	"slices"
	"sync"
)

// revise makes the set that newSet makes of the same rows, and says what has
// changed, when old is the set before it: what old knows of the order of names
// is not found out again. A row that stays keeps its date. It takes less time the
// fewer rows are new.
//
// Each row given is looked up in old. What is found stays: it is in order, and
// none covers another. The rest are new, or covered by what stays; they make a
// set of their own, which is merged with what stays.
func revise(old *Set, n int, target func(uint32) *Target, row func(uint32) Row) (*Set, Changes) {
	if n > 2*old.Len() { // most are new
		return anew(old, n, target, row)
	}
	found, differs := make([]uint32, n), make([]bool, n) // where in old, + 1; whether its category is another
	old.places().findEach(n, target, func(i, at uint32) {
		found[i], differs[i] = at+1, row(i).Category != old.all[at].Category
	})
	r := &revision{old: old, stays: make([]bool, old.Len())}
	var rest []uint32
	for i := range uint32(n) { //nolint:gosec // far below 2^32
		at := found[i] - 1
		switch {
		case found[i] == 0:
			rest = append(rest, i)
		case !r.stays[at]: // or it was given before, and the first one wins
			r.stays[at] = true
			if differs[i] {
				r.renamed = append(r.renamed, renamed{at, row(i).Category})
			}
		}
	}
	fresh := rest[:0]
	for _, i := range rest {
		if !r.covers(target(i)) {
			fresh = append(fresh, i)
		}
	}
	r.fresh = newSet(len(fresh), func(i uint32) *Target { return target(fresh[i]) }, func(i uint32) Row { return row(fresh[i]) })
	r.dropCovered()
	return r.merge()
}

// anew is revise for an old set of which little can be used.
func anew(old *Set, n int, target func(uint32) *Target, row func(uint32) Row) (*Set, Changes) {
	s := newSet(n, target, row)
	for i := range s.all {
		if before, ok := old.Find(s.all[i].Target); ok {
			s.all[i].Added = before.Added
		}
	}
	return s, Diff(old, s)
}

// revision is a set on its way from old to the next.
type revision struct {
	old     *Set
	stays   []bool // which rows of old
	renamed []renamed
	fresh   *Set // rows that old has not
}

// renamed is a row of old that has another category now.
type renamed struct {
	at       uint32
	category string
}

// covers says whether a domain that stays covers a target.
func (r *revision) covers(t *Target) bool {
	if t.Unit == URL {
		return false
	}
	stays := func(text string) bool {
		at, ok := r.old.places().find(Domain, text)
		return ok && r.stays[at]
	}
	covered := stays(t.Reveal())
	if !covered {
		ancestors(t.Reveal(), func(above string) bool {
			covered = stays(above)
			return !covered
		})
	}
	return covered
}

// dropCovered drops what a new domain covers.
func (r *revision) dropCovered() {
	domains := r.fresh.rows[Domain]
	if len(domains) == 0 {
		return
	}
	// What a domain covers ends like it, and most rows end like none of them.
	octets := 16
	for i := range domains {
		octets = min(octets, domains[i].Target.n)
	}
	ends := make(map[string]bool, len(domains))
	for i := range domains {
		text := domains[i].Target.Reveal()
		ends[text[len(text)-octets:]] = true
	}
	for at := range r.old.asGiven().n {
		t := &r.old.all[at].Target
		if text := t.Reveal(); len(text) >= octets && ends[text[len(text)-octets:]] && r.fresh.Covers(*t) {
			r.stays[at] = false
		}
	}
}

// merge puts the rows that stay and the new ones together.
func (r *revision) merge() (*Set, Changes) {
	s, changes := &Set{}, Changes{}
	all := make([]Row, 0, r.old.Len()+r.fresh.Len())
	var lens [3]int
	stays := r.stays
	for u := range s.rows {
		old, fresh := r.old.rows[u], r.fresh.rows[u]
		heads, begin := make([]uint64, 0, len(old)+len(fresh)), len(all)
		i := 0
		keep := func(end int) {
			for i < end {
				run := slices.Index(stays[i:end], false) // most rows stay
				if run < 0 {
					run = end - i
				}
				all, heads = append(all, old[i:i+run]...), append(heads, r.old.heads[u][i:i+run]...)
				if i += run; i < end {
					changes.Removed = append(changes.Removed, old[i])
					i++
				}
			}
		}
		for j := range fresh {
			before, _ := r.old.find(Unit(u), fresh[j].Target.Reveal()) //nolint:gosec // three
			keep(before)
			all, heads = append(all, fresh[j]), append(heads, r.fresh.heads[u][j])
		}
		keep(len(old))
		stays = stays[len(old):]
		changes.Added = append(changes.Added, fresh...)
		lens[u], s.heads[u] = len(all)-begin, heads
	}
	s.take(all, lens)
	for _, n := range r.renamed {
		t := &r.old.all[n.at].Target
		if i, ok := s.find(t.Unit, t.Reveal()); ok {
			s.rows[t.Unit][i].Category = n.category
		}
	}
	s.prepare(s.sortedTree)
	return s, changes
}

// places is a hash table of a set's targets, which tells their places among
// all rows. The hash has a seed of its own in every process.
type places struct {
	rows  []Row
	seed  maphash.Seed
	slots []uint64 // the upper half of the hash, and the place + 1; a power of two of them
}

func newPlaces(rows []Row) *places {
	size := 8
	for size < 2*len(rows) {
		size *= 2
	}
	p := &places{rows, maphash.MakeSeed(), make([]uint64, size)}
	var hashes [prefetched]uint64
	for start := 0; start < len(rows); start += prefetched {
		some := rows[start:min(len(rows), start+prefetched)]
		touched := uint64(0)
		for i := range some {
			hashes[i] = maphash.String(p.seed, some[i].Target.Reveal())
			touched += p.slots[p.slot(hashes[i])]
		}
		runtime.KeepAlive(touched)
		for i, hash := range hashes[:len(some)] {
			slot := p.slot(hash)
			for p.slots[slot] != 0 {
				slot = p.slot(slot + 1)
			}
			p.slots[slot] = hash&^low32 | uint64(start+i+1) //nolint:gosec // far below 2^32
		}
	}
	return p
}

const low32 = 1<<32 - 1

func (p *places) slot(hash uint64) uint64 { return hash & uint64(len(p.slots)-1) }

func (p *places) find(u Unit, text string) (at uint32, found bool) {
	return p.findHashed(maphash.String(p.seed, text), u, text)
}

// findHashed finds a target of which the hash is known.
func (p *places) findHashed(hash uint64, u Unit, text string) (at uint32, found bool) {
	for slot := p.slot(hash); p.slots[slot] != 0; slot = p.slot(slot + 1) {
		if (p.slots[slot]^hash)&^low32 != 0 {
			continue
		}
		at := uint32(p.slots[slot]&low32) - 1 //nolint:gosec // the lower half
		if t := &p.rows[at].Target; t.Unit == u && t.Reveal() == text {
			return at, true
		}
	}
	return 0, false
}

// findEach looks n targets up, on every core, and calls each once for every
// one that is found; calls are concurrent.
func (p *places) findEach(n int, target func(uint32) *Target, each func(i, at uint32)) {
	var wg sync.WaitGroup
	parts := runtime.GOMAXPROCS(0)
	for part := range parts {
		wg.Go(func() { p.findSome(part*n/parts, (part+1)*n/parts, target, each) })
	}
	wg.Wait()
}

// findSome is findEach from one to another. See [given.prefetch].
func (p *places) findSome(start, end int, target func(uint32) *Target, each func(i, at uint32)) {
	var hashes, slots [prefetched]uint64
	for ; start < end; start += prefetched {
		some := min(prefetched, end-start)
		for i := range some {
			hashes[i] = maphash.String(p.seed, target(uint32(start+i)).Reveal()) //nolint:gosec // far below 2^32
			slots[i] = p.slots[p.slot(hashes[i])]
		}
		var touched byte
		for i, slot := range slots[:some] {
			if at := slot & low32; at != 0 && (slot^hashes[i])&^low32 == 0 {
				row := &p.rows[at-1]
				touched += *row.Target.first + byte(len(row.Category)) //nolint:gosec // which is in another cache line
			}
		}
		runtime.KeepAlive(touched)
		for i := range some {
			t := target(uint32(start + i)) //nolint:gosec // far below 2^32
			if at, found := p.findHashed(hashes[i], t.Unit, t.Reveal()); found {
				each(uint32(start+i), at) //nolint:gosec // far below 2^32
			}
		}
	}
}
