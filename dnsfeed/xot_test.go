package dnsfeed

import (
	"bytes"
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
	"runtime"
	"strings"
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

// The records are the same whatever a client is known by.
func TestXT2_TransferByEachCredential(t *testing.T) {
	p := newPinned()
	ts := startTLS(t, []Client{p.one, p.two, p.only})
	image := many(t, 700, 3000)
	ts.publish(image)
	want, _ := ts.axfr(ts.dial(), p.one)
	if len(want) != image.Records() {
		t.Fatalf("%d records over TCP", len(want))
	}
	same := func(what string, got []string) {
		t.Helper()
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: %d records, want %d, or others", what, len(got), len(want))
		}
	}
	for what, config := range map[string]*tls.Config{
		"TSIG": ts.client(), "TSIG and certificate": ts.client(p.certOne), "TSIG and an unknown certificate": ts.client(p.stranger),
	} {
		got, _ := ts.axfr(ts.secure(config), p.one)
		same(what, got)
	}
	for _, qtype := range []uint16{dns.TypeAXFR, dns.TypeIXFR} {
		c := ts.secure(ts.client(p.certOne))
		_, _ = c.Write(frame(ask(p.one.Zones[0], qtype)))
		same("certificate, "+dns.TypeToString[qtype], unsigned(t, c))
	}
	c := ts.secure(ts.client(p.certOnly))
	_, _ = c.Write(frame(ask(p.only.Zones[0], dns.TypeAXFR)))
	same("TLS only, certificate", unsigned(t, c))
	got, _ := ts.axfr(ts.secure(ts.client()), p.only)
	same("TLS only, TSIG", got)
	ts.awaitLog("isp=only zone=csam.rpz.police.example. serial=700 type=axfr transport=tls")
}

// XT2, XT3, R4: who is answered, by transport, certificate, key and type. Every
// cell is asserted, and no refusal holds a listed name or differs from that of
// a stranger but by its signature.
func TestXT2_AccessMatrix(t *testing.T) {
	p := newPinned()
	far := Client{Name: "far", Key: ispFar.Key, Pin: PinOf(p.stranger.Leaf), Zones: ispOne.Zones, Addresses: ispFar.Addresses}
	gone := newCert() // of nobody any more
	ts := startTLS(t, []Client{p.one, p.two, p.only, far})
	zone := p.one.Zones[0]
	wrong := p.one.Key
	wrong.Secret = p.two.Key.Secret
	sha512 := p.one.Key
	sha512.Algorithm = "hmac-sha512."
	keys := []struct {
		what  string
		key   *Key
		owner string // whose it is, if it verifies
	}{
		{"no key", nil, ""},
		{"unknown key", &Key{Name: "nobody.key.example.", Algorithm: "hmac-sha256.", Secret: p.one.Key.Secret}, ""},
		{"wrong secret", &wrong, ""},
		{"wrong algorithm", &sha512, ""},
		{"key of one", &p.one.Key, "one"},
		{"key of two", &p.two.Key, "two"},
		{"key of only", &p.only.Key, "only"},
		{"key of far", &far.Key, "far"},
	}
	channels := []struct {
		what  string
		tls   bool
		udp   bool
		certs []tls.Certificate
		owner string // of the certificate
	}{
		{what: "udp", udp: true},
		{what: "tcp"},
		{what: "tls", tls: true},
		{"tls, certificate of one", true, false, []tls.Certificate{p.certOne}, "one"},
		{"tls, certificate of two", true, false, []tls.Certificate{p.certTwo}, "two"},
		{"tls, certificate of only", true, false, []tls.Certificate{p.certOnly}, "only"},
		{"tls, certificate of far", true, false, []tls.Certificate{p.stranger}, "far"},
		{"tls, certificate of nobody", true, false, []tls.Certificate{gone}, ""},
	}
	edit := func(opcode int) []byte { return ask(zone, dns.TypeSOA, func(m *dns.Msg) { m.Opcode = opcode }) }
	requests := []struct {
		what    string
		raw     []byte
		granted bool // to who may have the zone
	}{
		{"SOA", ask(zone, dns.TypeSOA), true},
		{"NS", ask(zone, dns.TypeNS), true},
		{"AXFR", ask(zone, dns.TypeAXFR), true},
		{"IXFR", ask(zone, dns.TypeIXFR), true},
		{"a listed name", ask("secretbad.example."+zone, dns.TypeA), false},
		{"ANY", ask(zone, dns.TypeANY), false},
		{"an absent zone", ask("absent.rpz.police.example.", dns.TypeAXFR), false},
		{"the zone of two", ask(p.two.Zones[0], dns.TypeAXFR), false},
		{"NOTIFY", edit(dns.OpcodeNotify), false},
		{"UPDATE", edit(dns.OpcodeUpdate), false},
	}
	mayHave := map[string]bool{"one": true, "only": true}
	cells := 0
	for _, ch := range channels {
		for _, k := range keys {
			who := k.owner
			switch {
			case k.key == nil:
				who = ch.owner
			case ch.owner != "" && ch.owner != k.owner:
				who = ""
			}
			verified := k.owner != ""
			for _, r := range requests {
				what := ch.what + ", " + k.what + ", " + r.what
				cells++
				raw, mac := r.raw, []byte(nil)
				if k.key != nil {
					raw, mac = signed(raw, signing{key: *k.key})
				}
				var reply []byte
				switch {
				case ch.udp:
					reply = ts.udp(raw)
				case ch.tls:
					c := ts.secure(ts.client(ch.certs...))
					reply = ts.exchange(c, raw)
					c.Close()
				default:
					reply = ts.tcp(raw)
				}
				granted := r.granted && mayHave[who] && (ch.tls || who != "only") && (!ch.udp || r.what != "AXFR")
				if r.what == "the zone of two" {
					granted = who == "two" && !ch.udp
				}
				if granted {
					var m dns.Msg
					if err := m.Unpack(reply); err != nil || m.Rcode != 0 || len(m.Answer) == 0 || !m.Authoritative {
						t.Errorf("%s: %v, want an answer; got %v", what, err, m.MsgHdr)
					}
				} else {
					rcode := dns.RcodeRefused
					if k.key != nil && !verified {
						rcode = dns.RcodeNotAuth
					}
					ts.refusal(what, raw, reply, rcode)
					// The octets of a refusal are the header and the question.
					if k.key == nil && !bytes.Equal(reply[12:], r.raw[12:len(reply)]) || len(reply) > len(raw) {
						t.Errorf("%s: a refusal of other octets", what)
					}
				}
				if verified {
					ts.signedBy(reply, *k.key, mac)
				} else if m := new(dns.Msg); m.Unpack(reply) != nil || m.IsTsig() != nil && m.IsTsig().MACSize != 0 {
					t.Errorf("%s: signed", what)
				}
			}
		}
	}
	t.Logf("%d cells", cells)
}

// XT1: TLS 1.3 with "dot", or no connection; and no data in any other way.
func TestXT1_Handshake(t *testing.T) {
	p := newPinned()
	ts := startTLS(t, []Client{p.one}, func(s *Server) { s.Limits.Guest = 400 * time.Millisecond })
	for what, edit := range map[string]func(*tls.Config){
		"TLS 1.2":             func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 },
		"no ALPN":             func(c *tls.Config) { c.NextProtos = nil },
		"another ALPN":        func(c *tls.Config) { c.NextProtos = []string{"h2", "http/1.1"} },
		"key it does not own": func(c *tls.Config) { c.Certificates[0].PrivateKey = p.certTwo.PrivateKey },
	} {
		config := ts.client(p.certOne)
		edit(config)
		c := ts.secure(config)
		// With TLS 1.3 a client has finished before the server has seen its
		// certificate; the refusal comes with the first read.
		err := c.Handshake()
		if err == nil {
			_, _ = c.Write(frame(ask(p.one.Zones[0], dns.TypeSOA)))
			_, err = c.Read(make([]byte, 1))
		}
		if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v", what, err)
		}
	}
	config := ts.client(p.certOne)
	config.NextProtos = []string{"h2", "dot"}
	config.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	for range 3 {
		c := ts.secure(config)
		ts.exchange(c, ask(p.one.Zones[0], dns.TypeSOA))
		if s := c.ConnectionState(); s.NegotiatedProtocol != "dot" || s.Version != tls.VersionTLS13 || s.DidResume {
			t.Errorf("protocol %q, version %x, resumed %v", s.NegotiatedProtocol, s.Version, s.DidResume)
		}
		c.Close()
	}

	plain := func(b []byte) (reply []byte) {
		c, err := net.Dial("tcp", ts.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = c.Write(b)
		reply, err = io.ReadAll(c)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d plain octets: still open", len(b))
		}
		return reply
	}
	good, _ := signed(ask(p.one.Zones[0], dns.TypeAXFR), signing{key: p.one.Key})
	hello := recordHello(t, ts.client())
	for _, b := range [][]byte{frame(good), []byte("GET / HTTP/1.1\r\n\r\n"), {22}, hello[:len(hello)/2], nil} {
		if reply := plain(b); len(reply) > 7 { // an alert
			t.Errorf("%d plain octets are answered with %d", len(b), len(reply))
		}
	}
	// And TLS to the port of TCP.
	if c, err := net.Dial("tcp", ts.testServer.addr); err == nil {
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if tls.Client(c, ts.client()).Handshake() == nil {
			t.Error("TLS on the port of TCP")
		}
	}
	for range 500 {
		if ts.connections() == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d connections are left", ts.connections())
}

// Handshakes compute one after the other, but wait for their clients together:
// those that stop in the middle hold up nobody. And while no turn is free,
// requests are answered.
func TestXT_HandshakesThatStop(t *testing.T) {
	p := newPinned()
	ts := startTLS(t, []Client{p.one})
	hello := recordHello(t, ts.client())
	for range 10 {
		c := ts.secure(nil).NetConn()
		_, _ = c.Write(hello)
		if _, err := c.Read(make([]byte, 1)); err != nil { // the server is past its part
			t.Fatal(err)
		}
		_, _ = ts.secure(nil).NetConn().Write(hello[:len(hello)/2])
	}
	ts.exchange(ts.secure(ts.client(p.certOne)), ask(p.one.Zones[0], dns.TypeSOA))

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	over := newSecurity(&tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{alpn}, Certificates: []tls.Certificate{*ts.cert.Load()},
	})
	for range cap(over.computing) {
		over.computing <- struct{}{}
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- ts.serve(ctx, ln, over) }()
	open := ts.secure(ts.client(p.certOne)) // at the other listener
	ts.addr = ln.Addr().String()
	waiting := ts.secure(ts.client())
	shaken := make(chan error, 1)
	go func() { shaken <- waiting.Handshake() }()
	ts.exchange(open, ask(p.one.Zones[0], dns.TypeSOA))
	select {
	case err := <-shaken:
		t.Errorf("a handshake did not wait for its turn: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	<-over.computing
	if err := <-shaken; err != nil {
		t.Error(err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
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

// A certificate alone makes no member: guests with one are pushed out, and
// their time ends.
func TestXT2_CertificateIsAGuestUntilItAsks(t *testing.T) {
	p := newPinned()
	ts := startTLS(t, []Client{p.one}, func(s *Server) { s.Limits.Guest = 300 * time.Millisecond })
	quiet, asks := ts.secure(ts.client(p.certOne)), ts.secure(ts.client(p.certOne))
	ts.exchange(asks, ask(p.one.Zones[0], dns.TypeSOA))
	if err := quiet.Handshake(); err != nil {
		t.Fatal(err)
	}
	if _, err := quiet.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("a guest that does not ask: %v", err)
	}
	ts.exchange(asks, ask(p.one.Zones[0], dns.TypeSOA))
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

// TS9, XT2: what a client loses in mid-transfer ends the transfer.
func TestXT2_AccessLostInMidTransfer(t *testing.T) {
	p := newPinned()
	other := newPinned()
	noPin, newPin, newKey, takenPin := p.one, p.one, p.one, p.one
	noPin.Pin, newPin.Pin, takenPin.Pin = Pin{}, other.one.Pin, Pin{}
	newKey.Key = keyOf("isp-one.new.example.", 9)
	taker := p.two
	taker.Pin = p.one.Pin
	elsewhere := p.one
	elsewhere.Addresses = ispFar.Addresses
	old, next := p.one, newKey // both in force, as in a rotation
	for _, c := range []struct {
		what  string
		signs bool
		cert  bool
		then  []Client
		goes  bool
	}{
		{"certificate revoked", false, true, []Client{p.two}, false},
		{"certificate taken away", false, true, []Client{noPin}, false},
		{"certificate replaced", false, true, []Client{newPin}, false},
		{"address", false, true, []Client{elsewhere}, false},
		{"certificate becomes another's", true, true, []Client{takenPin, taker}, false},
		{"key replaced, certificate stays", false, true, []Client{newKey}, true},
		{"key rotates", true, false, []Client{next, old}, true},
		{"key rotated away", true, false, []Client{newKey}, false},
		{"key rotated away, certificate stays", true, true, []Client{newKey}, false},
		{"certificate taken away, key stays", true, true, []Client{noPin}, true},
		{"revoked", true, true, nil, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			ts := startTLS(t, []Client{p.one, p.two})
			ts.t = t
			ts.publish(large())
			config := ts.client()
			if c.cert {
				config = ts.client(p.certOne)
			}
			conn := ts.secure(config)
			var key *Key
			if c.signs {
				key = &p.one.Key
			}
			ts.start(conn, key)
			ts.grant(c.then...)
			messages, err := 1, error(nil)
			for messages < large().Messages() && err == nil {
				if _, err = readFrame(conn); err == nil {
					messages++
				}
			}
			if c.goes {
				if messages != large().Messages() {
					t.Errorf("ended after %d messages: %v", messages, err)
				}
				ts.awaitLog("result=complete")
				return
			}
			if err == nil {
				t.Error("went on to the end")
			}
			ts.awaitLog("result=revoked")
		})
	}
}

// TS9: a key that is removed between the request and the first message.
func TestTS9_KeyRemovedBeforeTheFirstMessage(t *testing.T) {
	ts := startServer(t)
	raw, _ := signed(ask(ispOne.Zones[0], dns.TypeAXFR), signing{key: ispOne.Key})
	from := peer{transport: overTCP}
	out := ts.answer(raw, from)
	ts.grant(ispTwo)
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	go func() { _, _ = io.Copy(io.Discard, far) }()
	if sent, err := ts.send(&conn{Conn: near, stream: near}, out.transfer, from); sent != 0 || !errors.Is(err, errRevoked) {
		t.Errorf("sent %d, %v", sent, err)
	}
}

// A certificate that was revoked is of no use on a connection that is open.
func TestXT2_RevokedBetweenRequests(t *testing.T) {
	p := newPinned()
	ts := startTLS(t, []Client{p.one})
	c := ts.secure(ts.client(p.certOne))
	soa := ask(p.one.Zones[0], dns.TypeSOA)
	var m dns.Msg
	if err := m.Unpack(ts.exchange(c, soa)); err != nil || m.Rcode != 0 {
		t.Fatalf("%v %v", err, m.MsgHdr)
	}
	ts.grant(p.two)
	ts.refusal("revoked", soa, ts.exchange(c, soa), dns.RcodeRefused)
	ts.grant(p.one)
	if err := m.Unpack(ts.exchange(c, soa)); err != nil || m.Rcode != 0 {
		t.Fatalf("again: %v %v", err, m.MsgHdr)
	}
}

// XT4, TC1: several requests at once, in any segmentation, are answered in
// their order.
func TestXT4_PipelinedTransfers(t *testing.T) {
	p := newPinned()
	ts := startTLS(t, []Client{p.one, p.only})
	ts.publish(many(t, 900, 2000))
	zone := p.one.Zones[0]
	axfr, mac := signed(ask(zone, dns.TypeAXFR), signing{key: p.one.Key})
	foreign, _ := signed(ask(zone, dns.TypeAXFR), signing{key: p.only.Key})
	var all []byte
	for _, raw := range [][]byte{ask(zone, dns.TypeSOA), ask(zone, dns.TypeAXFR), axfr, foreign, axfr, ask("absent.example.", dns.TypeAXFR), ask(zone, dns.TypeAXFR)} {
		all = append(all, frame(raw)...)
	}
	for what, step := range map[string]int{"at once": len(all), "octet by octet": 1, "in records of 7": 7} {
		c := ts.secure(ts.client(p.certOne))
		go func() {
			for b := all; len(b) > 0; b = b[min(step, len(b)):] {
				if _, err := c.Write(b[:min(step, len(b))]); err != nil {
					return
				}
			}
		}()
		read := func() []byte {
			b, err := readFrame(c)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			return b
		}
		var soa dns.Msg
		if err := soa.Unpack(read()); err != nil || len(soa.Answer) != 1 {
			t.Fatalf("%s: %v %v", what, err, soa.MsgHdr)
		}
		want := len(unsigned(t, c))
		first, _ := transferOver(t, c, p.one.Key, mac)
		ts.refusal(what, foreign, read(), dns.RcodeRefused)
		second, _ := transferOver(t, c, p.one.Key, mac)
		ts.refusal(what, ask("absent.example.", dns.TypeAXFR), read(), dns.RcodeRefused)
		third := unsigned(t, c)
		if want < 4000 || len(first) != want || len(second) != want || len(third) != want {
			t.Errorf("%s: transfers of %d, %d, %d, %d records", what, want, len(first), len(second), len(third))
		}
		c.Close()
	}
}

// XT6: beyond the limit of a client, or its share of all, SERVFAIL, signed if
// the request was; strangers do not count, and another client has its own share.
func TestXT6_TooManyTransfers(t *testing.T) {
	for what, limit := range map[string]func(*Limits){
		"of a client": func(l *Limits) { l.Transfers = 2 },
		"of all":      func(l *Limits) { l.AllTransfers = 4 },
	} {
		t.Run(what, func(t *testing.T) {
			p := newPinned()
			p.two.Zones = p.one.Zones
			ts := startTLS(t, []Client{p.one, p.two}, func(s *Server) { limit(&s.Limits) })
			ts.t = t
			ts.publish(large())
			zone := p.one.Zones[0]
			for range 20 {
				ts.refusal("stranger", ask(zone, dns.TypeAXFR), ts.exchange(ts.secure(ts.client(p.stranger)), ask(zone, dns.TypeAXFR)), dns.RcodeRefused)
			}
			running := []net.Conn{ts.secure(ts.client(p.certOne)), ts.dial()}
			firsts := [][]byte{ts.start(running[0], nil), ts.start(running[1], &p.one.Key)}

			ts.refusal("unsigned", ask(zone, dns.TypeAXFR), ts.exchange(ts.secure(ts.client(p.certOne)), ask(zone, dns.TypeAXFR)), dns.RcodeServerFailure)
			raw, mac := signed(ask(zone, dns.TypeAXFR), signing{key: p.one.Key})
			tooMany := ts.dial()
			reply := ts.exchange(tooMany, raw)
			ts.refusal("signed", raw, reply, dns.RcodeServerFailure)
			ts.signedBy(reply, p.one.Key, mac)
			soa, mac := signed(ask(zone, dns.TypeSOA), signing{key: p.one.Key}) // the connection is as good as before
			ts.signedBy(ts.exchange(tooMany, soa), p.one.Key, mac)

			another := ts.secure(ts.client(p.certTwo))
			reply = ts.exchange(another, ask(zone, dns.TypeAXFR))
			if reply[3]&0xf != 0 {
				t.Errorf("another client: rcode %d", reply[3]&0xf)
			}
			another.Close()

			skim(t, io.MultiReader(bytes.NewReader(frame(firsts[1])), running[1]), large())
			running[0].Close()
			for range 500 { // the end of the one that was cut off is seen at its next write
				if reply = ts.start(ts.dial(), &p.one.Key); reply[3]&0xf == 0 {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
			t.Errorf("room is not given back: rcode %d", reply[3]&0xf)
		})
	}
}

// openFiles counts the open files of this process.
func openFiles(t testing.TB) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// AX5 over TLS: however a client leaves, nothing of it stays.
func TestXT_ClientsThatLeaveFreeEverything(t *testing.T) {
	p := newPinned()
	ts := startTLS(t, []Client{p.one}, func(s *Server) { s.Limits.Stall = 300 * time.Millisecond; s.Limits.Guest = 500 * time.Millisecond })
	ts.publish(large())
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	for i := range 40 {
		c := ts.secure(ts.client(p.certOne))
		switch i % 5 {
		case 0: // close_notify and FIN in the middle
			ts.start(c, nil)
			c.Close()
		case 1: // close_notify alone, and it stops reading
			ts.start(c, nil)
			_ = c.CloseWrite()
			defer c.Close()
		case 2: // gone without a word
			ts.start(c, &p.one.Key)
			_ = c.NetConn().(*net.TCPConn).SetLinger(0)
			c.NetConn().Close()
		case 3: // garbage in the middle of TLS
			_ = c.Handshake()
			_, _ = c.NetConn().Write(bytes.Repeat([]byte{23, 3, 3, 0, 32}, 40))
			_, _ = io.Copy(io.Discard, c.NetConn())
			c.NetConn().Close()
		case 4: // never speaks
			defer c.NetConn().Close()
		}
	}
	ts.awaitLog(`result="connection lost"`)
	ts.awaitLog(`result="too slow"`)
	deadline := time.Now().Add(10 * time.Second)
	for ts.connections() > 0 || runtime.NumGoroutine() > goroutines || openFiles(t) > files+16 { // ours of cases 1 and 4 are open
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d connections, goroutines %d then %d, files %d then %d\n%s", ts.connections(), goroutines, runtime.NumGoroutine(),
				files, openFiles(t), stacks[:runtime.Stack(stacks, true)])
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.running.mu.Lock()
	defer ts.running.mu.Unlock()
	if ts.running.all != 0 || len(ts.running.each) != 0 {
		t.Errorf("%d transfers are still counted", ts.running.all)
	}
}

// A certificate that is replaced is that of the next connection; a transfer
// that runs goes on with its own.
func TestXT_CertificateReplacedInMidTransfer(t *testing.T) {
	p := newPinned()
	ts := startTLS(t, []Client{p.one})
	ts.publish(large())
	before := ts.client(p.certOne)
	c := ts.secure(before)
	first := ts.start(c, &p.one.Key)
	next := newCert()
	ts.cert.Store(&next)
	skim(t, io.MultiReader(bytes.NewReader(frame(first)), c), large())
	if err := ts.secure(before).Handshake(); err == nil {
		t.Error("the old certificate is still shown")
	}
	ts.exchange(ts.secure(ts.client(p.certOne)), ask(p.one.Zones[0], dns.TypeSOA))
}

// A server that stops lets transfers over TLS finish, and says goodbye to the
// others.
func TestXT_Stop(t *testing.T) {
	p := newPinned()
	ts := startServer(t)
	ts.grant(p.one)
	ts.publish(large())
	cert := newCert()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &tlsServer{testServer: ts, addr: ln.Addr().String()}
	s.cert.Store(&cert)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- ts.ServeTLS(ctx, ln, s.cert.Load) }()
	under, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer under.Close()
	_ = under.SetDeadline(time.Now().Add(10 * time.Second))
	counter := &counted{Conn: under}
	idle, busy := tls.Client(counter, s.client(p.certOne)), s.secure(s.client(p.certOne))
	s.exchange(idle, ask(p.one.Zones[0], dns.TypeSOA))
	first, before := s.start(busy, &p.one.Key), counter.octets
	stop()
	if _, err := idle.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || counter.octets == before {
		t.Errorf("idle connection: %v, close_notify of %d octets", err, counter.octets-before)
	}
	skim(t, io.MultiReader(bytes.NewReader(frame(first)), busy), large())
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// counted counts what is read.
type counted struct {
	net.Conn
	octets int
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.octets += n
	return n, err
}

func TestNewAccessRefusesSharedCertificates(t *testing.T) {
	p := newPinned()
	p.two.Pin = p.one.Pin
	if _, err := NewAccess([]Client{p.one, p.two}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("two clients, one certificate: %v", err)
	}
	rotating := p.one
	rotating.Key = keyOf("isp-one.old.example.", 8)
	if _, err := NewAccess([]Client{p.one, rotating}); err != nil {
		t.Errorf("one client, two keys, one certificate: %v", err)
	}
	p.one.Pin, p.two.Pin = Pin{}, Pin{}
	a, err := NewAccess([]Client{p.one, p.two})
	if err != nil {
		t.Fatal(err)
	}
	if m := a.admit(nil, peer{transport: overTLS, pin: new(Pin)}); m != nil {
		t.Error("no pin is a pin")
	}
}
