package sshsig

import (
	"encoding/pem"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/vaern/vaern/internal/peers"
)

// startAgent runs an ssh-agent for the length of the test, and points
// SSH_AUTH_SOCK at it.
func startAgent(t *testing.T) {
	t.Helper()
	// Not t.TempDir: the path of a socket is limited to 107 bytes.
	dir, err := os.MkdirTemp("", "agent")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "sock")
	cmd := exec.Command(peers.Path(t, "ssh-agent"), "-D", "-a", socket)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for range 200 {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
			t.Setenv("SSH_AUTH_SOCK", socket)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("ssh-agent did not open its socket")
}

func TestAgent(t *testing.T) {
	startAgent(t)
	for _, kind := range []string{"ed25519", "ecdsa", "rsa"} {
		t.Run(kind, func(t *testing.T) {
			file := keyFile(t, "", "-t", kind)
			pub := publicKey(t, file)
			refs := []string{file + ".pub", "agent:" + Fingerprint(pub)}
			for _, ref := range refs {
				if _, _, err := LoadSigner(ref, nil); err == nil || !strings.Contains(err.Error(), "ssh-add") {
					t.Errorf("%s, not in the agent: %v", ref, err)
				}
			}
			mustRun(t, "ssh-add", "-q", file)
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			a := allow(t, Key{Principal: "alice", Public: pub, Namespaces: []string{space}})
			for _, ref := range refs {
				armored, err := Sign(load(t, ref), space, message)
				if err != nil {
					t.Fatal(err)
				}
				agree(t, ref, true, a, "alice", space, message, armored, noon)
			}
		})
	}
}

func TestAgentErrors(t *testing.T) {
	pub, _ := newKey(t)
	ref := "agent:" + Fingerprint(pub)
	t.Setenv("SSH_AUTH_SOCK", "")
	if _, _, err := LoadSigner(ref, nil); err == nil || !strings.Contains(err.Error(), "SSH_AUTH_SOCK is not set") {
		t.Error(err)
	}
	t.Setenv("SSH_AUTH_SOCK", filepath.Join(t.TempDir(), "none"))
	if _, _, err := LoadSigner(ref, nil); err == nil || !strings.Contains(err.Error(), "connect to ssh-agent") {
		t.Error(err)
	}
	if _, _, err := LoadSigner("agent:alice", nil); err == nil || !strings.Contains(err.Error(), "not a fingerprint") {
		t.Error(err)
	}
}

func TestPassphrase(t *testing.T) {
	t.Parallel()
	file := keyFile(t, "correct horse", "-t", "ed25519", "-a", "1")
	for _, tt := range []struct {
		ask  func(string) ([]byte, error)
		want string
	}{
		{nil, "no way to ask"},
		{func(string) ([]byte, error) { return []byte("wrong"), nil }, "passphrase is wrong"},
		{func(string) ([]byte, error) { return nil, errors.New("no terminal") }, "no terminal"},
	} {
		if _, _, err := LoadSigner(file, tt.ask); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error %v, want %s", err, tt.want)
		}
	}
	secret := []byte("correct horse")
	s, c, err := LoadSigner(file, func(path string) ([]byte, error) {
		if path != file {
			t.Errorf("asked for %s", path)
		}
		return secret, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if strings.Trim(string(secret), "\x00") != "" {
		t.Error("passphrase was left in memory")
	}
	armored, err := Sign(s, space, message)
	if err != nil {
		t.Fatal(err)
	}
	agree(t, "encrypted key", true, allow(t, Key{Principal: "alice", Public: publicKey(t, file), Namespaces: []string{space}}),
		"alice", space, message, armored, noon)
}

func TestLoadSignerRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := keyFile(t, "", "-t", "ed25519")
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660, 0o620} {
		if err := os.Chmod(good, mode); err != nil {
			t.Fatal(err)
		}
		if _, _, err := LoadSigner(good, nil); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	if err := os.Chmod(good, 0o400); err != nil {
		t.Fatal(err)
	}
	load(t, good)

	for ref, want := range map[string]string{
		filepath.Join(dir, "none"): "no such file",
		dir:                        "is a directory",
		write(t, filepath.Join(dir, "text"), []byte("hello world\n")):                         "key type",
		write(t, filepath.Join(dir, "empty"), nil):                                            "key type",
		write(t, filepath.Join(dir, "long"), make([]byte, maxKeyFile+1)):                      "longer than",
		write(t, filepath.Join(dir, "cut"), read(t, good)[:100]):                              "no key found",
		keyFile(t, "", "-t", "rsa", "-b", "1024"):                                             "1024 bits",
		write(t, filepath.Join(dir, "two"), append(read(t, good+".pub"), []byte("x y\n")...)): "one line",
	} {
		if _, _, err := LoadSigner(ref, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", ref, err, want)
		}
	}
	// The private file of a hardware key holds no private key (PROTOCOL.key).
	block := ssh.Marshal(struct {
		Check1, Check2 uint32
		Type           string
	}{1, 1, ssh.KeyAlgoSKED25519})
	hardware := pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: append([]byte("openssh-key-v1\x00"), ssh.Marshal(struct {
		Cipher, KDF, Options string
		Keys                 uint32
		Public, Private      string
	}{"none", "none", "", 1, "", string(block)})...)})
	if _, _, err := LoadSigner(write(t, filepath.Join(dir, "hardware"), hardware), nil); err == nil || !strings.Contains(err.Error(), "ssh-add it") {
		t.Errorf("hardware key file: %v", err)
	}
	if _, _, err := ParsePublicKey(read(t, good)); err == nil || !strings.Contains(err.Error(), ".pub") {
		t.Errorf("private key as public key: %v", err)
	}
}
