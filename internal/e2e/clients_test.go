package e2e

import (
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// texts are the files of an edition that are stored compressed, as .gz and .zst.
var texts = []string{"domains.txt", "hosts.txt", "urls.txt", "entries.csv", "rpz.zone"}

// A text that is put together from chunks must be one to every program: some show half of a file of two members, and say
// nothing. Each reads to the last line what MANIFEST has the sum of.
func TestClientsReadToTheLastLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, alone, noGrowthLimit)
	w.add(synthetic("one-of-many-", 100_000)...)
	var others []target
	for i := range 20_000 {
		others = append(others, target{"host", fmt.Sprintf("www.host-%d.test", i)}, target{"url", fmt.Sprintf("https://url-%d.test/page", i)})
	}
	w.adds("csv", others...)
	w.compile()
	w.add("0-first.example", "zzz-last.test") // so that most chunks come from an edition before
	w.compile()

	dir := filepath.Join("editions", "csam", w.latest())
	sums := map[string]string{}
	for line := range strings.Lines(w.read(filepath.Join(dir, "MANIFEST"))) {
		if sum, name, ok := strings.Cut(strings.TrimSpace(line), "  "); ok {
			sums[name] = sum
		}
	}
	server := httptest.NewServer(storedAs(w.file(dir)))
	t.Cleanup(server.Close)
	for _, client := range w.clients(server.URL + "/") {
		for _, name := range texts {
			if sums[name] == "" {
				t.Fatalf("MANIFEST has no sum of %s", name)
			}
			r, err := finish(client.command(filepath.Join(dir, name)+client.suffix, name))
			if sum := fmt.Sprintf("%x", sha256.Sum256([]byte(r.stdout))); err != nil || r.status != 0 || sum != sums[name] {
				t.Errorf("%s reads %d octets of %s, the last ones %q, and not what MANIFEST says: exit status %d, %v\n%s",
					client.name, len(r.stdout), name+client.suffix, r.stdout[max(0, len(r.stdout)-40):], r.status, err, r.stderr)
			}
		}
	}
	// Go's own, which stops at the end of the first member here, as careless programs do.
	for _, name := range texts {
		if sum := firstMember(t, w.file(filepath.Join(dir, name+".gz"))); sum != sums[name] {
			t.Errorf("the first gzip member of %s is not all of it", name)
		}
	}
}

// client is a program that decompresses a file, or fetches a name that is sent compressed, and prints the text.
type client struct {
	name, suffix string
	command      func(path, name string) *exec.Cmd
}

// clients are those that ISPs have. The last ones of them are tried if they are there: they are no part of make peers.
func (w *world) clients(url string) []client {
	file := func(program string, args ...string) func(path, name string) *exec.Cmd {
		return func(path, _ string) *exec.Cmd { return w.command(program, append(args, path)...) }
	}
	fetch := func(program string, args ...string) func(path, name string) *exec.Cmd {
		return func(_, name string) *exec.Cmd { return w.command(program, append(args, url+name)...) }
	}
	all := []client{
		{"gzip", ".gz", file("gzip", "-dc")},
		{"zcat", ".gz", file("zcat")},
		{"zstd", ".zst", file("zstd", "-dc", "--memory=8MB")},
		{"curl", ".gz", fetch("curl", "-sS", "--fail", "-H", "Accept-Encoding: gzip", "--compressed")},
		{"curl of several encodings", ".gz", fetch("curl", "-sS", "--fail", "--compressed")},
	}
	if strings.Contains(w.tool("curl", "-V"), " zstd") {
		all = append(all, client{"curl", ".zst", fetch("curl", "-sS", "--fail", "-H", "Accept-Encoding: zstd", "--compressed")})
	}
	const python = "import sys, zlib; d = zlib.decompressobj(31); sys.stdout.buffer.write(d.decompress(open(sys.argv[1], 'rb').read()) + d.flush()); sys.exit(not d.eof or d.unused_data != b'')"
	for _, c := range []client{
		{"wget", ".gz", fetch("wget", "-q", "-O", "-", "--compression=gzip")},
		{"python3", ".gz", file("python3", "-c", python)},
	} {
		if _, err := exec.LookPath(c.name); err != nil {
			w.t.Logf("without %s, which is not on this machine", c.name)
			continue
		}
		all = append(all, c)
	}
	return all
}

// storedAs is a web server that sends the stored compressed form of a text with its Content-Encoding, as the lists are
// sent.
func storedAs(dir string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, encoding, suffix := filepath.Base(r.URL.Path), "gzip", ".gz"
		if accepted := r.Header.Get("Accept-Encoding"); accepted == "zstd" {
			encoding, suffix = "zstd", ".zst"
		} else if !strings.Contains(accepted, "gzip") {
			http.Error(w, "only compressed", http.StatusNotAcceptable)
			return
		}
		data, err := os.ReadFile(filepath.Join(dir, name+suffix))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Encoding", encoding)
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write(data) // the client says what it read
	})
}

// firstMember returns the sum of what the first member of a gzip file holds.
func firstMember(t testing.TB, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	z.Multistream(false)
	h := sha256.New()
	if _, err := io.Copy(h, z); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}
