package isp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vaern/vaern/dnsfeed"
	"github.com/vaern/vaern/internal/durable"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func folder(t *testing.T) string { return filepath.Join(t.TempDir(), "isps") }

func add(t *testing.T, dir, name string, addresses ...string) Credentials {
	t.Helper()
	want := ISP{Name: name, Lists: []string{"scam", "csam"}}
	for _, a := range addresses {
		p, err := ParseAddress(a)
		if err != nil {
			t.Fatal(err)
		}
		want.Addresses = append(want.Addresses, p)
	}
	_, c, err := Add(dir, want, now)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func read(t *testing.T, dir string) *Table {
	t.Helper()
	table, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

var somewhere = netip.MustParseAddr("192.0.2.7")

func TestAddWritesWhatLoadReads(t *testing.T) {
	dir := folder(t)
	want := ISP{
		Name: "nordnet", Lists: []string{"csam"},
		Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")},
	}
	made, c, err := Add(dir, want, now.Add(time.Millisecond))
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
	if !bytes.Equal(got.TSIG.Secret, c.TSIG.Secret) || len(c.TSIG.Secret) != 32 || !got.Created.Equal(now) {
		t.Error("the file has not the secret that was shown, or not the time")
	}
	text, err := os.ReadFile(filepath.Join(dir, "nordnet.toml"))
	if err != nil || bytes.Contains(text, []byte(c.Token)) || bytes.Contains(text, []byte(strings.TrimPrefix(c.Token, "vaern_"))) {
		t.Errorf("the token is in the file, %v", err)
	}
	for path, mode := range map[string]fs.FileMode{dir: 0o700, filepath.Join(dir, "nordnet.toml"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s has mode %v, %v; want %v", filepath.Base(path), info.Mode(), err, mode)
		}
	}
}

func TestCredentialsAreDrawnByLot(t *testing.T) {
	dir := folder(t)
	a, b := add(t, dir, "a"), add(t, dir, strings.Repeat("b", 63))
	if a.Token == b.Token || a.TSIG.Name[1:] == b.TSIG.Name[1:] || bytes.Equal(a.TSIG.Secret, b.TSIG.Secret) {
		t.Error("two ISPs share something")
	}
	if len(a.Token) != len("vaern_")+43 || len(a.TSIG.Name) != len("a-")+16 || len(b.TSIG.Name) != 63 {
		t.Errorf("sizes: token %d, key names %d and %d", len(a.Token), len(a.TSIG.Name), len(b.TSIG.Name))
	}
}

func TestAddRefuses(t *testing.T) {
	dir := folder(t)
	add(t, dir, "taken")
	lists := []string{"csam"}
	for what, c := range map[string]struct {
		want ISP
		is   error
	}{
		"name taken":      {ISP{Name: "taken", Lists: lists}, ErrExists},
		"upper case":      {ISP{Name: "Nordnet", Lists: lists}, ErrName},
		"path":            {ISP{Name: "../x", Lists: lists}, ErrName},
		"hyphen first":    {ISP{Name: "-x", Lists: lists}, ErrName},
		"too long":        {ISP{Name: strings.Repeat("x", 64), Lists: lists}, ErrName},
		"no lists":        {ISP{Name: "x"}, nil},
		"bad list":        {ISP{Name: "x", Lists: []string{"../csam"}}, nil},
		"list twice":      {ISP{Name: "x", Lists: []string{"csam", "csam"}}, nil},
		"mapped prefix":   {ISP{Name: "x", Lists: lists, Addresses: []netip.Prefix{netip.MustParsePrefix("::ffff:192.0.2.0/120")}}, nil},
		"bits set":        {ISP{Name: "x", Lists: lists, Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}}, nil},
		"the zero prefix": {ISP{Name: "x", Lists: lists, Addresses: []netip.Prefix{{}}}, nil},
	} {
		if _, _, err := Add(dir, c.want, now); err == nil || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: got %v, want %v", what, err, c.is)
		}
	}
	if got := read(t, dir); len(got.ISPs) != 1 || len(got.Refused) != 0 {
		t.Errorf("something was written: %v", got)
	}
}

func TestWritersDoNotLoseEachOther(t *testing.T) {
	dir := folder(t)
	const each = 8
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for n := range each {
				for {
					_, _, err := Add(dir, ISP{Name: fmt.Sprintf("isp-%d-%d", w, n), Lists: []string{"csam"}}, now)
					if !errors.Is(err, durable.ErrLocked) {
						if err != nil {
							t.Error(err)
						}
						break
					}
				}
			}
		})
	}
	taken := 0
	for range 50 { // the same name again and again: exactly one wins
		if _, _, err := Add(dir, ISP{Name: "same", Lists: []string{"csam"}}, now); err == nil {
			taken++
		}
	}
	wg.Wait()
	if got := read(t, dir); taken > 1 || len(got.ISPs) != 4*each+taken || len(got.Refused) != 0 {
		t.Errorf("%d ISPs, %d times the same, refused %v", len(got.ISPs), taken, got.Refused)
	}
}

func TestSecondWriterIsRefusedWhileTheFirstWrites(t *testing.T) {
	dir := folder(t)
	add(t, dir, "a")
	unlock, err := durable.Lock(filepath.Join(dir, ".lock"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Add(dir, ISP{Name: "b", Lists: []string{"csam"}}, now); !errors.Is(err, durable.ErrLocked) {
		t.Errorf("add: %v", err)
	}
	if _, err := Revoke(dir, "a", now); !errors.Is(err, durable.ErrLocked) {
		t.Errorf("revoke: %v", err)
	}
	unlock()
	add(t, dir, "b")
}

func TestAuthenticate(t *testing.T) {
	dir := folder(t)
	anywhere := add(t, dir, "anywhere")
	bound := add(t, dir, "bound", "192.0.2.0/24", "2001:db8::1")
	revoked := add(t, dir, "revoked")
	if _, err := Revoke(dir, "revoked", now); err != nil {
		t.Fatal(err)
	}
	table := read(t, dir)
	for _, c := range []struct{ token, from, want string }{
		{anywhere.Token, "203.0.113.9", "anywhere"},
		{bound.Token, "192.0.2.255", "bound"},
		{bound.Token, "::ffff:192.0.2.1", "bound"},
		{bound.Token, "2001:db8::1", "bound"},
		{bound.Token, "2001:db8::2", ""},
		{bound.Token, "198.51.100.1", ""},
		{revoked.Token, "203.0.113.9", ""},
		{anywhere.Token + "x", "203.0.113.9", ""},
		{"", "203.0.113.9", ""},
	} {
		got := ""
		if who, ok := table.Authenticate(Proof{Tokens: []string{c.token}}, netip.MustParseAddr(c.from), now); ok {
			got = who.Name
		}
		if got != c.want {
			t.Errorf("from %s: got %q, want %q", c.from, got, c.want)
		}
	}
}

func TestRevoke(t *testing.T) {
	dir := folder(t)
	c := add(t, dir, "nordnet")
	first, err := Revoke(dir, "nordnet", now)
	if err != nil {
		t.Fatal(err)
	}
	if (first.TokenSHA256 != Digest{}) || first.TSIG.Name != "" || len(first.TSIG.Secret) > 0 {
		t.Error("what Revoke returns still has a credential")
	}
	again, err := Revoke(dir, "nordnet", now.Add(time.Hour))
	if err != nil || !again.Revoked.Equal(first.Revoked) {
		t.Errorf("revoked again: %v at %v", err, again.Revoked)
	}
	text, err := os.ReadFile(filepath.Join(dir, "nordnet.toml"))
	if err != nil || strings.Contains(string(text), c.TSIG.Name) || strings.Contains(string(text), "token") || strings.Contains(string(text), c.TSIG.Secret.Base64()) {
		t.Errorf("a credential is left, %v", err)
	}
	if i, err := Load(dir, "nordnet"); err != nil || i.Revoked.IsZero() {
		t.Error("the record of the revoked ISP is gone")
	}
	if _, _, err := Add(dir, ISP{Name: "nordnet", Lists: []string{"csam"}}, now); !errors.Is(err, ErrExists) {
		t.Errorf("name used again: %v", err)
	}
	if _, err := Revoke(dir, "nobody", now); !errors.Is(err, ErrUnknown) {
		t.Errorf("unknown: %v", err)
	}
}

func TestBrokenFileRefusesThatISPAlone(t *testing.T) {
	for what, c := range map[string]struct {
		edit func(t *testing.T, path, text string) string
		says string
	}{
		"unknown key":     {replace("lists =", "token = \"x\"\nlists ="), `unknown key "token"`},
		"not TOML":        {replace("name =", "name"), "toml:1:"},
		"other name":      {replace(`"broken"`, `"other"`), "but the file is broken.toml"},
		"short secret":    {replace(`secret = "`, "secret = \"c2hvcnQ=\"\n#"), "at least"},
		"secret not b64":  {replace(`secret = "`, `secret = "!`), "not base64"},
		"no token":        {replace("token_sha256", "#"), "token_sha256 is missing"},
		"short token sum": {replace("token_sha256 = \"", "token_sha256 = \"abcd\"\n#"), "64 lower-case hex"},
		"weak algorithm":  {replace("hmac-sha256", "hmac-md5"), `algorithm "hmac-md5."`},
		"no lists":        {replace(`lists = ["csam", "scam"]`, "lists = []"), "no lists"},
		"revoked by hand": {replace("created", "revoked = 2026-11-23T12:00:00Z\ncreated"), "a credential is left"},
		"empty":           {func(*testing.T, string, string) string { return "" }, "want 1 to 63"},
		"mode": {func(t *testing.T, path, text string) string {
			if err := os.Chmod(path, 0o640); err != nil {
				t.Fatal(err)
			}
			return text
		}, "mode 0640"},
	} {
		t.Run(what, func(t *testing.T) {
			dir := folder(t)
			fine, broken := add(t, dir, "fine"), add(t, dir, "broken")
			path := filepath.Join(dir, "broken.toml")
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			edited := c.edit(t, path, string(text))
			if err := os.WriteFile(path, []byte(edited), 0o600); err != nil {
				t.Fatal(err)
			}
			table := read(t, dir)
			if _, ok := table.Authenticate(Proof{Tokens: []string{fine.Token}}, somewhere, now); !ok {
				t.Error("the other ISP is out too")
			}
			if _, ok := table.Authenticate(Proof{Tokens: []string{broken.Token}}, somewhere, now); ok {
				t.Error("the broken ISP is in")
			}
			if len(table.Refused) != 1 || !strings.Contains(table.Refused[0].Error(), c.says) {
				t.Fatalf("says %v, want %q", table.Refused, c.says)
			}
			if says := table.Refused[0].Error(); strings.Contains(says, broken.TSIG.Secret.Base64()) {
				t.Errorf("the error gives the secret away")
			}
		})
	}
}

func replace(old, new string) func(*testing.T, string, string) string {
	return func(t *testing.T, _, text string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("%q is not in the file", old)
		}
		return strings.Replace(text, old, new, 1)
	}
}

func TestClients(t *testing.T) {
	dir := folder(t)
	c := add(t, dir, "nordnet", "192.0.2.0/24")
	add(t, dir, "revoked")
	if _, err := Revoke(dir, "revoked", now); err != nil {
		t.Fatal(err)
	}
	got := read(t, dir).Clients(map[string]string{"csam": "csam.rpz.police.example.", "other": "other.example."}, now)
	if len(got) != 1 || got[0].Key.Name != c.TSIG.Name+"." || len(got[0].Zones) != 1 || len(got[0].Addresses) != 1 {
		t.Fatalf("got %v", got)
	}
	if _, err := dnsfeed.NewAccess(got); err != nil {
		t.Error(err)
	}
}

func TestCopiedFileIsRefused(t *testing.T) {
	dir := folder(t)
	c := add(t, dir, "a")
	text, err := os.ReadFile(filepath.Join(dir, "a.toml"))
	if err != nil {
		t.Fatal(err)
	}
	copied := bytes.Replace(text, []byte(`"a"`), []byte(`"b"`), 1)
	if err := os.WriteFile(filepath.Join(dir, "b.toml"), copied, 0o600); err != nil {
		t.Fatal(err)
	}
	table := read(t, dir)
	if who, ok := table.Authenticate(Proof{Tokens: []string{c.Token}}, somewhere, now); !ok || who.Name != "a" || len(table.Refused) != 1 {
		t.Errorf("got %v, refused %v", who, table.Refused)
	}
}

func TestOpenFolderIsRefused(t *testing.T) {
	dir := folder(t)
	if _, err := Read(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	add(t, dir, "a")
	if err := os.Chmod(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	_, err := Read(dir)
	var h interface{ Hint() string }
	if !errors.As(err, &h) || !strings.HasPrefix(h.Hint(), "chmod 700 ") {
		t.Errorf("got %v, want a hint how to close it", err)
	}
	if _, _, err := Add(dir, ISP{Name: "b", Lists: []string{"csam"}}, now); err == nil {
		t.Error("added to a folder that is open to others")
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	c := newCredentials("nordnet")
	i := ISP{Name: "nordnet", Keys: Keys{TSIG: c.TSIG}, Previous: Previous{Keys: Keys{TSIG: c.TSIG}}}
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "isp", i, "secret", c.TSIG.Secret)
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "isp", i, "secret", c.TSIG.Secret)
	if err := json.NewEncoder(&b).Encode(i); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "%v %+v %#v %s %x %v", i, i, i, i.TSIG, c.TSIG.Secret, &i)
	for _, leak := range []string{c.TSIG.Secret.Base64(), fmt.Sprintf("%x", []byte(c.TSIG.Secret)), fmt.Sprint([]byte(c.TSIG.Secret))} {
		if strings.Contains(b.String(), leak) {
			t.Errorf("printed: %s", b.String())
		}
	}
}

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.7": "192.0.2.7/32", "2001:db8::1": "2001:db8::1/128", "192.0.2.0/24": "192.0.2.0/24",
		"::ffff:192.0.2.7": "192.0.2.7/32", "0.0.0.0/0": "0.0.0.0/0",
		"192.0.2.7/24": "", "fe80::1%eth0": "", "nordnet.example": "", "192.0.2.0/33": "", "": "", "::ffff:192.0.2.0/120": "",
	} {
		got, err := ParseAddress(text)
		if want == "" && err == nil || want != "" && got.String() != want {
			t.Errorf("%q: got %v, %v; want %q", text, got, err, want)
		}
	}
}
