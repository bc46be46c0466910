package sshsig

import (
	"bytes"
	"fmt"
	"io"

	hiddeco "github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// Sign signs message in namespace and returns the content of a signature file, as
// "ssh-keygen -Y sign" writes it. The hash is SHA-512; RSA keys sign with
// rsa-sha2-512. The message is hashed once and not copied. The new signature is
// verified before it is returned.
func Sign(s ssh.Signer, namespace string, message []byte) (armored []byte, err error) {
	if err := checkName("namespace", namespace); err != nil {
		return nil, fmt.Errorf("sign message: %w", err)
	}
	pub, err := checkKey(s.PublicKey())
	if err != nil {
		return nil, fmt.Errorf("sign message: %w", err)
	}
	sig, err := hiddeco.Sign(bytes.NewReader(message), checkedSigner{s, pub}, hiddeco.HashSHA512, namespace)
	if err != nil {
		return nil, fmt.Errorf("sign message with key %s: %w", Fingerprint(pub), err)
	}
	return armor(sig.Marshal()), nil
}

// checkedSigner verifies each signature as it is made: an agent may answer with
// another algorithm than it was asked for, and a faulty Ed25519 or RSA signature
// can give the private key away.
type checkedSigner struct {
	ssh.Signer
	pub ssh.PublicKey
}

func (c checkedSigner) PublicKey() ssh.PublicKey { return c.pub }

func (c checkedSigner) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	sig, err := c.Signer.Sign(rand, data)
	return c.check(data, sig, err)
}

func (c checkedSigner) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	s, ok := c.Signer.(ssh.AlgorithmSigner)
	if !ok {
		return nil, fmt.Errorf("signer can not sign with %s (use an ed25519 key)", algorithm)
	}
	sig, err := s.SignWithAlgorithm(rand, data, algorithm)
	return c.check(data, sig, err)
}

func (c checkedSigner) check(data []byte, sig *ssh.Signature, err error) (*ssh.Signature, error) {
	if err != nil {
		return nil, err
	}
	if err := checkFormat(c.pub, sig); err != nil {
		return nil, fmt.Errorf("check new signature: %w", err)
	}
	if err := c.pub.Verify(data, sig); err != nil {
		return nil, fmt.Errorf("check new signature: %w", err)
	}
	return sig, nil
}
