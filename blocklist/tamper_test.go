package blocklist

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vaern/vaern/internal/sshsig"
)

// files reads the files of an edition.
func files(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, e := range entries {
		if all[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestTamper changes every file in every way, and every byte of every file,
// and wants each noticed.
func TestTamper(t *testing.T) {
	p := newPress(t)
	e := p.publish(100, 0, exampleSet(t))
	other := files(t, p.publish(101, 100, NewSet(rows(t, "domain bad.example"))).Dir)
	refused := func(what string) {
		t.Helper()
		if err := openAll(e.Dir, p.keys); err == nil {
			t.Errorf("%s is not noticed", what)
		}
	}
	for name, data := range files(t, e.Dir) {
		path := filepath.Join(e.Dir, name)
		put := func(data []byte) {
			if err := os.WriteFile(path, data, 0o640); err != nil {
				t.Fatal(err)
			}
		}
		for i := range data {
			changed := bytes.Clone(data)
			changed[i] ^= 1 << (i % 8)
			put(changed)
			if err := openAll(e.Dir, p.keys); err == nil {
				t.Errorf("a flipped bit of byte %d of %s is not noticed", i, name)
			}
		}
		for _, n := range []int{0, 1, len(data) / 2, len(data) - 1} {
			if n == len(data)-1 && name == signatureName {
				continue // armor without its last LF is the same signature
			}
			put(data[:n])
			refused(name + " cut short")
		}
		put(append(bytes.Clone(data), '\n'))
		refused(name + " with a byte more")
		put(append(bytes.Clone(data), data...))
		refused(name + " doubled")
		if !bytes.Equal(other[name], data) {
			put(other[name])
			refused(name + " of another edition")
		}
		if err := os.Rename(path, path+"x"); err != nil {
			t.Fatal(err)
		}
		refused(name + " renamed")
		if err := os.Remove(path + "x"); err != nil {
			t.Fatal(err)
		}
		refused(name + " removed")
		if err := os.Mkdir(path, 0o750); err != nil {
			t.Fatal(err)
		}
		refused(name + " as a directory")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		put(data)
	}
	for _, name := range []string{"more.txt", ".hidden", "domains.txt", "MANIFEST.bak"} {
		path := filepath.Join(e.Dir, name)
		if err := os.WriteFile(path, nil, 0o640); err != nil {
			t.Fatal(err)
		}
		refused("the extra file " + name)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := openAll(e.Dir, p.keys); err != nil {
		t.Errorf("put back as it was: %v", err)
	}
}

func TestOpenWantsTheEditionKey(t *testing.T) {
	p := newPress(t)
	dir := p.publish(100, 0, exampleSet(t)).Dir
	pub := p.sign.PublicKey()
	for what, key := range map[string]sshsig.Key{
		"principal":   {Principal: "alice", Public: pub, Namespaces: []string{EditionNamespace}},
		"namespace":   {Principal: EditionPrincipal, Public: pub, Namespaces: []string{HoldNamespace}},
		"not yet":     {Principal: EditionPrincipal, Public: pub, Namespaces: []string{EditionNamespace}, ValidAfter: later(1e9)},
		"not anymore": {Principal: EditionPrincipal, Public: pub, Namespaces: []string{EditionNamespace}, ValidBefore: noon},
	} {
		keys, err := sshsig.NewAllowedSigners([]sshsig.Key{key})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, keys); err == nil {
			t.Errorf("%s: opened", what)
		}
	}
	_, other := newKey(t, EditionPrincipal, EditionNamespace)
	if _, err := Open(dir, other); err == nil {
		t.Error("another key: opened")
	}
	if _, err := History(p.dir, other); err == nil {
		t.Error("another key: history")
	}
	// A good signature of the good key over the good text, for another purpose.
	text, err := os.ReadFile(filepath.Join(dir, "MANIFEST"))
	if err != nil {
		t.Fatal(err)
	}
	sig, err := sshsig.Sign(p.sign, HoldNamespace, text)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "MANIFEST.sig"), sig, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, p.keys); err == nil {
		t.Error("a signature of another namespace: opened")
	}
}

func TestLatest(t *testing.T) {
	p := newPress(t)
	p.publish(100, 0, exampleSet(t))
	p.publish(101, 100, exampleSet(t))
	for text, ok := range map[string]bool{
		"101\n": true, "100\n": true, "101": true,
		"102\n": false, "": false, "0\n": false, "101\n\n": false, "../csam/101\n": false, "101\r\n": false, "one\n": false, strings.Repeat("1", 100): false,
	} {
		if err := os.WriteFile(filepath.Join(p.dir, "latest"), []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
		e, err := OpenLatest(p.dir, p.keys)
		if (err == nil) != ok || ok && e.Serial.String() != strings.TrimSpace(text) {
			t.Errorf("latest of %q: %v", text, err)
		}
		if !ok {
			if _, err := Publish(p.publication(200, 101), exampleSet(t)); err == nil {
				t.Errorf("latest of %q: published over it", text)
			}
		}
	}
	// One edition in the place of another.
	if err := os.Rename(filepath.Join(p.dir, "100"), filepath.Join(p.dir, "102")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.dir, "latest"), []byte("102\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenLatest(p.dir, p.keys); err == nil {
		t.Error("edition 100 is opened as 102")
	}
}

// TestContentsMustAgree signs editions whose files contradict each other:
// what the maker did wrong is noticed although every sum is right.
func TestContentsMustAgree(t *testing.T) {
	zero := func(old, new string) func(map[string]string) {
		return func(texts map[string]string) {
			texts["entries.csv"] = strings.Replace(texts["entries.csv"], old, new, 1)
		}
	}
	for what, change := range map[string]func(map[string]string){
		"list without a row":  zero("domain,bad.example,malware,2026-11-01\n", ""),
		"row without a list":  func(texts map[string]string) { texts["domains.txt"] = "bad.example\n" },
		"not in order":        zero("domain,bad", "domain,zbad"),
		"spelling":            zero("bad.example", "BAD.example"),
		"quoted for nothing":  zero("bad.example", `"bad.example"`),
		"CRLF":                zero("2026-11-01\n", "2026-11-01\r\n"),
		"CR in a category":    zero("malware", "malware\r"),
		"category":            zero("malware", "Malware"),
		"date":                zero("2026-11-01", "2026-11-31"),
		"an empty line":       zero("host,", "\nhost,"),
		"unit":                zero("host,", "name,"),
		"no header":           zero("unit,target,category,added\n", ""),
		"header":              zero("added", "since"),
		"a field more":        zero("2026-11-01", "2026-11-01,"),
		"broken quotes":       zero("malware", `mal"ware`),
		"covered by another":  zero("www.shop.test", "www.bad.example"),
		"the same row twice":  zero("url,http://lawful.test/c", "url,\"http://lawful.test/a,b\""),
		"cut within a row":    zero("/c,malware,2026-11-01\n", "/c,mal"),
		"last line not ended": zero("/c,malware,2026-11-01\n", "/c,malware,2026-11-01"),
	} {
		set := exampleSet(t)
		texts := map[string]string{}
		for _, f := range append(listFiles[:3:3], entriesFile) {
			var b bytes.Buffer
			if err := f.Write(&b, 100, set); err != nil {
				t.Fatal(err)
			}
			texts[f.Name] = b.String()
		}
		before := len(texts["entries.csv"]) + len(texts["domains.txt"])
		change(texts)
		p := newPress(t)
		if err := p.forge(100, set, texts); err == nil {
			t.Errorf("%s is not noticed (%d octets before, %d now)", what, before, len(texts["entries.csv"])+len(texts["domains.txt"]))
		}
	}
	set := exampleSet(t)
	if err := newPress(t).forge(100, set, nil); err != nil {
		t.Errorf("without a change: %v", err)
	}
}
