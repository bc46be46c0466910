package sshsig

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	hiddeco "github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// Verify checks that armored is a signature of message, made in namespace by a
// key that principal has, that may sign in that namespace and that is valid at
// the given time. It returns that key. The message is hashed once and not copied.
//
// The time is the caller's to choose: the time the signature was first seen if
// that is on record, else now. A signature itself carries no time.
func (a *AllowedSigners) Verify(principal, namespace string, message, armored []byte, at time.Time) (Key, error) {
	k, err := a.verify(principal, namespace, message, armored, at)
	if err != nil {
		return Key{}, fmt.Errorf("verify signature: %w", err)
	}
	return k, nil
}

func (a *AllowedSigners) verify(principal, namespace string, message, armored []byte, at time.Time) (Key, error) {
	sig, err := parse(armored)
	if err != nil {
		return Key{}, err
	}
	i, ok := a.byWire[string(sig.PublicKey.Marshal())]
	if !ok {
		return Key{}, fmt.Errorf("key %s is not among the allowed signers (was it made with another key?)", Fingerprint(sig.PublicKey))
	}
	k := a.keys[i]
	if k.Principal != principal {
		return Key{}, fmt.Errorf("key %s is a key of %q, not of %q", k.Fingerprint(), k.Principal, principal)
	}
	if !k.Allows(namespace) {
		return Key{}, fmt.Errorf("key %s of %q may not sign in namespace %q (it may in %s)",
			k.Fingerprint(), principal, namespace, strings.Join(k.Namespaces, ", "))
	}
	if !k.ValidAt(at) {
		return Key{}, fmt.Errorf("key %s of %q is not valid at %s (%s)", k.Fingerprint(), principal, at.UTC().Format(time.RFC3339), k.validity())
	}
	if err := verify(sig, namespace, message); err != nil {
		return Key{}, err
	}
	k.Namespaces = slices.Clone(k.Namespaces)
	return k, nil
}

// validity says the bounds of a key, for people.
func (k Key) validity() string {
	var bounds []string
	if !k.ValidAfter.IsZero() {
		bounds = append(bounds, "valid from "+k.ValidAfter.Format(time.RFC3339))
	}
	if !k.ValidBefore.IsZero() {
		bounds = append(bounds, "valid before "+k.ValidBefore.Format(time.RFC3339))
	}
	return strings.Join(bounds, ", ")
}

// VerifyKey checks that armored is a signature of message, made in namespace by
// the given key. Whether the key may sign is left to the caller.
func VerifyKey(pub ssh.PublicKey, namespace string, message, armored []byte) error {
	return Hash(message).VerifyKey(pub, namespace, armored)
}

// Hashed is a message of which several signatures are to be verified: it is
// hashed once.
type Hashed struct {
	sha256 [sha256.Size]byte
	sha512 [sha512.Size]byte
}

// Hash hashes a message in both ways that a signature may name (PROTOCOL.sshsig,
// section 3).
func Hash(message []byte) Hashed { return Hashed{sha256.Sum256(message), sha512.Sum512(message)} }

// SHA256 is the message's SHA-256.
func (h Hashed) SHA256() []byte { return h.sha256[:] }

// VerifyKey is the function of that name, for the message that was hashed.
func (h Hashed) VerifyKey(pub ssh.PublicKey, namespace string, armored []byte) error {
	sig, err := parse(armored)
	if err != nil {
		return fmt.Errorf("verify signature: %w", err)
	}
	if !bytes.Equal(sig.PublicKey.Marshal(), pub.Marshal()) {
		return fmt.Errorf("verify signature: made with key %s, not with %s", Fingerprint(sig.PublicKey), Fingerprint(pub))
	}
	if err := h.verify(sig, namespace); err != nil {
		return fmt.Errorf("verify signature: %w", err)
	}
	return nil
}

// PublicKeyOf returns the key that an armored signature says it was made with.
// Nothing is verified: use it to look a signer up, then verify.
func PublicKeyOf(armored []byte) (ssh.PublicKey, error) {
	sig, err := parse(armored)
	if err != nil {
		return nil, fmt.Errorf("read signature: %w", err)
	}
	return sig.PublicKey, nil
}

// verify does the cryptographic check of a signature from [parse].
func verify(sig *hiddeco.Signature, namespace string, message []byte) error {
	return Hash(message).verify(sig, namespace)
}

func (h Hashed) verify(sig *hiddeco.Signature, namespace string) error {
	if sig.Namespace != namespace {
		return fmt.Errorf("signature is for namespace %.64q, not %q (ssh-keygen -Y sign has the option -n)", sig.Namespace, namespace)
	}
	var sum []byte
	switch sig.HashAlgorithm {
	case hiddeco.HashSHA256:
		sum = h.sha256[:]
	case hiddeco.HashSHA512:
		sum = h.sha512[:]
	default:
		return fmt.Errorf("signature has an unknown hash %.64q", sig.HashAlgorithm)
	}
	// What a key signs is not the message but its hash, in this frame
	// (PROTOCOL.sshsig, section 2, "Signed Data").
	framed := append([]byte("SSHSIG"), ssh.Marshal(struct{ Namespace, Reserved, HashAlgorithm, Hash string }{
		namespace, "", sig.HashAlgorithm.String(), string(sum),
	})...)
	if err := sig.PublicKey.Verify(framed, sig.Signature); err != nil {
		return fmt.Errorf("signature does not fit the content, which was changed after signing or is not what was signed: %w", err)
	}
	return nil
}

// checkFormat holds the algorithm of a signature against its key, and refuses
// bytes behind it. x/crypto/ssh would take SHA-1 from an RSA key, and leaves the
// rest of the field unread for all but hardware keys.
func checkFormat(pub ssh.PublicKey, sig *ssh.Signature) error {
	formats := []string{pub.Type()}
	if pub.Type() == ssh.KeyAlgoRSA {
		formats = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256} // PROTOCOL.sshsig, section 3
	}
	if !slices.Contains(formats, sig.Format) {
		return fmt.Errorf("signature algorithm %.64q does not fit a key of type %s", sig.Format, pub.Type())
	}
	// Hardware keys put flags and a counter there (PROTOCOL.u2f), which the
	// key's Verify reads to the last byte; it also wants the presence flag.
	hardware := pub.Type() == ssh.KeyAlgoSKED25519 || pub.Type() == ssh.KeyAlgoSKECDSA256
	if len(sig.Rest) > 0 && !hardware {
		return errors.New("bytes follow the signature")
	}
	return nil
}
