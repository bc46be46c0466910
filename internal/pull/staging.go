package pull

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/vaern/vaern/internal/durable"
)

// staging is a file beside its target: hidden, and only the program's own until
// it is renamed.
type staging struct {
	Install
	path string
	// file is what was written. It stays open because the folder may be one that
	// the resolver may write to: whatever somebody puts at path, a link for one,
	// is not given another owner.
	file *os.File
	sum  string // hex of the SHA-256
}

// hiddenName is where the file for a target is made: the same place each time, so
// that what a crash leaves is found again. A leading dot keeps it out of what
// daemons read from a whole folder.
func hiddenName(to string) string {
	return filepath.Join(filepath.Dir(to), durable.TempPrefix+filepath.Base(to))
}

// remove removes a file, if there is one.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// createHidden creates a file that only this program reads. What is there is of
// an earlier run, or is nobody's: a link that somebody put there is not followed.
func createHidden(path string) (*os.File, error) {
	if err := remove(path); err != nil {
		return nil, fmt.Errorf("make room: %w", err)
	}
	return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
}

// stage makes the file of an Install. What it needs is fetched first.
func (t *texts) stage(ctx context.Context, i Install) (*staging, error) {
	if i.Format == "" {
		if _, err := t.stored(ctx, i.File); err != nil {
			return nil, err
		}
		return newStaging(i, func(w io.Writer) error { return t.copyText(ctx, i.File, w) })
	}
	set, err := t.entries(ctx)
	if err != nil {
		return nil, err
	}
	return newStaging(i, func(w io.Writer) error { return i.Format.write(w, t.manifest.Manifest, set, i.Stop) })
}

// newStaging makes a durable file of what write writes.
func newStaging(i Install, write func(io.Writer) error) (*staging, error) {
	path := hiddenName(i.To)
	f, err := createHidden(path)
	if err != nil {
		return nil, fmt.Errorf("stage %s: %w", i.To, err)
	}
	s := &staging{Install: i, path: path, file: f}
	h := sha256.New()
	w := bufio.NewWriterSize(io.MultiWriter(f, h), 256<<10)
	if err = write(w); err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		s.discard()
		return nil, fmt.Errorf("stage %s: %w", i.To, err)
	}
	s.sum = hexSum(h)
	return s, nil
}

// copyOf writes what r holds.
func copyOf(r io.Reader) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.Copy(w, r)
		return err
	}
}

func hexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// discard ends the staging.
func (s *staging) discard() {
	_ = s.file.Close()
	_ = os.Remove(s.path) // gone already when it was renamed
}

// unchanged says whether what was verified is still what lies there.
func (s *staging) unchanged() error {
	mine, err := s.file.Stat()
	if err != nil {
		return err
	}
	there, err := os.Lstat(s.path)
	if err != nil {
		return err
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(s.file, 0, mine.Size())); err != nil {
		return err
	}
	if !os.SameFile(mine, there) || hexSum(h) != s.sum {
		return advise(fmt.Errorf("%s was changed after it was verified", s.path), "a check looks at its file and leaves it as it is; nothing was installed")
	}
	return nil
}

// owned are permissions and owner of a file.
type owned struct {
	Mode fs.FileMode `json:"mode"`
	UID  int         `json:"uid"`
	GID  int         `json:"gid"`
}

func ownerOf(f *os.File) (owned, error) {
	info, err := f.Stat()
	if err != nil {
		return owned{}, err
	}
	stat, _ := info.Sys().(*syscall.Stat_t)
	return owned{info.Mode().Perm(), int(stat.Uid), int(stat.Gid)}, nil
}

// openTarget opens what a target holds. A target that is not a file is an error: a
// rename would put a file in the place of a link or a device.
func openTarget(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err == nil {
		var info fs.FileInfo
		if info, err = f.Stat(); err == nil && info.Mode().IsRegular() {
			return f, nil
		}
		_ = f.Close()
	}
	if err == nil || errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENXIO) { // a link, a socket
		err = advise(fmt.Errorf("%s is not a regular file", path), "give the path of the file itself in to")
	}
	return nil, err
}

// wanted are permissions and owner as the Install gives them, else those of the
// file that it replaces.
func (i Install) wanted(old owned) owned {
	if i.Mode != 0 {
		old.Mode = i.Mode
	}
	if i.UID >= 0 {
		old.UID = i.UID
	}
	if i.GID >= 0 {
		old.GID = i.GID
	}
	return old
}

// dress sets owner and permissions, in this order: a new owner clears bits.
func (s *staging) dress(want owned) error {
	have, err := ownerOf(s.file)
	if err == nil && (have.UID != want.UID || have.GID != want.GID) {
		err = s.file.Chown(want.UID, want.GID)
	}
	if err == nil {
		err = s.file.Chmod(want.Mode.Perm()) // from a record, it may be any
	}
	if err != nil {
		return advise(fmt.Errorf("set owner and mode: %w", err), "give mode, owner and group that this program may set, or run it as the owner of the file")
	}
	return s.file.Sync()
}

// sumOf returns the SHA-256 of a file in hex, or "" if there is none.
func sumOf(path string) (string, error) {
	f, err := durable.OpenRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hexSum(h), nil
}
