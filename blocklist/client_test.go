package blocklist

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Unpack is OpenText for who has the stored form elsewhere, in either encoding.
func TestUnpack(t *testing.T) {
	p := newPress(t)
	e := p.publish(100, 0, exampleSet(t))
	want, err := e.readText("domains.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, stored := range []string{"domains.txt.zst", "domains.txt.gz"} {
		data, err := os.ReadFile(filepath.Join(e.Dir, stored))
		if err != nil {
			t.Fatal(err)
		}
		text, err := unpack(e.Manifest, stored, data)
		if err != nil || text != want {
			t.Errorf("%s: %q, %v", stored, text, err)
		}
		if text, err := unpack(e.Manifest, stored, data[:len(data)-1]); err == nil {
			t.Errorf("%s cut short: %q", stored, text)
		}
	}
	for _, name := range []string{"domains.txt", "nothing.txt.zst", "zone.image.zst", ".zst", ""} {
		if _, err := e.Unpack(name, strings.NewReader("")); err == nil {
			t.Errorf("%q is unpacked", name)
		}
	}
}

func unpack(m *Manifest, stored string, data []byte) (string, error) {
	r, err := m.Unpack(stored, bytes.NewReader(data))
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(r)
	return string(text), errors.Join(err, r.Close())
}

// A bomb is not unpacked any further than MANIFEST promises.
func TestUnpackStopsABomb(t *testing.T) {
	const promised, bomb = 1 << 10, 256 << 20
	m := &Manifest{Files: []FileSum{{Name: "x.txt", Size: promised, Sum: sha256.Sum256(nil)}, {Name: "x.txt.gz"}, {Name: "x.txt.zst"}}}
	for _, c := range []struct {
		stored string
		pack   func(w io.Writer) (io.WriteCloser, error)
	}{
		{"x.txt.zst", func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }},
		{"x.txt.gz", func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }},
	} {
		var data bytes.Buffer
		w, err := c.pack(&data)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(w, zeros{}, bomb); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := m.Unpack(c.stored, &data)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, r)
		if err == nil || n > promised {
			t.Errorf("%s: %d octets, %v", c.stored, n, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestParseEntriesIsStrict(t *testing.T) {
	const head = "unit,target,category,added\n"
	m := &Manifest{Domains: 1, Hosts: 1}
	if set, err := m.ParseEntries(head + "domain,bad.example,,\nhost,www.host.test,,\n"); err != nil || set.Len() != 2 {
		t.Errorf("%v", err)
	}
	for what, rows := range map[string]string{
		"covered":     "domain,bad.example,,\nhost,www.bad.example,,\n",
		"more":        "domain,bad.example,,\ndomain,else.example,,\nhost,www.host.test,,\n",
		"capital":     "domain,Bad.example,,\nhost,www.host.test,,\n",
		"no line end": "domain,bad.example,,\nhost,www.host.test,,",
	} {
		if _, err := m.ParseEntries(head + rows); err == nil || strings.Contains(err.Error(), "example") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
