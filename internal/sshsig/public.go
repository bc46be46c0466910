package sshsig

import (
	"strings"

	"golang.org/x/crypto/ssh"
)

// PublicKey is a public key of any kind that the package accepts.
type PublicKey = ssh.PublicKey

// Signer signs with a private key, wherever that is.
type Signer = ssh.Signer

// Text writes a key as an OpenSSH public key without comment: type and
// base64. [ParsePublicKey] reads it.
func Text(key PublicKey) string {
	return strings.TrimSuffix(string(ssh.MarshalAuthorizedKey(key)), "\n")
}
