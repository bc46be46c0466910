package httpfeed

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"strings"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/isp"
)

// View is what is served at one moment, and to whom. It does not change.
type View struct {
	ISPs  *isp.Table
	Lists map[string]*List
}

// List is one list: the published edition and those still kept.
type List struct {
	latest *edition
	kept   map[blocklist.Serial]*edition
}

// NewList returns the list whose published edition is latest. Of the older
// ones only Manifest, Signature and Dir are needed; their files are opened when
// somebody asks, and one that is gone by then is absent.
func NewList(latest *blocklist.Edition, older ...*blocklist.Edition) *List {
	l := &List{latest: newEdition(latest), kept: make(map[blocklist.Serial]*edition)}
	for _, e := range older {
		l.kept[e.Serial] = newEdition(e)
	}
	l.kept[latest.Serial] = l.latest
	return l
}

// edition is an edition with its MANIFEST ready to send.
type edition struct {
	*blocklist.Edition
	manifest    []byte
	manifestTag string
	sigTag      string
}

func newEdition(e *blocklist.Edition) *edition {
	text := e.Bytes()
	return &edition{e, text, etag(sha256.Sum256(text)), etag(sha256.Sum256(e.Signature))}
}

// etag is the strong entity tag of octets with that sum (RFC 9110, section 8.8.3).
func etag(sum [32]byte) string { return `"` + hex.EncodeToString(sum[:16]) + `"` }

// find returns the edition and the name of the file that the rest of a path,
// behind /v1/LIST/, means.
func (l *List) find(rest string) (*edition, string) {
	serial, name, ok := strings.Cut(rest, "/")
	if !ok {
		return l.latest, rest
	}
	s, err := blocklist.ParseSerial(serial)
	if err != nil {
		return nil, ""
	}
	return l.kept[s], name
}

const (
	manifestName  = "MANIFEST"
	signatureName = "MANIFEST.sig"
	zoneName      = "rpz.zone"
)

// coding is a content coding (RFC 9110, section 8.4.1) and the ending of the
// stored file that has it.
type coding struct{ name, suffix, contentType string }

// codings are in the order in which we like to serve them.
var codings = []coding{
	{"zstd", ".zst", "application/zstd"},
	{"gzip", ".gz", "application/gzip"},
}

// isText says whether name is the plain form of a text: one that MANIFEST
// lists with both compressed forms. Nothing else of an edition is served,
// zone.image for one.
func (e *edition) isText(name string) bool {
	_, plain := e.File(name)
	for _, c := range codings {
		_, ok := e.File(name + c.suffix)
		plain = plain && ok
	}
	return plain
}

// stored returns the coding of name if it is the compressed form of a text.
func (e *edition) stored(name string) (coding, bool) {
	for _, c := range codings {
		if text, ok := strings.CutSuffix(name, c.suffix); ok {
			return c, e.isText(text)
		}
	}
	return coding{}, false
}

// serves says whether there is anything of that name to serve.
func (e *edition) serves(name string) bool {
	_, stored := e.stored(name)
	return stored || e.isText(name) || name == manifestName || name == signatureName
}

// textType is the media type of the plain form of a text.
func textType(name string) string {
	switch path.Ext(name) {
	case ".csv":
		return "text/csv; charset=utf-8; header=present" // RFC 4180
	case ".zone":
		return "text/dns; charset=utf-8" // RFC 4027
	}
	return "text/plain; charset=utf-8"
}
