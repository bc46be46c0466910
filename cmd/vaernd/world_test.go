package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/crypto/ssh"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/dnsfeed"
	"github.com/vaern/vaern/internal/peers"
	"github.com/vaern/vaern/internal/sshsig"
)

// authority publishes editions of one list below dir, with a key of its own.
type authority struct {
	t           testing.TB
	dir         string // with editions and keys
	list        string
	environment string
	signer      ssh.Signer
	keys        *sshsig.AllowedSigners
}

// newAuthority makes the folders and dir/edition.allowed_signers.
func newAuthority(t testing.TB, dir, list string) *authority {
	t.Helper()
	a := &authority{t: t, dir: dir, list: list, environment: "test"}
	private, public, err := sshsig.GenerateEd25519("test")
	a.must(err)
	keyFile := filepath.Join(t.TempDir(), "key")
	a.must(os.WriteFile(keyFile, private, 0o600))
	signer, closer, err := sshsig.LoadSigner(keyFile, nil)
	a.must(err)
	a.must(closer.Close())
	key, _, err := sshsig.ParsePublicKey(public)
	a.must(err)
	a.signer = signer
	a.keys, err = sshsig.NewAllowedSigners([]sshsig.Key{{
		Principal: blocklist.EditionPrincipal, Public: key, Namespaces: []string{blocklist.EditionNamespace},
	}})
	a.must(err)
	a.must(os.WriteFile(filepath.Join(dir, "edition.allowed_signers"), a.keys.Bytes(), 0o600))
	a.must(os.MkdirAll(a.listDir(), 0o750))
	return a
}

func (a *authority) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

func (a *authority) listDir() string { return filepath.Join(a.dir, "editions", a.list) }

func (a *authority) zone() string { return a.list + ".rpz.police.example." }

// publish makes an edition that blocks names, created at that time.
func (a *authority) publish(created time.Time, names ...string) *blocklist.Edition {
	a.t.Helper()
	var rows []blocklist.Row
	for _, name := range names {
		target, err := blocklist.ParseTarget(blocklist.Domain, name)
		a.must(err)
		rows = append(rows, blocklist.Row{Target: target, Added: "2026-11-23"})
	}
	zone := dnsfeed.Zone{
		Name: a.zone(), Action: dnsfeed.ActionNXDomain, TTL: 60,
		NS: []string{"ns1.police.example."}, Hostmaster: "hostmaster.police.example.",
	}
	old, err := blocklist.OpenLatest(a.listDir(), a.keys)
	a.must(err)
	var previous blocklist.Serial
	if old != nil {
		previous = old.Serial
	}
	created = created.UTC().Truncate(time.Second)
	e, err := blocklist.Publish(blocklist.Publication{
		Dir: a.listDir(), Old: old,
		Manifest: blocklist.Manifest{
			Authority: "Example National Police", Environment: a.environment, List: a.list, Zone: zone.Name,
			Serial: previous.Next(created), Created: created, Expires: created.Add(72 * time.Hour),
			Settle: time.Hour, Register: blocklist.RegisterHead{Records: 1, Hash: strings.Repeat("a", 64)},
		},
		Files: zone.Files(),
		Sign:  func(text []byte) ([]byte, error) { return sshsig.Sign(a.signer, blocklist.EditionNamespace, text) },
		Keys:  a.keys,
	}, blocklist.NewSet(rows))
	a.must(err)
	return e
}

// daemon is a vaernd that runs inside the test.
type daemon struct {
	t                testing.TB
	dir, config      string
	dns, http, admin string
	xot              string // where DNS is spoken over TLS, if it is
	stop             func() int
	mu               sync.Mutex
	log              bytes.Buffer
}

// configure writes dir/vaernd.toml and returns a daemon that does not run yet.
func configure(t testing.TB, dir, more string) *daemon {
	t.Helper()
	d := &daemon{t: t, dir: dir, config: filepath.Join(dir, "vaernd.toml")}
	admin := fmt.Sprintf("127.0.0.1:%d", peers.FreePort(t))
	text := "environment = \"test\"\neditions = \"editions\"\nedition_keys = \"edition.allowed_signers\"\nisps = \"isps\"\n" +
		"admin = \"" + admin + "\"\n" + more + "\n[dns]\nlisten = [\"127.0.0.1:0\"]\n[http]\nlisten = \"127.0.0.1:0\"\n"
	if err := os.WriteFile(d.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "editions"), 0o750); err != nil {
		t.Fatal(err)
	}
	return d
}

// overTLS makes DNS and HTTP listen with dir/cert.pem, too.
func (d *daemon) overTLS() {
	d.t.Helper()
	selfSigned(d.t, d.dir)
	text, err := os.ReadFile(d.config)
	if err != nil {
		d.t.Fatal(err)
	}
	const tls = "tls = {cert = \"cert.pem\", key = \"key.pem\"}\n"
	with := strings.Replace(string(text), "[http]\n", "tls_listen = [\"127.0.0.1:0\"]\n"+tls+"[http]\n"+tls, 1)
	if err := os.WriteFile(d.config, []byte(with), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// start runs "vaernd serve" until the test ends, and waits until it is ready.
func (d *daemon) start() {
	d.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	status := make(chan int, 1)
	go func() {
		status <- run(ctx, []string{"serve", "--config", d.config}, io.Discard, w)
		_ = w.Close()
	}()
	d.stop = sync.OnceValue(func() int {
		cancel()
		return <-status
	})
	d.t.Cleanup(func() { d.stop() })
	ready := make(chan struct{})
	go d.follow(r, ready)
	select {
	case <-ready:
	case <-time.After(20 * time.Second):
		d.t.Fatalf("not ready:\n%s", d.logText())
	}
}

// follow keeps the log and takes the addresses from it.
func (d *daemon) follow(r io.Reader, ready chan struct{}) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		d.mu.Lock()
		d.log.WriteString(lines.Text() + "\n")
		d.mu.Unlock()
		var line struct {
			Msg, HTTP, Admin string
			DNS              []string
			XoT              []string `json:"dns_tls"`
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "ready" {
			d.dns, d.http, d.admin = line.DNS[0], line.HTTP, line.Admin
			if len(line.XoT) > 0 {
				d.xot = line.XoT[0]
			}
			close(ready)
		}
	}
}

func (d *daemon) logText() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

// command runs another command of the program and returns what it printed.
func (d *daemon) command(want int, args ...string) string {
	d.t.Helper()
	var stdout, stderr bytes.Buffer
	if got := run(context.Background(), append(args, "--config", d.config), &stdout, &stderr); got != want {
		d.t.Fatalf("vaernd %v: status %d, want %d: %s", args, got, want, stderr.String())
	}
	return stdout.String()
}

// credentials are what "isp add --json" says.
type credentials struct {
	Name  string
	TSIG  struct{ Name, Algorithm, Secret string }
	Token string
}

func (d *daemon) addISP(args ...string) (c credentials) {
	d.t.Helper()
	return d.credentials(append([]string{"isp", "add", "--json"}, args...)...)
}

// credentials runs a command that prints some.
func (d *daemon) credentials(args ...string) (c credentials) {
	d.t.Helper()
	if err := json.Unmarshal([]byte(d.command(0, args...)), &c); err != nil {
		d.t.Fatal(err)
	}
	return c
}

// soa returns the serial that DNS tells c, or 0 if it is refused.
func (d *daemon) soa(c credentials, zone string) uint32 {
	d.t.Helper()
	m := new(dns.Msg).SetQuestion(zone, dns.TypeSOA)
	m.SetTsig(c.TSIG.Name+".", c.TSIG.Algorithm+".", 300, time.Now().Unix())
	client := dns.Client{Net: "tcp", TsigSecret: map[string]string{c.TSIG.Name + ".": c.TSIG.Secret}}
	// The client finds no MAC in a refusal, which is an error to it.
	answer, _, _ := client.Exchange(m, d.dns)
	if answer == nil || len(answer.Answer) != 1 {
		return 0
	}
	return answer.Answer[0].(*dns.SOA).Serial
}

// fetch returns status, Vaern-Serial and body of a path below /v1/.
func (d *daemon) fetch(c credentials, path string) (int, string, string) {
	d.t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+d.http+"/v1/"+path, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Vaern-Serial"), string(body)
}

// health returns the status of a path of the admin address.
func (d *daemon) health(path string) int {
	d.t.Helper()
	resp, err := http.Get("http://" + d.admin + path) //nolint:noctx // loopback, in a test
	if err != nil {
		d.t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// within waits for something that has to happen in a second. A busy machine
// gets more, and the test says so.
func (d *daemon) within(what string, true func() bool) {
	d.t.Helper()
	start := time.Now()
	for !true() {
		if time.Since(start) > 10*time.Second {
			d.t.Fatalf("%s: not within 10 s; log:\n%s", what, d.logText())
		}
		time.Sleep(20 * time.Millisecond)
	}
	if took := time.Since(start); took > time.Second {
		d.t.Errorf("%s: took %v, want at most 1 s", what, took)
	}
}
