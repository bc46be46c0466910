package source

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/vaern/vaern/blocklist"
)

// The places in [blocklist.EntryColumns] of the two that matter here.
const (
	unitColumn   = 0
	targetColumn = 1
)

// column returns which of our columns a column or key of the file is: its
// place in [blocklist.EntryColumns], or -1 if the mapping does not use it. A
// name matches exactly or not at all.
func (o Options) column(kind, name string) (int, error) {
	ours, mapped := o.Columns[name]
	switch {
	case o.Columns == nil:
		ours = name
	case !mapped:
		return -1, nil
	}
	i := slices.Index(blocklist.EntryColumns, ours)
	if i < 0 {
		return 0, errUnknown(kind, ours, name)
	}
	return i, nil
}

// mapsTo says whether the mapping has one of our columns.
func (o Options) mapsTo(ours string) bool {
	for _, to := range o.Columns {
		if to == ours {
			return true
		}
	}
	return false
}

func errUnknown(kind, ours, theirs string) error {
	return fmt.Errorf("unknown %s %s: map it with --columns %s=..., or name only the %ss to use", kind, Shown(ours), strings.Trim(Shown(theirs), `"`), kind)
}

// maxUnused bounds how many unused names are remembered: in JSON Lines every
// line may bring others.
const maxUnused = 64

func (r *Result) addUnused(name string) {
	if name = strings.Trim(Shown(name), `"`); len(r.Unused) < maxUnused && !slices.Contains(r.Unused, name) {
		r.Unused = append(r.Unused, name)
	}
}

// nameLike matches what may be a listed name or URL in the place of a column's
// name: a dot (as IDNA knows them) within a word, or what only a URL has.
var nameLike = regexp.MustCompile(`[^\s.][.。．｡][^\s.]|[/:@\\]`)

// Shown quotes the name of a column for a message, unless the row may not be
// a header at all.
func Shown(name string) string {
	if nameLike.MatchString(name) || len(name) > 64 {
		return `"[not shown]"`
	}
	return fmt.Sprintf("%q", name)
}
