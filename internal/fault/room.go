package fault

import (
	"os"
	"path/filepath"
	"testing"
)

// Room returns a folder for the test, in memory if the machine has such: thousands of calls of fsync need not reach a disk.
func Room(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "vaern-")
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}
