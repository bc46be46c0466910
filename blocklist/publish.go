package blocklist

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/vaern/vaern/internal/durable"
	"github.com/vaern/vaern/internal/sshsig"
)

// Permissions of what is published: readable by the group of the directory,
// which is how a server reads the editions and nothing else of the authority.
const (
	editionDirMode  = 0o750
	editionFileMode = 0o640
)

// Publication is everything Publish needs beside the set.
type Publication struct {
	Dir      string   // directory of the list; exists, and its lock is held by the caller
	Old      *Edition // the latest edition, as OpenLatest gave it; nil if there is none
	Manifest Manifest // identity, serial and times; counts and sums are filled in
	Files    []File   // files beside the lists, in the order of MANIFEST
	Sign     func(manifest []byte) (armored []byte, err error)
	Keys     *sshsig.AllowedSigners // what readers will check the signature with
}

// Publish writes an edition, opens it as a reader would, and only then makes it
// the latest. Order: files, fsync, MANIFEST and signature, fsync, verify, rename
// the directory to its serial, replace latest. What the files hold was summed
// while it was written, and is not read back: it would come from memory.
//
// If the process dies before the last step the old edition stays published;
// what is left is a hidden directory, which the next holder of the lock
// sweeps away, or a complete edition that never was the latest, which nobody
// serves and whose serial is never used again.
func Publish(p Publication, set *Set) (*Edition, error) {
	e, err := publish(p, set)
	if err != nil {
		return nil, fmt.Errorf("publish edition %v: %w", p.Manifest.Serial, err)
	}
	return e, nil
}

func publish(p Publication, set *Set) (*Edition, error) {
	var before *Manifest
	var previous Serial
	if p.Old != nil {
		before, previous = p.Old.Manifest, p.Old.Serial
	}
	if latest, err := Latest(p.Dir); err != nil || latest != previous {
		return nil, cmp.Or(err, fmt.Errorf("the latest edition is %v, not %v that was built upon", latest, previous))
	}
	hidden := filepath.Join(p.Dir, durable.TempPrefix+p.Manifest.Serial.String())
	defer os.RemoveAll(hidden) //nolint:errcheck // gone already when the rename was reached
	if err := makeGroupDir(p.Dir, hidden); err != nil {
		return nil, err
	}
	m := p.Manifest
	m.raw, m.Previous = nil, previous
	m.Domains, m.Hosts, m.URLs = len(set.rows[Domain]), len(set.rows[Host]), len(set.rows[URL])
	files := slices.Concat(listFiles, p.Files, []File{entriesFile})
	var err error
	if m.Files, err = writeFiles(hidden, files, m.Serial, set, p.Old); err != nil {
		return nil, err
	}
	if err := signManifest(hidden, &m, p.Sign); err != nil {
		return nil, err
	}
	e, err := open(hidden, p.Keys, (*Edition).checkSize)
	if err == nil {
		err = CheckSuccessor(before, e.Manifest, e.Created)
	}
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(p.Dir, m.Serial.String())
	if err := durable.Rename(hidden, dir); err != nil {
		return nil, err
	}
	if err := MakeLatest(p.Dir, m.Serial); err != nil {
		return nil, err
	}
	e.Dir = dir
	return e, nil
}

// MakeLatest makes an edition of the list in dir the published one. The caller
// holds the list's lock and has opened the edition.
func MakeLatest(dir string, serial Serial) error {
	return durable.WriteFile(filepath.Join(dir, latestName), []byte(serial.String()+"\n"), editionFileMode)
}

func signManifest(dir string, m *Manifest, sign func([]byte) ([]byte, error)) error {
	text := m.Bytes()
	sig, err := sign(text)
	if err != nil {
		return fmt.Errorf("sign manifest: %w", err)
	}
	for _, f := range []struct {
		name string
		data []byte
	}{{manifestName, text}, {signatureName, sig}} {
		if err := durable.WriteFile(filepath.Join(dir, f.name), f.data, editionFileMode); err != nil {
			return err
		}
	}
	return nil
}

// writeFiles writes every file in all its forms, each on a goroutine of its
// own, and returns their sizes and sums in the order of MANIFEST. Chunks of
// text that old has are not compressed again.
func writeFiles(dir string, files []File, serial Serial, set *Set, old *Edition) ([]FileSum, error) {
	sums := make([][]FileSum, len(files))
	errs := make([]error, len(files))
	p := startPresses()
	var wg sync.WaitGroup
	for i, f := range files {
		wg.Go(func() {
			if f.Text {
				sums[i], errs[i] = p.writeText(dir, f, serial, set, old.archive(f.Name))
			} else {
				sums[i], errs[i] = writeBinary(dir, f, serial, set)
			}
		})
	}
	wg.Wait()
	p.stop()
	// One full disk fails every file: the first failure says it.
	if err := cmp.Or(errs...); err != nil {
		return nil, err
	}
	return slices.Concat(sums...), durable.SyncDir(dir)
}

func writeBinary(dir string, f File, serial Serial, set *Set) ([]FileSum, error) {
	out, err := createSummed(dir, f.Name)
	if err != nil {
		return nil, err
	}
	sum, err := out.finish(f.Write(out, serial, set))
	return []FileSum{sum}, err
}

// summed is a file being written, and its size and sum so far.
type summed struct {
	name string
	file *os.File // nil: only the sum is wanted
	w    *bufio.Writer
	hash hash.Hash
	n    int64
}

func createSummed(dir, name string) (*summed, error) {
	if !fileName.MatchString(name) {
		return nil, fmt.Errorf("%q can not be the name of a file", name)
	}
	path := filepath.Join(dir, name)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, editionFileMode)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", name, err)
	}
	if err := errors.Join(f.Chmod(editionFileMode), durable.TakeGroup(dir, path)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &summed{name: name, file: f, w: bufio.NewWriterSize(f, 256<<10), hash: sha256.New()}, nil
}

func (s *summed) Write(p []byte) (int, error) {
	s.n += int64(len(p))
	s.hash.Write(p)
	return s.w.Write(p)
}

// finish makes the file durable, unless writing it failed.
func (s *summed) finish(err error) (FileSum, error) {
	err = errors.Join(err, s.w.Flush())
	if s.file != nil {
		err = errors.Join(err, durable.SyncClose(s.file))
	}
	if err != nil {
		return FileSum{}, fmt.Errorf("write %s: %w", s.name, err)
	}
	return FileSum{s.name, s.n, [32]byte(s.hash.Sum(nil))}, nil
}

// makeGroupDir makes a directory that the group of its parent can read.
func makeGroupDir(parent, dir string) error {
	if err := os.Mkdir(dir, editionDirMode); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	if err := os.Chmod(dir, editionDirMode); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	return durable.TakeGroup(parent, dir)
}

// MakeListDir makes the directory of a list below the editions directory, if
// it is not there.
func MakeListDir(editions, list string) (string, error) {
	dir := filepath.Join(editions, list)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := makeGroupDir(editions, dir); err != nil {
		return "", fmt.Errorf("%w (does the editions folder of the configuration exist?)", err)
	}
	return dir, durable.SyncDir(editions)
}
