package blocklist

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// manifestMagic is the first line of every MANIFEST.
const manifestMagic = "# vaern edition 1"

// maxManifest bounds what ParseManifest reads, in octets.
const maxManifest = 64 << 10

// Namespaces and principal of the edition key: over a MANIFEST, and over a hold (PROTOCOL.sshsig).
const (
	EditionNamespace = "vaern-edition"
	HoldNamespace    = "vaern-hold"
	EditionPrincipal = "edition"
)

// Manifest is the signed table of contents of an edition. It is text that
// sha256sum -c reads: header lines "# key: value" in a fixed order, then one
// "sum  name" line for each file.
type Manifest struct {
	Authority   string
	Environment string
	List        string
	Zone        string // with final dot
	Serial      Serial
	Previous    Serial // zero: this is the first edition
	Created     time.Time
	Expires     time.Time
	Settle      time.Duration // no wave may be delayed longer
	Register    RegisterHead
	Domains     int // lines of domains.txt
	Hosts       int // lines of hosts.txt
	URLs        int // lines of urls.txt
	Files       []FileSum

	raw []byte // as read, unknown keys included
}

// RegisterHead names a state of the register: how many records its history
// had, and the hash of the last one in lower-case hex.
type RegisterHead struct {
	Records int64
	Hash    string
}

// FileSum is what MANIFEST says of one file.
type FileSum struct {
	Name string
	Size int64 // octets
	Sum  [32]byte
}

// File returns what the manifest says of the file of that name.
func (m *Manifest) File(name string) (FileSum, bool) {
	for _, f := range m.Files {
		if f.Name == name {
			return f, true
		}
	}
	return FileSum{}, false
}

// Age says how old the edition is at now.
func (m *Manifest) Age(now time.Time) time.Duration { return now.Sub(m.Created) }

// header lists the keys before the bytes lines, in order, each with what it
// is written from and read into. One table serves both directions.
func (m *Manifest) header() []headerField {
	return []headerField{
		textField("authority", &m.Authority),
		textField("environment", &m.Environment),
		textField("list", &m.List),
		textField("zone", &m.Zone),
		serialField("serial", &m.Serial),
		serialField("previous", &m.Previous),
		timeField("created", &m.Created),
		timeField("expires", &m.Expires),
		{"settle", func() string { return shortDuration(m.Settle) }, func(s string) (err error) {
			m.Settle, err = time.ParseDuration(s)
			if err == nil && m.Settle < 0 {
				err = errors.New("negative")
			}
			return err
		}},
		{"register", func() string { return fmt.Sprintf("%d %s", m.Register.Records, m.Register.Hash) }, func(s string) error {
			_, err := fmt.Sscanf(s, "%d %s", &m.Register.Records, &m.Register.Hash)
			if err == nil && (m.Register.Records < 0 || !sha256Hex.MatchString(m.Register.Hash)) {
				err = errors.New("not a number of records and a sha256 in lower-case hex")
			}
			return err
		}},
		countField("domains", &m.Domains),
		countField("hosts", &m.Hosts),
		countField("urls", &m.URLs),
	}
}

// Bytes returns the text of the manifest: exactly what was parsed, or what
// the fields say.
func (m *Manifest) Bytes() []byte {
	if m.raw != nil {
		return m.raw
	}
	var b bytes.Buffer
	b.WriteString(manifestMagic + "\n")
	for _, f := range m.header() {
		fmt.Fprintf(&b, "# %s: %s\n", f.key, f.write())
	}
	for _, f := range m.Files {
		fmt.Fprintf(&b, "# bytes: %s %d\n", f.Name, f.Size)
	}
	for _, f := range m.Files {
		fmt.Fprintf(&b, "%x  %s\n", f.Sum, f.Name)
	}
	return b.Bytes()
}

// fileName is what a file of an edition may be called: nothing that could
// leave the directory or hide.
var fileName = regexp.MustCompile(`^[a-z][a-z0-9-]*(\.[a-z0-9-]+)*$`)

// ParseManifest reads a MANIFEST strictly: known keys in order and once,
// unknown "# key" lines kept but not read, sizes and sums for the same files
// in the same order. Signature and clock are the business of [Open] and
// [CheckSuccessor].
func ParseManifest(text []byte) (*Manifest, error) {
	if len(text) > maxManifest {
		return nil, fmt.Errorf("parse manifest: longer than %d octets", maxManifest)
	}
	m := &Manifest{raw: bytes.Clone(text)}
	body, ok := strings.CutSuffix(string(text), "\n")
	lines := strings.Split(body, "\n")
	if !ok || lines[0] != manifestMagic {
		return nil, errors.New("parse manifest: not a vaern edition 1")
	}
	p := manifestParser{m: m, wanted: m.header()}
	for i, line := range lines[1:] {
		if err := p.line(line); err != nil {
			return nil, fmt.Errorf("parse manifest line %d: %w", i+2, err)
		}
	}
	if len(p.wanted) > 0 {
		return nil, fmt.Errorf("parse manifest: key %q is missing", p.wanted[0].key)
	}
	if len(m.Files) == 0 || p.sums != len(m.Files) {
		return nil, errors.New("parse manifest: sums and sizes are not of the same files")
	}
	return m, nil
}

type manifestParser struct {
	m      *Manifest
	wanted []headerField // header keys still to come
	sums   int           // sum lines seen
}

func (p *manifestParser) line(line string) error {
	comment, isComment := strings.CutPrefix(line, "# ")
	switch {
	case isComment && p.sums > 0:
		return errors.New("header line after the sums")
	case isComment:
		return cmp.Or(checkField(comment), p.comment(comment))
	default:
		return p.sum(line)
	}
}

func (p *manifestParser) comment(line string) error {
	key, value, ok := strings.Cut(line, ": ")
	if !ok {
		return errors.New("not key: value")
	}
	if key == "bytes" {
		return p.bytes(value)
	}
	if len(p.wanted) > 0 && p.wanted[0].key == key {
		f := p.wanted[0]
		p.wanted = p.wanted[1:]
		// What it says is not repeated: nobody has verified it yet.
		if f.read(value) != nil || f.write() != value {
			return fmt.Errorf("key %q: not in canonical form", key)
		}
		return nil
	}
	for _, f := range (&Manifest{}).header() {
		if f.key == key {
			return fmt.Errorf("key %q is doubled or out of order", key)
		}
	}
	return nil
}

func (p *manifestParser) bytes(value string) error {
	name, size, ok := strings.Cut(value, " ")
	n, err := strconv.ParseInt(size, 10, 64)
	if !ok || err != nil || n < 0 || strconv.FormatInt(n, 10) != size || !fileName.MatchString(name) {
		return errors.New("not a file's size")
	}
	if len(p.wanted) > 0 {
		return fmt.Errorf("size of a file before key %q", p.wanted[0].key)
	}
	if _, doubled := p.m.File(name); doubled {
		return errors.New("file is listed twice")
	}
	p.m.Files = append(p.m.Files, FileSum{Name: name, Size: n})
	return nil
}

func (p *manifestParser) sum(line string) error {
	sum, name, ok := strings.Cut(line, "  ")
	if !ok || p.sums >= len(p.m.Files) || p.m.Files[p.sums].Name != name {
		return errors.New("not the sum of the next file")
	}
	b, err := hex.DecodeString(sum)
	if err != nil || len(b) != 32 || hex.EncodeToString(b) != sum {
		return errors.New("not a sha256 in lower-case hex")
	}
	copy(p.m.Files[p.sums].Sum[:], b)
	p.sums++
	return nil
}
