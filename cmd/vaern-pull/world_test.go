package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/dnsfeed"
	"github.com/vaern/vaern/internal/pull"
	"github.com/vaern/vaern/internal/sshsig"
)

// authority publishes editions of one list with a key of its own.
type authority struct {
	t         testing.TB
	dir       string // of the list
	namespace string // that it signs in
	signer    ssh.Signer
	key       sshsig.Key
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	private, public, err := sshsig.GenerateEd25519("test")
	must(t, err)
	signer, err := ssh.ParsePrivateKey(private)
	must(t, err)
	key, _, err := sshsig.ParsePublicKey(public)
	must(t, err)
	return &authority{
		t: t, dir: t.TempDir(), namespace: blocklist.EditionNamespace, signer: signer,
		key: sshsig.Key{Principal: blocklist.EditionPrincipal, Public: key, Namespaces: []string{blocklist.EditionNamespace, blocklist.HoldNamespace}},
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (a *authority) allowed() *sshsig.AllowedSigners {
	a.t.Helper()
	keys, err := sshsig.NewAllowedSigners([]sshsig.Key{a.key})
	must(a.t, err)
	return keys
}

// publish makes an edition of targets written "domain bad.example", created at that
// time, in the directory that it returns. It need not follow another.
func (a *authority) publish(created time.Time, targets ...string) *blocklist.Edition {
	a.t.Helper()
	var rows []blocklist.Row
	for _, text := range targets {
		word, name, _ := strings.Cut(text, " ")
		unit, err := blocklist.ParseUnit(word)
		must(a.t, err)
		target, err := blocklist.ParseTarget(unit, name)
		must(a.t, err)
		rows = append(rows, blocklist.Row{Target: target, Added: "2026-11-23"})
	}
	dir, err := os.MkdirTemp(a.dir, "")
	must(a.t, err)
	zone := dnsfeed.Zone{
		Name: "csam.rpz.police.example.", Action: "stop.police.example.", TTL: 60,
		NS: []string{"ns1.police.example."}, Hostmaster: "hostmaster.police.example.",
	}
	created = created.UTC().Truncate(time.Second)
	e, err := blocklist.Publish(blocklist.Publication{
		Dir: dir,
		Manifest: blocklist.Manifest{
			Authority: "Example National Police", Environment: "test", List: "csam", Zone: zone.Name,
			Serial: blocklist.Serial(0).Next(created), Created: created, Expires: created.Add(72 * time.Hour),
			Settle: time.Hour, Register: blocklist.RegisterHead{Records: 1, Hash: strings.Repeat("a", 64)},
		},
		Files: zone.Files(),
		Sign:  func(text []byte) ([]byte, error) { return sshsig.Sign(a.signer, blocklist.EditionNamespace, text) },
		Keys:  a.allowed(),
	}, blocklist.NewSet(rows))
	must(a.t, err)
	return e
}

// resign changes what an edition says of itself, and signs it again.
func (a *authority) resign(e *blocklist.Edition, edit func(text string) string) *blocklist.Edition {
	a.t.Helper()
	text := edit(string(e.Bytes()))
	sig, err := sshsig.Sign(a.signer, a.namespace, []byte(text))
	must(a.t, err)
	must(a.t, os.WriteFile(filepath.Join(e.Dir, "MANIFEST"), []byte(text), 0o600))
	must(a.t, os.WriteFile(filepath.Join(e.Dir, "MANIFEST.sig"), sig, 0o600))
	m, err := blocklist.ParseManifest([]byte(text))
	if err != nil { // it is to be nonsense
		m = e.Manifest
	}
	return &blocklist.Edition{Manifest: m, Dir: e.Dir, Signature: sig}
}

// follows makes an edition one that knows another.
func (a *authority) follows(e, old *blocklist.Edition) *blocklist.Edition {
	a.t.Helper()
	return a.resign(e, func(text string) string {
		return strings.Replace(text, "# previous: 0\n", fmt.Sprintf("# previous: %v\n", old.Serial), 1)
	})
}

// replace puts other octets in the place of a file of an edition, and says their
// size and sum in MANIFEST.
func (a *authority) replace(e *blocklist.Edition, files map[string][]byte) *blocklist.Edition {
	a.t.Helper()
	return a.resign(e, func(text string) string {
		for name, data := range files {
			f, ok := e.File(name)
			if !ok {
				a.t.Fatalf("no %s", name)
			}
			must(a.t, os.WriteFile(filepath.Join(e.Dir, name), data, 0o600))
			text = strings.Replace(text, fmt.Sprintf("# bytes: %s %d\n", name, f.Size), fmt.Sprintf("# bytes: %s %d\n", name, len(data)), 1)
			text = strings.Replace(text, fmt.Sprintf("%x  %s\n", f.Sum, name), fmt.Sprintf("%x  %s\n", sha256.Sum256(data), name), 1)
		}
		return text
	})
}

// answer is what a request for a file is answered with.
type answer struct {
	status int
	body   []byte
	length int // Content-Length; -1: none is said
	cut    int // the connection ends after so many octets; -1: it does not
}

// feed is a server of editions as the contract describes it, that also lies.
type feed struct {
	*httptest.Server
	token string

	mu      sync.Mutex
	due     *blocklist.Edition
	kept    map[string]*blocklist.Edition
	twist   func(name string, a *answer) // name is MANIFEST, MANIFEST.sig, rpz.zone.zst, ...
	handler http.HandlerFunc             // in the place of all
	posted  []string                     // "ack 17", "alarm 17 why"
	asked   []string
	refuse  int // status of POST, if it is not 204
}

func newFeed(t testing.TB, token string) *feed {
	f := &feed{token: token, kept: map[string]*blocklist.Edition{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

// offer makes an edition the one that is due; those before are kept.
func (f *feed) offer(e *blocklist.Edition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.due = e
	f.kept[e.Serial.String()] = e
}

func (f *feed) lie(twist func(name string, a *answer)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.twist, f.handler, f.refuse = twist, nil, 0
}

// ServeHTTP answers as vaernd does, but for the twist.
func (f *feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	handler := f.handler
	f.mu.Unlock()
	if handler != nil {
		handler(w, r)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	rest, ok := strings.CutPrefix(r.URL.Path, "/v1/csam/")
	f.asked = append(f.asked, r.Method+" "+rest)
	switch {
	case r.Header.Get("Authorization") != "Bearer "+f.token && r.TLS == nil:
		w.WriteHeader(http.StatusUnauthorized)
	case !ok:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodPost:
		f.post(w, r, rest)
	default:
		f.get(w, rest)
	}
}

func (f *feed) post(w http.ResponseWriter, r *http.Request, what string) {
	var report struct {
		Serial int
		Reason string
	}
	body, _ := io.ReadAll(r.Body)
	if json.Unmarshal(body, &report) != nil || r.Header.Get("Content-Type") != "application/json" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if f.refuse != 0 {
		w.WriteHeader(f.refuse)
		return
	}
	f.posted = append(f.posted, strings.TrimSpace(fmt.Sprint(what, " ", report.Serial, " ", report.Reason)))
	w.WriteHeader(http.StatusNoContent)
}

func (f *feed) get(w http.ResponseWriter, rest string) {
	e, name := f.due, rest
	if serial, file, ok := strings.Cut(rest, "/"); ok {
		e, name = f.kept[serial], file
	}
	a := &answer{status: http.StatusNotFound, cut: -1}
	if e != nil {
		if data, err := os.ReadFile(filepath.Join(e.Dir, name)); err == nil {
			a.status, a.body = http.StatusOK, data
		}
	}
	a.length = len(a.body)
	if f.twist != nil {
		f.twist(name, a)
	}
	if a.length >= 0 {
		w.Header().Set("Content-Length", fmt.Sprint(a.length))
	}
	w.WriteHeader(a.status)
	if a.cut >= 0 {
		_, _ = w.Write(a.body[:min(a.cut, len(a.body))])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(a.body)
}

func (f *feed) reports() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.posted...)
}

// provider is an ISP with a configuration, whose resolver reads zone.
type provider struct {
	t       testing.TB
	dir     string
	feed    *feed
	listed  []string // names that must not be printed
	limits  pull.Limits
	rebased bool // see rebase
	now     func() time.Time
	said    bytes.Buffer // of the last run
	printed bytes.Buffer // of all
}

const token = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"

// newProvider writes vaern-pull.toml for one file, with more behind it.
func newProvider(t testing.TB, a *authority, more string) *provider {
	t.Helper()
	p := &provider{t: t, dir: t.TempDir(), feed: newFeed(t, token), now: time.Now, listed: []string{"bad.example", "worse.example", "host.example"}}
	p.keys(a.allowed())
	p.write("token", token+"\n")
	p.configure(more)
	t.Cleanup(p.leaks)
	return p
}

const rpz = "[[install]]\nfile = \"rpz.zone\"\nto = \"zone\"\n"

// configure writes the configuration anew; more is in front of [[install]] or has
// tables of its own.
func (p *provider) configure(more string) {
	p.t.Helper()
	if !strings.Contains(more, "[[install]]") {
		more += rpz
	}
	p.write("vaern-pull.toml", "url = \""+p.feed.URL+"/v1/csam\"\nedition_keys = \"keys\"\nenvironment = \"test\"\n"+
		"token_file = \"token\"\nstate = \"state\"\n"+more)
}

func (p *provider) keys(keys *sshsig.AllowedSigners) { p.write("keys", string(keys.Bytes())) }

func (p *provider) write(name, content string) {
	p.t.Helper()
	must(p.t, os.WriteFile(p.file(name), []byte(content), 0o600))
}

func (p *provider) file(name string) string { return filepath.Join(p.dir, name) }

// read returns a file, or "" if there is none.
func (p *provider) read(name string) string {
	p.t.Helper()
	data, err := os.ReadFile(p.file(name))
	if err != nil && !os.IsNotExist(err) {
		p.t.Fatal(err)
	}
	return string(data)
}

// run runs the program and returns its exit status and what it wrote to stdout.
func (p *provider) run(args ...string) (int, string) {
	p.t.Helper()
	var stdout bytes.Buffer
	p.said.Reset()
	program := &program{stdout: &stdout, stderr: &p.said, limits: p.limits, now: p.now}
	status := program.run(context.Background(), append(args, "--config", p.file("vaern-pull.toml")))
	p.printed.Write(stdout.Bytes())
	p.printed.Write(p.said.Bytes())
	return status, stdout.String()
}

// pull runs once and wants an exit status.
func (p *provider) pull(want int) string {
	p.t.Helper()
	status, stdout := p.run("--once")
	if status != want {
		p.t.Fatalf("exit status %d, want %d: %s%s", status, want, stdout, p.said.String())
	}
	return stdout
}

// leaks looks for listed names and the token in all that was printed, and in names
// and content of what is left in the state.
func (p *provider) leaks() {
	for _, secret := range append(p.listed, token) {
		if strings.Contains(p.printed.String(), secret) {
			p.t.Errorf("%s was printed:\n%s", secret, p.printed.String())
		}
	}
	for _, pattern := range []string{"state/.new-*", ".new-*"} {
		if left, _ := filepath.Glob(p.file(pattern)); len(left) > 0 {
			p.t.Errorf("left behind: %v", left)
		}
	}
}

// plain is what a text of an edition unpacks to.
func plain(t testing.TB, e *blocklist.Edition, name string) string {
	t.Helper()
	r, err := e.OpenText(name)
	must(t, err)
	defer r.Close()
	data, err := io.ReadAll(r)
	must(t, err)
	return string(data)
}

// installedWith returns a provider that has installed an edition of bad.example, and
// the edition that follows it and has worse.example too.
func installedWith(t testing.TB, more string) (a *authority, p *provider, one, two *blocklist.Edition) {
	t.Helper()
	a = newAuthority(t)
	now := time.Now()
	one = a.publish(now.Add(-2*time.Hour), "domain bad.example")
	two = a.follows(a.publish(now.Add(-time.Hour), "domain bad.example", "domain worse.example", "host host.example"), one)
	p = newProvider(t, a, more)
	p.feed.offer(one)
	p.pull(0)
	if got := p.read("zone"); got != plain(t, one, "rpz.zone") {
		t.Fatalf("installed is %q", got)
	}
	if got := p.feed.reports(); len(got) != 1 || got[0] != "ack "+one.Serial.String() {
		t.Fatalf("posted: %v", got)
	}
	return a, p, one, two
}
