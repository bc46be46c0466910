package durable

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestReadRegular(t *testing.T) {
	dir := t.TempDir()
	file, fifo := filepath.Join(dir, "file"), filepath.Join(dir, "fifo")
	if err := os.WriteFile(file, []byte("1234"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := ReadRegular(file, 4); err != nil || string(data) != "1234" {
		t.Errorf("got %q, %v", data, err)
	}
	for path, limit := range map[string]int64{file: 3, fifo: 9, dir: 9, filepath.Join(dir, "none"): 9} {
		if _, err := ReadRegular(path, limit); err == nil { // a FIFO would hang
			t.Errorf("read %s", path)
		}
	}
}
