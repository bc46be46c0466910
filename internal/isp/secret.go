package isp

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// tokenPrefix begins every token, so that one that strays into a mail or a
// repository can be searched for.
const tokenPrefix = "vaern_"

const (
	secretSize = 32 // octets of a token and of a TSIG secret: 256 bits
	keyIDSize  = 8  // octets of the random part of a key name: 64 bits
)

// algorithm is that of new keys; files may say hmac-sha384 and hmac-sha512 too.
const algorithm = "hmac-sha256"

// Secret is a TSIG secret. Every way of printing it shows a redaction.
type Secret []byte

// Base64 returns the secret as BIND and dig want it.
func (s Secret) Base64() string { return base64.StdEncoding.EncodeToString(s) }

// Format makes every verb of package fmt print a redaction.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[secret]") }

// MarshalText makes JSON and slog print a redaction.
func (s Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

// UnmarshalText reads base64. The error does not repeat the text.
func (s *Secret) UnmarshalText(text []byte) error {
	b, err := base64.StdEncoding.Strict().DecodeString(string(text))
	if err != nil {
		return errors.New("not base64")
	}
	*s = b
	return nil
}

// Credentials are the two secrets of a new ISP: the one moment at which they
// can be shown. The token is stored nowhere.
type Credentials struct {
	TSIG  TSIG
	Token string // "vaern_" and the base64url of 32 octets, for Authorization: Bearer
}

// newCredentials draws a key name, a TSIG secret and a token by lot.
func newCredentials(name string) Credentials {
	var id [keyIDSize]byte
	var token [secretSize]byte
	secret := make(Secret, secretSize)
	for _, b := range [][]byte{id[:], token[:], secret} {
		_, _ = rand.Read(b) // never fails: it ends the program rather than return an error
	}
	return Credentials{
		TSIG:  TSIG{Name: keyName(name, id), Algorithm: algorithm, Secret: secret},
		Token: tokenPrefix + base64.RawURLEncoding.EncodeToString(token[:]),
	}
}

// keyName is the ISP's name and the random part as one label, for which a long
// name is cut (RFC 1035, section 2.3.4: 63 octets).
func keyName(name string, id [keyIDSize]byte) string {
	random := "-" + hex.EncodeToString(id[:])
	return name[:min(len(name), 63-len(random))] + random
}

// hashToken is what is stored of a token. The token has 256 random bits, so
// that neither salt nor a slow hash would add anything.
func hashToken(token string) Digest { return sha256.Sum256([]byte(token)) }
