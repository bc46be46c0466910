package blocklist

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
)

// key stands for one text while many are sorted: the first octets, packed into
// a number that orders texts as far as it goes, and the place of the text.
// Equal heads say nothing.
type key struct {
	head uint64
	at   uint32
}

// Bits of a head that one pass of sortKeys sorts by.
const (
	digitBits = 11
	digits    = 1 << digitBits
)

// sortKeys sorts by head, then by compare, which is told two places. It is a
// radix sort from the lowest digit up: each pass keeps the order of the one
// before, and a million keys take as long as a dozen readings of them.
func sortKeys(keys []key, compare func(a, b uint32) int) {
	from, to := keys, make([]key, len(keys))
	for shift := 0; shift < 64; shift += digitBits {
		var starts [digits]int
		for _, k := range from {
			starts[k.head>>shift%digits]++
		}
		if len(from) > 0 && starts[from[0].head>>shift%digits] == len(from) {
			continue // all the same here
		}
		sum := 0
		for d, n := range starts {
			starts[d] = sum
			sum += n
		}
		for _, k := range from {
			d := k.head >> shift % digits
			to[starts[d]] = k
			starts[d]++
		}
		from, to = to, from
	}
	for start, end := 0, 0; start < len(from); start = end {
		for end = start + 1; end < len(from) && from[end].head == from[start].head; {
			end++
		}
		if end-start > 1 {
			slices.SortFunc(from[start:end], func(a, b key) int { return compare(a.at, b.at) })
		}
	}
	copy(keys, from) // onto itself after an even number of passes
}

// textHead packs the first eight octets of a text: the order of LC_ALL=C.
func textHead(text string) uint64 {
	if len(text) >= 8 {
		return binary.BigEndian.Uint64([]byte(text[:8]))
	}
	var head [8]byte
	copy(head[:], text)
	return binary.BigEndian.Uint64(head[:])
}

// Each octet of a canonical name as a digit to base 38: the end of a label
// before all others, then in the order of ASCII. Twelve digits fit 63 bits.
const (
	treeBase   = 38
	treeDigits = 12
)

var treeDigit = func() (t [256]uint64) {
	for i, c := range "-0123456789abcdefghijklmnopqrstuvwxyz" {
		t[c] = uint64(i + 1) //nolint:gosec // below 38
	}
	return t
}()

// treeHead packs the first twelve octets of a name, read label by label from
// the right: the order of compareTree.
func treeHead(text string) (head uint64) {
	n := 0
	for end := len(text); end >= 0 && n < treeDigits; n++ {
		start := strings.LastIndexByte(text[:end], '.') + 1
		for i := start; i < end && n < treeDigits; i++ {
			head = head*treeBase + treeDigit[text[i]]
			n++
		}
		if n < treeDigits {
			head *= treeBase // the end of the label, digit zero
		}
		end = start - 1
	}
	for ; n < treeDigits; n++ {
		head *= treeBase
	}
	return head
}

// compareTree is the canonical order of the DNS (RFC 4034, section 6.1): by
// labels from the right, so that a name stands right before those below it.
// Both are canonical names.
func compareTree(a, b string) int {
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

// isBelow says whether name a lies strictly below b.
func isBelow(a, b string) bool {
	return len(a) > len(b) && a[len(a)-len(b)-1] == '.' && a[len(a)-len(b):] == b
}
