package isp

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vaern/vaern/dnsfeed"
	"github.com/vaern/vaern/internal/durable"
)

const week = 7 * 24 * time.Hour

// who returns the name of the ISP that holds the token at a moment.
func who(table *Table, c Credentials, at time.Time) string {
	if i, ok := table.Authenticate(Proof{Tokens: []string{c.Token}}, somewhere, at); ok {
		return i.Name
	}
	return ""
}

// keyNames returns the TSIG keys that the DNS side takes at a moment.
func keyNames(t *testing.T, table *Table, at time.Time) (names []string) {
	t.Helper()
	clients := table.Clients(nil, at)
	for _, c := range clients {
		names = append(names, c.Name+" "+strings.TrimSuffix(c.Key.Name, "."))
	}
	if _, err := dnsfeed.NewAccess(clients); err != nil {
		t.Error(err)
	}
	return names
}

func TestRotate(t *testing.T) {
	dir := folder(t)
	first, other := add(t, dir, "nordnet"), add(t, dir, "sudnet")
	made, second, err := Rotate(dir, "nordnet", Digest{1}, week, now)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Load(dir, "nordnet")
	if err != nil {
		t.Fatal(err)
	}
	same := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	if d := cmp.Diff(made, got, same); d != "" {
		t.Error(d)
	}
	if first.Token == second.Token || first.TSIG.Name == second.TSIG.Name || bytes.Equal(first.TSIG.Secret, second.TSIG.Secret) ||
		!bytes.Equal(got.Previous.TSIG.Secret, first.TSIG.Secret) || got.CertSHA256 != (Digest{1}) || got.Previous.CertSHA256 != (Digest{}) {
		t.Error("new and old credentials are not as they should be")
	}
	end := now.Add(week)
	for _, c := range []struct {
		at         time.Time
		old        string
		keys, next []string
	}{
		{at: now, old: "nordnet"},
		{at: end.Add(-time.Nanosecond), old: "nordnet"},
		{at: end, old: ""},
	} {
		table := read(t, dir)
		if who(table, first, c.at) != c.old || who(table, second, c.at) != "nordnet" || who(table, other, c.at) != "sudnet" {
			t.Errorf("at %v: %q, %q, %q", c.at, who(table, first, c.at), who(table, second, c.at), who(table, other, c.at))
		}
		want := []string{"nordnet " + second.TSIG.Name, "nordnet " + first.TSIG.Name, "sudnet " + other.TSIG.Name}
		next := end
		if c.old == "" {
			want, next = []string{want[0], want[2]}, time.Time{}
		}
		if d := cmp.Diff(want, keyNames(t, table, c.at)); d != "" || !table.NextEnd(c.at).Equal(next) {
			t.Errorf("at %v: next end %v, %s", c.at, table.NextEnd(c.at), d)
		}
	}

	// Again, before the overlap is over: the first ones are gone.
	later := now.Add(time.Hour)
	made, third, err := Rotate(dir, "nordnet", Digest{}, time.Hour, later)
	if err != nil || made.CertSHA256 != (Digest{1}) || made.Previous.CertSHA256 != (Digest{1}) {
		t.Fatalf("again: %v, certificates %x and %x", err, made.CertSHA256, made.Previous.CertSHA256)
	}
	table := read(t, dir)
	if who(table, first, later) != "" || who(table, second, later) != "nordnet" || who(table, third, later) != "nordnet" {
		t.Error("rotated twice: the wrong ones are valid")
	}

	// Without an overlap.
	made, fourth, err := Rotate(dir, "nordnet", Digest{}, 0, later)
	if table = read(t, dir); err != nil || !made.Previous.none() || who(table, third, later) != "" || who(table, fourth, later) != "nordnet" ||
		len(keyNames(t, table, later)) != 2 {
		t.Errorf("no overlap: %v", err)
	}

	// Revoked: both sets are gone.
	if _, _, err = Rotate(dir, "nordnet", Digest{}, week, later); err != nil {
		t.Fatal(err)
	}
	if _, err = Revoke(dir, "nordnet", later); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "nordnet.toml"))
	if err != nil || strings.Contains(string(text), "tsig") || strings.Contains(string(text), "sha256") || strings.Contains(string(text), "until") {
		t.Errorf("a credential is left, %v", err)
	}
	if table = read(t, dir); len(table.Refused) > 0 || who(table, fourth, later) != "" || len(keyNames(t, table, later)) != 1 {
		t.Errorf("revoked: refused %v", table.Refused)
	}
}

func TestRotateKeepsTheAlgorithm(t *testing.T) {
	dir := folder(t)
	add(t, dir, "nordnet")
	path := filepath.Join(dir, "nordnet.toml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(text, []byte("hmac-sha256"), []byte("hmac-sha512"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if made, c, err := Rotate(dir, "nordnet", Digest{}, week, now); err != nil || c.TSIG.Algorithm != "hmac-sha512" || made.TSIG.Algorithm != "hmac-sha512" {
		t.Errorf("got %s, %v", c.TSIG.Algorithm, err)
	}
}

func TestRotateRefuses(t *testing.T) {
	dir := folder(t)
	lists := []string{"csam"}
	if _, _, err := Add(dir, ISP{Name: "a", Lists: lists, Keys: Keys{CertSHA256: Digest{1}}}, now); err != nil {
		t.Fatal(err)
	}
	c := add(t, dir, "b")
	add(t, dir, "gone")
	if _, err := Revoke(dir, "gone", now); err != nil {
		t.Fatal(err)
	}
	for what, try := range map[string]struct {
		name    string
		cert    Digest
		overlap time.Duration
		is      error
	}{
		"unknown":                   {name: "nobody", is: ErrUnknown},
		"no name":                   {name: "../a", is: ErrName},
		"revoked":                   {name: "gone", is: ErrRevoked},
		"another ISP's certificate": {name: "b", cert: Digest{1}, overlap: week, is: ErrShared},
		"negative overlap":          {name: "b", overlap: -1},
	} {
		if _, _, err := Rotate(dir, try.name, try.cert, try.overlap, now); err == nil || try.is != nil && !errors.Is(err, try.is) {
			t.Errorf("%s: got %v, want %v", what, err, try.is)
		}
	}
	if _, _, err := Add(dir, ISP{Name: "c", Lists: lists, Keys: Keys{CertSHA256: Digest{1}}}, now); !errors.Is(err, ErrShared) {
		t.Errorf("added with another ISP's certificate: %v", err)
	}
	// What a is rotating away is still a's; when that is gone, it may be b's.
	if _, _, err := Rotate(dir, "a", Digest{2}, week, now); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Rotate(dir, "b", Digest{1}, week, now); !errors.Is(err, ErrShared) {
		t.Errorf("certificate that is being rotated away: %v", err)
	}
	if who(read(t, dir), c, now) != "b" {
		t.Error("a refused rotation changed something")
	}
	if _, _, err := Rotate(dir, "a", Digest{2}, 0, now); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Rotate(dir, "b", Digest{1}, week, now); err != nil {
		t.Errorf("certificate that was given up: %v", err)
	}
	unlock, err := durable.Lock(filepath.Join(dir, ".lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if _, _, err := Rotate(dir, "a", Digest{}, week, now); !errors.Is(err, durable.ErrLocked) {
		t.Errorf("while somebody writes: %v", err)
	}
}

// A file that was written before there were certificates and rotation.
func TestOldFileLoads(t *testing.T) {
	dir := folder(t)
	const text = `name = "nordnet"
lists = ["csam"]
addresses = ["192.0.2.0/24"]
created = 2026-11-23T12:00:00Z
token_sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

[tsig]
name = "nordnet-1f0c9a5b77e0d214"
algorithm = "hmac-sha256"
secret = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
`
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "nordnet.toml"), []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
	i, err := Load(dir, "nordnet")
	if err != nil {
		t.Fatal(err)
	}
	if string(i.encode()) != text {
		t.Errorf("written back as\n%s", i.encode())
	}
	if who(read(t, dir), Credentials{Token: "test"}, now) != "nordnet" {
		t.Error("the token of an old file is refused")
	}
}

func TestEverythingInOneFile(t *testing.T) {
	dir := folder(t)
	want := ISP{
		Name: "nordnet", Lists: []string{"csam"}, Wave: "pilot", TLSOnly: true, Keys: Keys{CertSHA256: Digest{7}},
		Notify: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.53:53"), netip.MustParseAddrPort("[2001:db8::53]:5353")},
	}
	if _, _, err := Add(dir, want, now); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Rotate(dir, "nordnet", Digest{8}, week, now); err != nil {
		t.Fatal(err)
	}
	got, err := Load(dir, "nordnet")
	if err != nil {
		t.Fatal(err)
	}
	if got.Wave != "pilot" || !got.TLSOnly || got.CertSHA256 != (Digest{8}) || got.Previous.CertSHA256 != (Digest{7}) || len(got.Notify) != 2 {
		t.Errorf("got %+v", got)
	}
	clients := read(t, dir).Clients(map[string]string{"csam": "csam.rpz.police.example."}, now)
	if len(clients) != 2 || clients[0].Pin != (dnsfeed.Pin{8}) || clients[1].Pin != (dnsfeed.Pin{7}) || !clients[0].TLSOnly || !clients[1].TLSOnly {
		t.Errorf("clients %+v", clients)
	}

	path := filepath.Join(dir, "nordnet.toml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct{ old, new, says string }{
		"no until":         {"until = ", "# ", "until is missing"},
		"until alone":      {string(text[bytes.Index(text, []byte("token_sha256")):]), "[previous]\nuntil = 2026-11-23T12:00:00Z\n", "token_sha256 is missing"},
		"host name":        {"192.0.2.53:53", "ns.example:53", "toml:4"},
		"port 0":           {"192.0.2.53:53", "192.0.2.53:0", "not an address and a port"},
		"mapped":           {"192.0.2.53:53", "[::ffff:192.0.2.53]:53", "in its own form"},
		"everywhere":       {"192.0.2.53:53", "0.0.0.0:53", "one host"},
		"twice":            {"[2001:db8::53]:5353", "192.0.2.53:53", "there twice"},
		"wave":             {`"pilot"`, `"Pilot"`, "not a wave's name"},
		"short pin":        {`cert_sha256 = "08`, `cert_sha256 = "`, "64 lower-case hex"},
		"unknown key":      {"until", "untill", `unknown key "previous.untill"`},
		"the same key":     {got.Previous.TSIG.Name, got.TSIG.Name, "the same token or key name"},
		"weak old key":     {"[previous.tsig]\nname = \"" + got.Previous.TSIG.Name + "\"\nalgorithm = \"hmac-sha256\"", "[previous.tsig]\nname = \"x\"\nalgorithm = \"hmac-md5\"", "previous: check key"},
		"nothing previous": {string(text[bytes.Index(text, []byte("[previous]")):]), "[previous]\nuntil = 2026-11-23T12:00:00Z\n", "until, but no credentials"},
	} {
		if err := os.WriteFile(path, []byte(replace(c.old, c.new)(t, "", string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(dir, "nordnet"); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: says %v, want %q", what, err, c.says)
		}
	}
}

func TestAddRefusesNotifyAndWave(t *testing.T) {
	for text, ok := range map[string]bool{
		"192.0.2.53:53": true, "[2001:db8::53]:53": true, "127.0.0.1:5353": true,
		"192.0.2.53": false, "192.0.2.53:0": false, "ns.example:53": false, ":53": false, "0.0.0.0:53": false, "224.0.0.1:53": false,
		"[fe80::1%eth0]:53": false, "[::ffff:192.0.2.53]:53": false, "": false,
	} {
		if _, err := ParseNotify(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
	dir := folder(t)
	if _, _, err := Add(dir, ISP{Name: "x", Lists: []string{"csam"}, Wave: "-x"}, now); !errors.Is(err, ErrWave) {
		t.Errorf("wave: %v", err)
	}
	if _, _, err := Add(dir, ISP{Name: "x", Lists: []string{"csam"}, Notify: []netip.AddrPort{{}}}, now); err == nil {
		t.Error("notify to nowhere")
	}
}
