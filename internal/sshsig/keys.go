package sshsig

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/ssh"
)

// minRSA is the smallest RSA modulus accepted, in bits.
const minRSA = 2048

// keyTypes are the key types of the profile, as they stand in a key file.
var keyTypes = []string{
	ssh.KeyAlgoED25519,
	ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
	ssh.KeyAlgoRSA,
	ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256,
}

// Fingerprint returns "SHA256:" and the unpadded base64 of the hash of the key,
// as "ssh-keygen -l" prints it.
func Fingerprint(pub ssh.PublicKey) string {
	return ssh.FingerprintSHA256(pub)
}

// ParsePublicKey reads a public key file: one line "TYPE BASE64 [COMMENT]"
// (sshd(8), AUTHORIZED_KEYS FILE FORMAT, without options). It returns the key and
// the comment, and refuses types and sizes outside the profile.
func ParsePublicKey(line []byte) (ssh.PublicKey, string, error) {
	pub, comment, err := parsePublicKey(line)
	if err != nil {
		return nil, "", fmt.Errorf("parse public key: %w", err)
	}
	return pub, comment, nil
}

func parsePublicKey(line []byte) (ssh.PublicKey, string, error) {
	if bytes.Contains(line, []byte("PRIVATE KEY-----")) {
		return nil, "", errors.New("this is a private key (hand in the file that ends in .pub)")
	}
	text := strings.Trim(string(line), " \t\r\n")
	if err := checkText(text); err != nil {
		return nil, "", fmt.Errorf("%w (a public key file is one line, as in id_ed25519.pub)", err)
	}
	keyType, rest := cutField(text)
	encoded, comment := cutField(rest)
	pub, err := decodeKey(keyType, encoded)
	return pub, comment, err
}

// decodeKey reads the type and base64 fields of a key line.
func decodeKey(keyType, encoded string) (ssh.PublicKey, error) {
	if !slices.Contains(keyTypes, keyType) {
		return nil, fmt.Errorf("key type %.64q is not accepted (use ssh-keygen -t ed25519)", keyType)
	}
	blob, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return nil, fmt.Errorf("decode key: %w", err)
	}
	pub, err := parseWire(blob)
	if err != nil {
		return nil, err
	}
	if pub.Type() != keyType {
		return nil, fmt.Errorf("key is of type %s, its line says %s", pub.Type(), keyType)
	}
	return pub, nil
}

// checkKey returns pub as a key of the profile, whatever type implements it (a
// key listed by an agent is known by its bytes alone).
func checkKey(pub ssh.PublicKey) (ssh.PublicKey, error) {
	if pub == nil {
		return nil, errors.New("no key")
	}
	return parseWire(pub.Marshal())
}

// parseWire reads a key in wire format (RFC 4253, section 6.6) and holds it
// against the profile.
func parseWire(blob []byte) (ssh.PublicKey, error) {
	pub, err := ssh.ParsePublicKey(blob)
	if err != nil {
		return nil, fmt.Errorf("decode key: %w", err)
	}
	if !slices.Contains(keyTypes, pub.Type()) {
		return nil, fmt.Errorf("key type %s is not accepted (use ssh-keygen -t ed25519)", pub.Type())
	}
	if key, ok := pub.(ssh.CryptoPublicKey); ok {
		if key, ok := key.CryptoPublicKey().(*rsa.PublicKey); ok && key.N.BitLen() < minRSA {
			return nil, fmt.Errorf("RSA key of %d bits is too small (use ssh-keygen -t ed25519, or -t rsa -b 3072)", key.N.BitLen())
		}
	}
	// Keys are compared by their bytes, so each has to have one encoding only.
	if !bytes.Equal(pub.Marshal(), blob) {
		return nil, errors.New("key is not in canonical form")
	}
	return pub, nil
}

// GenerateEd25519 makes a new key pair: the private key in OpenSSH format,
// without a passphrase (write it 0600), and the public key as the line of a .pub
// file. The comment stands in both and may be empty.
func GenerateEd25519(comment string) (private, public []byte, err error) {
	if err := checkComment(comment); err != nil {
		return nil, nil, fmt.Errorf("generate key: %w", err)
	}
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("generate key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(priv, comment)
	if err != nil {
		return nil, nil, fmt.Errorf("encode private key: %w", err)
	}
	key, err := ssh.NewPublicKey(pub)
	if err != nil {
		return nil, nil, fmt.Errorf("encode public key: %w", err)
	}
	return pem.EncodeToMemory(block), []byte(keyLine(key, comment) + "\n"), nil
}

// keyLine is the inverse of [ParsePublicKey].
func keyLine(pub ssh.PublicKey, comment string) string {
	line := pub.Type() + " " + base64.StdEncoding.EncodeToString(pub.Marshal())
	if comment != "" {
		line += " " + comment
	}
	return line
}

// cutField splits s after its first field, and drops the blanks between.
func cutField(s string) (field, rest string) {
	i := strings.IndexAny(s, " \t")
	if i < 0 {
		return s, ""
	}
	return s[:i], strings.TrimLeft(s[i:], " \t")
}

// checkName holds principals and namespaces to [A-Za-z0-9._@-]{1,64}, which rules
// out the pattern characters of ssh_config(5): * ? ! and the comma.
func checkName(what, s string) error {
	ok := 0 < len(s) && len(s) <= 64
	for _, c := range []byte(s) {
		ok = ok && (c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("._@-", c) >= 0)
	}
	if !ok {
		return fmt.Errorf("%s %.64q is not 1 to 64 of A-Z a-z 0-9 . _ @ - (patterns and lists are not accepted)", what, s)
	}
	return nil
}

// checkText wants UTF-8 without control, format or unusual space characters, tabs
// apart: nothing in a key file may look like something that it is not.
func checkText(s string) error {
	if !utf8.ValidString(s) {
		return errors.New("text is not UTF-8")
	}
	for _, r := range s {
		if r == '\r' {
			return errors.New("carriage return (convert the file to LF line ends)")
		}
		if r != '\t' && !unicode.IsPrint(r) {
			return fmt.Errorf("character %U is not printable (remove it)", r)
		}
	}
	return nil
}

func checkComment(s string) error {
	if err := checkText(s); err != nil {
		return fmt.Errorf("comment: %w", err)
	}
	if strings.ContainsRune(s, '\t') || strings.Trim(s, " ") != s {
		return errors.New("comment has a tab, or a space at an end (remove it)")
	}
	return nil
}
