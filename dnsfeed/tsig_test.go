package dnsfeed

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // to see that it is refused
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// tsigReply checks an error reply to a bad TSIG: NOTAUTH, no data, one TSIG
// record that names the error.
func (ts *testServer) tsigReply(what string, request []byte, code uint16) *dns.TSIG {
	ts.t.Helper()
	var last *dns.TSIG
	for _, exchange := range []func([]byte) []byte{ts.tcp, ts.udp} {
		reply := exchange(request)
		m := ts.refusal(what, request, reply, dns.RcodeNotAuth)
		if last = m.IsTsig(); last == nil || last.Error != code {
			ts.t.Fatalf("%s: TSIG %v, want error %d", what, last, code)
		}
		if code == tsigBadKey || code == tsigBadSig {
			if last.MACSize != 0 || last.OtherLen != 0 { // TS4
				ts.t.Errorf("%s: reply is signed", what)
			}
			if len(reply) > len(request) {
				ts.t.Errorf("%s: %d octets to %d", what, len(reply), len(request))
			}
		}
	}
	return last
}

// TS1: the order is key, MAC, time, truncation, so a request that is wrong in
// several ways is told the first.
func TestTS1_Order(t *testing.T) {
	ts := startServer(t)
	raw := ask(ispOne.Zones[0], dns.TypeAXFR)
	unknown := ispOne.Key
	unknown.Name = "nobody.key.example."
	wrong := ispOne.Key
	wrong.Secret = bytes.Repeat([]byte{9}, 32)
	past := time.Now().Add(-time.Hour)
	half := func(mac []byte) []byte { return mac[:16] }
	for _, c := range []struct {
		what string
		how  signing
		code uint16
	}{
		{"unknown key", signing{key: unknown}, tsigBadKey},
		{"unknown key, past, short", signing{key: unknown, at: past, mac: half}, tsigBadKey},
		{"wrong secret", signing{key: wrong}, tsigBadSig},
		{"wrong secret, past, short", signing{key: wrong, at: past, mac: half}, tsigBadSig},
		{"past, short", signing{key: ispOne.Key, at: past, mac: half}, tsigBadTime},
		{"short", signing{key: ispOne.Key, mac: half}, tsigBadTrunc},
	} {
		request, _ := signed(raw, c.how)
		ts.tsigReply(c.what, request, c.code)
	}
}

// TS2: one TSIG, the last record of the additional section, or FORMERR.
func TestTS2_SingleAndLast(t *testing.T) {
	ts := startServer(t)
	good, _ := signed(ask(ispOne.Zones[0], dns.TypeAXFR), signing{key: ispOne.Key})
	question := headerLen + len(wire(ispOne.Zones[0])) + 4
	record := good[question:]
	opt := []byte{0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 0}
	build := func(an, ns, ar byte, records ...[]byte) []byte {
		b := bytes.Clone(good[:question])
		b[7], b[9], b[11] = an, ns, ar
		for _, r := range records {
			b = append(b, r...)
		}
		return b
	}
	bad := bytes.Clone(record)
	class := len(wire(ispOne.Key.Name)) + 3
	bad[class] = 1
	for what, request := range map[string][]byte{
		"two":                 build(0, 0, 2, record, record),
		"record after it":     build(0, 0, 2, record, opt),
		"between":             build(0, 0, 3, opt, record, opt[:11]),
		"in the answer":       build(1, 0, 0, record),
		"in the authority":    build(0, 1, 0, record),
		"in both":             build(0, 1, 1, record, record),
		"octets after it":     build(0, 0, 1, record, []byte{0}),
		"class IN":            build(0, 0, 1, bad),
		"cut":                 build(0, 0, 1, record[:len(record)-1]),
		"more RDATA than it":  build(0, 0, 1, longer(record, 3)),
		"MAC of 9 octets":     mustSign(ask(ispOne.Zones[0], dns.TypeAXFR), 9),
		"MAC of 15 octets":    mustSign(ask(ispOne.Zones[0], dns.TypeAXFR), 15),
		"no MAC":              mustSign(ask(ispOne.Zones[0], dns.TypeAXFR), 0),
		"MAC of 33 octets":    mustSign(ask(ispOne.Zones[0], dns.TypeAXFR), 33),
		"TSIG of no record":   build(0, 0, 1, []byte{0, 0, 250, 0, 255, 0, 0, 0, 0, 0, 0}),
		"MAC size beyond all": build(0, 0, 1, macSize(record, 0xffff)),
	} {
		reply := ts.tcp(request)
		m := ts.refusal(what, request, reply, dns.RcodeFormatError)
		if m.IsTsig() != nil || len(reply) != headerLen {
			t.Errorf("%s: %d octets", what, len(reply))
		}
	}
}

// longer appends n octets to the RDATA of a TSIG record.
func longer(record []byte, n int) []byte {
	b := append(bytes.Clone(record), make([]byte, n)...)
	at := len(wire(ispOne.Key.Name)) + 8
	binary.BigEndian.PutUint16(b[at:], binary.BigEndian.Uint16(b[at:])+uint16(n))
	return b
}

func macSize(record []byte, n uint16) []byte {
	b := bytes.Clone(record)
	binary.BigEndian.PutUint16(b[len(b)-6-32-2:], n)
	return b
}

// mustSign signs with a MAC cut or filled up to n octets.
func mustSign(raw []byte, n int) []byte {
	out, _ := signed(raw, signing{key: ispOne.Key, mac: func(mac []byte) []byte {
		return append(mac, make([]byte, n)...)[:n]
	}})
	return out
}

// TS3: a key works with its own algorithm only, its name in any case.
func TestTS3_Algorithm(t *testing.T) {
	ts := startServer(t)
	raw := ask(ispOne.Zones[0], dns.TypeAXFR)
	for _, algorithm := range []string{
		dns.HmacSHA512, dns.HmacSHA384, dns.HmacSHA224, dns.HmacSHA1, //nolint:staticcheck // SHA-1 on purpose
	} {
		request, _ := signed(raw, signing{key: ispOne.Key, algorithm: algorithm})
		ts.tsigReply(algorithm, request, tsigBadKey)
	}
	spelt := ispOne.Key
	spelt.Name, spelt.Algorithm = "ISP-one.KEY.example.", "HMAC-sha256."
	request, mac := signed(raw, signing{key: spelt})
	c := ts.dial()
	_, _ = c.Write(frame(request))
	if rrs, _ := transferOver(t, c, ispOne.Key, mac); len(rrs) != 9 {
		t.Errorf("key name in capitals: %d records", len(rrs))
	}
}

// A key with MD5, SHA-1 or SHA-224 cannot be made.
func TestTS3_WeakKeysCannotExist(t *testing.T) {
	for _, algorithm := range []string{"hmac-sha1.", "hmac-sha224.", "hmac-md5.sig-alg.reg.int.", "hmac-sha256", "", "HMAC-SHA256."} {
		k := ispOne.Key
		k.Algorithm = algorithm
		if k.Validate() == nil {
			t.Errorf("algorithm %q is allowed", algorithm)
		}
		if _, err := NewAccess([]Client{{Name: "one", Key: k}}); err == nil {
			t.Errorf("algorithm %q: access was made", algorithm)
		}
	}
	short := ispOne.Key
	short.Secret = short.Secret[:15]
	if err := short.Validate(); err == nil {
		t.Error("secret of 15 octets is allowed")
	}
	if _, err := NewAccess([]Client{ispOne, {Name: "x", Key: ispOne.Key}}); err == nil {
		t.Error("two clients have one key")
	}
}

// TS4: a wrong time is answered signed, with the client's time and ours.
func TestTS4_BadTime(t *testing.T) {
	clock := time.Now().Add(1000 * time.Second)
	ts := startServer(t, func(s *Server) { s.Now = func() time.Time { return clock } })
	at := time.Now()
	request, mac := signed(ask(ispOne.Zones[0], dns.TypeSOA), signing{key: ispOne.Key, at: at})
	rr := ts.tsigReply("past", request, tsigBadTime)
	if other, _ := hex.DecodeString(rr.OtherData); rr.TimeSigned != uint64(at.Unix()) ||
		len(other) != 6 || binary.BigEndian.Uint32(other[2:]) != uint32(clock.Unix()) {
		t.Errorf("times: %d, %s", rr.TimeSigned, rr.OtherData)
	}
	reply := ts.tcp(request)
	ts.signedBy(reply, ispOne.Key, mac)
}

// TS8: a request may be 300 seconds old, whatever fudge it asks for; and not
// older than the fudge it asks for.
func TestTS8_Fudge(t *testing.T) {
	clock := time.Now()
	ts := startServer(t, func(s *Server) { s.Now = func() time.Time { return clock } })
	for _, c := range []struct {
		age   time.Duration
		fudge uint16
		ok    bool
	}{
		{299 * time.Second, 300, true},
		{301 * time.Second, 300, false},
		{301 * time.Second, 65535, false},
		{-299 * time.Second, 65535, true},
		{-301 * time.Second, 65535, false},
		{9 * time.Second, 10, true},
		{11 * time.Second, 10, false},
	} {
		request, _ := signed(ask(ispOne.Zones[0], dns.TypeSOA), signing{key: ispOne.Key, at: clock.Add(-c.age), fudge: c.fudge})
		if !c.ok {
			ts.tsigReply(fmt.Sprint(c.age, c.fudge), request, tsigBadTime)
		} else if reply := ts.tcp(request); reply[3]&15 != 0 {
			t.Errorf("age %v, fudge %d: rcode %d", c.age, c.fudge, reply[3]&15)
		}
	}
	year := clock.AddDate(200, 0, 0) // beyond 32 bits of seconds
	request, _ := signed(ask(ispOne.Zones[0], dns.TypeSOA), signing{key: ispOne.Key, at: year})
	ts.tsigReply("far future", request, tsigBadTime)
}

// TS5: only whole MACs. Shorter ones that the RFC allows get BADTRUNC, signed.
func TestTS5_Truncated(t *testing.T) {
	ts := startServer(t)
	for _, n := range []int{16, 31} {
		ts.tsigReply(fmt.Sprint(n), mustSign(ask(ispOne.Zones[0], dns.TypeSOA), n), tsigBadTrunc)
	}
	request, mac := signed(ask(ispOne.Zones[0], dns.TypeSOA), signing{key: ispOne.Key, mac: func(m []byte) []byte { return m[:16] }})
	ts.signedBy(ts.tcp(request), ispOne.Key, mac[:16])
}

// The MAC covers all of a request: with any bit changed it is refused.
func TestTS_EveryBitCounts(t *testing.T) {
	s := startServer(t).Server
	good, _ := signed(ask(ispOne.Zones[0], dns.TypeAXFR, func(m *dns.Msg) { m.SetEdns0(1232, true) }), signing{key: ispOne.Key})
	if s.answer(good, peer{transport: overTCP}).transfer == nil {
		t.Fatal("good request is refused")
	}
	served := 0
	for bit := range 8 * len(good) {
		raw := bytes.Clone(good)
		raw[bit/8] ^= 1 << (bit % 8)
		if s.answer(raw, peer{transport: overTCP}).transfer != nil {
			served++
			// The ID is replaced by the original one, and case does not count
			// in the names of key and algorithm (RFC 8945, section 4.3.3).
			if bit/8 >= 2 && !(bit%8 == 5 && isLetter(good[bit/8])) {
				t.Errorf("octet %d, bit %d changed: served", bit/8, bit%8)
			}
		}
	}
	if served == 0 {
		t.Error("a forwarder that changes the ID is refused")
	}
}

func isLetter(c byte) bool { return 'a' <= lower(c) && lower(c) <= 'z' }

// Another library's SHA-1, made by hand, is no better.
func TestTS3_SHA1ByHand(t *testing.T) {
	ts := startServer(t)
	raw := ask(ispOne.Zones[0], dns.TypeAXFR)
	at := time.Now()
	vars := wire(ispOne.Key.Name) + "\x00\xff\x00\x00\x00\x00" + wire("hmac-sha1.") +
		string(appendTimers(nil, uint64(at.Unix()), 300)) + "\x00\x00\x00\x00"
	h := hmac.New(sha1.New, ispOne.Key.Secret)
	h.Write(raw)
	h.Write([]byte(vars))
	raw[11]++
	raw = appendTSIG(raw, wire(ispOne.Key.Name), wire("hmac-sha1."), uint64(at.Unix()), h.Sum(nil), 0x4711, 0, nil)
	ts.tsigReply("SHA-1", raw, tsigBadKey)
}

// A key shows its name and never its secret.
func TestKeyPrintsNoSecret(t *testing.T) {
	secret := base64.StdEncoding.EncodeToString(ispOne.Key.Secret)
	encoded, err := json.Marshal(ispOne)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		fmt.Sprint(ispOne.Key), fmt.Sprintf("%+v", ispOne), fmt.Sprintf("%#v", ispOne.Key), fmt.Sprintf("%x", ispOne.Key),
		fmt.Sprintf("%s", []Key{ispOne.Key}), fmt.Sprintf("%q", &ispOne.Key), fmt.Sprintf("%v", []Client{ispOne}), ispOne.Key.LogValue().String(), string(encoded),
	} {
		if strings.Contains(text, secret) || strings.Contains(text, "1 77") || strings.Contains(text, "014d") ||
			strings.Contains(text, string(ispOne.Key.Secret[:4])) || strings.Contains(text, "0x4d") {
			t.Errorf("shows the secret: %s", text)
		}
	}
}

// FuzzTSIG feeds any octets as RDATA and any position of the record: without
// the secret nothing may be granted.
func FuzzTSIG(f *testing.F) {
	s := startServer(f).Server
	plain := ask(ispOne.Zones[0], dns.TypeAXFR)
	good, _ := signed(plain, signing{key: ispOne.Key})
	rdata := good[len(plain)+len(wire(ispOne.Key.Name))+10:]
	f.Add(rdata, []byte(wire(ispOne.Key.Name)), uint16(1))
	f.Add(rdata[:20], []byte{0xc0, 12}, uint16(1))
	f.Add([]byte{0}, []byte{0}, uint16(2))
	f.Fuzz(func(t *testing.T, rdata, owner []byte, count uint16) {
		if len(rdata) > 0xffff {
			return
		}
		raw := bytes.Clone(plain)
		binary.BigEndian.PutUint16(raw[10:], count)
		raw = append(raw, owner...)
		raw = append(raw, 0, typeTSIG, 0, classANY, 0, 0, 0, 0)
		raw = append(binary.BigEndian.AppendUint16(raw, uint16(len(rdata))), rdata...)
		out := s.answer(raw, peer{transport: overTCP})
		if out.transfer != nil && !bytes.Equal(rdata[len(rdata)-6-32:len(rdata)-6], good[len(good)-6-32:len(good)-6]) {
			t.Fatal("granted without the secret")
		}
		var m dns.Msg
		if out.reply != nil && m.Unpack(out.reply) != nil {
			t.Fatal("reply cannot be read")
		}
	})
}
