package source

import (
	"os"
	"path/filepath"
	"testing"
)

// readFile opens and reads a list, and counts its entries and rejections.
func readFile(t *testing.T, path string, o Options) (result Result, entries, rejections int) {
	t.Helper()
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	result, err = Read(r, o, func(l Line) {
		if entries++; l.Err != nil {
			entries--
			rejections++
		}
	})
	if err != nil {
		t.Errorf("%s: %v", path, err)
	}
	return result, entries, rejections
}

func TestSamples(t *testing.T) {
	for name, want := range map[string]struct {
		format  string
		entries int
	}{
		"sample.csv": {"csv", 4}, "sample.csv.gz": {"csv", 4}, "sample.txt": {"plain", 2}, "sample.hosts": {"hosts", 3},
		"sample.jsonl": {"jsonl", 3}, "sample.adblock": {"adblock", 2}, "sample.rpz": {"rpz", 2}, "sample.italian": {"italian", 3},
	} {
		path := filepath.Join("../../testdata/lists", name)
		if result, entries, rejections := readFile(t, path, Options{}); result.Format != want.format || entries != want.entries || rejections != 0 {
			t.Errorf("%s: format %s, %d entries, %d rejections", name, result.Format, entries, rejections)
		}
	}
}

// Public lists of all sizes, where they are at hand.
func TestPublicLists(t *testing.T) {
	for _, c := range []struct {
		name, format        string
		o                   Options
		entries, rejections int
	}{
		{"fake-shops.hosts", "hosts", Options{}, 14043, 0},
		{"malware.csv", "csv", Options{Columns: map[string]string{"Domain": "target", "Malware": "category"}}, 18150, 1},
		{"popular-10k.txt", "plain", Options{}, 10000, 0},
	} {
		path := filepath.Join("../../../shared/data/lists", c.name)
		if _, err := os.Stat(path); err != nil {
			t.Logf("%s is not at hand", c.name)
			continue
		}
		if result, entries, rejections := readFile(t, path, c.o); result.Format != c.format || entries != c.entries || rejections != c.rejections {
			t.Errorf("%s: format %s, %d entries, %d rejections", c.name, result.Format, entries, rejections)
		}
	}
}
