// Package durable writes files so that after a crash, at any moment, a path
// holds either what was there before or what was written, never a part.
//
// The rule is write to a hidden neighbour, fsync it, rename it into place,
// fsync the directory (rename(2), fsync(2)). A hidden neighbour left by a
// crash begins with [TempPrefix] and may be removed by whoever holds the
// directory's lock.
package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// TempPrefix begins the name of every file and folder that is not yet
// visible.
const TempPrefix = ".new-"

// ErrLocked is returned by [Lock] when another process holds the lock.
var ErrLocked = errors.New("held by another process")

// WriteFile puts data at path with exactly the permissions perm, replacing
// what is there in one step.
func WriteFile(path string, data []byte, perm os.FileMode) error {
	dir, base := filepath.Split(filepath.Clean(path))
	if dir == "" {
		dir = "."
	}
	f, err := os.CreateTemp(dir, TempPrefix+base+"-")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already when the rename was reached
	if _, err = f.Write(data); err == nil {
		err = f.Chmod(perm)
	}
	if err == nil && perm&0o070 != 0 {
		err = TakeGroup(dir, f.Name())
	}
	if err = errors.Join(err, SyncClose(f)); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return Rename(f.Name(), path)
}

// TakeGroup gives path the group of the directory dir: what is shared with a
// group is shared with the one that the administrator gave the directory.
func TakeGroup(dir, path string) error {
	var want, have unix.Stat_t
	if err := errors.Join(unix.Stat(dir, &want), unix.Stat(path, &have)); err != nil {
		return fmt.Errorf("read group: %w", err)
	}
	if have.Gid == want.Gid {
		return nil
	}
	if err := os.Chown(path, -1, int(want.Gid)); err != nil {
		return fmt.Errorf("give %s the group of its directory: %w", filepath.Base(path), err)
	}
	return nil
}

// SyncClose makes the content of f durable and closes it, whatever happens.
func SyncClose(f *os.File) error {
	return errors.Join(f.Sync(), f.Close())
}

// Rename moves a durable file or folder to its visible name and makes the
// move durable.
func Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return fmt.Errorf("rename: %w", err)
	}
	return SyncDir(filepath.Dir(to))
}

// SyncDir makes the entries of a directory durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	if err := SyncClose(d); err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}

// Sweep removes what a crash left in dir. Only the holder of the lock of dir
// may call it: to anybody else a hidden neighbour may be work in progress.
func Sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("sweep %s: %w", dir, err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), TempPrefix) {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("sweep %s: %w", dir, err)
			}
		}
	}
	return nil
}

// Lock takes the exclusive advisory lock path (flock(2)), creating the file
// with mode 0600, and returns the function that releases it. The kernel
// releases it when the process dies. If somebody else holds it, the error is
// [ErrLocked] at once.
func Lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() {
		// Closing is not enough while a child that was just forked, and has not yet
		// begun its own program, holds the descriptor too.
		_ = unix.Flock(int(f.Fd()), unix.LOCK_UN)
		_ = f.Close()
	}, nil
}
