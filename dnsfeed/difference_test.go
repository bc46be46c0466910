package dnsfeed

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"github.com/vaern/vaern/blocklist"
)

func imageOf(t fataler, z Zone, serial blocklist.Serial, set *blocklist.Set) *Image {
	t.Helper()
	var b bytes.Buffer
	if err := z.WriteImage(&b, serial, set); err != nil {
		t.Fatalf("write: %v", err)
	}
	m, err := OpenImage(b.Bytes(), nil)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return m
}

// apply does with the records of a zone what a secondary does with a
// difference (RFC 1995, section 4), and fails where a strict one would.
func apply(t fataler, zone []string, answer []string) (result []string) {
	t.Helper()
	have := make(map[string]bool, len(zone))
	for _, rr := range zone[1:] { // without the SOA
		if strings.Contains(rr, "\tSOA\t") {
			continue
		}
		have[rr] = true
	}
	soas := 0
	for _, rr := range answer {
		if strings.Contains(rr, "\tSOA\t") {
			soas++
			continue
		}
		switch soas {
		case 2:
			if !have[rr] {
				t.Fatalf("deletes what is not there")
			}
			delete(have, rr)
		case 3:
			if have[rr] {
				t.Fatalf("adds what is there")
			}
			have[rr] = true
		default:
			t.Fatalf("a record behind SOA number %d", soas)
		}
	}
	if soas != 4 {
		t.Fatalf("%d SOA records, want 4", soas)
	}
	for rr := range have {
		result = append(result, rr)
	}
	slices.Sort(result)
	return result
}

// recordsOf returns the records of a transfer but for the SOA, sorted.
func recordsOf(t fataler, m *Image) (records []string) {
	t.Helper()
	for _, rr := range transferred(t, m) {
		if !strings.Contains(rr, "\tSOA\t") {
			records = append(records, rr)
		}
	}
	slices.Sort(records)
	return records
}

// holds says whether the difference takes one image to the other exactly (IX3).
func holds(t fataler, old, now *Image, d *difference) {
	t.Helper()
	answer := transferred(t, &Image{messages: d.messages})
	if want := transferred(t, now)[0]; answer[0] != want || answer[len(answer)-1] != want {
		t.Fatalf("does not begin and end with the new SOA")
	}
	if want := transferred(t, old)[0]; answer[1] != want {
		t.Fatalf("the second record is not the old SOA")
	}
	if got := apply(t, transferred(t, old), answer); !slices.Equal(got, recordsOf(t, now)) {
		t.Fatalf("the difference does not give the zone: %d records, want %d", len(got), len(recordsOf(t, now)))
	}
}

// Any two sets: what a naive secondary makes of the difference is the zone.
func TestIX3_DifferenceOfAnySets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		z := testZone()
		z.Action = rapid.SampledFrom([]string{"stop.police.example.", ActionNXDomain, ActionNoData}).Draw(t, "action")
		old, now := imageOf(t, z, 7, anySet(t, z, 1)), imageOf(t, z, 9, anySet(t, z, 1))
		now.size = 1 << 30 // always a difference
		d, err := newDifference(old, now)
		if err != nil {
			t.Fatalf("newDifference: %v", err)
		}
		holds(t, old, now, d)
	})
}

// A big zone and small changes: messages are skipped, and the difference is
// small.
func TestIX3_SmallChangeOfABigZone(t *testing.T) {
	lot := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // no secret
	names := manyNames(20_000)
	old := imageOf(t, testZone(), 7, testSet(t, names...))
	for round := range 20 {
		next := slices.Clone(names)
		for i := range 10 {
			n := lot.IntN(len(next))
			next = append(slices.Delete(next, n, n+1), fmt.Sprintf("new%d-%d.example", round, i))
		}
		now := imageOf(t, testZone(), 9, testSet(t, next...))
		d, err := newDifference(old, now)
		if err != nil {
			t.Fatal(err)
		}
		holds(t, old, now, d)
		if d.size > 2000 {
			t.Errorf("twenty names take %d octets", d.size)
		}
		if same := inCommon(old, now); same < len(old.messages)/4 {
			t.Errorf("only %d of %d messages are those of the edition before", same, len(old.messages))
		}
	}
}

func inCommon(a, b *Image) (n int) {
	have := make(map[string]bool)
	for _, m := range a.messages {
		have[string(m)] = true
	}
	for _, m := range b.messages {
		if have[string(m)] {
			n++
		}
	}
	return n
}

// What is another zone, or no shorter than the zone, is no difference (IX5).
func TestIX5_NoDifference(t *testing.T) {
	set := testSet(t, manyNames(100)...)
	old := imageOf(t, testZone(), 7, set)
	for what, edit := range map[string]func(*Zone){
		"action":     func(z *Zone) { z.Action = ActionNXDomain },
		"TTL":        func(z *Zone) { z.TTL++ },
		"NS":         func(z *Zone) { z.NS = append(z.NS, "ns9.police.example.") },
		"hostmaster": func(z *Zone) { z.Hostmaster = "other.police.example." },
	} {
		z := testZone()
		z.NS = slices.Clone(z.NS)
		edit(&z)
		if _, err := newDifference(old, imageOf(t, z, 8, set)); err != errApex {
			t.Errorf("%s has changed: %v", what, err)
		}
	}
	other := imageOf(t, testZone(), 8, testSet(t, "only.example"))
	if _, err := newDifference(old, other); err != errLarger {
		t.Errorf("everything has changed: %v", err)
	}
}

// The order of names is that of the library's own (RFC 4034, section 6.1).
func TestOrder(t *testing.T) {
	label := rapid.StringMatching(`[a-c-]{1,3}`)
	rapid.Check(t, func(t *rapid.T) {
		a := strings.Join(rapid.SliceOfN(label, 1, 4).Draw(t, "a"), ".") + "."
		b := strings.Join(rapid.SliceOfN(label, 1, 4).Draw(t, "b"), ".") + "."
		x, y := dns.SplitDomainName(a), dns.SplitDomainName(b)
		slices.Reverse(x)
		slices.Reverse(y)
		if got, want := order([]byte(wire(a)), []byte(wire(b))), slices.Compare(x, y); sign(got) != sign(want) {
			t.Fatalf("order(%s, %s) = %d, want %d", a, b, got, want)
		}
	})
}

func sign(n int) int { return max(-1, min(1, n)) }

// BenchmarkFollow is what a server does with the next edition of a list in
// which two names of many have changed.
func BenchmarkFollow(b *testing.B) {
	set := benchSet(b)
	rows := slices.Clone(set.Rows(blocklist.Domain))
	before := imageOf(b, testZone(), 1, set)
	var data bytes.Buffer
	if err := testZone().WriteImage(&data, 2, blocklist.NewSet(rows[2:])); err != nil {
		b.Fatal(err)
	}
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			if _, err := OpenImage(data.Bytes(), before); err != nil {
				b.Fatal(err)
			}
		}
	})
	now, err := OpenImage(data.Bytes(), before)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("difference", func(b *testing.B) {
		for b.Loop() {
			if _, err := newDifference(before, now); err != nil {
				b.Fatal(err)
			}
		}
	})
}
