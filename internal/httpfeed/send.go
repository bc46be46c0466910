package httpfeed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/durable"
)

// cacheControl keeps the list out of every cache on the way (RFC 9111, section 5.2.2).
const cacheControl = "private, no-store"

// send answers with the file that was found. The error is for our log: the
// client has got its answer, or a connection that ends early.
func (q *request) send() error {
	switch c, stored := q.edition.stored(q.file); {
	case q.file == manifestName:
		return q.serve(textType(""), q.edition.manifestTag, bytes.NewReader(q.edition.manifest), len(q.edition.manifest))
	case q.file == signatureName:
		return q.serve(textType(""), q.edition.sigTag, bytes.NewReader(q.edition.Signature), len(q.edition.Signature))
	case stored:
		return q.sendStored(q.file, c.contentType)
	}

	head := q.w.Header()
	head.Set("Vary", "Accept-Encoding")
	switch chosen := negotiate(q.Request.Header.Values("Accept-Encoding")); chosen {
	case "":
		plain(q.w, http.StatusNotAcceptable, "there is zstd, gzip and identity\n")
		return nil
	case identity:
		return q.sendPlain()
	default:
		head.Set("Content-Encoding", chosen)
		for _, c := range codings {
			if c.name == chosen {
				return q.sendStored(q.file+c.suffix, textType(q.file))
			}
		}
		panic("httpfeed: negotiated a coding that is not there")
	}
}

// sendStored sends a file of the edition as it lies there.
func (q *request) sendStored(name, contentType string) error {
	sum, _ := q.edition.File(name)
	if tag := etag(sum.Sum); q.Request.Header.Get("If-None-Match") == tag {
		// The client has it: most who ask do, and no file need be opened.
		return q.serve(contentType, tag, bytes.NewReader(nil), int(sum.Size))
	}
	f, err := durable.OpenRegular(filepath.Join(q.edition.Dir, name))
	if err != nil {
		return q.gone(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() != sum.Size {
		return q.gone(errors.Join(err, errors.New("file has not the size that MANIFEST says")))
	}
	return q.serve(contentType, etag(sum.Sum), f, int(sum.Size))
}

// gone answers as if the file had never been: an edition that is no longer kept
// may disappear at any moment. Any other reason is an error of ours.
func (q *request) gone(err error) error {
	for _, key := range []string{"Vary", "Content-Encoding"} {
		q.w.Header().Del(key)
	}
	plain(q.w, http.StatusNotFound, "not found\n")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("open file: %w", err)
}

// sendPlain sends a text unpacked.
func (q *request) sendPlain() error {
	sum, _ := q.edition.File(q.file)
	text := &textReader{request: q, sum: sum}
	defer text.close()
	if err := text.open(); err != nil {
		return q.gone(err)
	}
	err := q.serve(textType(q.file), etag(sum.Sum), text, int(sum.Size))
	if !errors.Is(text.err, context.Canceled) { // by the client
		err = errors.Join(err, text.err)
	}
	return err
}

// serve leaves conditions and ranges to net/http (RFC 9110, sections 13 and 14).
func (q *request) serve(contentType, tag string, content io.ReadSeeker, size int) error {
	head := q.w.Header()
	head.Set("Content-Type", contentType)
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Etag", tag)
	head.Set("Vaern-Serial", q.edition.Serial.String())
	// ServeContent leaves the length out when there is a Content-Encoding.
	head.Set("Content-Length", strconv.Itoa(size))
	r := q.Request
	// A Range is for GET alone, and even there section 14.2 lets us ignore it.
	// Many ranges of a text that has to be unpacked up to each of them would be
	// much work for little.
	if r.Method != http.MethodGet || strings.Contains(strings.Join(r.Header.Values("Range"), ","), ",") || !q.goesOn(tag) {
		r = r.Clone(r.Context())
		r.Header.Del("Range")
	}
	http.ServeContent(q.w, r, "", time.Time{}, content)
	return nil
}

// goesOn says whether a Range may be answered from what has that tag.
func (q *request) goesOn(tag string) bool {
	if q.bySerial {
		return true
	}
	p := part{q.isp.Name, q.from, q.list, q.file, q.w.Header().Get("Content-Encoding")}
	return q.handler.begun.goesOn(p, q.Request.Header, tag)
}

// textReader is the plain form of a text as ServeContent wants it. It gives the
// last octets out only when size and sum of the whole were found right, unless
// it was told to begin in the middle or end there.
type textReader struct {
	request *request
	sum     blocklist.FileSum
	r       io.ReadCloser
	at      int64 // where r is
	want    int64 // where the next Read begins
	err     error // first error of reading
}

// Seek notes where to read from; moving there is up to Read.
func (t *textReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += t.want
	case io.SeekEnd:
		offset += t.sum.Size
	}
	if offset < 0 {
		return 0, errors.New("seek before the beginning")
	}
	t.want = offset
	return offset, nil
}

// Read unpacks.
func (t *textReader) Read(p []byte) (int, error) {
	n, err := t.read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		t.err = err
	}
	return n, err
}

func (t *textReader) read(p []byte) (int, error) {
	if t.want >= t.sum.Size {
		return 0, io.EOF
	}
	if t.at > t.want {
		t.close()
		if err := t.open(); err != nil {
			return 0, err
		}
	}
	if err := t.skip(t.want - t.at); err != nil {
		return 0, err
	}
	n, err := t.r.Read(p)
	t.at = t.want + int64(n)
	t.want = t.at
	switch {
	case err == nil && t.at == t.sum.Size:
		var one [1]byte
		_, err = io.ReadFull(t.r, one[:]) // the end, or what is wrong with the text
	case err != nil && t.at < t.sum.Size:
		err = noEOF(err)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("unpack: %w", err)
	}
	return n, nil
}

// skip unpacks what is not sent, of one text at a time for each ISP: the client
// does not have to take it, so nothing else slows down who asks for a thousand
// last octets at once.
func (t *textReader) skip(n int64) error {
	if n == 0 {
		return nil
	}
	q := t.request
	pass, err := q.handler.skips.of(q.isp.Name).take(q.Context())
	if err != nil {
		return err
	}
	defer pass()
	if skipped, err := io.CopyN(io.Discard, t.r, n); err != nil {
		return fmt.Errorf("skip %d of %d octets: %w", skipped, n, noEOF(err))
	}
	return nil
}

// noEOF makes an early end an error that is not taken for the end.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (t *textReader) open() (err error) {
	t.r, err = t.request.edition.OpenText(t.sum.Name)
	t.at = 0
	return err
}

func (t *textReader) close() {
	if t.r != nil {
		_ = t.r.Close()
	}
}
