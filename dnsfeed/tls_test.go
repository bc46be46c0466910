package dnsfeed

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// serverName is the name in the server's certificate.
const serverName = "feed.police.example"

// newCert makes a self-signed certificate for serverName and 127.0.0.1.
func newCert() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: serverName},
		DNSNames: []string{serverName}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// writeCert puts a certificate and its key into files.
func writeCert(t testing.TB, c tls.Certificate) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	err = errors.Join(err,
		os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}), 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// tlsServer is a testServer that also listens for TLS.
type tlsServer struct {
	*testServer
	cert atomic.Pointer[tls.Certificate]
	addr string
}

// pinned are two ISPs with a certificate each, and one that may use TLS only.
type pinned struct {
	one, two, only             Client
	certOne, certTwo, certOnly tls.Certificate
	stranger                   tls.Certificate
}

func newPinned() (p pinned) {
	p.certOne, p.certTwo, p.certOnly, p.stranger = newCert(), newCert(), newCert(), newCert()
	p.one, p.two = ispOne, ispTwo
	p.only = Client{Name: "only", Key: keyOf("isp-only.key.example.", 4), Zones: ispOne.Zones, TLSOnly: true}
	p.one.Pin, p.two.Pin, p.only.Pin = PinOf(p.certOne.Leaf), PinOf(p.certTwo.Leaf), PinOf(p.certOnly.Leaf)
	return p
}

func startTLS(t testing.TB, clients []Client, configure ...func(*Server)) *tlsServer {
	t.Helper()
	ts := &tlsServer{testServer: startServer(t, configure...)}
	ts.grant(clients...)
	cert := newCert()
	ts.cert.Store(&cert)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ts.addr = ln.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- ts.ServeTLS(ctx, ln, ts.cert.Load) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("ServeTLS: %v", err)
		}
	})
	return ts
}

// client is a configuration of a good client with these certificates.
func (ts *tlsServer) client(certs ...tls.Certificate) *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(ts.cert.Load().Leaf)
	return &tls.Config{RootCAs: roots, ServerName: serverName, NextProtos: []string{"dot"}, Certificates: certs}
}

// secure connects; the connection ends with the test.
func (ts *tlsServer) secure(config *tls.Config) *tls.Conn {
	ts.t.Helper()
	c, err := net.Dial("tcp", ts.addr)
	if err != nil {
		ts.t.Fatal(err)
	}
	ts.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return tls.Client(c, config)
}

// exchange sends one request and reads one message.
func (ts *tlsServer) exchange(c net.Conn, raw []byte) []byte {
	ts.t.Helper()
	if _, err := c.Write(frame(raw)); err != nil {
		ts.t.Fatal(err)
	}
	b, err := readFrame(c)
	if err != nil {
		ts.t.Fatalf("read reply: %v", err)
	}
	return b
}

// unsigned reads an unsigned transfer.
func unsigned(t testing.TB, c io.Reader) (records []string) {
	t.Helper()
	for soas := 0; soas < 2; {
		raw, err := readFrame(c)
		if err != nil {
			t.Fatalf("after %d records: %v", len(records), err)
		}
		var m dns.Msg
		if err := m.Unpack(raw); err != nil {
			t.Fatal(err)
		}
		if m.Id != 0x4711 || !m.Authoritative || m.Rcode != 0 || m.IsTsig() != nil {
			t.Fatalf("header %v, TSIG %v", m.MsgHdr, m.IsTsig())
		}
		for _, rr := range m.Answer {
			if rr.Header().Rrtype == dns.TypeSOA {
				soas++
			}
			records = append(records, rr.String())
		}
	}
	return records
}

// recordHello returns what a client sends first.
func recordHello(t testing.TB, config *tls.Config) []byte {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	go func() {
		_ = tls.Client(far, config).Handshake()
		far.Close()
	}()
	b := make([]byte, 1<<14)
	n, err := near.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

// start begins a transfer of large and reads its first message.
func (ts *tlsServer) start(c net.Conn, key *Key) []byte {
	ts.t.Helper()
	raw := ask(ispOne.Zones[0], dns.TypeAXFR)
	if key != nil {
		raw, _ = signed(raw, signing{key: *key})
	}
	return ts.exchange(c, raw)
}
