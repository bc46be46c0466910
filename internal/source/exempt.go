package source

import "strings"

// exemptions are the names that a list takes out of its blocks. An exception
// is no entry, but to block all of a domain of which a part is exempt would be
// wider than what was decided.
type exemptions struct {
	names map[string]bool
	parts map[string]bool // names with something exempt below
}

func (x *exemptions) add(name string) {
	if x.names == nil {
		x.names, x.parts = map[string]bool{}, map[string]bool{}
	}
	x.names[name] = true
	for rest := range ancestors(name) {
		x.parts[rest] = true
	}
}

// within says whether something at or below a name is exempt.
func (x *exemptions) within(name string) bool {
	return x.names[name] || x.parts[name]
}

// above says whether a name lies below an exempt one.
func (x *exemptions) above(name string) bool {
	for rest := range ancestors(name) {
		if x.names[rest] {
			return true
		}
	}
	return false
}

// ancestors are the names strictly above a name, nearest first.
func ancestors(name string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for {
			_, rest, ok := strings.Cut(name, ".")
			if !ok || !yield(rest) {
				return
			}
			name = rest
		}
	}
}
