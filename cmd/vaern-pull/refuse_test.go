package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/pull"
)

// trick is something that a server, or whoever is on the way to it, may do.
type trick struct {
	name   string
	status int // what the program ends with
	says   string
	slow   bool // it is about time
	// offer makes what is due of the edition that could follow.
	offer func(a *authority, p *provider, one, two *blocklist.Edition) *blocklist.Edition
	lie   func(name string, a *answer)
	serve http.HandlerFunc
}

// holds plays a trick on a provider that has an edition: the file stays octet for
// octet, nothing is acknowledged, and once it is over the next edition comes.
func (tr trick) holds(t *testing.T) {
	t.Helper()
	a, p, one, two := installedWith(t, "")
	if tr.slow {
		p.limits = pull.Limits{Patience: 300 * time.Millisecond, Rate: 1 << 20}
	}
	before, reports := p.read("zone"), p.feed.reports()
	info, err := os.Stat(p.file("zone"))
	must(t, err)
	due := two
	if tr.offer != nil {
		due = tr.offer(a, p, one, two)
	}
	if p.rebased {
		before, reports = p.read("zone"), p.feed.reports()
		info, err = os.Stat(p.file("zone"))
		must(t, err)
	}
	p.feed.offer(due)
	p.feed.lie(tr.lie)
	p.feed.handler = tr.serve
	for range 2 { // the second time it must not be known already
		p.pull(tr.status)
		if !strings.Contains(p.said.String(), tr.says) {
			t.Errorf("does not say %q: %s", tr.says, p.said.String())
		}
	}
	now, err := os.Stat(p.file("zone"))
	must(t, err)
	if p.read("zone") != before || !os.SameFile(info, now) || !now.ModTime().Equal(info.ModTime()) {
		t.Error("the installed file is another one")
	}
	if got := p.feed.reports(); !slices.Equal(got, reports) {
		t.Errorf("posted: %v", got)
	}
	p.limits = pull.Limits{}
	p.feed.lie(nil)
	p.keys(a.allowed())
	next := a.follows(a.publish(time.Now().Add(-time.Minute), "domain worse.example"), two)
	p.feed.offer(next)
	p.pull(0)
	if p.read("zone") != plain(t, next, "rpz.zone") {
		t.Error("afterwards the next edition was not installed")
	}
}

func body(name string, change func(body []byte) []byte) func(string, *answer) {
	return func(n string, a *answer) {
		if n == name {
			a.body = change(slices.Clone(a.body))
			a.length = len(a.body)
		}
	}
}

const page = "<!DOCTYPE html>\n<html><head><title>Portal</title></head><body>Please log in.</body></html>\n"

// editLine replaces a line of MANIFEST.
func editLine(key, value string) func(text string) string {
	return func(text string) string {
		i := strings.Index(text, "# "+key+": ")
		end := i + strings.IndexByte(text[i:], '\n')
		return text[:i] + "# " + key + ": " + value + text[end:]
	}
}

// resigned offers an edition that says otherwise of itself, rightly signed.
func resigned(edits ...func(string) string) func(*authority, *provider, *blocklist.Edition, *blocklist.Edition) *blocklist.Edition {
	return func(a *authority, _ *provider, _, two *blocklist.Edition) *blocklist.Edition {
		return a.resign(two, func(text string) string {
			for _, edit := range edits {
				text = edit(text)
			}
			return text
		})
	}
}

func stamp(t time.Time) string { return t.UTC().Truncate(time.Second).Format(time.RFC3339) }

func TestRefuses(t *testing.T) {
	t.Parallel()
	for _, tr := range []trick{
		{name: "signed by another key", status: 3, says: "is not among the allowed signers", offer: func(_ *authority, _ *provider, _, two *blocklist.Edition) *blocklist.Edition {
			return newAuthority(t).resign(two, func(text string) string { return text })
		}},
		{name: "signed in another namespace", status: 3, says: "namespace", offer: func(a *authority, _ *provider, _, two *blocklist.Edition) *blocklist.Edition {
			a.namespace = blocklist.HoldNamespace
			defer func() { a.namespace = blocklist.EditionNamespace }()
			return a.resign(two, func(text string) string { return text })
		}},
		{name: "key that is not valid any more", status: 3, says: "is not valid at", offer: func(a *authority, p *provider, _, two *blocklist.Edition) *blocklist.Edition {
			old := *a
			old.key.ValidBefore = two.Created.Add(-time.Minute)
			p.keys(old.allowed())
			return two
		}},
		{name: "no signature", status: 1, says: "answered 404", lie: func(name string, a *answer) {
			if name == "MANIFEST.sig" {
				a.status = http.StatusNotFound
			}
		}},
		{name: "empty signature", status: 3, lie: body("MANIFEST.sig", func([]byte) []byte { return nil })},
		{name: "empty MANIFEST", status: 3, says: "no edition", lie: body("MANIFEST", func([]byte) []byte { return nil })},
		{name: "HTML page as MANIFEST", status: 3, says: "no edition", lie: body("MANIFEST", func([]byte) []byte { return []byte(page) })},
		{name: "HTML page as signature", status: 3, lie: body("MANIFEST.sig", func([]byte) []byte { return []byte(page) })},
		{name: "HTML page as list", status: 3, says: "size or sum", lie: body("rpz.zone.zst", func([]byte) []byte { return []byte(page) })},
		{name: "HTML page with an error", status: 1, says: "answered 502", serve: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = w.Write([]byte(page))
		}},
		{name: "unknown credential", status: 1, says: "hint: the server does not know", serve: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
		}},
		{name: "redirect to another host", status: 1, says: "answered 302", serve: func(w http.ResponseWriter, r *http.Request) {
			if r.Host == "localhost.invalid" || r.URL.Path == "/elsewhere" {
				t.Error("a redirect was followed")
			}
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}},
		{name: "other environment", status: 3, says: `environment "production", not "test"`, offer: resigned(editLine("environment", "production"))},
		{name: "other list", status: 3, says: `list "other", not "csam"`, offer: resigned(editLine("list", "other"))},
		{name: "other zone", status: 3, says: "another list or zone", offer: resigned(editLine("zone", "x.police.example."))},
		{name: "other authority", status: 3, says: "another authority", offer: resigned(editLine("authority", "Somebody"))},
		{name: "expired", status: 3, says: "expired at", offer: resigned(editLine("expires", stamp(time.Now().Add(-time.Minute))))},
		{name: "older serial", status: 3, says: "is not after", offer: func(a *authority, _ *provider, one, _ *blocklist.Edition) *blocklist.Edition {
			return a.publish(one.Created.Add(-time.Hour), "domain worse.example")
		}},
		{name: "equal serial, other content", status: 3, says: "is not after", offer: func(a *authority, _ *provider, one, _ *blocklist.Edition) *blocklist.Edition {
			return a.publish(one.Created, "domain worse.example")
		}},
		{name: "second branch", status: 3, says: "does not know", offer: resigned(editLine("previous", "5"))},
		{name: "created before the last", status: 3, says: "created before", offer: resigned(editLine("created", stamp(time.Now().Add(-10*time.Hour))))},
		{name: "empty list", status: 3, says: "is empty", offer: func(a *authority, _ *provider, one, two *blocklist.Edition) *blocklist.Edition {
			return a.resign(two, func(text string) string {
				return editLine("domains", "0")(editLine("hosts", "0")(text))
			})
		}},
		{name: "empty zone under full counts", status: 3, says: "lines that MANIFEST counts", offer: func(a *authority, _ *provider, _, two *blocklist.Edition) *blocklist.Edition {
			text := plain(a.t, two, "rpz.zone")
			text = text[:strings.Index(text, "bad.example")]
			return a.replace(two, map[string][]byte{"rpz.zone": []byte(text), "rpz.zone.zst": compress(a.t, []byte(text))})
		}},
		{name: "counts that differ", status: 3, says: "lines that MANIFEST counts", offer: resigned(editLine("hosts", "2"))},
		{name: "text of immeasurable size", status: 3, says: "longer than", offer: func(a *authority, _ *provider, _, two *blocklist.Edition) *blocklist.Edition {
			f, _ := two.File("rpz.zone")
			return a.resign(two, func(text string) string {
				return strings.Replace(text, fmt.Sprintf("# bytes: rpz.zone %d\n", f.Size), "# bytes: rpz.zone 9000000000000\n", 1)
			})
		}},
		{name: "zstd bomb that MANIFEST does not know", status: 3, says: "longer than it may be", lie: body("rpz.zone.zst", func([]byte) []byte { return bomb(t) })},
		{name: "signed zstd bomb", status: 3, says: "size or sum", offer: func(a *authority, _ *provider, _, two *blocklist.Edition) *blocklist.Edition {
			return a.replace(two, map[string][]byte{"rpz.zone.zst": bomb(a.t)})
		}},
		{name: "zstd window above 8 MiB", status: 3, says: "window size", offer: func(a *authority, _ *provider, _, two *blocklist.Edition) *blocklist.Edition {
			return a.replace(two, map[string][]byte{"rpz.zone.zst": wide(a.t)})
		}},
		{name: "gzip in the place of zstd", status: 3, says: "unpack", offer: func(a *authority, _ *provider, _, two *blocklist.Edition) *blocklist.Edition {
			return a.replace(two, map[string][]byte{"rpz.zone.zst": gzipBomb(a.t)})
		}},
		{name: "no list", status: 1, says: "answered 404", lie: func(name string, a *answer) {
			if name == "rpz.zone.zst" {
				a.status = http.StatusNotFound
			}
		}},
		{name: "Content-Length too long", status: 1, lie: func(name string, a *answer) {
			if name == "rpz.zone.zst" {
				a.length, a.cut = len(a.body), len(a.body)-5
			}
		}},
		{name: "Content-Length beyond MANIFEST", status: 3, says: "longer than it may be", lie: func(name string, a *answer) {
			if name == "rpz.zone.zst" {
				a.body = append(a.body, 'x')
				a.length = len(a.body)
			}
		}},
		{name: "Content-Length too short", status: 3, says: "size or sum", lie: func(name string, a *answer) {
			if name == "rpz.zone.zst" {
				a.body = a.body[:len(a.body)-5]
				a.length = len(a.body)
			}
		}},
		{name: "connection that ends early", status: 1, lie: func(name string, a *answer) {
			if name == "rpz.zone.zst" {
				a.length, a.cut = -1, 10
			}
		}},
		{name: "no answer", status: 1, slow: true, says: "it took too long", serve: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
	} {
		t.Run(tr.name, func(t *testing.T) {
			t.Parallel()
			tr.holds(t)
		})
	}
}

func compress(t testing.TB, text []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil, zstd.WithWindowSize(1<<20))
	must(t, err)
	return w.EncodeAll(text, nil)
}

// bomb is 64 MiB of nothing.
func bomb(t testing.TB) []byte { return compress(t, make([]byte, 64<<20)) }

// wide is a frame whose window is 16 MiB.
func wide(t testing.TB) []byte {
	t.Helper()
	var b strings.Builder
	w, err := zstd.NewWriter(&b, zstd.WithWindowSize(16<<20), zstd.WithSingleSegment(false))
	must(t, err)
	_, err = w.Write(make([]byte, 20<<20))
	must(t, err)
	must(t, w.Close())
	return []byte(b.String())
}

func gzipBomb(t testing.TB) []byte {
	t.Helper()
	var b strings.Builder
	w := gzip.NewWriter(&b)
	_, err := w.Write(make([]byte, 64<<20))
	must(t, err)
	must(t, w.Close())
	return []byte(b.String())
}

// A bomb is found after as much as MANIFEST promises, not after all of it: it leaves
// no trace on the disk.
func TestBombIsNotUnpacked(t *testing.T) {
	t.Parallel()
	a, p, _, two := installedWith(t, "")
	p.feed.offer(a.replace(two, map[string][]byte{"rpz.zone.zst": bomb(t)}))
	p.pull(3)
	for _, pattern := range []string{"*", "state/*"} {
		files, _ := filepath.Glob(p.file(pattern))
		for _, path := range files {
			if info, err := os.Stat(path); err == nil && !info.IsDir() && info.Size() > 64<<10 {
				t.Errorf("%s has %d octets", path, info.Size())
			}
		}
	}
}

// fresh is a provider that has nothing yet, for tables of many rows: nothing may be
// installed, whatever it is sent.
func fresh(t *testing.T) (*provider, *blocklist.Edition) {
	t.Helper()
	a := newAuthority(t)
	p := newProvider(t, a, "")
	e := a.publish(time.Now().Add(-time.Hour), "domain bad.example", "domain worse.example", "host host.example")
	p.feed.offer(e)
	return p, e
}

// noThanks runs with a lie, and wants it to be refused and nothing to be there.
func (p *provider) noThanks(what string, statuses ...int) {
	p.t.Helper()
	status, stdout := p.run("--once")
	if !slices.Contains(statuses, status) || p.read("zone") != "" || len(p.feed.reports()) > 0 {
		p.t.Fatalf("%s: exit status %d, want %v; posted %v: %s%s", what, status, statuses, p.feed.reports(), stdout, p.said.String())
	}
}

// Without an edition on record as well.
func TestRefusesTheFirst(t *testing.T) {
	t.Parallel()
	for what, edit := range map[string]func(string) string{
		"environment \"production\"": editLine("environment", "production"),
		"list \"other\"":             editLine("list", "other"),
		"expired at":                 editLine("expires", stamp(time.Now())),
		"expires before":             func(s string) string { return editLine("created", stamp(time.Now().Add(100*time.Hour)))(s) },
		"is empty":                   func(s string) string { return editLine("domains", "0")(editLine("hosts", "0")(s)) },
		"its own previous":           editLine("previous", "2000000000"),
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			a := newAuthority(t)
			p := newProvider(t, a, "")
			p.feed.offer(a.resign(a.publish(time.Now().Add(-time.Hour), "domain bad.example", "host host.example"), edit))
			p.noThanks(what, 3)
			if !strings.Contains(p.said.String(), what) {
				t.Error(p.said.String())
			}
		})
	}
}

var fetched = []string{"MANIFEST", "MANIFEST.sig", "rpz.zone.zst"}

func TestTruncated(t *testing.T) {
	t.Parallel()
	p, e := fresh(t)
	for _, name := range fetched {
		data, err := os.ReadFile(filepath.Join(e.Dir, name))
		must(t, err)
		for i := range 70 { // some 200 with all three
			at := i * len(data) / 70
			p.feed.lie(body(name, func(b []byte) []byte { return b[:at] }))
			p.noThanks(fmt.Sprintf("%s ends after %d of %d", name, at, len(data)), 3)
			p.feed.lie(func(n string, a *answer) {
				if n == name {
					a.cut = at
				}
			})
			p.noThanks(fmt.Sprintf("connection ends after %d of %d of %s", at, len(data), name), 1)
		}
	}
	p.feed.lie(nil)
	p.pull(0)
}

func TestFlippedOctets(t *testing.T) {
	t.Parallel()
	p, e := fresh(t)
	for _, name := range fetched {
		data, err := os.ReadFile(filepath.Join(e.Dir, name))
		must(t, err)
		for i := range data {
			p.feed.lie(body(name, func(b []byte) []byte {
				b[i] ^= 1 << (i % 8)
				return b
			}))
			// A serial that says something else has no signature.
			p.noThanks(fmt.Sprintf("octet %d of %s", i, name), 3, 1)
		}
	}
	p.feed.lie(nil)
	p.pull(0)
}

// What somebody sends who is not the authority is not printed: it may be a listed
// name, and what a terminal obeys.
func TestNobodysWordsArePrinted(t *testing.T) {
	t.Parallel()
	a, p, _, two := installedWith(t, "")
	raw := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, text)
			_ = c.Close()
		}
	}
	quiet := func(what string) {
		t.Helper()
		if status, _ := p.run("--once"); status == 0 || strings.ContainsAny(p.said.String(), "\x1b\u009b") || len(p.said.String()) > 1000 {
			t.Errorf("%s: exit status %d: %q", what, status, p.said.String())
		}
	}
	for what, text := range map[string]string{
		"a header":   "HTTP/1.1 200 OK\r\nbad.example \x1b]0;worse.example\x07\u009b\r\n\r\n",
		"a status":   "HTTP/1.1 bad.example \x1b[2J\r\n\r\n",
		"a version":  "bad.example\x1b[2J\r\n\r\n",
		"a length":   "HTTP/1.1 200 OK\r\nContent-Length: bad.example\r\n\r\n",
		"a coding":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: bad.example\r\n\r\n",
		"a chunk":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nbad.example\r\n",
		"a long one": "HTTP/1.1 200 OK\r\n" + strings.Repeat("x", 8000) + "\r\n\r\n",
		"a redirect": "HTTP/1.1 302 bad.example\r\nLocation: https://bad.example/\r\n\r\n",
	} {
		p.feed.handler = raw(text)
		quiet(what)
	}
	p.feed.lie(nil)
	for _, key := range []string{"serial", "previous", "created", "settle", "domains", "register"} {
		p.feed.offer(a.resign(two, editLine(key, "bad.example")))
		quiet(key)
	}
	other := p.selfSigned("server.pem", "server.key", "bad.example", "\x1b[2Jworse.example")
	p.overTLS(&tls.Config{Certificates: []tls.Certificate{other}}, "")
	p.write("vaern-pull.toml", strings.Replace(p.read("vaern-pull.toml"), "https://127.0.0.1:", "https://localhost:", 1))
	quiet("a certificate")
}
