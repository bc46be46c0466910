package blocklist

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is read ahead is what Open and Set read, and the next edition has the
// same octets, whether it is made from that or from nothing.
func TestOpenAhead(t *testing.T) {
	p := newPress(t)
	if e, set, err := OpenAhead(p.dir, p.keys); e != nil || set != nil || err != nil {
		t.Fatalf("before the first edition: %v, %v, %v", e, set, err)
	}
	all := []string{"host www.shop.test", `url http://shop.test/a,b"c`}
	for i := range 20_000 {
		all = append(all, fmt.Sprintf("domain name-%05d.example", i))
	}
	p.publish(100, 0, NewSet(rows(t, all...)))
	e, set, err := OpenAhead(p.dir, p.keys)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := OpenLatest(p.dir, p.keys)
	if err != nil {
		t.Fatal(err)
	}
	want, err := plain.Set()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(told(want), told(set)); diff != "" || e.Serial != 100 {
		t.Error(diff)
	}
	for _, f := range e.Files {
		if !e.isStored(f.Name) && len(e.archive(f.Name).chunks) == 0 {
			t.Errorf("%s: nothing to use again", f.Name)
		}
	}

	next := NewSet(rows(t, append(all[7:], "domain other.example")...))
	publication := p.publication(101, 100)
	made, err := Publish(publication, next)
	if err != nil {
		t.Fatal(err)
	}
	hash := treeHash(t, made.Dir)
	if err := os.RemoveAll(made.Dir); err != nil {
		t.Fatal(err)
	}
	if err := MakeLatest(p.dir, 100); err != nil {
		t.Fatal(err)
	}
	publication.Old = e
	if made, err = Publish(publication, next); err != nil {
		t.Fatal(err)
	}
	if treeHash(t, made.Dir) != hash {
		t.Error("the edition that was made ahead has other octets")
	}
}

func TestOpenAheadDamaged(t *testing.T) {
	for _, name := range []string{"domains.txt.gz", "entries.csv.zst", "entries.csv.gz", "rpz.zone.zst", "zone.image", manifestName} {
		p := newPress(t)
		e := p.publish(100, 0, exampleSet(t))
		path := filepath.Join(e.Dir, name)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for how, bad := range map[string][]byte{
			"flipped": append([]byte{data[0] ^ 1}, data[1:]...), "longer": append(data[:len(data):len(data)], 0), "shorter": data[:len(data)-1],
		} {
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, _, err := OpenAhead(p.dir, p.keys); err == nil {
				t.Errorf("%s, %s: opened", name, how)
			}
		}
	}
}
