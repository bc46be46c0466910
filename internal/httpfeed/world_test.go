package httpfeed

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/dnsfeed"
	"github.com/vaern/vaern/internal/isp"
	"github.com/vaern/vaern/internal/sshsig"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// maker publishes editions of one list with a key of its own.
type maker struct {
	t      testing.TB
	dir    string // of the list
	list   string
	signer ssh.Signer
	keys   *sshsig.AllowedSigners
	serial blocklist.Serial
}

func newMaker(t testing.TB, list string) *maker {
	t.Helper()
	dir := t.TempDir()
	private, public, err := sshsig.GenerateEd25519("test")
	if err != nil {
		t.Fatal(err)
	}
	m := &maker{t: t, dir: filepath.Join(dir, list), list: list}
	if err := os.Mkdir(m.dir, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "key"), private, 0o600); err != nil {
		t.Fatal(err)
	}
	signer, closer, err := sshsig.LoadSigner(filepath.Join(dir, "key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = closer.Close() })
	key, _, err := sshsig.ParsePublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	m.signer = signer
	m.keys, err = sshsig.NewAllowedSigners([]sshsig.Key{{
		Principal: blocklist.EditionPrincipal, Public: key, Namespaces: []string{blocklist.EditionNamespace},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// publish makes an edition of n domains, one of them called tag.
func (m *maker) publish(n int, tag string) *blocklist.Edition {
	m.t.Helper()
	var rows []blocklist.Row
	for i := range n {
		name := fmt.Sprintf("name-%06d.example", i)
		if i == 0 {
			name = tag + ".example"
		}
		target, err := blocklist.ParseTarget(blocklist.Domain, name)
		if err != nil {
			m.t.Fatal(err)
		}
		rows = append(rows, blocklist.Row{Target: target, Added: "2026-11-23"})
	}
	zone := dnsfeed.Zone{
		Name: m.list + ".rpz.police.example.", Action: dnsfeed.ActionNXDomain, TTL: 60,
		NS: []string{"ns1.police.example."}, Hostmaster: "hostmaster.police.example.",
	}
	old, err := blocklist.OpenLatest(m.dir, m.keys)
	if err != nil {
		m.t.Fatal(err)
	}
	m.serial = m.serial.Next(now)
	e, err := blocklist.Publish(blocklist.Publication{
		Dir: m.dir, Old: old,
		Manifest: blocklist.Manifest{
			Authority: "Example National Police", Environment: "test", List: m.list, Zone: zone.Name,
			Serial: m.serial, Created: now, Expires: now.Add(72 * time.Hour), Settle: time.Hour,
			Register: blocklist.RegisterHead{Records: 1, Hash: fmt.Sprintf("%064x", 1)},
		},
		Files: zone.Files(),
		Sign:  func(text []byte) ([]byte, error) { return sshsig.Sign(m.signer, blocklist.EditionNamespace, text) },
		Keys:  m.keys,
	}, blocklist.NewSet(rows))
	if err != nil {
		m.t.Fatal(err)
	}
	return e
}

// buffer is a log that can be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// world is a server with the lists csam and other, and ISPs of all kinds.
type world struct {
	t      testing.TB
	csam   *maker
	one    *blocklist.Edition // of csam
	isps   string
	tokens map[string]string
	feed   *Handler
	server *httptest.Server
	log    *buffer
	lists  map[string]*List
	served chan string
}

func newWorld(t testing.TB, opt Options) *world {
	t.Helper()
	w := &world{
		t: t, csam: newMaker(t, "csam"), isps: filepath.Join(t.TempDir(), "isps"),
		tokens: make(map[string]string), log: &buffer{}, served: make(chan string, 1000),
	}
	w.one = w.csam.publish(5000, "first")
	w.lists = map[string]*List{
		"csam": NewList(w.one), "other": NewList(newMaker(t, "other").publish(2, "other")),
	}
	w.add("nordnet", "csam")
	w.add("elsewhere", "csam", "198.51.100.0/24")
	w.add("others", "other")
	w.add("revoked", "csam")
	if _, err := isp.Revoke(w.isps, "revoked", now); err != nil {
		t.Fatal(err)
	}
	opt.Log = slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	opt.Now = time.Now
	opt.Served = func(isp, list string, serial blocklist.Serial, from netip.Addr) {
		select {
		case w.served <- fmt.Sprint(isp, " ", list, " ", serial, " ", from):
		default: // nobody looks at so many
		}
	}
	w.feed = New(opt)
	w.set()
	w.server = httptest.NewUnstartedServer(nil)
	w.server.Config = NewServer(w.feed)
	w.server.Listener = w.feed.Listen(smallBuffers{w.server.Listener})
	w.server.Start()
	t.Cleanup(w.server.Close)
	return w
}

// smallBuffers make felt soon that a client does not read.
type smallBuffers struct{ net.Listener }

func (l smallBuffers) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		err = c.(*net.TCPConn).SetWriteBuffer(32 << 10)
	}
	return c, err
}

func (w *world) add(name, list string, addresses ...string) {
	w.t.Helper()
	want := isp.ISP{Name: name, Lists: []string{list}}
	for _, a := range addresses {
		want.Addresses = append(want.Addresses, netip.MustParsePrefix(a))
	}
	_, c, err := isp.Add(w.isps, want, now)
	if err != nil {
		w.t.Fatal(err)
	}
	w.tokens[name] = c.Token
}

// set makes the handler serve what is in w.
func (w *world) set() {
	w.t.Helper()
	table, err := isp.Read(w.isps)
	if err != nil {
		w.t.Fatal(err)
	}
	w.feed.Set(&View{ISPs: table, Lists: w.lists})
}

// get asks as nordnet, unless there is another Authorization; headers are "Name: value".
func (w *world) get(path string, headers ...string) (*http.Response, []byte) {
	w.t.Helper()
	return w.do(http.MethodGet, path, headers...)
}

func (w *world) do(method, path string, headers ...string) (*http.Response, []byte) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.server.URL+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := bytes.Cut([]byte(h), []byte(": "))
		req.Header.Add(string(name), string(value))
	}
	if req.Header.Get("Authorization") == "" {
		req.Header.Set("Authorization", "Bearer "+w.tokens["nordnet"])
	}
	client := http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp, body
}

// plain returns the plain form of a text of an edition.
func plainText(t testing.TB, e *blocklist.Edition, name string) []byte {
	t.Helper()
	r, err := e.OpenText(name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func stored(t testing.TB, e *blocklist.Edition, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(e.Dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func sum(data []byte) [sha256.Size]byte { return sha256.Sum256(data) }
