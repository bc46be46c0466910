package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// selfSigned writes a certificate and its key in PEM, for 127.0.0.1 and names.
func (p *provider) selfSigned(certFile, keyFile string, names ...string) tls.Certificate {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(p.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: names, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(p.t, err)
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	must(p.t, err)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE " + "KEY", Bytes: encoded})
	p.write(certFile, string(cert))
	p.write(keyFile, string(private))
	pair, err := tls.X509KeyPair(cert, private)
	must(p.t, err)
	return pair
}

// overTLS moves the feed to https, and has the configuration say more about it.
func (p *provider) overTLS(config *tls.Config, more string) {
	p.t.Helper()
	server := httptest.NewUnstartedServer(p.feed)
	server.TLS = config
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // what is refused is tested at the other end
	server.StartTLS()
	p.t.Cleanup(server.Close)
	text := p.read("vaern-pull.toml")
	text = strings.Replace(text, p.feed.URL, server.URL, 1)
	p.write("vaern-pull.toml", more+text)
}

func TestTLS(t *testing.T) {
	t.Parallel()
	_, p, _, two := installedWith(t, "")
	server := p.selfSigned("server.pem", "server.key")
	p.feed.offer(two)
	plainConfig := p.read("vaern-pull.toml")

	p.overTLS(&tls.Config{Certificates: []tls.Certificate{server}}, "") // the system does not know it
	p.pull(1)
	p.write("vaern-pull.toml", plainConfig)
	p.selfSigned("other.pem", "other.key")
	p.overTLS(&tls.Config{Certificates: []tls.Certificate{server}}, "ca = \"other.pem\"\n")
	p.pull(1)
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		p.write("vaern-pull.toml", plainConfig)
		p.overTLS(&tls.Config{Certificates: []tls.Certificate{server}, MinVersion: version, MaxVersion: version}, "ca = \"server.pem\"\n")
		p.pull(1)
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		p.write("vaern-pull.toml", plainConfig)
		p.overTLS(&tls.Config{Certificates: []tls.Certificate{server}, MinVersion: version, MaxVersion: version}, "ca = \"server.pem\"\n")
		p.pull(0)
	}
	if p.read("zone") != plain(t, two, "rpz.zone") {
		t.Error("not installed")
	}
}

func TestClientCertificate(t *testing.T) {
	t.Parallel()
	_, p, _, two := installedWith(t, "")
	server := p.selfSigned("server.pem", "server.key")
	client := p.selfSigned("client.pem", "client.key")
	var seen string
	config := &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAnyClientCert, VerifyConnection: func(s tls.ConnectionState) error {
		seen = fmt.Sprintf("%x", s.PeerCertificates[0].Raw)
		return nil
	}}
	p.write("vaern-pull.toml", strings.Replace(p.read("vaern-pull.toml"), "token_file = \"token\"\n", "", 1))
	p.pull(2) // neither
	p.overTLS(config, "ca = \"server.pem\"\ntls = {cert = \"client.pem\", key = \"client.key\"}\n")
	p.feed.offer(two)
	p.pull(0)
	if seen != fmt.Sprintf("%x", client.Certificate[0]) || p.read("zone") != plain(t, two, "rpz.zone") {
		t.Error("the certificate was not shown, or the edition not installed")
	}
	must(t, os.Chmod(p.file("client.key"), 0o640))
	p.pull(2)
	must(t, os.Chmod(p.file("client.key"), 0o600))
	p.selfSigned("client.pem", "else.key")
	p.pull(2) // they do not belong together
}
