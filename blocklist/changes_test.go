package blocklist

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Applying the changes to the targets of one edition gives those of the other,
// for random pairs; the order is that of the files, and each target is named
// once.
func TestWriteChanges(t *testing.T) {
	p := newPress(t)
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test
	pool := []string{"url http://page.example/-a", "url http://page.example/a,b", "url http://page.example/ab"}
	for i := range 60 {
		// Names that begin alike, and names below others.
		base := strings.Repeat("a", i%5) + string("-0bz"[i%4]) + "x"
		pool = append(pool, "domain n"+base+".example", "host n"+base+".example", "domain sub.n"+base+".example", fmt.Sprintf("host h%d.test", i))
	}
	var editions []*Edition
	for i := range 12 {
		var chosen []string
		for _, s := range pool {
			if random.IntN(12) <= i {
				chosen = append(chosen, s)
			}
		}
		serial := Serial(100 + i) //nolint:gosec // small
		previous := serial - 1
		if i == 0 {
			previous = 0
		}
		chosen = append(chosen, "domain always.example")
		editions = append(editions, p.publish(serial, previous, NewSet(rows(t, chosen...))))
	}
	for _, from := range editions {
		for _, to := range editions {
			checkChanges(t, from, to)
		}
	}
}

func checkChanges(t *testing.T, from, to *Edition) {
	t.Helper()
	var out bytes.Buffer
	if err := WriteChanges(&out, from, to); err != nil {
		t.Fatal(err)
	}
	have, want := map[string]bool{}, map[string]bool{}
	for e, m := range map[*Edition]map[string]bool{from: have, to: want} {
		set, err := e.Set()
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys(set) {
			m[k] = true
		}
		if from == to {
			for k := range m {
				have[k], want[k] = true, true
			}
		}
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	head := []string{fmt.Sprintf("# from %v", from.Serial), fmt.Sprintf("# to %v", to.Serial)}
	if len(lines) < 2 || !slices.Equal(lines[:2], head) {
		t.Fatalf("begins with %q", lines)
	}
	var last Target
	for i, line := range lines[2:] {
		k := line[2:]
		now := target(t, k)
		if i > 0 && last.Compare(now) >= 0 {
			t.Errorf("%v to %v: line %d is not after the one before", from.Serial, to.Serial, i)
		}
		last = now
		switch {
		case strings.HasPrefix(line, "- ") && have[k]:
			delete(have, k)
		case strings.HasPrefix(line, "+ ") && !have[k]:
			have[k] = true
		default:
			t.Errorf("%v to %v: line %d does nothing", from.Serial, to.Serial, i)
		}
	}
	if len(have) != len(want) {
		t.Errorf("%v to %v: %d targets, want %d", from.Serial, to.Serial, len(have), len(want))
	}
	for k := range want {
		if !have[k] {
			t.Errorf("%v to %v: a target is missing", from.Serial, to.Serial)
		}
	}
}

// A text that is not what MANIFEST says is no answer, and its error names
// nobody.
func TestWriteChangesOfDamagedTexts(t *testing.T) {
	p := newPress(t)
	one := p.publish(100, 0, NewSet(rows(t, "domain a.example", "domain b.example", "host c.example")))
	two := p.publish(101, 100, NewSet(rows(t, "domain a.example", "domain d.example", "host c.example")))
	other := newPress(t).publish(100, 0, NewSet(rows(t, "domain a.example", "domain x.example", "host c.example")))
	const name = "domains.txt.zst"
	good, err := os.ReadFile(filepath.Join(one.Dir, name))
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := os.ReadFile(filepath.Join(other.Dir, name))
	if err != nil {
		t.Fatal(err)
	}
	for what, data := range map[string][]byte{
		"cut":     good[:len(good)-5],
		"empty":   {},
		"foreign": foreign,
		"gone":    nil,
	} {
		path := filepath.Join(one.Dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if data == nil {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		for _, pair := range [][2]*Edition{{one, two}, {two, one}} {
			err := WriteChanges(&bytes.Buffer{}, pair[0], pair[1])
			if err == nil || strings.Contains(err.Error(), ".example") {
				t.Errorf("%s: error is %v", what, err)
			}
		}
	}
}
