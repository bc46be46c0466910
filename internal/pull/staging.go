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
	sum  string // hex of the SHA-256
}

// hiddenName is where the file for a target is made: the same place each time, so
// that what a crash leaves is found again. A leading dot keeps it out of what
// daemons read from a whole folder.
func hiddenName(to string) string {
	return filepath.Join(filepath.Dir(to), durable.TempPrefix+filepath.Base(to))
}

// createHidden creates a file that only this program reads. What is there is of
// an earlier run, or is nobody's: a link that somebody put there is not followed.
func createHidden(path string) (*os.File, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("make room: %w", err)
	}
	return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
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
	s := &staging{Install: i, path: hiddenName(i.To)}
	f, err := createHidden(s.path)
	if err != nil {
		return nil, fmt.Errorf("stage %s: %w", i.To, err)
	}
	h := sha256.New()
	w := bufio.NewWriterSize(io.MultiWriter(f, h), 256<<10)
	if err = write(w); err == nil {
		err = w.Flush()
	}
	if err = errors.Join(err, durable.SyncClose(f)); err != nil {
		s.discard()
		return nil, fmt.Errorf("stage %s: %w", i.To, err)
	}
	s.sum = hexSum(h)
	return s, nil
}

func hexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

func (s *staging) discard() { _ = os.Remove(s.path) } // gone already when it was renamed

// owned are permissions and owner of a file.
type owned struct {
	Mode fs.FileMode `json:"mode"`
	UID  int         `json:"uid"`
	GID  int         `json:"gid"`
}

// ownerOf looks at a target. It is false if there is none. A target that is not a
// file is an error: a rename would put a file in the place of a link or a device.
func ownerOf(path string) (o owned, exists bool, err error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return owned{}, false, nil
	}
	if err != nil {
		return owned{}, false, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.Mode().IsRegular() {
		return owned{}, false, advise(fmt.Errorf("%s is not a regular file", path), "give the path of the file itself in to")
	}
	return owned{info.Mode().Perm(), int(stat.Uid), int(stat.Gid)}, true, nil
}

// dress gives a staged file its permissions and owner: those of the Install, else
// those of the file it replaces, else 0600 and the program's own.
func (s *staging) dress(old owned, exists bool) error {
	want := owned{0o600, os.Geteuid(), os.Getegid()}
	if exists {
		want = old
	}
	if s.Mode != 0 {
		want.Mode = s.Mode
	}
	if s.UID >= 0 {
		want.UID = s.UID
	}
	if s.GID >= 0 {
		want.GID = s.GID
	}
	return dress(s.path, want)
}

// dress sets owner and permissions, in this order: a new owner clears bits.
func dress(path string, want owned) error {
	have, _, err := ownerOf(path)
	if err == nil && (have.UID != want.UID || have.GID != want.GID) {
		err = os.Chown(path, want.UID, want.GID)
	}
	if err == nil {
		err = os.Chmod(path, want.Mode)
	}
	if err != nil {
		return advise(fmt.Errorf("set owner and mode: %w", err), "give mode, owner and group that this program may set, or run it as the owner of the file")
	}
	f, err := os.OpenFile(path, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrPermission) { // given away: the data is durable, and who has it is on record
		return nil
	}
	if err != nil {
		return err
	}
	return durable.SyncClose(f)
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
