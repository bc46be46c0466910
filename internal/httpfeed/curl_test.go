package httpfeed

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vaern/vaern/internal/peers"
)

// TestCurl has curl, gzip and zstd judge what the server sends.
func TestCurl(t *testing.T) {
	w := newWorld(t, Options{})
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(at("header"), []byte("Authorization: Bearer "+w.tokens["nordnet"]+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	curl := func(path string, args ...string) string {
		t.Helper()
		args = append([]string{"--silent", "--show-error", "--fail", "--header", "@" + at("header")}, args...)
		out, err := peers.Command(t, "curl", append(args, w.server.URL+path)...).CombinedOutput()
		if err != nil {
			t.Fatalf("curl %s: %v: %s", strings.Join(args[4:], " "), err, out)
		}
		return string(out)
	}
	same := func(what string, got []byte, want []byte) {
		t.Helper()
		if !bytes.Equal(got, want) {
			t.Errorf("%s: %d octets, want %d", what, len(got), len(want))
		}
	}
	file := func(name string) []byte {
		t.Helper()
		data, err := os.ReadFile(at(name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	text := plainText(t, w.one, "domains.txt")

	same("plain", []byte(curl("/v1/csam/domains.txt")), text)
	same("compressed", []byte(curl("/v1/csam/domains.txt", "--compressed")), text)
	for _, encoding := range []string{"gzip", "zstd"} {
		curl("/v1/csam/domains.txt", "--header", "Accept-Encoding: "+encoding, "--output", at("encoded."+encoding))
		out, err := peers.Command(t, encoding, "-d", "-c", at("encoded."+encoding)).Output()
		if err != nil {
			t.Errorf("%s: %v", encoding, err)
		}
		same(encoding, out, text)
	}
	for ending, program := range map[string]string{".gz": "gzip", ".zst": "zstd"} {
		curl("/v1/csam/rpz.zone"+ending, "--output", at("rpz.zone"+ending))
		if out, err := peers.Command(t, program, "-t", at("rpz.zone"+ending)).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", ending, err, out)
		}
	}

	// A download that was interrupted goes on where it was.
	whole := stored(t, w.one, "domains.txt.zst")
	if err := os.WriteFile(at("part"), whole[:1000], 0o600); err != nil {
		t.Fatal(err)
	}
	curl("/v1/csam/"+w.one.Serial.String()+"/domains.txt.zst", "--continue-at", "-", "--output", at("part"))
	same("resumed", file("part"), whole)

	// What has not changed is not sent again.
	curl("/v1/csam/domains.txt", "--etag-save", at("etag"), "--output", at("first"))
	if status := curl("/v1/csam/domains.txt", "--etag-compare", at("etag"), "--output", at("again"), "--write-out", "%{http_code}"); status != "304" {
		t.Errorf("asked again with the tag: status %s", status)
	}

	// What came is what the MANIFEST says.
	for _, name := range []string{"MANIFEST", "domains.txt", "hosts.txt", "urls.txt", "entries.csv", "domains.txt.gz"} {
		curl("/v1/csam/"+name, "--output", at(name))
	}
	sum := peers.Command(t, "sha256sum", "--check", "--strict", "--ignore-missing", "MANIFEST")
	sum.Dir = dir
	if out, err := sum.Output(); err != nil || bytes.Count(out, []byte(": OK")) != 7 { // and the two of rpz.zone
		t.Errorf("sha256sum: %v: %s", err, out)
	}
}
