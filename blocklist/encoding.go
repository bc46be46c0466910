package blocklist

import (
	"bufio"
	"errors"
	"hash"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/vaern/vaern/internal/durable"
)

// zstdWindow is the largest window of a .zst file: what every client must be
// able to hold (RFC 8878, section 3.1.1.1.2, recommends 8 MiB).
const zstdWindow = 8 << 20

// encoding is one of the two forms in which a text is stored.
type encoding struct {
	suffix string
	reader func(io.Reader) (io.ReadCloser, error)
}

const zstdIndex = 1

var encodings = []encoding{
	{
		// One member without name or time: the same text gives the same file,
		// and no client stops early at a second member.
		suffix: ".gz",
		reader: openMember,
	},
	{
		suffix: ".zst",
		reader: func(r io.Reader) (io.ReadCloser, error) {
			d, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(zstdWindow), zstd.WithDecoderConcurrency(1))
			if err != nil {
				return nil, err
			}
			return d.IOReadCloser(), nil
		},
	},
}

// member reads a gzip file that must be one member, as the most careless client
// reads it: more behind it is an error.
type member struct {
	*gzip.Reader
	file *bufio.Reader
}

func openMember(r io.Reader) (io.ReadCloser, error) {
	file := bufio.NewReaderSize(r, 64<<10)
	z, err := gzip.NewReader(file) // which reads no octet too many
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	return &member{z, file}, nil
}

func (m *member) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		if _, more := m.file.Peek(1); !errors.Is(more, io.EOF) {
			return n, errors.New("more than one gzip member")
		}
	}
	return n, err
}

// open returns the plain text of the compressed file at path.
func (enc encoding) open(path string) (io.ReadCloser, error) {
	f, err := durable.OpenRegular(path)
	if err != nil {
		return nil, err
	}
	r, err := enc.reader(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &fileReader{r, f}, nil
}

// fileReader closes the file below a decompressor with it.
type fileReader struct {
	io.ReadCloser
	file *os.File
}

func (r *fileReader) Close() error { return errors.Join(r.ReadCloser.Close(), r.file.Close()) }

// checkedReader gives out a text that MANIFEST describes: never more than its
// size, and instead of a clean end an error if size or sum differ.
type checkedReader struct {
	r    io.ReadCloser
	want FileSum
	hash hash.Hash
	n    int64
}

var errText = errors.New("text has not the size or sum that MANIFEST says")

func (c *checkedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.hash.Write(p[:n])
	switch {
	case c.n > c.want.Size:
		return 0, errText
	case errors.Is(err, io.EOF) && (c.n != c.want.Size || [32]byte(c.hash.Sum(nil)) != c.want.Sum):
		return 0, errText
	}
	return n, err
}

func (c *checkedReader) Close() error { return c.r.Close() }
