package source

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/vaern/vaern/internal/durable"
)

// Bounds of what [Open] hands out. A real list shrinks to a tenth, at best to
// a fiftieth; what shrinks to less than maxRatio is no list.
const (
	maxText  = 2 << 30  // octets of text
	maxRatio = 200      // text to what was read of the file,
	freeText = 16 << 20 // held against each other beyond so many octets of text
	// maxWindow is what zstd itself decodes without being asked for more, and
	// what memory a file can cost.
	maxWindow = 128 << 20
)

// magics are the octets with which compressed files begin.
var magics = []struct {
	name, suffix string
	begins       func([]byte) bool
	reader       func(io.Reader) (io.ReadCloser, error) // nil: not read
}{
	{"gzip", ".gz", prefix("\x1f\x8b"), func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }},
	{"zstd", ".zst", isZstd, newZstd},
	{"xz", ".xz", prefix("\xfd7zXZ\x00"), nil},
	{"bzip2", ".bz2", func(head []byte) bool {
		return prefix("BZh")(head) && bytes.HasPrefix(head[min(4, len(head)):], []byte("1AY&SY"))
	}, nil},
	{"lz4", ".lz4", prefix("\x04\x22\x4d\x18"), nil},
	{"zip", ".zip", prefix("PK\x03\x04"), nil},
	{"7z", ".7z", prefix("7z\xbc\xaf\x27\x1c"), nil},
}

const magicSize = 10

func prefix(magic string) func([]byte) bool {
	return func(head []byte) bool { return bytes.HasPrefix(head, []byte(magic)) }
}

// isZstd knows a frame and a skippable one (RFC 8878, sections 3.1.1 and
// 3.1.2).
func isZstd(head []byte) bool {
	return prefix("\x28\xb5\x2f\xfd")(head) || len(head) >= 4 && head[0]&0xf0 == 0x50 && prefix("\x2a\x4d\x18")(head[1:])
}

func newZstd(r io.Reader) (io.ReadCloser, error) {
	d, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, err
	}
	return d.IOReadCloser(), nil
}

// Open opens a list for reading, and decompresses it if its first octets say
// that it is compressed, whatever its name is. All members of a gzip file and
// all frames of a zstd file are read. A regular file is wanted; one that is
// called .gz or .zst and is not, one that holds another compressed file, and
// one that unfolds to far more than a list can, fail. So does, while reading,
// a file that is cut short: what was read of it is no list.
func Open(path string) (io.ReadCloser, error) {
	f, err := durable.OpenRegular(path)
	if err != nil {
		return nil, err
	}
	r, err := unfold(f, filepath.Base(path))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), f.Close())
	}
	return r, nil
}

func unfold(f io.ReadCloser, name string) (io.ReadCloser, error) {
	l := &list{packed: counter{r: f}, close: f.Close}
	outside := bufio.NewReaderSize(&l.packed, 64<<10)
	l.text = outside
	head, err := outside.Peek(magicSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	for _, m := range magics {
		if called := strings.EqualFold(filepath.Ext(name), m.suffix); called && m.reader != nil && !m.begins(head) {
			return nil, fmt.Errorf("the file is called %s and is not %s", m.suffix, m.name)
		}
	}
	for _, m := range magics {
		if !m.begins(head) {
			continue
		}
		if m.reader == nil {
			return nil, fmt.Errorf("the file is compressed as %s: only gzip and zstd are read", m.name)
		}
		inside, err := m.reader(outside)
		if err != nil {
			return nil, fmt.Errorf("decompress: %w", err)
		}
		l.close = func() error {
			_ = inside.Close() // has only what reading told already
			return f.Close()
		}
		l.compressed = true
		return l, l.begin(inside)
	}
	return l, nil
}

// list is the text of a file, held against the bounds.
type list struct {
	packed     counter
	text       io.Reader
	n          int64 // octets of text that were handed out
	compressed bool
	close      func() error
}

// begin looks for a compressed file within the compressed one.
func (l *list) begin(inside io.Reader) error {
	text := bufio.NewReaderSize(inside, 64<<10)
	l.text = text
	head, err := text.Peek(magicSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("decompress: %w", err)
	}
	for _, m := range magics {
		if m.begins(head) {
			return fmt.Errorf("the file holds another compressed file (%s)", m.name)
		}
	}
	return nil
}

func (l *list) Read(p []byte) (int, error) {
	n, err := l.text.Read(p)
	l.n += int64(n)
	switch {
	case l.n > maxText:
		return 0, fmt.Errorf("the file has more than %d octets of text", maxText)
	case l.compressed && l.n > freeText && l.n/maxRatio > l.packed.n:
		return 0, fmt.Errorf("the file unfolds to more than %d times its size: that is no list", maxRatio)
	case err != nil && !errors.Is(err, io.EOF):
		if l.compressed {
			err = fmt.Errorf("decompress: %w", err)
		}
		return 0, err
	}
	return n, err
}

func (l *list) Close() error { return l.close() }

// counter counts what is read through it.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
