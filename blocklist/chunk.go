package blocklist

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"path/filepath"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"

	"github.com/vaern/vaern/internal/durable"
)

// A text is compressed in chunks, each by itself: a zstd frame (RFC 8878,
// section 3), and a run of deflate blocks that ends on an octet and refers to
// nothing before it (a full flush; RFC 1951, section 2.3). All frames make one
// .zst, all runs one member of one .gz. Where a chunk ends is a matter of the
// text alone, and so a text has one compressed form, whoever makes it; and
// when a hundred lines of a million change, all but a hundred chunks are in
// the last edition already.
const (
	minChunk = 8 << 10 // octets of text; below this a chunk ends at no line
	maxChunk = 256 << 10
	// One line in so many ends a chunk that is long enough. Longer chunks make
	// files no smaller: names have little in common but what is near.
	cutOneIn  = 128
	cutOctets = 32 // of a line, that the choice looks at
)

// cutter cuts a text into chunks at the ends of lines.
type cutter struct {
	emit  func(chunk []byte) error // chunk is valid during the call
	chunk []byte                   // what was written of a chunk that is not whole yet
	line  int                      // where the last line of chunk begins
	any   bool
}

func (c *cutter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if len(c.chunk) == 0 { // most chunks are whole in what is written, and are not copied
			if end := firstChunk(p); end > 0 {
				if err := c.cut(p[:end]); err != nil {
					return 0, err
				}
				p = p[end:]
				continue
			}
		}
		if few := minChunk - 1 - len(c.chunk); few > 0 { // no line that ends here counts
			few = min(few, len(p))
			c.chunk, p = append(c.chunk, p[:few]...), p[few:]
			c.line = bytes.LastIndexByte(c.chunk, '\n') + 1
			continue
		}
		end := bytes.IndexByte(p, '\n') + 1
		if end == 0 {
			c.chunk = append(c.chunk, p...)
			break
		}
		c.chunk, p = append(c.chunk, p[:end]...), p[end:]
		if !ends(c.chunk, c.line) {
			c.line = len(c.chunk)
			continue
		}
		if err := c.cut(c.chunk); err != nil {
			return 0, err
		}
		c.chunk = c.chunk[:0]
	}
	return n, nil
}

// firstChunk returns where the first chunk of a text ends; zero if the text
// does not hold all of it.
func firstChunk(text []byte) int {
	if len(text) < minChunk {
		return 0
	}
	line := bytes.LastIndexByte(text[:minChunk-1], '\n') + 1
	for end := minChunk - 1; ; line = end {
		next := bytes.IndexByte(text[end:], '\n') + 1
		end += next
		if next == 0 {
			return 0
		}
		if ends(text[:end], line) {
			return end
		}
	}
}

// ends says whether the last line of a chunk, which is whole and begins at
// line, ends it. The hash is FNV-1a; it may never change, or every chunk of
// every list does.
func ends(chunk []byte, line int) bool {
	if len(chunk) < minChunk {
		return false
	}
	h := uint32(2166136261)
	for _, b := range chunk[line:min(len(chunk), line+cutOctets)] {
		h = (h ^ uint32(b)) * 16777619
	}
	return h>>8%cutOneIn == 0 || len(chunk) >= maxChunk
}

func (c *cutter) cut(chunk []byte) error {
	c.any = true
	return c.emit(chunk)
}

// close emits what is left. An empty text is one empty chunk.
func (c *cutter) close() error {
	if len(c.chunk) == 0 && c.any {
		return nil
	}
	return c.cut(c.chunk)
}

// packed is a chunk in its compressed forms, in the order of encodings.
type packed [2][]byte

// packer compresses chunks; one goroutine uses it.
type packer struct {
	deflate *flate.Writer
	inflate flate.Resetter
	zstd    *zstd.Encoder
	unzstd  *zstd.Decoder
	scratch bytes.Buffer
}

func newPacker() (*packer, error) {
	p := &packer{}
	var err [3]error
	p.deflate, err[0] = flate.NewWriter(nil, gzipLevel)
	p.zstd, err[1] = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true))
	p.unzstd, err[2] = newFrameReader()
	p.inflate = flate.NewReader(nil).(flate.Resetter)
	return p, errors.Join(err[:]...)
}

// newFrameReader decodes the frame of a chunk, and nothing larger.
func newFrameReader() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(2*maxChunk+maxURL))
}

var errPacked = errors.New("compressed text does not decompress to itself")

// pack compresses a chunk and looks at what comes out: nothing is published
// that was not decompressed once.
func (p *packer) pack(chunk []byte) (packed, error) {
	var run bytes.Buffer
	p.deflate.Reset(&run)
	_, err := p.deflate.Write(chunk)
	if err = errors.Join(err, p.deflate.Flush()); err != nil {
		return packed{}, err
	}
	frame := p.zstd.EncodeAll(chunk, nil)

	p.scratch.Reset()
	if err := p.inflate.Reset(bytes.NewReader(append(run.Bytes(), gzipEnd...)), nil); err != nil {
		return packed{}, err
	}
	_, err = p.scratch.ReadFrom(p.inflate.(io.Reader))
	if err != nil || !bytes.Equal(p.scratch.Bytes(), chunk) {
		return packed{}, errPacked
	}
	plain, err := p.unzstd.DecodeAll(frame, p.scratch.Bytes()[:0])
	if err != nil || !bytes.Equal(plain, chunk) {
		return packed{}, errPacked
	}
	return packed{run.Bytes(), frame}, nil
}

const gzipLevel = 6

// Parts of a gzip member around the chunks (RFC 1952, section 2.3): no name,
// no time, no system; and an empty last block, before checksum and length.
var (
	gzipBegin = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}
	gzipEnd   = []byte{0x03, 0x00}
	// flushed is the empty stored block that ends a run, without the bits
	// before it that share an octet with what came before.
	flushed = []byte{0x00, 0x00, 0xff, 0xff}
)

// gzipTrailer ends a member, when crc and size are those of the whole text. It
// is a variable for a test.
var gzipTrailer = func(crc uint32, size int64) []byte {
	b := binary.LittleEndian.AppendUint32(bytes.Clone(gzipEnd), crc)
	return binary.LittleEndian.AppendUint32(b, uint32(size)) //nolint:gosec // modulo 2^32 (RFC 1952)
}

// archive holds the chunks of one text of a published edition. The hash has a
// seed of its own in every process, so that nobody can choose two texts that
// it takes for one.
type archive struct {
	seed   maphash.Seed
	chunks map[chunkID]packed
}

type chunkID struct {
	hash uint64
	size int
}

func (a *archive) find(chunk []byte) (packed, bool) {
	if a == nil {
		return packed{}, false
	}
	p, ok := a.chunks[chunkID{maphash.Bytes(a.seed, chunk), len(chunk)}]
	return p, ok
}

// openArchive takes the compressed forms of a text apart, which are what was
// signed. Without an error the archive may still be empty: an edition may be
// from a maker that cut in another way. each, unless it is nil, is told the
// chunks in their order, each valid during the call.
func openArchive(e *Edition, name string, each func(chunk []byte) error) (*archive, error) {
	var whole packed
	for i, enc := range encodings {
		var err error
		if whole[i], err = e.ReadStored(name + enc.suffix); err != nil {
			return nil, err
		}
	}
	a := &archive{maphash.MakeSeed(), map[chunkID]packed{}}
	runs, frames := splitGzip(whole[0]), splitZstd(whole[zstdIndex])
	if len(runs) != len(frames) {
		return a, nil
	}
	unzstd, err := newFrameReader()
	if err != nil {
		return nil, err
	}
	defer unzstd.Close()
	var plain []byte
	for i, frame := range frames {
		if plain, err = unzstd.DecodeAll(frame, plain[:0]); err != nil {
			return &archive{}, nil //nolint:nilerr // not made by us: nothing to use again
		}
		if each != nil {
			if err := each(plain); err != nil {
				return nil, err
			}
		}
		a.chunks[chunkID{maphash.Bytes(a.seed, plain), len(plain)}] = packed{runs[i], frame}
	}
	return a, nil
}

// ReadStored returns the octets of a stored file, which are what was signed. The
// caller must not change them.
func (e *Edition) ReadStored(name string) ([]byte, error) {
	if data, ok := e.kept[name]; ok {
		return data, nil
	}
	f, ok := e.File(name)
	if !ok {
		return nil, fmt.Errorf("edition %v has no %s", e.Serial, name)
	}
	data, err := durable.ReadRegular(filepath.Join(e.Dir, name), f.Size)
	switch {
	case err != nil:
		return nil, fmt.Errorf("open %s: %w", name, err)
	case int64(len(data)) != f.Size:
		return nil, fmt.Errorf("%s has not the size that MANIFEST says", name)
	case sha256.Sum256(data) != f.Sum:
		return nil, fmt.Errorf("%s has not the sum that MANIFEST says", name)
	}
	return data, nil
}

// splitGzip returns the runs of a member. Deflated text may hold the octets
// that end a run by chance; then there are more pieces here than frames, and
// none is used.
func splitGzip(data []byte) (runs [][]byte) {
	data, ok := bytes.CutPrefix(data, gzipBegin)
	for ok {
		i := bytes.Index(data, flushed)
		if i < 0 {
			break
		}
		runs, data = append(runs, data[:i+len(flushed)]), data[i+len(flushed):]
	}
	return runs
}

// splitZstd returns the frames of a file (RFC 8878, sections 3.1.1 and 3.1.1.2).
func splitZstd(data []byte) (frames [][]byte) {
	const last, rle = 1, 1
	for len(data) > 0 {
		var head zstd.Header
		if head.Decode(data) != nil || head.Skippable {
			return nil
		}
		end := head.HeaderSize
		for final := false; !final; {
			if end+3 > len(data) {
				return nil
			}
			block := int(data[end]) | int(data[end+1])<<8 | int(data[end+2])<<16
			size := block >> 3
			if block>>1&3 == rle {
				size = 1
			}
			end, final = end+3+size, block&last != 0
		}
		if head.HasCheckSum {
			end += 4
		}
		if end > len(data) {
			return nil
		}
		frames, data = append(frames, data[:end]), data[end:]
	}
	return frames
}
