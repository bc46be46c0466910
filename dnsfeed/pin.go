package dnsfeed

import (
	"crypto/sha256"
	"crypto/x509"
)

// Pin is the SHA-256 of a certificate's public key, as SubjectPublicKeyInfo
// (RFC 7469, section 2.4; RFC 7858, section 4.2, has the same for servers).
type Pin [sha256.Size]byte

// PinOf returns the pin of a certificate.
func PinOf(cert *x509.Certificate) Pin { return sha256.Sum256(cert.RawSubjectPublicKeyInfo) }
