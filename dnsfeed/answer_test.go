package dnsfeed

import (
	"bytes"
	"crypto/hmac"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"pgregory.net/rapid"
)

// refusal checks what every refusal must be, and returns it parsed.
func (ts *testServer) refusal(what string, request, reply []byte, rcode int) *dns.Msg {
	ts.t.Helper()
	var m dns.Msg
	if err := m.Unpack(reply); err != nil {
		ts.t.Errorf("%s: %v", what, err)
		return &m
	}
	if m.Rcode != rcode || !m.Response || m.Authoritative || len(m.Answer)+len(m.Ns) != 0 {
		ts.t.Errorf("%s: %s, want %s without data", what, dns.RcodeToString[m.Rcode], dns.RcodeToString[rcode])
	}
	if m.Id != binary.BigEndian.Uint16(request) {
		ts.t.Errorf("%s: another ID", what)
	}
	if !bytes.Contains(request, []byte("secretbad")) {
		ts.noListedName(reply, what)
	}
	return &m
}

// AX4, TS7, NO3: without a valid TSIG there is no data and no signature, on
// any transport, for anything; and over UDP never more than was sent.
func TestAX4_NothingWithoutCredential(t *testing.T) {
	ts := startServer(t)
	zone := ispOne.Zones[0]
	requests := map[string][]byte{"NOTIFY": ask(zone, dns.TypeSOA, func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify })}
	for _, name := range []string{zone, "absent.rpz.police.example.", "secretbad.example." + zone, ".", "version.bind."} {
		for _, qtype := range []uint16{
			dns.TypeSOA, dns.TypeNS, dns.TypeA, dns.TypeANY, dns.TypeAXFR, dns.TypeIXFR, dns.TypeTXT, dns.TypeDNSKEY,
		} {
			requests[name+dns.TypeToString[qtype]] = ask(name, qtype)
		}
	}
	for _, opcode := range []int{dns.OpcodeIQuery, dns.OpcodeStatus, 3, dns.OpcodeNotify, dns.OpcodeUpdate, 6, 15} {
		requests[fmt.Sprint("opcode ", opcode)] = ask(zone, dns.TypeSOA, func(m *dns.Msg) { m.Opcode = opcode })
	}
	for _, class := range []uint16{dns.ClassCHAOS, dns.ClassANY, dns.ClassNONE} {
		requests[fmt.Sprint("class ", class)] = ask(zone, dns.TypeAXFR, func(m *dns.Msg) { m.Question[0].Qclass = class })
	}
	requests["EDNS"] = ask(zone, dns.TypeAXFR, func(m *dns.Msg) { m.SetEdns0(4096, true) })
	for what, request := range requests {
		for transport, exchange := range map[string]func([]byte) []byte{"tcp": ts.tcp, "udp": ts.udp} {
			reply := exchange(request)
			m := ts.refusal(transport+" "+what, request, reply, dns.RcodeRefused)
			if m.IsTsig() != nil {
				t.Errorf("%s %s: signed", transport, what)
			}
			if len(reply) > len(request) {
				t.Errorf("%s %s: %d octets to %d", transport, what, len(reply), len(request))
			}
		}
	}
}

// AX4: what belongs to another ISP and what does not exist answer alike, to a
// client with a valid key: REFUSED, signed.
func TestAX4_ForeignAndAbsentAlike(t *testing.T) {
	ts := startServer(t)
	at := time.Now()
	for _, qtype := range []uint16{dns.TypeSOA, dns.TypeNS, dns.TypeA, dns.TypeANY, dns.TypeAXFR, dns.TypeIXFR} {
		for transport, exchange := range map[string]func([]byte) []byte{"tcp": ts.tcp, "udp": ts.udp} {
			var replies []string
			for _, zone := range []string{"mice.rpz.police.example.", "none.rpz.police.example."} {
				request, mac := signed(ask(zone, qtype), signing{key: ispOne.Key, at: at})
				reply := exchange(request)
				ts.refusal(transport, request, reply, dns.RcodeRefused)
				ts.signedBy(reply, ispOne.Key, mac)
				shape := bytes.ReplaceAll(reply[:len(reply)-48-8], []byte("none"), []byte("mice")) // without time and MAC
				replies = append(replies, string(shape))
			}
			if replies[0] != replies[1] {
				t.Errorf("%s %s: foreign and absent zone differ", transport, dns.TypeToString[qtype])
			}
		}
	}
}

// signedBy verifies the TSIG of a reply to one request, by hand: the other
// library will not look at a NOTAUTH reply.
func (ts *testServer) signedBy(reply []byte, key Key, mac []byte) {
	ts.t.Helper()
	var m dns.Msg
	if err := m.Unpack(reply); err != nil || m.IsTsig() == nil {
		ts.t.Errorf("reply is not signed: %v", err)
		return
	}
	rr := m.IsTsig()
	other, _ := hex.DecodeString(rr.OtherData)
	algorithm := wire(key.Algorithm)
	got, _ := hex.DecodeString(rr.MAC)
	h := hmac.New(algorithms[key.Algorithm], key.Secret)
	h.Write(frame(mac))
	reply = bytes.Clone(reply[:len(reply)-len(wire(key.Name))-10-len(algorithm)-16-len(got)-len(other)])
	reply[11]--
	h.Write(reply)
	h.Write([]byte(wire(key.Name) + "\x00\xff\x00\x00\x00\x00" + algorithm))
	b := binary.BigEndian.AppendUint64(nil, rr.TimeSigned)[2:]
	b = binary.BigEndian.AppendUint16(b, rr.Fudge)
	b = binary.BigEndian.AppendUint16(b, rr.Error)
	h.Write(append(b, frame(other)...))
	if !hmac.Equal(h.Sum(nil), got) {
		ts.t.Errorf("reply is not signed well")
	}
}

// A client that is known gets its own zone's apex and transfer, and nothing
// else about it.
func TestAuthenticatedQueries(t *testing.T) {
	ts := startServer(t)
	zone := ispOne.Zones[0]
	notify := func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify }
	update := func(m *dns.Msg) { m.Opcode = dns.OpcodeUpdate }
	chaos := func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }
	edns := func(m *dns.Msg) { m.SetEdns0(1400, false) }
	cases := []struct {
		what    string
		request []byte
		isp     Client
		answers int // -1: REFUSED
	}{
		{"SOA", ask(zone, dns.TypeSOA), ispOne, 1},
		{"SOA in capitals", ask(strings.ToUpper(zone), dns.TypeSOA), ispOne, 1},
		{"SOA with EDNS", ask(zone, dns.TypeSOA, edns), ispOne, 1},
		{"NS", ask(zone, dns.TypeNS), ispOne, 2},
		{"A", ask(zone, dns.TypeA), ispOne, -1},
		{"ANY", ask(zone, dns.TypeANY), ispOne, -1},
		{"listed name", ask("secretbad.example."+zone, dns.TypeCNAME), ispOne, -1},
		{"listed name, SOA", ask("secretbad.example."+zone, dns.TypeSOA), ispOne, -1},
		{"NOTIFY", ask(zone, dns.TypeSOA, notify), ispOne, -1},
		{"UPDATE", ask(zone, dns.TypeSOA, update), ispOne, -1},
		{"CHAOS", ask(zone, dns.TypeSOA, chaos), ispOne, -1},
		{"wrong address", ask(zone, dns.TypeSOA), ispFar, -1},
		{"wrong address, AXFR", ask(zone, dns.TypeAXFR), ispFar, -1},
		{"another ISP's zone", ask(zone, dns.TypeAXFR), ispTwo, -1},
	}
	for _, c := range cases {
		for transport, exchange := range map[string]func([]byte) []byte{"tcp": ts.tcp, "udp": ts.udp} {
			request, mac := signed(c.request, signing{key: c.isp.Key})
			reply := exchange(request)
			ts.signedBy(reply, c.isp.Key, mac)
			if c.answers < 0 {
				ts.refusal(transport+" "+c.what, request, reply, dns.RcodeRefused)
				continue
			}
			var asked, m dns.Msg
			_ = asked.Unpack(request)
			if err := m.Unpack(reply); err != nil {
				t.Fatal(err)
			}
			if m.Rcode != 0 || !m.Authoritative || len(m.Answer) != c.answers || m.Question[0] != asked.Question[0] {
				t.Errorf("%s %s: %v", transport, c.what, &m)
			}
			if (asked.IsEdns0() == nil) != (m.IsEdns0() == nil) { // ED1
				t.Errorf("%s %s: OPT not as in the query", transport, c.what)
			}
			ts.noListedName(reply, c.what)
		}
	}
	request, mac := signed(ask(zone, dns.TypeAXFR), signing{key: ispOne.Key}) // AX5
	reply := ts.udp(request)
	ts.refusal("AXFR over UDP", request, reply, dns.RcodeRefused)
	ts.signedBy(reply, ispOne.Key, mac)
}

// The first message echoes the question as it was spelt, and its OPT.
func TestTransferEchoesTheQuestion(t *testing.T) {
	ts := startServer(t)
	ts.publish(many(t, 500, 3000))
	for _, qtype := range []uint16{dns.TypeAXFR, dns.TypeIXFR} {
		request := ask("cSaM.rPz.pOlIcE.eXaMpLe.", qtype, func(m *dns.Msg) { m.SetEdns0(1400, false); m.RecursionDesired = true })
		request, mac := signed(request, signing{key: ispOne.Key})
		c := ts.dial()
		_, _ = c.Write(frame(request))
		records, messages := transferOver(t, c, ispOne.Key, mac)
		if len(records) != 1+2+6000+1 || len(messages) < 2 {
			t.Errorf("%d records in %d messages", len(records), len(messages))
		}
		for i, raw := range messages {
			var m dns.Msg
			if err := m.Unpack(raw); err != nil {
				t.Fatal(err)
			}
			if first := i == 0; (len(m.Question) == 1) != first || (m.IsEdns0() != nil) != first || !m.RecursionDesired {
				t.Errorf("message %d: %d questions, OPT %v", i, len(m.Question), m.IsEdns0())
			}
			if i == 0 && (m.Question[0].Name != "cSaM.rPz.pOlIcE.eXaMpLe." || m.Question[0].Qtype != qtype) {
				t.Errorf("question came back as %v", m.Question[0])
			}
		}
	}
}

// IX2, IX4, SN1: one SOA for a client that has this serial or a newer one,
// and over UDP always; the full zone for all others.
func TestIX2_SerialDecides(t *testing.T) {
	ts := startServer(t)
	zone := ispOne.Zones[0]
	for have, full := range map[uint32]bool{
		99: true, 100: false, 101: false, 0: true, 1<<31 + 99: false, 1<<31 + 100: true, 1<<31 + 101: true, 1<<32 - 1: true,
	} {
		plain := ask(zone, dns.TypeIXFR, func(m *dns.Msg) { m.SetIxfr(zone, have, "ns.example.", "h.example."); m.Id = 0x4711 })
		request, mac := signed(plain, signing{key: ispOne.Key})
		var m dns.Msg
		if err := m.Unpack(ts.tcp(request)); err != nil {
			t.Fatal(err)
		}
		if got := len(m.Answer) > 1; got != full {
			t.Errorf("serial %d: %d answers", have, len(m.Answer))
		}
		reply := ts.udp(request)
		ts.signedBy(reply, ispOne.Key, mac)
		if err := m.Unpack(reply); err != nil || len(m.Answer) != 1 || m.Answer[0].(*dns.SOA).Serial != 100 {
			t.Errorf("serial %d over UDP: %v", have, &m)
		}
	}
}

// An answer that does not fit the client's datagram is cut and says so.
func TestTruncation(t *testing.T) {
	ts := startServer(t)
	z := testZone()
	z.NS = nil
	for i := range 30 {
		z.NS = append(z.NS, fmt.Sprintf("name-server-%d.somewhere-%d.example.", i, i))
	}
	m, _ := makeImage(t, z, 9, testSet(t, listed...))
	ts.publish(m)
	request, mac := signed(ask(z.Name, dns.TypeNS), signing{key: ispOne.Key})
	var small, whole dns.Msg
	reply := ts.udp(request)
	ts.signedBy(reply, ispOne.Key, mac)
	if err := small.Unpack(reply); err != nil || !small.Truncated || len(small.Answer) != 0 || len(reply) > udpSize {
		t.Errorf("over UDP: %v", &small)
	}
	if err := whole.Unpack(ts.tcp(request)); err != nil || whole.Truncated || len(whole.Answer) != 30 {
		t.Errorf("over TCP: %v", &whole)
	}
}

// ED1: one OPT of version 0, or none.
func TestED1_EDNS(t *testing.T) {
	ts := startServer(t)
	zone := ispOne.Zones[0]
	twice := ask(zone, dns.TypeSOA, func(m *dns.Msg) { m.SetEdns0(1232, false); m.Extra = append(m.Extra, m.Extra[0]) })
	ts.refusal("two OPTs", twice, ts.tcp(twice), dns.RcodeFormatError)

	elsewhere := ask(zone, dns.TypeSOA, func(m *dns.Msg) { m.SetEdns0(1232, false); m.Ns, m.Extra = m.Extra, nil })
	ts.refusal("OPT in authority", elsewhere, ts.tcp(elsewhere), dns.RcodeFormatError)

	version := ask(zone, dns.TypeSOA, func(m *dns.Msg) { m.SetEdns0(1232, false); m.IsEdns0().SetVersion(1) })
	m := ts.refusal("version 1, unsigned", version, ts.udp(version), dns.RcodeBadVers)
	if m.IsEdns0() == nil || m.IsEdns0().Version() != 0 {
		t.Error("BADVERS does not say which version we know")
	}
	request, mac := signed(version, signing{key: ispOne.Key})
	reply := ts.udp(request)
	ts.refusal("version 1, signed", request, reply, dns.RcodeBadVers)
	ts.signedBy(reply, ispOne.Key, mac)
}

// TC1: requests come in any segmentation and several at once.
func TestTC1_Segments(t *testing.T) {
	ts := startServer(t)
	zone := ispOne.Zones[0]
	soa, _ := signed(ask(zone, dns.TypeSOA), signing{key: ispOne.Key})
	axfr, mac := signed(ask(zone, dns.TypeAXFR), signing{key: ispOne.Key})
	plain := ask(zone, dns.TypeSOA)
	stream := slices.Concat(frame(soa), frame(axfr), frame(nil), frame([]byte("short")), frame(plain), frame(axfr))

	check := func(t *testing.T, send func(write func([]byte))) {
		c := ts.dial()
		go send(func(b []byte) { _, _ = c.Write(b) })
		if b, err := readFrame(c); err != nil || binary.BigEndian.Uint16(b[6:]) != 1 {
			t.Fatalf("SOA: %v", err)
		}
		if rrs, _ := transferOver(t, c, ispOne.Key, mac); len(rrs) != 9 {
			t.Errorf("first transfer: %d records", len(rrs))
		}
		if b, err := readFrame(c); err != nil || b[3]&15 != rcodeRefused {
			t.Fatalf("unsigned: %v", err)
		}
		if rrs, _ := transferOver(t, c, ispOne.Key, mac); len(rrs) != 9 {
			t.Errorf("second transfer: %d records", len(rrs))
		}
	}
	t.Run("at once", func(t *testing.T) { check(t, func(write func([]byte)) { write(stream) }) })
	t.Run("single octets", func(t *testing.T) {
		check(t, func(write func([]byte)) {
			for i := range stream {
				write(stream[i : i+1])
			}
		})
	})
}

// The largest request there can be is read and answered like any other.
func TestLargestRequest(t *testing.T) {
	ts := startServer(t)
	request := ask(ispOne.Zones[0], dns.TypeAXFR, func(m *dns.Msg) {
		m.SetEdns0(4096, false)
		m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_PADDING{Padding: make([]byte, 65_000)}}
	})
	missing := 0xffff - len(request)
	request = ask(ispOne.Zones[0], dns.TypeAXFR, func(m *dns.Msg) {
		m.SetEdns0(4096, false)
		m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_PADDING{Padding: make([]byte, 65_000+missing)}}
	})
	if len(request) != 0xffff {
		t.Fatalf("request has %d octets", len(request))
	}
	ts.refusal("unsigned", request, ts.tcp(request), dns.RcodeRefused)
	garbage := append(bytes.Clone(request[:20]), bytes.Repeat([]byte{0xff}, 0xffff-20)...)
	ts.refusal("garbage", garbage, ts.tcp(garbage), dns.RcodeFormatError)
}

// Garbage gets FORMERR and no more; answers and stumps get nothing.
func TestMalformed(t *testing.T) {
	ts := startServer(t)
	zone := ispOne.Zones[0]
	good := ask(zone, dns.TypeAXFR)
	edit := func(change func([]byte) []byte) []byte { return change(bytes.Clone(good)) }
	for what, request := range map[string][]byte{
		"no question":      edit(func(b []byte) []byte { b[5] = 0; return b[:12] }),
		"two questions":    edit(func(b []byte) []byte { b[5] = 2; return append(b, b[12:]...) }),
		"cut question":     good[:len(good)-1],
		"octet more":       append(bytes.Clone(good), 0),
		"missing record":   edit(func(b []byte) []byte { b[11] = 1; return b }),
		"many records":     edit(func(b []byte) []byte { b[10], b[11] = 0xff, 0xff; return b }),
		"pointer to self":  edit(func(b []byte) []byte { b[12], b[13] = 0xc0, 12; return b }),
		"label of type 01": edit(func(b []byte) []byte { b[12] = 0x41; return b }),
		"IXFR without SOA": ask(zone, dns.TypeAXFR, func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeIXFR }),
		"IXFR of another": ask(zone, dns.TypeIXFR, func(m *dns.Msg) {
			m.Ns[0].Header().Name = "other.example."
		}),
	} {
		for transport, exchange := range map[string]func([]byte) []byte{"tcp": ts.tcp, "udp": ts.udp} {
			reply := exchange(request)
			ts.refusal(transport+" "+what, request, reply, dns.RcodeFormatError)
			if len(reply) != headerLen {
				t.Errorf("%s %s: %d octets", transport, what, len(reply))
			}
		}
	}
	answer := edit(func(b []byte) []byte { b[2] |= 0x80; return b })
	for what, request := range map[string][]byte{"answer": answer, "stump": good[:11], "nothing": {}} {
		if ts.udp(request) != nil {
			t.Errorf("%s was answered", what)
		}
	}
	answered, _ := signed(answer, signing{key: ispOne.Key})
	if ts.udp(answered) != nil {
		t.Error("signed answer was answered")
	}
}

// Names are read without leaving the message, looping or growing.
func TestReadName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		msg := rapid.SliceOfN(rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte{0, 1, 63, 0xc0, 0xc1})), 0, 600).Draw(t, "msg")
		off := rapid.IntRange(0, 600).Draw(t, "off")
		name, next, ok := readName(nil, msg, off)
		if ok && (len(name) > maxName || next <= off || next > len(msg)) {
			t.Fatalf("%d octets, next %d of %d", len(name), next, len(msg))
		}
		theirs, theirNext, err := dns.UnpackDomainName(msg, off)
		if ok && (err != nil || theirNext != next) && err != dns.ErrBuf { //nolint:errorlint // a plain value
			t.Fatalf("another library says %v, next %d", err, theirNext)
		}
		_ = theirs
	})
}

// FuzzRequest feeds any octets as a request, over both transports.
func FuzzRequest(f *testing.F) {
	s := startServer(f).Server
	zone := ispOne.Zones[0]
	for _, raw := range [][]byte{
		ask(zone, dns.TypeAXFR), ask(zone, dns.TypeIXFR), ask(zone, dns.TypeSOA, func(m *dns.Msg) { m.SetEdns0(1232, true) }),
		ask("secretbad.example."+zone, dns.TypeA), make([]byte, 12), bytes.Repeat([]byte{0xc0}, 50),
	} {
		f.Add(raw)
		raw, _ = signed(raw, signing{key: ispOne.Key})
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, transport := range []string{overUDP, overTCP, overTLS} {
			out := s.answer(raw, peer{transport: transport})
			if out.reply == nil {
				continue
			}
			if out.reply[2]&0x80 == 0 || raw[2]&0x80 != 0 || !bytes.Equal(out.reply[:2], raw[:2]) {
				t.Fatal("not an answer to this")
			}
			if out.client == nil && transport == overUDP && len(out.reply) > len(raw) {
				// A TSIG whose MAC was right and whose time was not is signed.
				if binary.BigEndian.Uint16(out.reply[len(out.reply)-10:]) != tsigBadTime {
					t.Fatalf("%d octets to %d", len(out.reply), len(raw))
				}
			}
			var m dns.Msg
			if err := m.Unpack(out.reply); err != nil {
				t.Fatalf("reply cannot be read: %v", err)
			}
		}
	})
}
