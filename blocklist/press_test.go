package blocklist

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/vaern/vaern/internal/sshsig"
)

// press publishes editions of a test, with a key made for it.
type press struct {
	t    testing.TB
	dir  string
	sign ssh.Signer
	keys *sshsig.AllowedSigners
}

func newPress(t testing.TB) *press {
	t.Helper()
	dir, err := MakeListDir(t.TempDir(), "csam")
	if err != nil {
		t.Fatal(err)
	}
	signer, keys := newKey(t, EditionPrincipal, EditionNamespace, HoldNamespace)
	return &press{t, dir, signer, keys}
}

// newKey makes a key and a file that lets a principal sign in namespaces.
func newKey(t testing.TB, principal string, namespaces ...string) (ssh.Signer, *sshsig.AllowedSigners) {
	t.Helper()
	private, public, err := sshsig.GenerateEd25519("")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	pub, _, err := sshsig.ParsePublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := sshsig.NewAllowedSigners([]sshsig.Key{{Principal: principal, Public: pub, Namespaces: namespaces}})
	if err != nil {
		t.Fatal(err)
	}
	return signer, keys
}

// fakeZone is a text and fakeImage a binary, as the DNS side hands them in.
var (
	fakeZone = File{"rpz.zone", true, func(w io.Writer, s Serial, set *Set) error {
		_, err := fmt.Fprintf(w, "; %v\n; %d names\n", s, len(set.Rows(Domain)))
		return err
	}}
	fakeImage = File{"zone.image", false, func(w io.Writer, s Serial, _ *Set) error {
		_, err := w.Write([]byte{0, byte(s), 0xff})
		return err
	}}
)

// publication is that of an edition at noon, to be changed.
func (p *press) publication(serial, previous Serial) Publication {
	m := *exampleManifest()
	m.Serial, m.Files = serial, nil
	var old *Edition
	if previous != 0 {
		var err error
		if old, err = Open(filepath.Join(p.dir, previous.String()), p.keys); err != nil {
			p.t.Fatal(err)
		}
	}
	return Publication{
		Dir: p.dir, Old: old, Manifest: m, Files: []File{fakeZone, fakeImage}, Keys: p.keys,
		Sign: func(text []byte) ([]byte, error) { return sshsig.Sign(p.sign, EditionNamespace, text) },
	}
}

func exampleSet(t testing.TB) *Set {
	return NewSet(rows(t, "domain bad.example", "domain xn--bcher-kva.example", "host www.shop.test", "url http://lawful.test/a,b", "url http://lawful.test/c"))
}

func (p *press) publish(serial, previous Serial, set *Set) *Edition {
	p.t.Helper()
	e, err := Publish(p.publication(serial, previous), set)
	if err != nil {
		p.t.Fatal(err)
	}
	return e
}

// treeHash is one hash over the names, modes and contents of all files below dir.
func treeHash(t testing.TB, dir string) string {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if rel == "." {
			return nil
		}
		fmt.Fprintf(h, "%s %v\n", rel, info.Mode())
		if d.IsDir() {
			return nil
		}
		data, err := os.ReadFile(path)
		fmt.Fprintf(h, "%d\n%s", len(data), data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// openAll is what a careful reader does.
func openAll(dir string, keys *sshsig.AllowedSigners) error {
	e, err := Open(dir, keys)
	if err != nil {
		return err
	}
	return e.CheckContents()
}

// hidden lists what is not visible in dir.
func hidden(t testing.TB, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names
}

func later(d time.Duration) time.Time { return noon.Add(d) }
