package blocklist

// mark is what the guards know of one name. A guard never has to search: it
// walks from a name to the top, and looks each name up once.
type mark uint16

const (
	isProtected    mark = 1 << iota // in a never-block file
	aboveProtected                  // a protected name lies below
	isSuffix                        // a rule of the Public Suffix List
	isException                     // an exception to one with a wildcard
	hasWildcard                     // every name right below is a suffix
	aboveSuffix                     // a suffix lies below
	isOwn                           // the blocking's own, or above such a name
	isStop                          // the stop host
	aboveStop                       // the stop host lies below
)

// marked joins everything that the guards know of names.
func (p *Policy) marked() map[string]mark {
	p.once.Do(func() {
		suffixes := publicSuffixes()
		p.marks = make(map[string]mark, 2*(len(suffixes.exact)+p.Protected.Len()))
		for m, names := range map[mark]map[string]struct{}{
			isProtected: p.Protected.names, aboveProtected: p.Protected.above,
			isSuffix: suffixes.exact, isException: suffixes.exception, hasWildcard: suffixes.wildcard, aboveSuffix: suffixes.above,
		} {
			for name := range names {
				p.marks[name] |= m
			}
		}
		for _, own := range p.Own {
			p.marks[own.Reveal()] |= isOwn
			ancestors(own.Reveal(), func(above string) bool {
				p.marks[above] |= isOwn
				return true
			})
		}
		p.filter = make([]bool, filterSize)
		if !p.StopHost.IsZero() {
			p.marks[p.StopHost.Reveal()] |= isStop
			ancestors(p.StopHost.Reveal(), func(above string) bool {
				p.marks[above] |= aboveStop
				return true
			})
		}
		for name := range p.marks {
			p.filter[filterSlot(name)] = true
		}
	})
	return p.marks
}

// mark looks one name up. Of nearly all names nothing is known, and the filter
// says so without a look at the table.
func (p *Policy) mark(marks map[string]mark, text string) mark {
	if !p.filter[filterSlot(text)] {
		return 0
	}
	return marks[text]
}

// filterSize bounds the slots of the filter; a power of two.
const filterSize = 1 << 17

// filterSlot is FNV-1a over the end of a name, with its length: the beginnings
// of names are often alike.
func filterSlot(text string) uint32 {
	h := 2166136261 ^ uint32(len(text)) //nolint:gosec // at most 253
	for i := max(0, len(text)-12); i < len(text); i++ {
		h = (h ^ uint32(text[i])) * 16777619
	}
	return (h ^ h>>17) % filterSize
}

// look tells of one name what its own mark says, and those of the names above
// it as far as they count for it: that it is a public suffix by a wildcard, or
// below a protected name.
func (p *Policy) look(text string) (m mark, belowProtected bool) {
	marks := p.marked()
	m = p.mark(marks, text)
	nearest := true
	ancestors(text, func(above string) bool {
		parent := p.mark(marks, above)
		if nearest && parent&hasWildcard != 0 { // a wildcard stands for one label
			m |= isSuffix
		}
		nearest = false
		belowProtected = belowProtected || parent&isProtected != 0
		return true
	})
	if m&isException != 0 {
		m &^= isSuffix
	}
	return m, belowProtected
}
