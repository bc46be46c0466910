package pull

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vaern/vaern/blocklist"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://feed.police.example/v1/csam":       "",
		"https://feed.police.example:8443/v1/csam":  "",
		"https://feed.police.example/v1/csam/":      "",
		"https://mirror.example/of/them/v1/csam":    "",
		"http://127.0.0.1:8080/v1/csam":             "",
		"http://[::1]:8080/v1/csam":                 "",
		"http://localhost/v1/csam":                  "",
		"http://feed.police.example/v1/csam":        "not https",
		"http://127.0.0.1.nip.example/v1/csam":      "not https",
		"ftp://127.0.0.1/v1/csam":                   "not https",
		"https://user:secret@feed.example/v1/csam":  "has a user",
		"https://feed.example/v1/csam?token=secret": "has a user, a query",
		"https://feed.example/v1/csam#secret":       "fragment",
		"https://feed.example/v1/CSAM":              "not a list",
		"https://feed.example":                      "not a list",
		"/v1/csam":                                  "not a URL",
		"https://secret example/v1/csam":            "not a URL",
	} {
		u, err := ParseURL(text)
		switch {
		case want == "" && (err != nil || !strings.HasSuffix(u.Path, "/csam")):
			t.Errorf("%s: %v, %v", text, u, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret")):
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestNameless(t *testing.T) {
	t.Parallel()
	argv := []string{"named-checkzone", "csam.rpz.police.example", "/var/lib/bind/.new-csam.zone"}
	for text, want := range map[string]string{
		"":                     "",
		"zone is fine, 3 of 3": "zone is fine, 3 of 3",
		"/var/lib/bind/.new-csam.zone:17: bad.example: bad owner":        "/var/lib/bind/.new-csam.zone:17: [...]: bad owner",
		"zone csam.rpz.police.example/IN: not loaded":                    "zone [...]: not loaded",
		"zone csam.rpz.police.example: not loaded":                       "zone csam.rpz.police.example: not loaded",
		"bad.example.csam.rpz.police.example: CNAME and other data":      "[...]: CNAME and other data",
		"'*.Bad.Example.' \"www.bad.example\" (bad.example) x=a.example": "'[...]' \"[...]\" ([...]) x=[...]",
		"rndc: connect failed: 127.0.0.1#953: connection refused":        "rndc: connect failed: 127.0.0.1#953: connection refused",
		"<bad.example>[a.example]{b.example}|c.example":                  "<[...]>[[...]]{[...]}|[...]",
		"https://bad.example/path/of/it":                                 "https:[...]",
		"a\x1b[31mred\x00":                                               "a?[31mred?",
	} {
		if got := nameless(text, argv); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestTailKeepsWholeLines(t *testing.T) {
	t.Parallel()
	var all tail
	for range 1000 {
		_, _ = all.Write([]byte("a line of some length\n"))
	}
	for line := range strings.Lines(all.String()) {
		if strings.TrimSpace(line) != "a line of some length" {
			t.Errorf("a part of a line: %q", line)
		}
	}
	if n := len(all.String()); n == 0 || n > maxTail {
		t.Errorf("%d octets", n)
	}
}

// However a text is cut when it is written, it has so many lines.
func TestCounter(t *testing.T) {
	t.Parallel()
	lot := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // no secret
	text := strings.Repeat("x CNAME y\nz NS y\n\nCNAME\n CNAME \n", 50)
	for _, c := range []struct {
		word, end string
		n         int
		open      bool
	}{{"", "", 250, false}, {" CNAME ", "", 100, false}, {"", "last", 250, true}} {
		for range 200 {
			count := &counter{word: []byte(c.word)}
			for rest := text + c.end; rest != ""; {
				n := 1 + lot.IntN(min(20, len(rest)))
				_, _ = count.Write([]byte(rest[:n]))
				rest = rest[n:]
			}
			if count.n != c.n || count.open != c.open {
				t.Fatalf("%q: %d lines, open %v, want %d, %v", c.word, count.n, count.open, c.n, c.open)
			}
		}
	}
}

// Owner and mode are given to the file that was written, and to nothing that who
// may write to its folder puts in its place.
func TestDressesWhatWasStaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	precious := filepath.Join(dir, "precious")
	if err := os.WriteFile(precious, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := newStaging(Install{To: filepath.Join(dir, "zone"), UID: -1, GID: -1}, copyOf(strings.NewReader("text")))
	if err != nil {
		t.Fatal(err)
	}
	defer s.discard()
	if err := s.unchanged(); err != nil {
		t.Error(err)
	}
	if err := errors.Join(os.Remove(s.path), os.Link(precious, s.path)); err != nil {
		t.Fatal(err)
	}
	if s.unchanged() == nil {
		t.Error("another file is taken for what was verified")
	}
	if err := s.dress(owned{0o644, os.Geteuid(), os.Getegid()}); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(precious); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode of another file: %v, %v", info.Mode(), err)
	}
}

// The record holds three MANIFESTs of any kind, and can be read again.
func TestRecordHoldsLongManifests(t *testing.T) {
	t.Parallel()
	m := &blocklist.Manifest{
		Authority: "Example National Police", Environment: "test", List: "csam", Zone: "csam.rpz.police.example.", Serial: 2, Previous: 1,
		Created: time.Unix(1, 0), Expires: time.Unix(2, 0), Settle: time.Hour, Register: blocklist.RegisterHead{Records: 1, Hash: strings.Repeat("a", 64)},
		Domains: 1, Files: []blocklist.FileSum{{Name: "domains.txt", Size: 1}},
	}
	text := strings.Replace(string(m.Bytes()), "# domains:", "# note: "+strings.Repeat("<", 63<<10)+"\n# domains:", 1)
	m, err := blocklist.ParseManifest([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	long := &manifest{m}
	r := &record{Newest: long, Installed: &installed{Manifest: long}, Pending: &pending{Manifest: long}, dir: t.TempDir()}
	if err := r.save(); err != nil {
		t.Fatal(err)
	}
	if again, err := readRecord(r.dir); err != nil || string(again.Pending.Manifest.Bytes()) != text {
		t.Errorf("read again: %v", err)
	}
}
