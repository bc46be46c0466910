package source

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

func gzipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.String()
}

func zstdded(text string, o ...zstd.EOption) string {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, o...)
	if err != nil {
		panic(err)
	}
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.String()
}

// openAll opens a file of that name and content, and reads it to the end.
func openAll(t testing.TB, name, content string) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Open(path)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(r)
	if closed := r.Close(); closed != nil {
		t.Errorf("close: %v", closed)
	}
	return string(text), err
}

func TestOpen(t *testing.T) {
	const text = "a.example\nb.example\n"
	long := strings.Repeat(text, 300_000)
	skippable := "\x50\x2a\x4d\x18\x03\x00\x00\x00abc"
	for _, c := range []struct{ name, content, want string }{
		{"list.txt", text, text},
		{"list", "", ""},
		{"list", "a", "a"},
		{"list.gz", gzipped(text), text},
		{"list.GZ", gzipped(text), text},
		{"list.zst", zstdded(text), text},
		{"list.txt", gzipped(text), text},
		{"list.txt", zstdded(text), text},
		{"list.csv", gzipped(""), ""},
		{"list.zst", zstdded(text, zstd.WithZeroFrames(true)), text},
		{"list.gz", gzipped(text) + gzipped("c.example\n") + gzipped("d"), text + "c.example\nd"},
		{"list.zst", zstdded(text) + zstdded("c.example\n") + skippable + zstdded("d"), text + "c.example\nd"},
		{"list.zst", skippable + zstdded(text), text},
		{"list.gz", gzipped(long), long},
		// The largest window that is read, 128 MiB.
		{"list.zst", "\x28\xb5\x2f\xfd\x00\x88\xa1\x00\x00" + text, text},
		{"list.zst", zstdded(long, zstd.WithEncoderLevel(zstd.SpeedBestCompression)), long},
	} {
		got, err := openAll(t, c.name, c.content)
		if err != nil || got != c.want {
			t.Errorf("%s of %d octets: %d octets, %v", c.name, len(c.content), len(got), err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	const text = "a.example\n"
	for _, c := range []struct{ name, content, err string }{
		{"list.gz", text, "called .gz and is not gzip"},
		{"list.gz", "", "called .gz and is not gzip"},
		{"list.zst", text, "called .zst and is not zstd"},
		{"list.gz", zstdded(text), "called .gz and is not gzip"},
		{"list.zst", gzipped(text), "called .zst and is not zstd"},
		{"list.gz", gzipped(gzipped(text)), "another compressed file (gzip)"},
		{"list.gz", gzipped(zstdded(text)), "another compressed file (zstd)"},
		{"list.zst", zstdded(gzipped(text)), "another compressed file (gzip)"},
		{"list.zst", zstdded("PK\x03\x04 and so on"), "another compressed file (zip)"},
		{"list", "\xfd7zXZ\x00 and so on", "compressed as xz"},
		{"list.bz2", "BZh91AY&SY and so on", "compressed as bzip2"},
		{"list", "PK\x03\x04 and so on", "compressed as zip"},
		{"list.gz", gzipped(text) + "x", "decompress"},
		{"list.gz", gzipped(text) + text, "decompress"},
		{"list.zst", zstdded(text) + text, "decompress"},
		{"list.gz", gzipped(text)[:12] + "\xff\xff\xff", "decompress"},
		// A frame that wants a window of 256 MiB (RFC 8878, section 3.1.1.1.2).
		{"list.zst", "\x28\xb5\x2f\xfd\x00\x90\x51\x00\x00" + text, "decompress"},
	} {
		if got, err := openAll(t, c.name, c.content); err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "a.example") {
			t.Errorf("%s: %q, %v, want %q", c.name, got, err, c.err)
		}
	}
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, fifo, filepath.Join(dir, "none"), "/dev/zero"} {
		if r, err := Open(path); err == nil {
			t.Errorf("%s is open: %v", path, r.Close())
		}
	}
}

// Wherever a compressed file breaks off, it is no shorter list.
func TestOpenTruncated(t *testing.T) {
	var text strings.Builder
	for i := range 500 {
		fmt.Fprintf(&text, "n%d.example\n", i*i*7919)
	}
	for name, content := range map[string]string{"list.gz": gzipped(text.String()), "list.zst": zstdded(text.String(), zstd.WithEncoderCRC(false))} {
		for _, whole := range []bool{false, true} { // alone, and behind a whole member or frame
			before := ""
			if whole {
				before = content
			}
			for n := 1; n < len(content); n++ {
				r, err := unfold(io.NopCloser(strings.NewReader(before+content[:n])), name)
				if err == nil {
					_, err = io.Copy(io.Discard, r)
				}
				if err == nil {
					t.Errorf("%s cut to %d octets of %d, behind %d others: no error", name, n, len(content), len(before))
				}
			}
		}
		damaged := []byte(content)
		damaged[len(damaged)/2] ^= 0x10
		if got, err := openAll(t, name, string(damaged)); err == nil && name == "list.gz" {
			t.Errorf("%s damaged: %d octets, no error", name, len(got))
		}
	}
}

// Ten gigabytes of zeros, in a file of some megabytes at most, cost little
// memory and little time.
func TestOpenBomb(t *testing.T) {
	const size, chunk = 10 << 30, 64 << 20
	zeros := strings.Repeat("\x00", chunk)
	for name, member := range map[string]string{
		"zeros.gz": gzipped(zeros), "zeros.zst": zstdded(zeros),
		// Lines, and not the same octet all over.
		"lines.gz":  gzipped(strings.Repeat("a.example\n", chunk/10)),
		"lines.zst": zstdded(strings.Repeat("a.example\n", chunk/10), zstd.WithEncoderLevel(zstd.SpeedBestCompression)),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			f, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			for range size / chunk {
				if _, err := io.WriteString(f, member); err != nil {
					t.Fatal(err)
				}
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			r, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			n, err := io.Copy(io.Discard, r)
			runtime.ReadMemStats(&after)
			if err == nil || !strings.Contains(err.Error(), "more than 200 times its size") {
				t.Errorf("%d octets, %v", n, err)
			}
			if used := after.TotalAlloc - before.TotalAlloc; n > 64<<20 || used > 64<<20 {
				t.Errorf("read %d octets, used %d of memory", n, used)
			}
			again, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			if _, err := Read(again, Options{Format: "plain"}, func(Line) {}); err == nil {
				t.Error("a bomb is a list")
			}
		})
	}
}

// A text that compresses as real lists do may be long.
func TestOpenLongList(t *testing.T) {
	var text strings.Builder
	for i := 0; text.Len() < 2*freeText; i++ {
		fmt.Fprintf(&text, "0.0.0.0 n%d.example\n", i*7919)
	}
	for name, content := range map[string]string{"list.gz": gzipped(text.String()), "list.zst": zstdded(text.String())} {
		if got, err := openAll(t, name, content); err != nil || got != text.String() {
			t.Errorf("%s: %d octets, %v", name, len(got), err)
		}
	}
}

// The bound on the text holds for a file that is not compressed as well.
func TestOpenTooLong(t *testing.T) {
	for _, more := range []int{10, 11} {
		r, err := unfold(io.NopCloser(strings.NewReader(strings.Repeat("a", more))), "list")
		if err != nil {
			t.Fatal(err)
		}
		r.(*list).n = maxText - 10
		if _, err := io.ReadAll(r); (err != nil) != (more > 10) {
			t.Errorf("%d octets: %v", maxText-10+more, err)
		}
	}
}
