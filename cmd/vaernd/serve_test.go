package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/durable"
	"github.com/vaern/vaern/internal/peers"
)

func TestNewEditionIsServedByBothSidesAtOnce(t *testing.T) {
	dir := t.TempDir()
	a := newAuthority(t, dir, "csam")
	one := a.publish(time.Now().Add(-time.Hour), "one.example")
	d := configure(t, dir, "")
	c := d.addISP("nordnet", "--list", "csam")
	d.start()
	if got := d.soa(c, a.zone()); got != uint32(one.Serial) {
		t.Fatalf("DNS has %d, want %v", got, one.Serial)
	}
	if status, serial, body := d.fetch(c, "csam/domains.txt"); status != 200 || serial != one.Serial.String() || body != "one.example\n" {
		t.Fatalf("HTTP has %d, %s", status, serial)
	}

	two := a.publish(time.Now(), "one.example", "two.example")
	d.within("DNS switches", func() bool { return d.soa(c, a.zone()) == uint32(two.Serial) })
	if _, serial, body := d.fetch(c, "csam/domains.txt"); serial != two.Serial.String() || body != "one.example\ntwo.example\n" {
		t.Errorf("HTTP still has %s", serial)
	}
	if status, _, body := d.fetch(c, "csam/"+one.Serial.String()+"/domains.txt"); status != 200 || body != "one.example\n" {
		t.Errorf("the kept edition: status %d", status)
	}
	if d.health("/readyz") != 200 || d.health("/healthz") != 200 {
		t.Error("not ready")
	}

	var s statusJSON
	d.transfer(c, a.zone(), "two.example.")
	if err := json.Unmarshal([]byte(d.command(0, "status", "--json")), &s); err != nil {
		t.Fatal(err)
	}
	if len(s.Lists) != 1 || s.Lists[0].Serial != two.Serial || len(s.ISPs) != 1 || s.ISPs[0].Served == nil ||
		*s.ISPs[0].Served != two.Serial || *s.ISPs[0].By != "dns" {
		t.Errorf("status: %+v", s)
	}
	if table := d.command(0, "status"); !strings.Contains(table, "nordnet") || !strings.Contains(table, two.Serial.String()) {
		t.Errorf("status: %s", table)
	}
	if status := d.stop(); status != cli.Done {
		t.Errorf("stopped with status %d", status)
	}
	d.command(cli.Failed, "status")
	for _, leak := range []string{"one.example", "two.example", c.Token, c.TSIG.Secret} {
		if strings.Contains(d.logText(), leak) {
			t.Errorf("%s is in the log", leak)
		}
	}
}

// transfer has dig fetch the zone, which must have a name.
func (d *daemon) transfer(c credentials, zone, name string) {
	d.t.Helper()
	host, port, _ := strings.Cut(d.dns, ":")
	out, err := peers.Command(d.t, "dig", "@"+host, "-p", port, "-y", c.TSIG.Algorithm+":"+c.TSIG.Name+":"+c.TSIG.Secret,
		"+nocmd", "+nostats", zone, "AXFR").CombinedOutput()
	if err != nil || !strings.Contains(string(out), name+zone) {
		d.t.Errorf("dig: %v: %s", err, out)
	}
}

func TestUnacceptableEditionIsRefusedAndTheOldOneGoesOn(t *testing.T) {
	dir := t.TempDir()
	a := newAuthority(t, dir, "csam")
	older := a.publish(time.Now().Add(-2*time.Hour), "old.example")
	good := a.publish(time.Now().Add(-time.Hour), "good.example")
	d := configure(t, dir, "")
	c := d.addISP("nordnet")
	d.start()
	latest := filepath.Join(a.listDir(), "latest")
	point := func(s blocklist.Serial) {
		if err := durable.WriteFile(latest, []byte(s.String()+"\n"), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	copyIn := func(e *blocklist.Edition) {
		if out, err := exec.Command("cp", "-r", e.Dir, a.listDir()).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		point(e.Serial)
	}
	// elsewhere publishes into a folder of its own what is then copied in.
	elsewhere := func(change func(*authority)) *blocklist.Edition {
		other := *a
		other.dir = t.TempDir()
		if err := os.MkdirAll(other.listDir(), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(other.listDir(), ".keep"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		change(&other)
		return other.publish(time.Now(), "evil.example")
	}
	for _, c1 := range []struct {
		what, says string
		do         func()
	}{
		{"an older one", "is not after", func() { point(older.Serial) }},
		{"one that is not there", "no such file", func() { point(4000000000) }},
		{"no serial", "parse serial", func() {
			if err := durable.WriteFile(latest, []byte("x\n"), 0o640); err != nil {
				t.Fatal(err)
			}
		}},
		{"another environment", `is of environment \"other\"`, func() {
			copyIn(elsewhere(func(o *authority) { o.environment = "other" }))
		}},
		{"another key", "check signature", func() {
			copyIn(elsewhere(func(o *authority) {
				n := newAuthority(t, t.TempDir(), "csam")
				o.signer, o.keys = n.signer, n.keys
			}))
		}},
		{"a second branch", "does not know", func() { copyIn(elsewhere(func(*authority) {})) }},
		{"tampered", "sum that MANIFEST says", func() {
			e := elsewhere(func(*authority) {})
			name := filepath.Join(e.Dir, "zone.image")
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)-1] ^= 1
			if err := os.WriteFile(name, data, 0o640); err != nil { //nolint:gosec // the path is ours
				t.Fatal(err)
			}
			copyIn(e)
		}},
	} {
		before := strings.Count(d.logText(), `"edition refused"`)
		c1.do()
		d.within(c1.what+" is refused", func() bool { return strings.Count(d.logText(), `"edition refused"`) > before })
		lines := strings.Split(strings.TrimSpace(d.logText()), "\n")
		said := ""
		for _, line := range lines {
			if strings.Contains(line, `"edition refused"`) {
				said = line
			}
		}
		if !strings.Contains(said, c1.says) {
			t.Errorf("%s: says %s, want %q", c1.what, said, c1.says)
		}
		if got := d.soa(c, a.zone()); got != uint32(good.Serial) {
			t.Errorf("%s: DNS has %d", c1.what, got)
		}
		if _, serial, body := d.fetch(c, "csam/domains.txt"); serial != good.Serial.String() || body != "good.example\n" {
			t.Errorf("%s: HTTP has %s", c1.what, serial)
		}
		if entries, err := os.ReadDir(a.listDir()); err != nil {
			t.Fatal(err)
		} else {
			for _, e := range entries { // or the next case could not publish
				if s, err := blocklist.ParseSerial(e.Name()); err == nil && s.After(good.Serial) {
					if err := os.RemoveAll(filepath.Join(a.listDir(), e.Name())); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	point(good.Serial)
	next := a.publish(time.Now(), "next.example")
	d.within("the next good one is served", func() bool { return d.soa(c, a.zone()) == uint32(next.Serial) })
	if n := strings.Count(d.logText(), `"edition refused"`); n > 8 {
		t.Errorf("%d refusals in the log: the same again and again", n)
	}
}

func TestISPChangesTakeEffectWithoutRestart(t *testing.T) {
	dir := t.TempDir()
	a := newAuthority(t, dir, "csam")
	e := a.publish(time.Now(), "one.example")
	d := configure(t, dir, "")
	d.start()
	c := d.addISP("nordnet")
	both := func(want bool) func() bool {
		return func() bool {
			status, _, _ := d.fetch(c, "csam/MANIFEST")
			return (status == 200) == want && (d.soa(c, a.zone()) == uint32(e.Serial)) == want
		}
	}
	d.within("a new ISP is let in", both(true))

	broken := filepath.Join(dir, "isps", "broken.toml")
	if err := os.WriteFile(broken, []byte("name = \"broken\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.within("a broken file is refused", func() bool { return strings.Contains(d.logText(), `"isp refused"`) })
	if !both(true)() {
		t.Error("a broken file of one ISP put another one out")
	}
	d.command(cli.Failed, "check")
	if err := os.Chmod(filepath.Join(dir, "isps"), 0o755); err != nil {
		t.Fatal(err)
	}
	d.within("an open folder is refused", func() bool { return strings.Contains(d.logText(), `"isps not read`) })
	if !both(true)() {
		t.Error("an open folder put all out")
	}
	if err := os.Chmod(filepath.Join(dir, "isps"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	d.command(cli.Done, "check")

	elsewhere := d.addISP("elsewhere", "--address", "198.51.100.0/24")
	d.within("both are known", func() bool { return strings.Contains(d.logText(), `"isps":2`) })
	if status, _, _ := d.fetch(elsewhere, "csam/MANIFEST"); status != 401 || d.soa(elsewhere, a.zone()) != 0 {
		t.Error("an ISP was let in from a wrong address")
	}
	d.command(cli.Done, "isp", "revoke", "nordnet")
	d.within("a revoked ISP is put out", both(false))
}

func TestStartWithoutAListWaits(t *testing.T) {
	dir := t.TempDir()
	d := configure(t, dir, "")
	newAuthority(t, dir, "csam")
	d.start()
	if d.health("/readyz") != 503 || d.health("/healthz") != 200 {
		t.Error("ready without a list")
	}
	a := newAuthority(t, dir, "news")
	a.publish(time.Now(), "one.example")
	d.within("the first edition is served", func() bool { return d.health("/readyz") == 200 })
}

func TestExpiredEditionIsServedAndNotReady(t *testing.T) {
	dir := t.TempDir()
	a := newAuthority(t, dir, "csam")
	e := a.publish(time.Now().Add(-100*time.Hour), "one.example")
	d := configure(t, dir, "")
	c := d.addISP("nordnet")
	d.start()
	if d.soa(c, a.zone()) != uint32(e.Serial) || d.health("/readyz") != 503 {
		t.Error("want: served, and not ready")
	}
	if !strings.Contains(d.logText(), "edition expired") {
		t.Error("no warning")
	}
	d.command(cli.Failed, "check")
}

func TestRestartDoesNotGoBack(t *testing.T) {
	dir := t.TempDir()
	a := newAuthority(t, dir, "csam")
	one := a.publish(time.Now().Add(-2*time.Hour), "one.example")
	two := a.publish(time.Now().Add(-time.Hour), "two.example")
	d := configure(t, dir, `state = "state"`)
	c := d.addISP("nordnet")
	d.start()
	d.stop()
	latest := filepath.Join(a.listDir(), "latest")
	if err := durable.WriteFile(latest, []byte(one.Serial.String()+"\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	d.start()
	if got := d.soa(c, a.zone()); got != uint32(two.Serial) {
		t.Errorf("after a restart DNS has %d, want %v", got, two.Serial)
	}
	d.stop()
	if err := os.RemoveAll(two.Dir); err != nil {
		t.Fatal(err)
	}
	d.start()
	if got := d.soa(c, a.zone()); got != 0 || d.health("/readyz") != 503 {
		t.Errorf("DNS has %d, want nothing rather than an old edition", got)
	}
}

func TestTwoListsOfOneZone(t *testing.T) {
	dir := t.TempDir()
	a := newAuthority(t, dir, "csam")
	a.publish(time.Now(), "one.example")
	if out, err := exec.Command("cp", "-r", a.listDir(), filepath.Join(dir, "editions", "copy")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	d := configure(t, dir, "")
	c := d.addISP("nordnet", "--list", "copy,csam")
	d.start()
	if status, _, _ := d.fetch(c, "csam/MANIFEST"); status != 200 || !strings.Contains(d.logText(), `edition is of list \"csam\"`) {
		t.Errorf("status %d\n%s", status, d.logText())
	}
	if status, _, _ := d.fetch(c, "copy/MANIFEST"); status != 404 {
		t.Errorf("the copied list: status %d", status)
	}
}

func TestHTTPS(t *testing.T) {
	dir := t.TempDir()
	a := newAuthority(t, dir, "csam")
	e := a.publish(time.Now(), "one.example")
	d := configure(t, dir, "")
	c := d.addISP("nordnet")
	d.overTLS()
	if err := os.WriteFile(filepath.Join(dir, "header"), []byte("Authorization: Bearer "+c.Token), 0o600); err != nil {
		t.Fatal(err)
	}
	d.command(cli.Done, "check")
	d.start()
	for _, version := range []string{"--http1.1", "--http2"} {
		out, err := peers.Command(t, "curl", "--silent", "--show-error", "--fail", version, "--cacert", filepath.Join(dir, "cert.pem"),
			"--header", "@"+filepath.Join(dir, "header"), "--compressed", "https://"+d.http+"/v1/csam/"+e.Serial.String()+"/domains.txt").CombinedOutput()
		if err != nil || string(out) != "one.example\n" {
			t.Errorf("curl %s: %v: %s", version, err, out)
		}
	}
}

// selfSigned writes cert.pem and key.pem for 127.0.0.1.
func selfSigned(t testing.TB, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "feed.police.example"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTakenPortIsAFailure(t *testing.T) {
	dir := t.TempDir()
	newAuthority(t, dir, "csam")
	d := configure(t, dir, "")
	d.start()
	again := configure(t, dir, "")
	text, err := os.ReadFile(again.config)
	if err != nil {
		t.Fatal(err)
	}
	taken := strings.Replace(string(text), `"127.0.0.1:0"`, fmt.Sprintf("%q", d.dns), 1)
	if err := os.WriteFile(again.config, []byte(taken), 0o600); err != nil {
		t.Fatal(err)
	}
	again.command(cli.Failed, "serve")
}
