package isp

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
)

// certificate makes a self-signed one, and its key, in PEM.
func certificate(t *testing.T, key crypto.Signer) (cert, private []byte) {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

func TestParseCertificate(t *testing.T) {
	made := func(key crypto.Signer, err error) crypto.Signer {
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	p256 := made(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsa2048 := made(rsa.GenerateKey(rand.Reader, 2048))
	for _, key := range []crypto.Signer{p256, ed, rsa2048} {
		cert, _ := certificate(t, key)
		spki, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		renewed, _ := certificate(t, key)
		for _, text := range [][]byte{cert, renewed, append([]byte("subject=CN = x\n"), cert...)} {
			if got, err := ParseCertificate(text); err != nil || got != Digest(sha256.Sum256(spki)) {
				t.Errorf("%T: %x, %v", key, got, err)
			}
		}
	}

	good, private := certificate(t, p256)
	weak, _ := certificate(t, made(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)))
	t.Setenv("GODEBUG", "rsa1024min=0")
	short, _ := certificate(t, made(rsa.GenerateKey(rand.Reader, 1024)))
	for what, c := range map[string]struct {
		text []byte
		says string
	}{
		"with its key":    {append(bytes.Clone(good), private...), "a private key"},
		"key first":       {append(bytes.Clone(private), good...), "a private key"},
		"key alone":       {private, "a private key"},
		"EC key":          {bytes.ReplaceAll(private, []byte("PRIVATE"), []byte("EC PRIVATE")), "a private key"},
		"several":         {append(bytes.Clone(good), good...), "several certificates"},
		"a request":       {bytes.ReplaceAll(good, []byte("CERTIFICATE"), []byte("CERTIFICATE REQUEST")), "CERTIFICATE REQUEST"},
		"short RSA":       {short, "1024 bits"},
		"short ECDSA":     {weak, "224 bits"},
		"empty":           {nil, "no certificate"},
		"not PEM":         {[]byte{0x30, 0x82}, "no certificate"},
		"not inside":      {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}}), "x509"},
		"only its middle": {good[:len(good)/2], "no certificate"},
	} {
		if _, err := ParseCertificate(c.text); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: says %v, want %q", what, err, c.says)
		}
	}
}
