package blocklist

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/vaern/vaern/internal/durable"
	"github.com/vaern/vaern/internal/sshsig"
)

// Names inside the directory of a list.
const (
	manifestName  = "MANIFEST"
	signatureName = "MANIFEST.sig"
	latestName    = "latest"
)

// maxSignature bounds MANIFEST.sig, in octets; an RSA-4096 one has 1,600.
const maxSignature = 16 << 10

// Edition is one published state of a list: a directory whose every file was
// found to be what a signed MANIFEST says.
type Edition struct {
	*Manifest
	Dir       string
	Signature []byte // MANIFEST.sig, armored

	kept     map[string][]byte          // stored files, the very octets that were summed; see OpenAhead
	archives map[string]func() *archive // see OpenAhead
}

// Open reads and checks the edition in dir: signature by the edition key,
// exactly the files MANIFEST lists, and the size and sum of each stored one.
// Everybody who reads an edition goes through here. It does not look at the
// clock; [CheckSuccessor] does.
func Open(dir string, keys *sshsig.AllowedSigners) (*Edition, error) {
	return open(dir, keys, (*Edition).checkFile)
}

func open(dir string, keys *sshsig.AllowedSigners, check func(*Edition, FileSum) error) (*Edition, error) {
	e, err := openWhole(dir, keys, check)
	if err != nil {
		return nil, fmt.Errorf("open edition %s: %w", filepath.Base(dir), err)
	}
	return e, nil
}

func openWhole(dir string, keys *sshsig.AllowedSigners, check func(*Edition, FileSum) error) (*Edition, error) {
	m, sig, err := openManifest(dir, keys)
	if err != nil {
		return nil, err
	}
	e := &Edition{Manifest: m, Dir: dir, Signature: sig}
	if err := e.checkNames(); err != nil {
		return nil, err
	}
	return e, e.checkStored(check)
}

// VerifyManifest parses a MANIFEST and checks its armored signature by an
// edition key. The key must have been valid when the edition was made: an
// edition outlives a key that is replaced.
func VerifyManifest(text, signature []byte, keys *sshsig.AllowedSigners) (*Manifest, error) {
	m, err := ParseManifest(text)
	if err != nil {
		return nil, err
	}
	if _, err := keys.Verify(EditionPrincipal, EditionNamespace, text, signature, m.Created); err != nil {
		return nil, fmt.Errorf("check signature: %w", err)
	}
	return m, nil
}

// openManifest reads MANIFEST and checks its signature.
func openManifest(dir string, keys *sshsig.AllowedSigners) (*Manifest, []byte, error) {
	text, err := readLimited(filepath.Join(dir, manifestName), maxManifest)
	if err != nil {
		return nil, nil, err
	}
	sig, err := readLimited(filepath.Join(dir, signatureName), maxSignature)
	if err != nil {
		return nil, nil, err
	}
	m, err := VerifyManifest(text, sig, keys)
	if err != nil {
		return nil, nil, err
	}
	if base := filepath.Base(dir); base != m.Serial.String() && !strings.HasPrefix(base, durable.TempPrefix) {
		return nil, nil, fmt.Errorf("directory holds edition %v", m.Serial)
	}
	return m, sig, nil
}

// isStored says whether the file itself lies in the directory: the plain form
// of a text is listed in MANIFEST but only its compressed forms are kept.
func (m *Manifest) isStored(name string) bool {
	_, compressed := m.File(name + ".zst")
	return !compressed
}

// checkNames refuses a missing or an extra file.
func (e *Edition) checkNames() error {
	want := []string{manifestName, signatureName}
	for _, f := range e.Files {
		if e.isStored(f.Name) {
			want = append(want, f.Name)
		}
	}
	entries, err := os.ReadDir(e.Dir)
	if err != nil {
		return fmt.Errorf("list files: %w", err)
	}
	var have []string
	for _, entry := range entries {
		have = append(have, entry.Name())
	}
	slices.Sort(want)
	if !slices.Equal(want, have) { // ReadDir sorts
		return errors.New("files are missing, or are there that MANIFEST does not list")
	}
	return nil
}

// checkStored compares every stored file with its size and sum, each on a
// goroutine of its own.
func (e *Edition) checkStored(check func(*Edition, FileSum) error) error {
	errs := make([]error, len(e.Files))
	var wg sync.WaitGroup
	for i, f := range e.Files {
		if e.isStored(f.Name) {
			wg.Go(func() { errs[i] = check(e, f) })
		}
	}
	wg.Wait()
	return cmp.Or(errs...)
}

// CheckFile compares one stored file with its size and sum, for an edition of
// [History], of which only the signature is known to be good.
func (e *Edition) CheckFile(name string) error {
	i := slices.IndexFunc(e.Files, func(f FileSum) bool { return f.Name == name && e.isStored(name) })
	if i < 0 {
		return fmt.Errorf("check %s: no such file in the edition", name)
	}
	return e.checkFile(e.Files[i])
}

func (e *Edition) checkFile(f FileSum) error {
	r, err := durable.OpenRegular(filepath.Join(e.Dir, f.Name))
	if err != nil {
		return fmt.Errorf("open %s: %w", f.Name, err)
	}
	return errors.Join(checkStream(r, f), r.Close())
}

// checkSize looks at the size of a stored file alone.
func (e *Edition) checkSize(f FileSum) error {
	info, err := os.Lstat(filepath.Join(e.Dir, f.Name))
	switch {
	case err != nil:
		return fmt.Errorf("open %s: %w", f.Name, err)
	case !info.Mode().IsRegular() || info.Size() != f.Size:
		return fmt.Errorf("%s has not the size that MANIFEST says", f.Name)
	}
	return nil
}

// checkStream reads r to its end, which must come exactly where MANIFEST says.
func checkStream(r io.Reader, want FileSum) error {
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(r, want.Size+1))
	switch {
	case err != nil:
		return fmt.Errorf("read %s: %w", want.Name, err)
	case n != want.Size:
		return fmt.Errorf("%s has not the size that MANIFEST says", want.Name)
	case [32]byte(h.Sum(nil)) != want.Sum:
		return fmt.Errorf("%s has not the sum that MANIFEST says", want.Name)
	}
	return nil
}

func readLimited(path string, limit int64) ([]byte, error) {
	data, err := durable.ReadRegular(path, limit)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Base(path), err)
	}
	return data, nil
}

// CheckContents decompresses every text in both encodings and compares it
// with the size and sum of its plain form, and the three lists and entries.csv
// with what a maker would write for the same rows, and so with other files of
// which the caller knows that. Clients call it once, and vaern check. A maker
// looks at each chunk when it compresses it, and a server, which hands out the
// stored files, relies on the maker.
func (e *Edition) CheckContents(others ...File) error {
	for _, f := range e.Files {
		if e.isStored(f.Name) {
			continue
		}
		for _, enc := range encodings {
			r, err := enc.open(filepath.Join(e.Dir, f.Name+enc.suffix))
			if err != nil {
				return fmt.Errorf("check edition %v: %w", e.Serial, err)
			}
			err = checkStream(r, f)
			if err := errors.Join(err, r.Close()); err != nil {
				return fmt.Errorf("check edition %v: %s: %w", e.Serial, enc.suffix, err)
			}
		}
	}
	text, err := e.readText(entriesName)
	if err != nil {
		return fmt.Errorf("read edition %v: %w", e.Serial, err)
	}
	set, err := e.ParseEntries(text)
	if err != nil {
		return err
	}
	for _, list := range slices.Concat(listFiles, []File{entriesFile}, others) {
		want, _ := e.File(list.Name)
		h := sha256.New()
		if err := list.Write(h, e.Serial, set); err != nil {
			return err
		}
		if [32]byte(h.Sum(nil)) != want.Sum {
			return fmt.Errorf("check edition %v: %s and %s do not agree", e.Serial, list.Name, entriesName)
		}
	}
	return nil
}

// Set reads what the edition blocks from entries.csv, and compares it with
// the counts of MANIFEST.
func (e *Edition) Set() (*Set, error) {
	text, err := e.readText(entriesName)
	if err != nil {
		return nil, fmt.Errorf("read edition %v: %w", e.Serial, err)
	}
	return e.parseEntries(text, false)
}

// ParseEntries reads what the edition blocks from the text of its entries.csv,
// for a client that trusts nothing: every target is canonical, none is covered
// by another, and there are as many as MANIFEST says. The set holds on to text.
func (m *Manifest) ParseEntries(text string) (*Set, error) {
	set, err := m.parseEntries(text, true)
	if err != nil {
		return nil, err
	}
	if _, out := set.asGiven().inTree(); slices.Contains(out, true) {
		return nil, fmt.Errorf("check edition %v: a row of %s is covered by another", m.Serial, entriesName)
	}
	return set, nil
}

func (m *Manifest) parseEntries(text string, strict bool) (*Set, error) {
	set, err := readEntries(text, strict)
	if err != nil {
		return nil, fmt.Errorf("read edition %v: %s: %w", m.Serial, entriesName, err)
	}
	if [3]int{len(set.rows[Domain]), len(set.rows[Host]), len(set.rows[URL])} != [3]int{m.Domains, m.Hosts, m.URLs} {
		return nil, fmt.Errorf("read edition %v: counts differ from MANIFEST", m.Serial)
	}
	return set, nil
}

// BeginsAs says whether a file of the edition begins as f would write it now
// for the same rows. What stands around the rows, and how each is written,
// shows in the beginning of a file.
func (e *Edition) BeginsAs(f File, set *Set) (bool, error) {
	want := beginning{left: beginningSize}
	if err := f.Write(&want, e.Serial, set); err != nil && !errors.Is(err, errEnough) {
		return false, err
	}
	var r io.ReadCloser
	var err error
	if f.Text {
		r, err = e.OpenText(f.Name)
	} else {
		r, err = durable.OpenRegular(filepath.Join(e.Dir, f.Name))
	}
	if err != nil {
		return false, nil //nolint:nilerr // an edition without the file is another one
	}
	defer r.Close()
	have := make([]byte, want.Len())
	if _, err := io.ReadFull(r, have); err != nil {
		return false, nil //nolint:nilerr // so is one whose file is shorter
	}
	return bytes.Equal(have, want.Bytes()), nil
}

// beginning takes the first octets that are written, and then fails.
type beginning struct {
	bytes.Buffer
	left int
}

// beginningSize reaches well into the names.
const beginningSize = 64 << 10

var errEnough = errors.New("enough was written")

func (b *beginning) Write(p []byte) (int, error) {
	if len(p) > b.left {
		b.Buffer.Write(p[:b.left])
		b.left = 0
		return 0, errEnough
	}
	b.left -= len(p)
	return b.Buffer.Write(p)
}

// Unpack returns the plain form of the text that r is the stored form of:
// name.zst or name.gz, the ending says which. It reads no window above 8 MiB,
// gives out no more than the size MANIFEST declares, and an error at the end if
// size or sum differ. That r has the size and the sum of its own is the caller's
// to check before.
func (m *Manifest) Unpack(stored string, r io.Reader) (io.ReadCloser, error) {
	for _, enc := range encodings {
		name, ok := strings.CutSuffix(stored, enc.suffix)
		f, text := m.File(name)
		if _, listed := m.File(stored); !ok || !text || !listed {
			continue
		}
		plain, err := enc.reader(r)
		if err != nil {
			return nil, fmt.Errorf("unpack %s: %w", stored, err)
		}
		return &checkedReader{r: plain, want: f, hash: sha256.New()}, nil
	}
	return nil, fmt.Errorf("unpack %s: edition %v has no text of that name", stored, m.Serial)
}

// OpenText returns the plain form of one of the edition's texts. It gives out
// no more than the size MANIFEST declares, and an error at the end if size or
// sum differ.
func (e *Edition) OpenText(name string) (io.ReadCloser, error) {
	f, ok := e.File(name)
	if !ok || e.isStored(name) {
		return nil, fmt.Errorf("edition %v has no text of that name", e.Serial)
	}
	enc := encodings[zstdIndex]
	r, err := enc.open(filepath.Join(e.Dir, name+enc.suffix))
	if err != nil {
		return nil, err
	}
	return &checkedReader{r: r, want: f, hash: sha256.New()}, nil
}

// readText returns the plain form of one of the edition's texts, whole.
func (e *Edition) readText(name string) (string, error) {
	r, err := e.OpenText(name)
	if err != nil {
		return "", err
	}
	defer r.Close()
	f, _ := e.File(name)
	var text strings.Builder
	text.Grow(int(f.Size))
	_, err = io.Copy(&text, r)
	return text.String(), err
}

// archive returns the compressed chunks of one of the edition's texts, or nil
// if there is nothing to use again. What is damaged is not used; that the
// edition is whole is another question, which was asked before.
func (e *Edition) archive(name string) *archive {
	if e == nil {
		return nil
	}
	if ready := e.archives[name]; ready != nil {
		return ready()
	}
	a, err := openArchive(e, name, nil)
	if err != nil {
		return nil
	}
	return a
}

// Latest returns the serial that is published for the list whose editions
// lie in dir, or zero if none is.
func Latest(dir string) (Serial, error) {
	text, err := readLimited(filepath.Join(dir, latestName), 64)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	s, err := ParseSerial(strings.TrimSuffix(string(text), "\n"))
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", latestName, err)
	}
	return s, nil
}

// OpenLatest opens the published edition of the list in dir, or returns nil if
// there is none yet.
func OpenLatest(dir string, keys *sshsig.AllowedSigners) (*Edition, error) {
	path, err := latestDir(dir)
	if err != nil || path == "" {
		return nil, err
	}
	return Open(path, keys)
}

// latestDir returns the directory of the published edition, or "" if there is
// none yet.
func latestDir(dir string) (string, error) {
	serial, err := Latest(dir)
	if err != nil || serial == 0 {
		return "", err
	}
	return filepath.Join(dir, serial.String()), nil
}

// Serials returns the serials of all editions that lie in dir, published or
// not, in no particular order.
func Serials(dir string) ([]Serial, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list editions: %w", err)
	}
	var all []Serial
	for _, e := range entries {
		if s, err := ParseSerial(e.Name()); err == nil {
			all = append(all, s)
		}
	}
	return all, nil
}

// History returns the published editions still kept in dir, the latest first:
// each names the one before it, and is of the same authority, environment,
// list and zone. Their signatures are checked, their files are not. If one is
// damaged, those after it are returned with the error.
func History(dir string, keys *sshsig.AllowedSigners) ([]*Edition, error) {
	var all []*Edition
	serial, err := Latest(dir)
	for err == nil && serial != 0 {
		folder := filepath.Join(dir, serial.String())
		m, sig, openErr := openManifest(folder, keys)
		if errors.Is(openErr, os.ErrNotExist) && len(all) > 0 {
			return all, nil // older ones are not kept
		}
		if openErr == nil && len(all) > 0 {
			openErr = checkSameList(m, all[0].Manifest)
		}
		if openErr != nil {
			return all, fmt.Errorf("open edition %v: %w", serial, openErr)
		}
		all = append(all, &Edition{Manifest: m, Dir: folder, Signature: sig})
		serial = m.Previous
	}
	return all, err
}

// maxKeys bounds an edition_keys file, in octets.
const maxKeys = 1 << 20

// LoadKeys reads an edition_keys file: keys of the principal "edition".
func LoadKeys(path string) (*sshsig.AllowedSigners, error) {
	data, err := durable.ReadRegular(path, maxKeys)
	if err != nil {
		return nil, fmt.Errorf("read edition keys: %w", err)
	}
	keys, err := sshsig.ParseAllowedSigners(data)
	if err != nil {
		return nil, fmt.Errorf("read edition keys %s: %w", path, err)
	}
	return keys, nil
}
