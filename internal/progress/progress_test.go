package progress

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestNothingIsSaidWithoutATerminal(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, out := range []io.Writer{file, &bytes.Buffer{}} {
		before := runtime.NumGoroutine()
		end := Begin(out, "work")
		if n := runtime.NumGoroutine(); n != before { // nothing is there that could write later
			t.Errorf("%T: %d goroutines, %d before", out, n, before)
		}
		end()
	}
}

func TestPassphraseNeedsATerminal(t *testing.T) {
	var out bytes.Buffer
	if _, err := Passphrase(t.Context(), strings.NewReader("secret\n"), &out, "key"); err == nil || out.Len() != 0 {
		t.Errorf("asked %q, %v", out.String(), err)
	}
}
