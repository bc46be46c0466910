package e2e

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// wire is a socket to the server.
type wire struct {
	net.Conn
	datagrams bool
}

// connect opens a channel.
func (s *server) connect(ch channel) *wire {
	s.t.Helper()
	var c net.Conn
	var err error
	switch ch.transport {
	case "tls":
		c, err = tls.Dial("tcp", s.tls, s.tlsConfig(ch.cert))
	default:
		c, err = net.Dial(ch.transport, s.dns)
	}
	if err != nil {
		s.t.Fatalf("%s: %v", ch.what, err)
	}
	s.t.Cleanup(func() { c.Close() })
	return &wire{c, ch.transport == "udp"}
}

// connectTo opens a TCP connection to any server.
func connectTo(t testing.TB, addr string) *wire {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &wire{Conn: c}
}

// tlsConfig is that of a client who trusts the server, and shows NAME.pem unless that is "".
func (s *server) tlsConfig(name string) *tls.Config {
	s.t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(s.read("server.pem"))) {
		s.t.Fatal("no certificate in server.pem")
	}
	config := &tls.Config{RootCAs: roots, ServerName: serverName, NextProtos: []string{"dot"}}
	if name != "" {
		pair, err := tls.LoadX509KeyPair(s.file(name+".pem"), s.file(name+".pkey"))
		if err != nil {
			s.t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config
}

// ask sends a query and reads all messages of the answer: one, or those from one SOA to the other.
func (c *wire) ask(query []byte) (replies [][]byte, err error) {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if !c.datagrams {
		query = append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...) //nolint:gosec // some hundred octets
	}
	if _, err := c.Write(query); err != nil {
		return nil, err
	}
	for records := 0; ; {
		raw, err := c.read()
		if err != nil {
			return replies, fmt.Errorf("after %d messages: %w", len(replies), err)
		}
		replies = append(replies, raw)
		if len(raw) < 12 || raw[3]&15 != dns.RcodeSuccess || c.datagrams {
			return replies, nil
		}
		var m dns.Msg
		if err := m.Unpack(raw); err != nil || len(m.Answer) == 0 {
			return replies, fmt.Errorf("message %d of %d octets: %v", len(replies), len(raw), err) //nolint:errorlint // may be nil
		}
		records += len(m.Answer)
		_, ends := m.Answer[len(m.Answer)-1].(*dns.SOA)
		if _, begins := m.Answer[0].(*dns.SOA); len(replies) == 1 && (!begins || records == 1) || ends && records > 1 {
			return replies, nil
		}
	}
}

func (c *wire) read() ([]byte, error) {
	if c.datagrams {
		raw := make([]byte, 1<<16)
		n, err := c.Read(raw)
		return raw[:n], err
	}
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return nil, err
	}
	raw := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(c, raw)
	return raw, err
}

// sign makes the octets of a request, and the MAC that the answer is chained to.
func sign(t testing.TB, m *dns.Msg, cr credential) (query []byte, mac string) {
	t.Helper()
	var err error
	if cr.key == nil {
		query, err = m.Pack()
	} else {
		m.SetTsig(cr.key.Hdr.Name, cr.key.Algorithm, 300, time.Now().Add(-cr.late).Unix())
		query, mac, err = dns.TsigGenerate(m, cr.value, "", false)
	}
	if err != nil {
		t.Fatal(err)
	}
	return query, mac
}

// refusal holds a reply to the only octets that a refusal may have: the header, the question as it was asked, and a TSIG
// record if the request had one (RFC 8945 section 5.3.2). So all refusals are alike, and none says anything.
func (s *server) refusal(what string, ch channel, cr credential, query []byte, mac string, reply []byte) {
	s.t.Helper()
	var asked, m dns.Msg
	if err := errors.Join(asked.Unpack(query), m.Unpack(reply)); err != nil {
		s.t.Errorf("%s: %v", what, err)
		return
	}
	want := &dns.Msg{MsgHdr: dns.MsgHdr{
		Id: asked.Id, Response: true, Opcode: asked.Opcode, RecursionDesired: asked.RecursionDesired, Rcode: dns.RcodeRefused,
	}, Question: asked.Question}
	if cr.wrong != 0 {
		want.Rcode = dns.RcodeNotAuth
	}
	if cr.key != nil {
		got := m.IsTsig()
		if got == nil {
			s.t.Errorf("%s: no TSIG, want one", what)
			return
		}
		rr := *cr.key
		rr.Fudge, rr.OrigId, rr.Error = 300, asked.Id, cr.wrong
		rr.TimeSigned, rr.MAC, rr.MACSize, rr.OtherData, rr.OtherLen = got.TimeSigned, got.MAC, got.MACSize, got.OtherData, got.OtherLen
		want.Extra = []dns.RR{&rr}
	}
	octets, err := want.Pack()
	if err != nil {
		s.t.Fatal(err)
	}
	if !bytes.Equal(reply, octets) {
		s.t.Errorf("%s: want a refusal of the octets\n%x, got\n%x", what, octets, reply)
	} else if cr.key != nil {
		want.Extra = nil
		s.signature(what, cr, asked.IsTsig(), m.IsTsig(), want, mac)
	}
	question := 12 + len(query[12:bytes.IndexByte(query[12:], 0)+12]) + 5
	if bytes.Contains(bytes.ToLower(reply[min(question, len(reply)):]), []byte(marker)) {
		s.t.Errorf("%s: the refusal holds a listed name", what)
	}
	// Who has shown no secret can not have others flooded.
	stranger := cr.key == nil || cr.wrong == dns.RcodeBadKey || cr.wrong == dns.RcodeBadSig
	if ch.transport == "udp" && stranger && len(reply) > len(query) {
		s.t.Errorf("%s: %d octets are answered by %d", what, len(query), len(reply))
	}
}

// signature says how a refusal must be signed: not at all to who has not shown the secret (TS4); else with the key, to a
// wrong time with that time, and ours as other data (RFC 8945 section 5.2.3).
func (s *server) signature(what string, cr credential, asked, got *dns.TSIG, unsigned *dns.Msg, mac string) {
	s.t.Helper()
	at := time.Unix(int64(got.TimeSigned), 0) //nolint:gosec // 48 bits
	signed, other := true, 0
	switch cr.wrong {
	case dns.RcodeBadKey, dns.RcodeBadSig:
		signed = false
	case dns.RcodeBadTime:
		if got.TimeSigned != asked.TimeSigned {
			s.t.Errorf("%s: signed at %v, want the time of the request", what, at)
		}
		n, err := strconv.ParseUint(got.OtherData, 16, 48)
		if err != nil {
			s.t.Errorf("%s: other data %q", what, got.OtherData)
		}
		at, other = time.Unix(int64(n), 0), 6 //nolint:gosec // 48 bits
	}
	if int(got.OtherLen) != other {
		s.t.Errorf("%s: other data of %d octets, want %d", what, got.OtherLen, other)
	}
	if off := time.Since(at).Abs(); off > patience {
		s.t.Errorf("%s: the time is off by %v", what, off)
	}
	if !signed {
		if got.MACSize != 0 {
			s.t.Errorf("%s: signed", what)
		}
		return
	}
	message, err := unsigned.Pack()
	if err != nil {
		s.t.Fatal(err)
	}
	if want := digest(s.t, cr.value, mac, message, got); got.MAC != want {
		s.t.Errorf("%s: MAC %s, want %s", what, got.MAC, want)
	}
}

// digest is the MAC of an answer of one message (RFC 8945 section 4.3), made with SHA-256. The DNS library would not say
// what that of a refusal is.
func digest(t testing.TB, secret, request string, unsigned []byte, rr *dns.TSIG) string {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	unhex := func(text string) []byte {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	name := func(b []byte, text string) []byte {
		wire := make([]byte, 255)
		n, err := dns.PackDomainName(dns.CanonicalName(text), wire, 0, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		return append(b, wire[:n]...)
	}
	prior := unhex(request)
	b := append(binary.BigEndian.AppendUint16(nil, uint16(len(prior))), prior...) //nolint:gosec // 32
	b = name(append(b, unsigned...), rr.Hdr.Name)
	b = append(b, 0, dns.ClassANY, 0, 0, 0, 0)
	b = name(b, rr.Algorithm)
	b = append(b, binary.BigEndian.AppendUint64(nil, rr.TimeSigned)[2:]...)
	for _, word := range []uint16{rr.Fudge, rr.Error, rr.OtherLen} {
		b = binary.BigEndian.AppendUint16(b, word)
	}
	h := hmac.New(sha256.New, key)
	h.Write(append(b, unhex(rr.OtherData)...))
	return hex.EncodeToString(h.Sum(nil))
}

// number is a serial in digits.
func number(t testing.TB, serial string) uint32 {
	t.Helper()
	n, err := strconv.ParseUint(serial, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(n)
}
