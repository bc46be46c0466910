package pull

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/durable"
)

// texts are those of one edition that were fetched: each NAME.zst in the state,
// found to be what MANIFEST says.
type texts struct {
	*manifest
	client *Client
	files  map[string]string // by name of the text: path of its stored form
	set    *blocklist.Set    // from entries.csv
}

// stored returns the path of a text's .zst, which is fetched if it was not yet.
func (t *texts) stored(ctx context.Context, name string) (string, error) {
	if path, ok := t.files[name]; ok {
		return path, nil
	}
	stored := name + ".zst"
	f, ok := t.File(stored)
	if _, text := t.File(name); !ok || !text {
		return "", advise(fmt.Errorf("edition %v has no text %s", t.Serial, name), "see MANIFEST for the texts that there are")
	}
	path := filepath.Join(t.client.State, durable.TempPrefix+t.Serial.String()+"-"+stored)
	if t.files == nil {
		t.files = map[string]string{}
	}
	t.files[name] = path
	file, err := createHidden(path)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	n, err := t.client.fetch(ctx, t.Serial.String()+"/"+stored, f.Size, io.MultiWriter(file, sum))
	if err = errors.Join(err, file.Close()); err != nil { // of no use after a crash: not synced
		return "", err
	}
	if n != f.Size || [32]byte(sum.Sum(nil)) != f.Sum {
		return "", refusef("%s of edition %v has not the size or sum that MANIFEST says", stored, t.Serial)
	}
	return path, nil
}

// discard removes what was fetched.
func (t *texts) discard() {
	for _, path := range t.files {
		_ = os.Remove(path) // sweep finds what is left
	}
}

// copyText writes the plain form of a text to w.
func (t *texts) copyText(ctx context.Context, name string, w io.Writer) error {
	path, err := t.stored(ctx, name)
	if err != nil {
		return err
	}
	lines, want := counts(t.manifest.Manifest, name)
	out := &faithful{w: w}
	tee := io.Writer(out)
	if lines != nil {
		tee = io.MultiWriter(out, lines)
	}
	if err := unpackFile(t.manifest.Manifest, name+".zst", path, tee); err != nil {
		if out.err != nil {
			return fmt.Errorf("write %s: %w", name, out.err)
		}
		return err
	}
	if err := lines.check(name, want); err != nil {
		return refuse(err, "")
	}
	return nil
}

// unpackFile writes the plain form of a stored text to w. What is wrong with the
// text is a Refusal; what is wrong with the disk that it lies on is not.
func unpackFile(m *blocklist.Manifest, stored, path string, w io.Writer) error {
	f, err := durable.OpenRegular(path)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := m.Unpack(stored, bufio.NewReader(f))
	if err == nil {
		defer text.Close()
		if _, err = io.Copy(w, text); err != nil {
			err = fmt.Errorf("unpack %s of edition %v: %w", stored, m.Serial, err)
		}
	}
	var disk *fs.PathError
	if errors.As(err, &disk) {
		return err
	}
	return refuse(err, "")
}

// faithful remembers that it was the writing that failed.
type faithful struct {
	w   io.Writer
	err error
}

func (f *faithful) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	f.err = err
	return n, err
}

// entries returns what the edition blocks.
func (t *texts) entries(ctx context.Context) (*blocklist.Set, error) {
	if t.set != nil {
		return t.set, nil
	}
	f, _ := t.File(entriesName)
	var text strings.Builder
	text.Grow(int(f.Size)) // at most maxText
	if err := t.copyText(ctx, entriesName, &text); err != nil {
		return nil, err
	}
	set, err := t.ParseEntries(text.String())
	if err != nil {
		return nil, refuse(err, "")
	}
	t.set = set
	return set, nil
}
