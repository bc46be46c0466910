package main

import (
	"fmt"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/sshsig"
)

// editionSigner signs editions. Release it when done.
type editionSigner struct {
	sign    func(text []byte) (armored []byte, err error) // an edition
	signAs  func(namespace string, text []byte) (armored []byte, err error)
	release func()
}

// editionSigner loads the edition key, and asks for its passphrase if it has
// one, unless it was kept.
func (a *authority) editionSigner() (*editionSigner, error) {
	if a.kept != nil {
		return a.kept, nil
	}
	return a.loadSigner(a.passphrase)
}

// loadSigner loads the edition key, and calls passphrase if it has one.
func (a *authority) loadSigner(passphrase func(path string) ([]byte, error)) (*editionSigner, error) {
	signer, closer, err := sshsig.LoadSigner(a.SigningKey, passphrase)
	if err != nil {
		return nil, cli.Fail(err, "check signing_key in the configuration")
	}
	signAs := func(namespace string, text []byte) ([]byte, error) { return sshsig.Sign(signer, namespace, text) }
	return &editionSigner{
		sign:    func(text []byte) ([]byte, error) { return signAs(blocklist.EditionNamespace, text) },
		signAs:  signAs,
		release: func() { _ = closer.Close() },
	}, nil
}

// keepSigner asks for the passphrase of the edition key once, if it has one,
// and keeps the key in memory: a process that runs on can not ask at night.
// A key without one is read anew for each edition, and an agent asked anew,
// which may have begun again meanwhile.
func (a *authority) keepSigner() error {
	asked := false
	signer, err := a.loadSigner(func(path string) ([]byte, error) {
		asked = true
		return a.passphrase(path)
	})
	if err != nil {
		return err
	}
	if !asked {
		signer.release()
		return nil
	}
	signer.release = func() {}
	a.kept = signer
	return nil
}

// checkSigner signs a probe, and verifies it as a reader would.
func (a *authority) checkSigner() error {
	keys, err := a.editionKeys()
	if err != nil {
		return err
	}
	signer, err := a.editionSigner()
	if err != nil {
		return err
	}
	defer signer.release()
	// The namespace is the real one: whether the key may sign editions is the
	// question. The text is no MANIFEST, so the signature is worth nothing.
	probe := []byte("vaern check: not an edition\n")
	sig, err := signer.sign(probe)
	if err != nil {
		return fmt.Errorf("signing key: %w", err)
	}
	if _, err := keys.Verify(blocklist.EditionPrincipal, blocklist.EditionNamespace, probe, sig, a.now()); err != nil {
		return fmt.Errorf("signing key: readers would refuse it: %w", err)
	}
	return nil
}
