package progress

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestNothingIsSaidWithoutATerminal(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	Begin(file, "work")()
	var b bytes.Buffer
	end := Begin(&b, "work")
	time.Sleep(patience + 100*time.Millisecond)
	end()
	if info, err := file.Stat(); b.Len() != 0 || err != nil || info.Size() != 0 {
		t.Errorf("wrote %q", b.String())
	}
}

func TestPassphraseNeedsATerminal(t *testing.T) {
	var out bytes.Buffer
	if _, err := Passphrase(t.Context(), strings.NewReader("secret\n"), &out, "key"); err == nil || out.Len() != 0 {
		t.Errorf("asked %q, %v", out.String(), err)
	}
}
