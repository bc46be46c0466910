package sshsig

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

const (
	agentPrefix = "agent:"
	maxKeyFile  = 64 << 10 // bytes
)

// LoadSigner finds the key to sign with. ref is one of
//
//   - a private key file, which none but its owner may read;
//   - a public key file whose private half is in the ssh-agent;
//   - "agent:SHA256:...", the fingerprint of a key in the ssh-agent.
//
// The agent is found by SSH_AUTH_SOCK. passphrase is called with the file name,
// at most once, if a private key is encrypted; the bytes it returns are zeroed
// after use. If it is nil, an encrypted key is an error.
//
// Close the closer when done signing: it ends the connection to the agent. It is
// not nil if the error is nil. A signer from an agent may wait for a touch or a
// PIN, and is safe for concurrent use, as is one from a file.
func LoadSigner(ref string, passphrase func(path string) ([]byte, error)) (ssh.Signer, io.Closer, error) {
	s, c, err := loadSigner(ref, passphrase)
	if err != nil {
		return nil, nil, fmt.Errorf("load signing key: %w", err)
	}
	return s, c, nil
}

func loadSigner(ref string, passphrase func(path string) ([]byte, error)) (ssh.Signer, io.Closer, error) {
	if fingerprint, ok := strings.CutPrefix(ref, agentPrefix); ok {
		return agentSigner(fingerprint)
	}
	data, info, err := readKeyFile(ref)
	if err != nil {
		return nil, nil, err
	}
	if !bytes.Contains(data, []byte("PRIVATE KEY-----")) {
		pub, _, err := parsePublicKey(data)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", ref, err)
		}
		return agentSigner(Fingerprint(pub))
	}
	defer clear(data)
	if readableByOthers(info) {
		return nil, nil, fmt.Errorf("%s: private key is open to others, mode %04o (chmod 600 %s)", ref, info.Mode().Perm(), ref)
	}
	s, err := parsePrivateKey(ref, data, passphrase)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", ref, err)
	}
	if _, err := checkKey(s.PublicKey()); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", ref, err)
	}
	return s, noClose{}, nil
}

// readKeyFile returns content and mode of one and the same open file.
func readKeyFile(name string) ([]byte, os.FileInfo, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, nil, err
	}
	if len(data) > maxKeyFile {
		return nil, nil, fmt.Errorf("%s: longer than %d bytes (is this a key file?)", name, maxKeyFile)
	}
	return data, info, nil
}

func parsePrivateKey(name string, data []byte, passphrase func(path string) ([]byte, error)) (ssh.Signer, error) {
	s, err := ssh.ParsePrivateKey(data)
	var missing *ssh.PassphraseMissingError
	if !errors.As(err, &missing) {
		return s, hintPrivate(err)
	}
	if passphrase == nil {
		return nil, errors.New("private key is encrypted and there is no way to ask for its passphrase (ssh-add it, and give the .pub file instead)")
	}
	secret, err := passphrase(name)
	if err != nil {
		return nil, fmt.Errorf("ask for passphrase: %w", err)
	}
	defer clear(secret)
	s, err = ssh.ParsePrivateKeyWithPassphrase(data, secret)
	if errors.Is(err, x509.IncorrectPasswordError) {
		return nil, errors.New("passphrase is wrong (try again)")
	}
	return s, hintPrivate(err)
}

func hintPrivate(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("read private key: %w (is the file whole? the private file of a hardware key can not be used: ssh-add it, and give the .pub file)", err)
}

// agentSigner finds a key in the ssh-agent. Its signer speaks over the returned
// connection.
func agentSigner(fingerprint string) (ssh.Signer, io.Closer, error) {
	if !strings.HasPrefix(fingerprint, "SHA256:") {
		return nil, nil, fmt.Errorf("%.80q is not a fingerprint (write agent:SHA256:..., as ssh-add -l prints it)", fingerprint)
	}
	socket := os.Getenv("SSH_AUTH_SOCK")
	if socket == "" {
		return nil, nil, errors.New("no ssh-agent: SSH_AUTH_SOCK is not set (eval $(ssh-agent), then ssh-add KEY)")
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, nil, fmt.Errorf("connect to ssh-agent: %w (is SSH_AUTH_SOCK of a running agent?)", err)
	}
	signers, err := agent.NewClient(conn).Signers()
	if err != nil {
		conn.Close()
		return nil, nil, fmt.Errorf("list keys of ssh-agent: %w", err)
	}
	for _, s := range signers {
		if Fingerprint(s.PublicKey()) != fingerprint {
			continue
		}
		if _, err := checkKey(s.PublicKey()); err != nil {
			conn.Close()
			return nil, nil, err
		}
		return agentKey{s}, conn, nil
	}
	conn.Close()
	return nil, nil, fmt.Errorf("key %s is not in the ssh-agent, which shows %d keys (ssh-add KEY, or ssh-add -s LIBRARY for a card; ssh-add -X if it is locked; see ssh-add -l)",
		fingerprint, len(signers))
}

// agentKey is a key in an ssh-agent, which may say no: the protocol has one
// word for every reason (draft-miller-ssh-agent, SSH_AGENT_FAILURE).
type agentKey struct{ ssh.Signer }

func (k agentKey) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return k.SignWithAlgorithm(rand, data, "")
}

func (k agentKey) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	s, ok := k.Signer.(ssh.AlgorithmSigner)
	if !ok { // never with the agent of x/crypto
		return nil, errors.New("the ssh-agent can not choose an algorithm")
	}
	sig, err := s.SignWithAlgorithm(rand, data, algorithm)
	if err != nil {
		return nil, fmt.Errorf("the ssh-agent did not sign: %w (was its question denied, the card pulled, no touch or PIN given? see ssh-add -l, and try again)", err)
	}
	return sig, nil
}

// noClose is the closer of a signer that holds nothing open.
type noClose struct{}

func (noClose) Close() error { return nil }
