package dnsfeed

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

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
