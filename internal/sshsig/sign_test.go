package sshsig

import (
	"io"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// wrongSigner answers as a bad agent might.
type wrongSigner struct {
	ssh.AlgorithmSigner
	change func(*ssh.Signature)
}

func (w wrongSigner) Sign(r io.Reader, data []byte) (*ssh.Signature, error) {
	return w.SignWithAlgorithm(r, data, "")
}

func (w wrongSigner) SignWithAlgorithm(r io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	sig, err := w.AlgorithmSigner.SignWithAlgorithm(r, data, algorithm)
	if err == nil {
		w.change(sig)
	}
	return sig, err
}

func TestSignChecksItsSigner(t *testing.T) {
	s := newSigner(t).(ssh.AlgorithmSigner)
	for name, change := range map[string]func(*ssh.Signature){
		"faulty":          func(s *ssh.Signature) { s.Blob[3] ^= 1 },
		"other algorithm": func(s *ssh.Signature) { s.Format = "ssh-rsa" },
		"more":            func(s *ssh.Signature) { s.Rest = []byte("x") },
	} {
		if _, err := Sign(wrongSigner{s, change}, space, message); err == nil || !strings.Contains(err.Error(), "check new signature") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, ns := range []string{"", "a b", "vaern-*", "a,b"} {
		if _, err := Sign(s, ns, message); err == nil {
			t.Errorf("namespace %q accepted", ns)
		}
	}
}
