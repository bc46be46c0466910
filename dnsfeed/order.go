package dnsfeed

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/vaern/vaern/blocklist"
)

// owner is a name of the set on its way into an image. Formatting one would
// show the name, so none is ever handed to anything that formats.
type owner struct {
	head uint64 // see headOf; the lowest bit is not part of the order
	text string
}

// host says that the name is blocked exactly, without what is below it.
func (o owner) host() bool { return o.head&1 == 1 }

// canonicalOrder returns domains and hosts of a set in the canonical order of
// RFC 4034, section 6.1: by labels from the right, a name before those below
// it. In this order the longest suffix that a name shares with any earlier
// one is shared with the one just before it, which makes compression a matter
// of looking at one neighbour; and secondaries insert into trees kept in the
// same order.
func (z Zone) canonicalOrder(set *blocklist.Set) ([]owner, error) {
	domains, hosts := set.Rows(blocklist.Domain), set.Rows(blocklist.Host)
	owners := make([]owner, 0, len(domains)+len(hosts))
	for _, unit := range []blocklist.Unit{blocklist.Domain, blocklist.Host} {
		flag, longest := uint64(unit), z.MaxText(unit) // Domain is 0, Host is 1
		for _, row := range set.Rows(unit) {
			text := row.Target.Reveal()
			if len(text) > longest {
				return nil, fmt.Errorf("write zone image: %w", errNoRoom)
			}
			owners = append(owners, owner{headOf(text)<<1 | flag, text})
		}
	}
	slices.SortFunc(owners, func(a, b owner) int {
		if x, y := a.head>>1, b.head>>1; x != y {
			return cmp.Compare(x, y)
		}
		return compareCanonical(a.text, b.text)
	})
	return owners, nil
}

// Each octet of a canonical name as a digit to base 38: the end of a label
// before all others, then in the order of ASCII. Twelve digits fit 63 bits.
const (
	headBase   = 38
	headDigits = 12
)

var headDigit = func() (t [256]uint64) {
	for i, c := range "-0123456789abcdefghijklmnopqrstuvwxyz" {
		t[c] = uint64(i + 1) //nolint:gosec // below 38
	}
	return t
}()

// headOf packs the first twelve octets of a name, read label by label from
// the right, into a number that orders names like compareCanonical. Equal
// heads say nothing.
func headOf(text string) (head uint64) {
	n := 0
	for end := len(text); end >= 0 && n < headDigits; n++ {
		start := strings.LastIndexByte(text[:end], '.') + 1
		for i := start; i < end && n < headDigits; i++ {
			head = head*headBase + headDigit[text[i]]
			n++
		}
		if n < headDigits {
			head *= headBase // the end of the label, digit zero
		}
		end = start - 1
	}
	for ; n < headDigits; n++ {
		head *= headBase
	}
	return head
}

// compareCanonical compares names by labels from the right, octets within a
// label from the left (RFC 4034, section 6.1). Both are lower case.
func compareCanonical(a, b string) int {
	for {
		i, j := strings.LastIndexByte(a, '.'), strings.LastIndexByte(b, '.')
		if order := strings.Compare(a[i+1:], b[j+1:]); order != 0 {
			return order
		}
		if i < 0 || j < 0 {
			return cmp.Compare(i, j)
		}
		a, b = a[:i], b[:j]
	}
}
