package dnsfeed

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/vaern/vaern/blocklist"
)

// An image that is made from the one before it is the image that is made from
// nothing, whatever the two have in common.
func TestReviseImageIsWriteImage(t *testing.T) {
	z := testZone()
	names := manyNames(3000) // some eight messages
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)) //nolint:gosec // a test
		var was, is []string
		one := rapid.SampledFrom([]float64{0, 0.0005, 0.002, 0.05, 0.5, 1}).Draw(t, "changed")
		for _, name := range names {
			before, after := name, name
			if rng.IntN(5) == 0 {
				before, after = "="+name, "="+name
			}
			if rng.Float64() < one {
				switch rng.IntN(5) {
				case 0:
					before = ""
				case 1:
					after = ""
				case 2:
					before, after = "="+name, name
				case 3:
					before, after = name, "="+name
				case 4:
					after = "sub." + name
				}
			}
			was, is = append(was, before), append(is, after)
		}
		if rapid.Bool().Draw(t, "any") { // long names, and deep ones
			for _, row := range anySet(t, z, 0).Rows(blocklist.Domain) {
				is = append(is, row.Target.Reveal())
			}
		}
		revises(t, z, setOf(t, was), setOf(t, is))
	})
}

// setOf is testSet without the empty names.
func setOf(t fataler, names []string) *blocklist.Set {
	t.Helper()
	var rows []blocklist.Row
	for _, name := range names {
		if name == "" {
			continue
		}
		unit := blocklist.Domain
		if name[0] == '=' {
			unit, name = blocklist.Host, name[1:]
		}
		target, err := blocklist.ParseTarget(unit, name)
		if err != nil {
			t.Fatalf("own name refused: %v", err)
		}
		rows = append(rows, blocklist.Row{Target: target})
	}
	return blocklist.NewSet(rows)
}

func revises(t fataler, z Zone, was, is *blocklist.Set) (copied int) {
	t.Helper()
	var before, want, got bytes.Buffer
	if err := z.WriteImage(&before, 7, was); err != nil {
		t.Fatalf("%v", err)
	}
	if err := z.WriteImage(&want, 8, is); err != nil {
		t.Fatalf("%v", err)
	}
	made := z.reviseImage(before.Bytes(), blocklist.Diff(was, is), 8, is)
	if made == nil {
		t.Fatalf("not made from the image before")
	}
	if err := made.write(&got); err != nil {
		t.Fatalf("%v", err)
	}
	if !bytes.Equal(want.Bytes(), got.Bytes()) {
		t.Fatalf("%d octets of another image, want %d", got.Len(), want.Len())
	}
	for _, part := range made { // a copy has its own octets
		if i := bytes.Index(before.Bytes(), part); len(part) > 2 && i >= 0 && &before.Bytes()[i] == &part[0] {
			copied++
		}
	}
	return copied
}

// One change costs a few messages, and none costs the ends.
func TestReviseImageCopies(t *testing.T) {
	z, names := testZone(), manyNames(10_000)
	set := testSet(t, names...)
	image, _ := makeImage(t, z, 1, set)
	if n, want := revises(t, z, set, set), image.Messages()-2; n < want-1 {
		t.Errorf("%d of %d messages copied", n, image.Messages())
	}
	if n := revises(t, z, set, testSet(t, append(slices.Clone(names), "one.more.example")...)); n < image.Messages()-6 {
		t.Errorf("%d of %d messages copied with one more name", n, image.Messages())
	}
}

// A message ends where the name behind it says so: what changes there is the
// end of a copy.
func TestReviseImageAtTheEnds(t *testing.T) {
	z, names := testZone(), manyNames(3000)
	was := testSet(t, names...)
	image, _ := makeImage(t, z, 1, was)
	e := encoder{zone: image.config}
	for _, msg := range image.messages[1:] {
		first := firstOwner(msg)
		if first == nil {
			continue
		}
		name := e.text(first)
		at := slices.Index(names, name)
		gone := slices.Delete(slices.Clone(names), at, at+1)
		revises(t, z, was, testSet(t, gone...))
		revises(t, z, was, testSet(t, append(gone, "="+name)...))
		revises(t, z, was, testSet(t, append(gone, "0."+name)...))
		label, rest, _ := strings.Cut(name, ".")
		for _, c := range "-0123456789abcdef" { // comes right before it; some end the message, too
			before := label[:len(label)-1] + string(label[len(label)-1]-1)
			revises(t, z, was, testSet(t, append(slices.Clone(names), strings.TrimSuffix(before, "/")+string(c)+"0."+rest)...))
		}
	}
}

// tooLong is a name that one octet less would fit into the zone.
func tooLong(z Zone) string {
	name := "test"
	for room := z.MaxText(blocklist.Domain) + 1 - len(name); room > 0; room -= min(room, 51) {
		name = strings.Repeat("a", max(1, min(room, 51)-1)) + "." + name
	}
	return name
}

// What is not the image of the set before is not gone on from.
func TestReviseImageRefuses(t *testing.T) {
	z, names := testZone(), manyNames(3000)
	was, is := testSet(t, names...), testSet(t, names[1:]...)
	_, image := makeImage(t, z, 7, was)
	_, other := makeImage(t, z, 7, testSet(t, names[2:]...))
	changes := blocklist.Diff(was, is)
	elsewhere := z
	elsewhere.TTL++
	for what, made := range map[string]parts{
		"nothing":              z.reviseImage(nil, changes, 8, is),
		"a part":               z.reviseImage(image[:len(image)-1], changes, 8, is),
		"another zone":         elsewhere.reviseImage(image, changes, 8, is),
		"of another set":       z.reviseImage(other, changes, 8, is),
		"a name without room":  z.reviseImage(image, blocklist.Diff(was, testSet(t, append(slices.Clone(names), tooLong(z))...)), 8, is),
		"not the set's change": z.reviseImage(image, blocklist.Changes{}, 8, is),
	} {
		if made != nil {
			t.Errorf("%s: an image", what)
		}
	}
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test
	for range 2000 {
		broken := slices.Clone(image)
		for range 1 + rng.IntN(4) {
			broken[rng.IntN(len(broken))] ^= 1 << rng.IntN(8)
		}
		z.reviseImage(broken, changes, 8, is) // does not panic; what it copies was signed
	}
}
