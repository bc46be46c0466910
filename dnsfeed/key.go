package dnsfeed

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"log/slog"
)

// minSecret is the least length of a secret in octets.
const minSecret = 16

// algorithms are those that a key can have; SHA-1 and MD5 are not among them
// (RFC 8945, section 6, says not to use MD5 and advises against SHA-1).
var algorithms = map[string]func() hash.Hash{
	"hmac-sha256.": sha256.New,
	"hmac-sha384.": sha512.New384,
	"hmac-sha512.": sha512.New,
}

// Key is a TSIG key. It belongs to one algorithm and works with no other. It
// prints without its secret.
type Key struct {
	Name      string // lower case with the final dot
	Algorithm string // hmac-sha256. or hmac-sha384. or hmac-sha512.
	Secret    []byte `json:"-"` // at least 16 octets; random ones
}

// Validate says what is wrong with the key, or nil.
func (k Key) Validate() error {
	_, err := k.wire()
	return err
}

// Format prints the key's name and algorithm.
func (k Key) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "key %s %s", k.Name, k.Algorithm) }

// LogValue logs the key's name.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.Name) }

// wireKey is a Key in the form that signing needs.
type wireKey struct {
	name, algorithm string
	hash            func() hash.Hash
	size            int // of a MAC, octets
	secret          []byte
}

func (k Key) wire() (w *wireKey, err error) {
	w = &wireKey{secret: append([]byte(nil), k.Secret...), hash: algorithms[k.Algorithm]}
	if w.name, err = wireName(k.Name); err != nil {
		return nil, fmt.Errorf("check key: %w", err)
	}
	if w.name == "\x00" {
		return nil, errors.New("check key: the root cannot name a key")
	}
	if w.hash == nil {
		return nil, fmt.Errorf("check key %s: algorithm %q: want hmac-sha256., hmac-sha384. or hmac-sha512", k.Name, k.Algorithm)
	}
	if len(k.Secret) < minSecret {
		return nil, fmt.Errorf("check key %s: secret of %d octets: want at least %d", k.Name, len(k.Secret), minSecret)
	}
	w.algorithm, err = wireName(k.Algorithm)
	w.size = w.hash().Size()
	return w, err
}

func (w *wireKey) mac() hash.Hash { return hmac.New(w.hash, w.secret) }

func (w *wireKey) equal(o *wireKey) bool {
	return w.name == o.name && w.algorithm == o.algorithm && hmac.Equal(w.secret, o.secret)
}
