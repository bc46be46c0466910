package sshsig

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/vaern/vaern/internal/peers"
)

// The judge of these tests is OpenSSH: what we write it has to accept, what it
// writes we have to accept, and what it refuses we have to refuse.

const space = "vaern-edition"

var (
	message = []byte("# vaern edition\n")
	noon    = date("2026-11-23T12:00:00Z")
)

// run runs a program of OpenSSH. A missing one fails the test.
func run(t testing.TB, stdin []byte, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(peers.Path(t, name), args...)
	cmd.Stdin = bytes.NewReader(stdin)
	// A judge in another time zone still has to read our timestamps as UTC.
	cmd.Env = append(os.Environ(), "TZ=Pacific/Auckland", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out), err
}

func mustRun(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := run(t, nil, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func write(t testing.TB, name string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// keyFile makes a key pair with ssh-keygen and returns the private file.
func keyFile(t testing.TB, passphrase string, args ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	mustRun(t, "ssh-keygen", append([]string{"-q", "-N", passphrase, "-C", "test key", "-f", file}, args...)...)
	return file
}

func publicKey(t testing.TB, file string) ssh.PublicKey {
	t.Helper()
	pub, comment, err := ParsePublicKey(read(t, file+".pub"))
	if err != nil {
		t.Fatal(err)
	}
	if comment != "test key" {
		t.Fatalf("comment %q", comment)
	}
	return pub
}

func load(t testing.TB, ref string) ssh.Signer {
	t.Helper()
	s, c, err := LoadSigner(ref, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return s
}

func allow(t testing.TB, keys ...Key) *AllowedSigners {
	t.Helper()
	a, err := NewAllowedSigners(keys)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// judge asks ssh-keygen -Y verify.
func judge(t testing.TB, allowed []byte, principal, namespace string, message, armored []byte, at time.Time) error {
	t.Helper()
	dir := t.TempDir()
	_, err := run(t, message, "ssh-keygen", "-Y", "verify",
		"-f", write(t, filepath.Join(dir, "allowed"), allowed), "-I", principal, "-n", namespace,
		"-s", write(t, filepath.Join(dir, "sig"), armored), "-O", "verify-time="+at.UTC().Format(timeLayout))
	return err
}

// agree holds our verdict against that of ssh-keygen.
func agree(t *testing.T, what string, want bool, a *AllowedSigners, principal, namespace string, message, armored []byte, at time.Time) {
	t.Helper()
	_, err := a.Verify(principal, namespace, message, armored, at)
	if got := err == nil; got != want {
		t.Errorf("%s: accepted by us: %v, want %v: %v", what, got, want, err)
	}
	err = judge(t, a.Bytes(), principal, namespace, message, armored, at)
	if got := err == nil; got != want {
		t.Errorf("%s: accepted by ssh-keygen: %v, want %v: %v", what, got, want, err)
	}
}

func TestOpenSSH(t *testing.T) {
	tests := map[string]struct {
		args          []string
		deterministic bool
	}{
		"ed25519":  {[]string{"-t", "ed25519"}, true},
		"ecdsa256": {[]string{"-t", "ecdsa", "-b", "256"}, false},
		"ecdsa384": {[]string{"-t", "ecdsa", "-b", "384"}, false},
		"ecdsa521": {[]string{"-t", "ecdsa", "-b", "521"}, false},
		"rsa2048":  {[]string{"-t", "rsa", "-b", "2048"}, true},
		"rsa PEM":  {[]string{"-t", "rsa", "-b", "2048", "-m", "PEM"}, true},
	}
	other, _ := newKey(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := keyFile(t, "", tt.args...)
			pub := publicKey(t, file)
			if out := mustRun(t, "ssh-keygen", "-l", "-f", file+".pub"); !strings.Contains(out, " "+Fingerprint(pub)+" ") {
				t.Errorf("fingerprint %s, ssh-keygen says %s", Fingerprint(pub), out)
			}
			a := allow(t,
				Key{Principal: "bob", Public: other, Namespaces: []string{space}},
				Key{Principal: "alice", Public: pub, Namespaces: []string{"x", space}, Comment: "it's a key"})

			ours, err := Sign(load(t, file), space, message)
			if err != nil {
				t.Fatal(err)
			}
			msg := write(t, filepath.Join(t.TempDir(), "msg"), message)
			mustRun(t, "ssh-keygen", "-Y", "sign", "-f", file, "-n", space, msg)
			theirs := read(t, msg+".sig")
			if same := bytes.Equal(ours, theirs); same != tt.deterministic {
				t.Errorf("same bytes as ssh-keygen: %v\n%s%s", same, ours, theirs)
			}
			mustRun(t, "ssh-keygen", "-Y", "sign", "-O", "hashalg=sha256", "-f", file, "-n", space, write(t, msg+"256", message))

			for _, armored := range [][]byte{ours, theirs, read(t, msg+"256.sig")} {
				agree(t, "good", true, a, "alice", space, message, armored, noon)
				agree(t, "other principal", false, a, "bob", space, message, armored, noon)
				agree(t, "no such principal", false, a, "carol", space, message, armored, noon)
				agree(t, "other namespace, allowed", false, a, "alice", "x", message, armored, noon)
				agree(t, "longer message", false, a, "alice", space, append(message[:len(message):len(message)], 0), armored, noon)
				agree(t, "empty message", false, a, "alice", space, nil, armored, noon)
				if k, err := a.Verify("alice", space, message, armored, noon); err != nil || k.Fingerprint() != Fingerprint(pub) {
					t.Errorf("Verify: %v, %v", k, err)
				}
				if err := VerifyKey(pub, space, message, armored); err != nil {
					t.Error(err)
				}
				if VerifyKey(other, space, message, armored) == nil {
					t.Error("VerifyKey accepts with another key")
				}
				if got, err := PublicKeyOf(armored); err != nil || Fingerprint(got) != Fingerprint(pub) {
					t.Errorf("PublicKeyOf: %v, %v", got, err)
				}
			}
			stranger := allow(t, Key{Principal: "alice", Public: other, Namespaces: []string{space}})
			agree(t, "other key", false, stranger, "alice", space, message, ours, noon)
			narrow := allow(t, Key{Principal: "alice", Public: pub, Namespaces: []string{"x"}})
			agree(t, "namespace not allowed", false, narrow, "alice", space, message, ours, noon)
		})
	}
}

func TestOpenSSHTampered(t *testing.T) {
	t.Parallel()
	file := keyFile(t, "", "-t", "ed25519")
	a := allow(t, Key{Principal: "alice", Public: publicKey(t, file), Namespaces: []string{space}})
	armored, err := Sign(load(t, file), space, message)
	if err != nil {
		t.Fatal(err)
	}
	for i := range message {
		changed := bytes.Clone(message)
		changed[i] ^= 1
		agree(t, fmt.Sprintf("byte %d", i), false, a, "alice", space, changed, armored, noon)
	}
	blob, err := dearmor(armored)
	if err != nil {
		t.Fatal(err)
	}
	for i := range blob {
		changed := bytes.Clone(blob)
		changed[i] ^= 1
		if _, err := a.Verify("alice", space, message, armor(changed), noon); err == nil {
			t.Errorf("signature accepted with byte %d changed", i)
		}
	}
}

func TestOpenSSHValidity(t *testing.T) {
	t.Parallel()
	file := keyFile(t, "", "-t", "ed25519")
	armored, err := Sign(load(t, file), space, message)
	if err != nil {
		t.Fatal(err)
	}
	from, to := noon, noon.Add(24*time.Hour)
	key := Key{Principal: "alice", Public: publicKey(t, file), Namespaces: []string{space}}
	after, before, both := key, key, key
	after.ValidAfter = from
	before.ValidBefore = to
	both.ValidAfter, both.ValidBefore = from, to
	for _, tt := range []struct {
		k    Key
		at   time.Time
		want bool
	}{
		{after, from.Add(-time.Second), false},
		{after, from, true},
		{after, to.AddDate(100, 0, 0), true},
		{before, noon.AddDate(-50, 0, 0), true},
		{before, to.Add(-time.Second), true},
		{before, to.Add(time.Second), false},
		{both, from.Add(-time.Second), false},
		{both, from, true},
		{both, to.Add(-time.Second), true},
		{both, to.Add(time.Second), false},
	} {
		agree(t, tt.k.validity()+" at "+tt.at.String(), tt.want, allow(t, tt.k), "alice", space, message, armored, tt.at)
	}
	// The one second where we are stricter, as the package documentation says.
	a := allow(t, both)
	if _, err := a.Verify("alice", space, message, armored, to); err == nil {
		t.Error("accepted at valid-before")
	}
	if err := judge(t, a.Bytes(), "alice", space, message, armored, to); err != nil {
		t.Errorf("ssh-keygen has changed its mind about valid-before: %v", err)
	}
}

func TestOpenSSHReadsGeneratedKey(t *testing.T) {
	t.Parallel()
	private, public, err := GenerateEd25519("edition key")
	if err != nil {
		t.Fatal(err)
	}
	file := write(t, filepath.Join(t.TempDir(), "key"), private)
	if got := mustRun(t, "ssh-keygen", "-y", "-f", file); got != string(public) {
		t.Errorf("public key %q, ssh-keygen derives %q", public, got)
	}
	if _, _, err := GenerateEd25519("a\nb"); err == nil {
		t.Error("comment with a line feed accepted")
	}
}
