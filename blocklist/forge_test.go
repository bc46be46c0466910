package blocklist

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vaern/vaern/internal/peers"
)

// forge signs an edition whose texts are not those of the set, and returns
// what a reader says of it.
func (p *press) forge(serial Serial, set *Set, texts map[string]string) error {
	dir := filepath.Join(p.dir, serial.String())
	if err := makeGroupDir(p.dir, dir); err != nil {
		p.t.Fatal(err)
	}
	var all []File
	for _, f := range append(listFiles[:3:3], entriesFile) {
		if text, ok := texts[f.Name]; ok {
			f.Write = func(w io.Writer, _ Serial, _ *Set) error {
				_, err := io.WriteString(w, text)
				return err
			}
		}
		all = append(all, f)
	}
	pub := p.publication(serial, 0)
	m := pub.Manifest
	m.Domains, m.Hosts, m.URLs = len(set.Rows(Domain)), len(set.Rows(Host)), len(set.Rows(URL))
	var err error
	if m.Files, err = writeFiles(dir, all, serial, set, nil); err != nil {
		p.t.Fatal(err)
	}
	if err := signManifest(dir, &m, pub.Sign); err != nil {
		p.t.Fatal(err)
	}
	return openAll(dir, p.keys)
}

// TestStockTools lets the programs that every ISP has judge an edition.
func TestStockTools(t *testing.T) {
	p := newPress(t)
	var many []Row
	for _, text := range generated(20_000) {
		many = append(many, Row{Target: target(t, "domain "+text), Added: "2026-11-01"})
	}
	e := p.publish(100, 0, NewSet(many))
	allowed := filepath.Join(t.TempDir(), "allowed")
	if err := os.WriteFile(allowed, p.keys.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	manifest, err := os.Open(filepath.Join(e.Dir, "MANIFEST"))
	if err != nil {
		t.Fatal(err)
	}
	defer manifest.Close()
	verify := peers.Command(t, "ssh-keygen", "-Y", "verify", "-f", allowed, "-I", "edition", "-n", "vaern-edition", "-s", "MANIFEST.sig")
	verify.Stdin = manifest
	verify.Dir = e.Dir
	if out, err := verify.CombinedOutput(); err != nil {
		t.Errorf("ssh-keygen: %v: %s", err, out)
	}
	run := func(tool string, args ...string) {
		t.Helper()
		c := peers.Command(t, tool, args...)
		c.Dir = e.Dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%s %v: %v: %s", tool, args, err, out)
		}
	}
	run("sha256sum", "--strict", "-c", "--ignore-missing", "MANIFEST")
	for _, f := range append(listFiles[:3:3], entriesFile, fakeZone) {
		run("gzip", "-t", f.Name+".gz")
		run("zstd", "-q", "-t", "--memory=8MB", f.Name+".zst")
	}
	// Unpacked, the plain forms fit their sums too, and nothing is missing.
	for _, f := range append(listFiles[:3:3], entriesFile, fakeZone) {
		run("zstd", "-q", "-d", f.Name+".zst")
	}
	run("sha256sum", "--strict", "-c", "MANIFEST")
}

// TestGzipIsOneMember: clients exist that stop after the first member, so an
// edition with two is refused although its sums are right.
func TestGzipIsOneMember(t *testing.T) {
	keep := gzipTrailer
	defer func() { gzipTrailer = keep }()
	gzipTrailer = func(crc uint32, size int64) []byte {
		return slices.Concat(keep(crc, size), gzipBegin, keep(0, 0))
	}
	if err := newPress(t).forge(100, exampleSet(t), nil); err == nil {
		t.Error("a gzip file of two members is accepted")
	}
}
