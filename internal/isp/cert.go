package isp

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/vaern/vaern/dnsfeed"
)

// minRSA is the least length of an RSA key in bits.
const minRSA = 2048

// ParseCertificate reads an ISP's client certificate, one in PEM, and returns
// the SHA-256 of its public key (SubjectPublicKeyInfo, RFC 7469, section 2.4).
// That is all that is kept of it: whoever has the private key is the ISP,
// whatever else the certificate says, and a renewed one for the same key needs
// no change here.
//
// It refuses a file with a private key in it, which should not have left the
// ISP.
func ParseCertificate(text []byte) (Digest, error) {
	var der []byte
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		switch {
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			return Digest{}, hinted{
				errors.New("there is a private key in the file"),
				"the ISP keeps its key to itself: it should make a new one now, and send the certificate alone",
			}
		case block.Type != "CERTIFICATE":
			return Digest{}, fmt.Errorf("a PEM block of type %.40q, want CERTIFICATE", block.Type)
		case der != nil:
			return Digest{}, hinted{
				errors.New("there are several certificates in the file"),
				"give the client's own certificate alone, without those of the CA that signed it",
			}
		}
		der, text = block.Bytes, rest
	}
	if der == nil {
		return Digest{}, errors.New("no certificate in PEM form in the file")
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return Digest{}, err
	}
	if err := checkPublicKey(cert.PublicKey); err != nil {
		return Digest{}, err
	}
	return Digest(dnsfeed.PinOf(cert)), nil
}

// checkPublicKey refuses keys that TLS 1.3 does not know (RFC 8446, section
// 4.2.3), and weak ones.
func checkPublicKey(key any) error {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSA {
			return fmt.Errorf("an RSA key of %d bits, want at least %d", k.N.BitLen(), minRSA)
		}
		return nil
	case *ecdsa.PublicKey:
		if k.Curve.Params().BitSize < 256 {
			return fmt.Errorf("an ECDSA key of %d bits, want at least 256", k.Curve.Params().BitSize)
		}
		return nil
	case ed25519.PublicKey:
		return nil
	}
	return errors.New("a key of another kind than RSA, ECDSA or Ed25519")
}
