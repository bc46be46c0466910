package blocklist

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// generated makes n names, always the same ones, some below others.
func generated(n int) []string {
	r := rand.New(rand.NewPCG(1, 2))
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	names := make([]string, 0, n)
	for len(names) < n {
		label := make([]byte, 6+r.IntN(12))
		for i := range label {
			label[i] = letters[r.IntN(len(letters))]
		}
		text := fmt.Sprintf("%s.%s", label, []string{"example", "test", "invalid"}[r.IntN(3)])
		if len(names) > 0 && r.IntN(10) == 0 {
			text = "www." + names[r.IntN(len(names))]
		}
		names = append(names, text[max(0, len(text)-200):])
	}
	return names
}

func BenchmarkParseName(b *testing.B) {
	names := generated(1_000_000)
	for b.Loop() {
		for _, s := range names {
			if _, err := ParseName(s); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func generatedRows(b *testing.B, n int) (rows []Row) {
	b.Helper()
	for _, s := range generated(n) {
		t, err := ParseTarget(Domain, s)
		if err != nil {
			b.Fatal(err)
		}
		rows = append(rows, Row{Target: t, Category: "malware", Added: "2026-11-23"})
	}
	return rows
}

func BenchmarkNewSet(b *testing.B) {
	shuffled := generatedRows(b, 1_000_000)
	sorted := slices.Clone(shuffled)
	slices.SortFunc(sorted, func(a, b Row) int { return a.Target.Compare(b.Target) })
	for what, rows := range map[string][]Row{"shuffled": shuffled, "sorted": sorted} {
		b.Run(what, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				given := slices.Clone(rows)
				b.StartTimer()
				NewSet(given)
			}
		})
	}
}

// A hundred names of a million change.
func BenchmarkRevise(b *testing.B) {
	rows := generatedRows(b, 1_000_100)
	old := NewSet(rows[:1_000_000])
	rows = rows[100:]
	old.places()
	b.Run("places", func(b *testing.B) {
		for b.Loop() {
			newPlaces(old.all)
		}
	})
	b.Run("find", func(b *testing.B) {
		for b.Loop() {
			old.places().findEach(len(rows), func(i uint32) *Target { return &rows[i].Target }, func(uint32, uint32) {})
		}
	})
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			revise(old, len(rows), func(i uint32) *Target { return &rows[i].Target }, func(i uint32) Row { return rows[i] })
		}
	})
}
