package blocklist

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPublishThenOpen(t *testing.T) {
	p := newPress(t)
	if e, err := OpenLatest(p.dir, p.keys); e != nil || err != nil {
		t.Fatalf("before the first edition: %v, %v", e, err)
	}
	set := exampleSet(t)
	made := p.publish(100, 0, set)
	read, err := OpenLatest(p.dir, p.keys)
	if err != nil {
		t.Fatal(err)
	}
	if err := read.CheckContents(); err != nil {
		t.Fatal(err)
	}
	if err := read.CheckContents(fakeZone, fakeImage); err != nil {
		t.Fatal(err)
	}
	other := fakeImage
	other.Write = fakeZone.Write
	if err := read.CheckContents(fakeZone, other); err == nil || !strings.Contains(err.Error(), "zone.image and entries.csv do not agree") {
		t.Errorf("an image of something else: %v", err)
	}
	if read.Dir != made.Dir || read.Serial != 100 || read.Domains != 2 || read.Hosts != 1 || read.URLs != 2 {
		t.Errorf("read %+v", read.Manifest)
	}
	back, err := read.Set()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(keys(set), keys(back)); diff != "" {
		t.Error(diff)
	}
	for u := range unitNames {
		for i, r := range back.Rows(Unit(u)) {
			if want := set.Rows(Unit(u))[i]; r.Category != want.Category || r.Added != want.Added {
				t.Errorf("row %s has become %s %s", r.Target.RevealKey(), r.Category, r.Added)
			}
		}
	}
	for name, want := range map[string]string{
		"domains.txt": "bad.example\nxn--bcher-kva.example\n",
		"hosts.txt":   "www.shop.test\n",
		"urls.txt":    "http://lawful.test/a,b\nhttp://lawful.test/c\n",
		"rpz.zone":    "; 100\n; 2 names\n",
		"entries.csv": `unit,target,category,added
domain,bad.example,malware,2026-11-01
domain,xn--bcher-kva.example,malware,2026-11-01
host,www.shop.test,malware,2026-11-01
url,"http://lawful.test/a,b",malware,2026-11-01
url,http://lawful.test/c,malware,2026-11-01
`,
	} {
		r, err := read.OpenText(name)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil || string(text) != want {
			t.Errorf("%s is %q, %v", name, text, err)
		}
	}
	for _, name := range []string{"zone.image", "MANIFEST", "domains.txt.gz", "../latest", ""} {
		if _, err := read.OpenText(name); err == nil {
			t.Errorf("%s is opened as a text", name)
		}
	}
}

func TestPublishTwiceGivesTheSameBytes(t *testing.T) {
	p := newPress(t)
	p.publish(100, 0, exampleSet(t))
	first := treeHash(t, p.dir)
	if err := os.RemoveAll(p.dir); err != nil {
		t.Fatal(err)
	}
	if _, err := MakeListDir(filepath.Dir(p.dir), filepath.Base(p.dir)); err != nil {
		t.Fatal(err)
	}
	p.publish(100, 0, exampleSet(t))
	if treeHash(t, p.dir) != first {
		t.Error("the same input gives other bytes")
	}
}

func TestPublishModes(t *testing.T) {
	p := newPress(t)
	e := p.publish(100, 0, exampleSet(t))
	for path, want := range map[string]os.FileMode{p.dir: os.ModeDir | 0o750, e.Dir: os.ModeDir | 0o750, filepath.Join(p.dir, "latest"): 0o640} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", filepath.Base(path), info.Mode(), err)
		}
	}
	entries, err := os.ReadDir(e.Dir)
	if err != nil || len(entries) != 2+2*5+1 {
		t.Errorf("%d files, %v", len(entries), err)
	}
	for _, f := range entries {
		if info, err := f.Info(); err != nil || info.Mode() != 0o640 {
			t.Errorf("%s: %v, %v", f.Name(), info.Mode(), err)
		}
	}
}

func TestHistory(t *testing.T) {
	p := newPress(t)
	for s := Serial(100); s <= 103; s++ {
		previous := s - 1
		if s == 100 {
			previous = 0
		}
		p.publish(s, previous, exampleSet(t))
	}
	if err := os.MkdirAll(filepath.Join(p.dir, "105"), 0o700); err != nil { // never published
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(p.dir, "100")); err != nil { // not kept
		t.Fatal(err)
	}
	history, err := History(p.dir, p.keys)
	var serials []Serial
	for _, m := range history {
		serials = append(serials, m.Serial)
	}
	if err != nil || !slices.Equal(serials, []Serial{103, 102, 101}) {
		t.Errorf("history is %v, %v", serials, err)
	}
	all, err := Serials(p.dir)
	slices.Sort(all)
	if err != nil || !slices.Equal(all, []Serial{101, 102, 103, 105}) {
		t.Errorf("serials are %v, %v", all, err)
	}
	if none, err := Serials(filepath.Join(p.dir, "none")); none != nil || err != nil {
		t.Errorf("of no directory: %v, %v", none, err)
	}
}

// TestPublishFails goes through everything that can be refused: the published
// edition stays, byte for byte, and nothing is left beside it.
func TestPublishFails(t *testing.T) {
	full := errors.New("no space left")
	failing := func(name string, text bool, n int) File {
		return File{name, text, func(w io.Writer, _ Serial, _ *Set) error {
			_, _ = w.Write(make([]byte, n))
			return full
		}}
	}
	foreign, _ := newKey(t, EditionPrincipal, EditionNamespace)
	for what, change := range map[string]func(*press, *Publication){
		"sign": func(_ *press, p *Publication) {
			p.Sign = func([]byte) ([]byte, error) { return nil, full }
		},
		"no signature":    func(_ *press, p *Publication) { p.Sign = func([]byte) ([]byte, error) { return nil, nil } },
		"foreign key":     func(a *press, p *Publication) { a.sign = foreign },
		"write at once":   func(_ *press, p *Publication) { p.Files = append(p.Files, failing("x.txt", true, 0)) },
		"write midway":    func(_ *press, p *Publication) { p.Files = append(p.Files, failing("x.txt", true, 1<<20)) },
		"binary midway":   func(_ *press, p *Publication) { p.Files = append(p.Files, failing("x.bin", false, 1<<20)) },
		"file twice":      func(_ *press, p *Publication) { p.Files = append(p.Files, fakeImage) },
		"text twice":      func(_ *press, p *Publication) { p.Files = append(p.Files, fakeZone) },
		"a built-in name": func(_ *press, p *Publication) { p.Files[0].Name = "domains.txt" },
		"a path":          func(_ *press, p *Publication) { p.Files[0].Name = "../out.txt" },
		"a hidden name":   func(_ *press, p *Publication) { p.Files[1].Name = ".image" },
		"MANIFEST":        func(_ *press, p *Publication) { p.Files[1].Name = "MANIFEST" },
		"expired":         func(_ *press, p *Publication) { p.Manifest.Expires = p.Manifest.Created },
		"same serial":     func(_ *press, p *Publication) { p.Manifest.Serial = 100 },
		"lower serial":    func(_ *press, p *Publication) { p.Manifest.Serial = 99 },
		"serial taken":    func(_ *press, p *Publication) { p.Manifest.Serial = 101 },
		"environment":     func(_ *press, p *Publication) { p.Manifest.Environment = "test" },
		"control in head": func(_ *press, p *Publication) { p.Manifest.Authority = "a\nb" },
		"no old one":      func(_ *press, p *Publication) { p.Old = nil },
		"another old one": func(_ *press, p *Publication) { p.Old = &Edition{Manifest: &Manifest{Serial: 150}} },
	} {
		t.Run(what, func(t *testing.T) {
			a := newPress(t)
			a.publish(100, 0, exampleSet(t))
			// A complete edition that never was the latest.
			if err := os.MkdirAll(filepath.Join(a.dir, "101", "x"), 0o750); err != nil {
				t.Fatal(err)
			}
			before := treeHash(t, filepath.Dir(a.dir))
			p := a.publication(200, 100)
			p.Files = slices.Clone(p.Files)
			change(a, &p)
			e, err := Publish(p, NewSet(rows(t, "domain canary.example")))
			if err == nil || e != nil {
				t.Fatal("published")
			}
			if leaks(err.Error()) || strings.Count(err.Error(), full.Error()) > 1 {
				t.Errorf("error is %v", err)
			}
			if left := hidden(t, a.dir); left != nil {
				t.Errorf("left behind: %v", left)
			}
			if treeHash(t, filepath.Dir(a.dir)) != before {
				t.Error("the published editions have changed")
			}
			if e, err := OpenLatest(a.dir, a.keys); err != nil || e.Serial != 100 {
				t.Errorf("latest is now %v, %v", e, err)
			}
		})
	}
}

func TestPublishRefusesAnEmptySet(t *testing.T) {
	p := newPress(t)
	if _, err := Publish(p.publication(100, 0), NewSet(nil)); err == nil {
		t.Error("an empty edition is published")
	}
	if _, err := os.Stat(filepath.Join(p.dir, "latest")); !errors.Is(err, os.ErrNotExist) {
		t.Error("latest is there")
	}
}
