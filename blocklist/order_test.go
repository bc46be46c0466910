package blocklist

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCompareTree(t *testing.T) {
	order := []string{"a.example", "b.a.example", "c.b.a.example", "b.example", "b-a.example", "b0.example", "a.examplf", "z.test", "a.z.test"}
	for i, a := range order {
		for j, b := range order {
			if got, want := compareTree(a, b), i-j; got*want < 0 || (got == 0) != (want == 0) {
				t.Errorf("compare %d with %d: %d", i, j, got)
			}
			if x, y := treeHead(a), treeHead(b); x != y && (x < y) != (i < j) {
				t.Errorf("heads of %d and %d are in the wrong order", i, j)
			}
		}
	}
}

// TestSortKeys compares with the sort of the standard library, for texts that
// share no head, some, and all.
func TestSortKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOf(rapid.StringMatching(`[a-c]{0,12}|same-head-[a-c]{0,4}|[a-z0-9-]{1,20}`)).Draw(t, "texts")
		keys := make([]key, len(texts))
		for i, text := range texts {
			keys[i] = key{textHead(text), uint32(i)}
		}
		sortKeys(keys, func(a, b uint32) int {
			return cmp.Or(strings.Compare(texts[a], texts[b]), cmp.Compare(a, b))
		})
		want := slices.Clone(texts)
		slices.Sort(want)
		for i, k := range keys {
			if texts[k.at] != want[i] {
				t.Fatalf("place %d of %d is wrong", i, len(keys))
			}
		}
	})
}
