package e2e

import (
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/vaern/vaern/internal/peers"
)

// Rows TS1 to TS9 of RFC 8945, judged by dig, kdig and dnspython; the secondaries have their own tests.

// tsigNames are how many domains the list has: its transfer takes several messages.
const tsigNames = 900

// wholeZone is how many records a transfer of it has: the names and the test name, each with a wildcard; SOA, NS, SOA.
const wholeZone = 2*(tsigNames+1) + 3

// tsigWorld has one list and a provider for each algorithm, whose keys it returns by that.
func tsigWorld(t *testing.T) (s *server, keys map[string]tsigKey) {
	t.Helper()
	w := newWorld(t, alone, noGrowthLimit)
	w.add(synthetic(marker, tsigNames)...)
	w.compile()
	keys = map[string]tsigKey{}
	for _, bits := range []string{"256", "384", "512"} {
		name, algorithm := "net"+bits, "hmac-sha"+bits
		i := w.addISP(name, "csam")
		file := "isps/" + name + ".toml"
		w.write(file, strings.Replace(w.read(file), `algorithm = "hmac-sha256"`, `algorithm = "`+algorithm+`"`, 1))
		keys[algorithm] = tsigKey{i.TSIG.Name, algorithm, i.TSIG.Secret}
		w.write(name+".key", keyFile(i.TSIG.Name, algorithm, i.TSIG.Secret))
	}
	s = w.serve()
	await(t, "the list is served", func() bool { return s.soa("net512.key") == s.latest() })
	return s, keys
}

// refused has dig, kdig and dnspython ask for the SOA and the zone; each must get that TSIG error, and nothing else.
func (s *server) refused(t *testing.T, what, tsigError string, key tsigKey, ahead time.Duration) {
	t.Helper()
	named := map[string]string{"BADKEY": "PeerBadKey", "BADSIG": "PeerBadSignature", "BADTIME": "PeerBadTime"}[tsigError]
	signed := 0
	if tsigError == "BADTIME" {
		signed = 1
	}
	for _, qtype := range []string{"SOA", "AXFR"} {
		for _, tool := range []string{"dig", "kdig"} {
			v := s.asks(tool, byTCP, key, ahead, zone, qtype)
			if v.Rcode != "NOTAUTH" || v.Error != tsigError || v.Records != 0 || v.Verified {
				t.Errorf("%s: %s %s: want %s: %v", what, tool, qtype, tsigError, v)
			}
			// To an error that is not signed as well dig says so, if the clocks differ.
			if tool == "dig" && v.Clock != (ahead != 0) {
				t.Errorf("%s: dig says that the clocks differ: %v: %s", what, v.Clock, v.text)
			}
		}
		p := s.python(python{Key: key, Type: qtype, Ahead: int(ahead.Seconds())})
		if p.Verdict != named || p.Rcode != "NOTAUTH" || p.Error != tsigError || p.Records != 0 || p.Signed != signed { // TS4
			t.Errorf("%s: dnspython %s: %+v, want %s", what, qtype, p, named)
		}
		if now := time.Now().Unix(); tsigError == "BADTIME" && (p.Other > now || p.Other < now-int64(patience.Seconds()) ||
			p.Time < now+int64((ahead-patience).Seconds()) || p.Time > now+int64(ahead.Seconds())) {
			t.Errorf("%s: at %d the reply is signed at %d, with the time %d", what, now, p.Time, p.Other)
		}
	}
}

// granted has the three transfer the zone: whole, each message signed and verified.
func (s *server) granted(t *testing.T, what string, key tsigKey, ahead time.Duration) {
	t.Helper()
	for _, tool := range []string{"dig", "kdig"} {
		for qtype, n := range map[string]int{"SOA": 1, "AXFR": wholeZone} {
			if v := s.asks(tool, byTCP, key, ahead, zone, qtype); v.Records != n || !v.Verified || v.Error != "" || v.Status != 0 {
				t.Errorf("%s: %s %s: %v", what, tool, qtype, v)
			}
		}
	}
	for _, qtype := range []string{"AXFR", "IXFR"} {
		p := s.python(python{Key: key, Type: qtype, Serial: 1, Ahead: int(ahead.Seconds())})
		if p.Verdict != "ok" || p.Records != wholeZone || p.Messages < 3 || p.Signed != p.Messages { // TS6
			t.Errorf("%s: dnspython %s: %+v", what, qtype, p)
		}
	}
}

func TestTSIG(t *testing.T) {
	t.Parallel()
	s, keys := tsigWorld(t)
	key := keys["hmac-sha256"]
	unknown, wrong := key, key
	unknown.Name, wrong.Secret = "nobody-0123456789abcdef", keys["hmac-sha512"].Secret
	judge := func(row string, f func(*testing.T)) { t.Run(row, f) }

	judge("TS1 the order is key, MAC, time, truncation", func(t *testing.T) {
		s.refused(t, "unknown key, past", "BADKEY", unknown, -time.Hour)
		s.refused(t, "wrong secret, past", "BADSIG", wrong, -time.Hour)
		s.refused(t, "wrong secret, future", "BADSIG", wrong, time.Hour)
		for want, p := range map[string]python{
			"BADKEY":   {Key: unknown, Ahead: -3600, Cut: 16},
			"BADSIG":   {Key: wrong, Ahead: -3600, Cut: 16},
			"BADTIME":  {Key: key, Ahead: -3600, Cut: 16},
			"BADTRUNC": {Key: key, Cut: 16},
		} {
			if v := s.python(p); v.Error != want || v.Rcode != "NOTAUTH" {
				t.Errorf("dnspython: %+v, want %s", v, want)
			}
		}
	})
	judge("TS2 a TSIG is single and last", func(t *testing.T) { s.singleAndLast(t, key) })
	judge("TS3 a key has one algorithm", func(t *testing.T) {
		for algorithm, k := range keys {
			s.granted(t, algorithm, k, 0)
			for _, other := range map[string][]string{
				"hmac-sha256": {"hmac-sha1", "hmac-sha224", "hmac-sha384"}, "hmac-sha384": {"hmac-sha512"}, "hmac-sha512": {"hmac-sha256"},
			}[algorithm] {
				k.Algorithm = other
				s.refused(t, algorithm+" as "+other, "BADKEY", k, 0)
			}
		}
		capital := key
		capital.Name = strings.ToUpper(key.Name)
		s.granted(t, "capitals", capital, 0)
		md5 := key
		md5.Algorithm = "hmac-md5"
		if v := s.asks("dig", byTCP, md5, 0, zone, "SOA"); v.Error != "BADKEY" {
			t.Errorf("dig with MD5: %v", v)
		}
	})
	judge("TS4 what is signed", func(t *testing.T) {
		s.refused(t, "unknown key", "BADKEY", unknown, 0)
		s.refused(t, "wrong secret", "BADSIG", wrong, 0)
		for _, ahead := range []time.Duration{-time.Hour, -10 * time.Minute, 10 * time.Minute, time.Hour} {
			s.refused(t, "clock ahead by "+ahead.String(), "BADTIME", key, ahead)
		}
	})
	judge("TS5 short MACs", func(t *testing.T) {
		for algorithm, k := range keys {
			size := map[string]int{"hmac-sha256": 32, "hmac-sha384": 48, "hmac-sha512": 64}[algorithm]
			for cut, want := range map[int]string{size - 1: "BADTRUNC", size / 2: "BADTRUNC", size/2 - 1: "FORMERR", 9: "FORMERR"} {
				v := s.python(python{Key: k, Cut: cut})
				if short := want == "BADTRUNC"; v.Records != 0 || short && (v.Error != want || v.Signed != 1) || !short && v.Rcode != want {
					t.Errorf("dnspython, %s, %d octets: %+v, want %s", algorithm, cut, v, want)
				}
			}
		}
		for algorithm, want := range map[string]string{"hmac-sha256-128": "BADTRUNC", "hmac-sha256-248": "BADTRUNC", "hmac-sha256-64": "FORMERR"} {
			k := key
			k.Algorithm = algorithm
			if v := s.asks("dig", byTCP, k, 0, zone, "SOA"); v.Records != 0 || v.Error != want && v.Rcode != want {
				t.Errorf("dig, %s: want %s: %v", algorithm, want, v)
			}
		}
	})
	judge("TS6 every message is signed, as a chain", func(t *testing.T) {
		// That they look: with one bit changed, none but the messages before it is taken.
		for _, n := range []int{0, 1, 2} {
			if v := s.python(python{Key: key, Type: "AXFR", Flip: &n}); v.Verdict == "ok" || v.Messages != n+1 {
				t.Errorf("dnspython, message %d changed: %+v", n, v)
			}
		}
		s.follows(t, keys)
	})
	judge("TS7 no signed reply to who does not sign", func(t *testing.T) {
		for _, tool := range []string{"dig", "kdig"} {
			for _, ch := range []channel{byTCP, {transport: "udp"}} {
				v := s.asks(tool, ch, tsigKey{}, 0, zone, "SOA")
				if v.Rcode != "REFUSED" || strings.Contains(v.text, "TSIG") {
					t.Errorf("%s %s: %v", tool, ch.transport, v)
				}
			}
		}
	})
	judge("TS8 a request is good for 300 seconds", func(t *testing.T) { s.freshness(t, key) })
}

// freshness is TS8. While a request is on its way the clock may go on, so what is on the edge has some tries: a server that
// is wrong about it is so each time.
func (s *server) freshness(t *testing.T, key tsigKey) {
	t.Helper()
	for _, c := range []struct {
		ahead, fudge int
		want         string
	}{
		{299, 300, ""},
		{-299, 300, ""},
		{301, 300, "BADTIME"},
		{-301, 300, "BADTIME"},
		{3600, 300, "BADTIME"},
		{-3600, 300, "BADTIME"},
		{299, 65535, ""},
		{-299, 65535, ""},
		{301, 65535, "BADTIME"},
		{-301, 65535, "BADTIME"},
		{-600, 65535, "BADTIME"},
		{8, 10, ""},
		{-8, 10, ""},
		{-60, 10, "BADTIME"},
		{60, 10, "BADTIME"},
	} {
		for _, udp := range []bool{false, true} {
			p := python{Key: key, Ahead: c.ahead, Fudge: c.fudge, UDP: udp}
			v := s.python(p)
			for range 5 {
				if v.Error == c.want {
					break
				}
				v = s.python(p)
			}
			// An answer is signed with our time; a client who is off by less than 300 s takes it.
			if v.Error != c.want || (v.Verdict == "ok") != (c.want == "") || v.Signed != 1 {
				t.Errorf("dnspython, ahead by %d s, fudge %d, UDP %v: %+v, want %q", c.ahead, c.fudge, udp, v, c.want)
			}
		}
	}
	for _, tool := range []string{"dig", "kdig"} {
		for _, ahead := range []time.Duration{-290 * time.Second, 290 * time.Second} {
			if v := s.asks(tool, byTCP, key, ahead, zone, "SOA"); !v.Verified || v.Records != 1 {
				t.Errorf("%s, ahead by %v: %v", tool, ahead, v)
			}
		}
		for _, ahead := range []time.Duration{-301 * time.Second, 310 * time.Second} {
			if v := s.asks(tool, byTCP, key, ahead, zone, "SOA"); v.Error != "BADTIME" || v.Clock != (tool == "dig") {
				t.Errorf("%s, ahead by %v: %v", tool, ahead, v)
			}
		}
	}
}

// follows has dnspython hold the list, and take the next edition as a difference: signed all through, and then it has the
// same as who transfers the whole.
func (s *server) follows(t *testing.T, keys map[string]tsigKey) {
	t.Helper()
	followers := map[string]*dnspython{}
	for algorithm, k := range keys {
		followers[algorithm] = s.startPython()
		followers[algorithm].asks(s, python{Key: k, Then: "follow"})
		followers[algorithm].waits()
	}
	// The difference has several messages too, and is shorter than the whole.
	const changes = 250
	s.withdraw(synthetic(marker, changes)...)
	s.add(synthetic(marker+"more", changes)...)
	s.compile()
	await(t, "the next edition", func() bool { return s.soa("net256.key") == s.latest() })
	for algorithm, d := range followers {
		d.tell("go on")
		v := d.verdict()
		if v.Verdict != "ok" || !v.Same || v.Records != 4*changes+4 || v.Messages < 2 || v.Signed != v.Messages {
			t.Errorf("dnspython, %s: %+v", algorithm, v)
		}
	}
}

// singleAndLast is TS2. The same octets go to BIND, Knot and NSD, which have the key too: they as well answer nothing but
// an error.
func (s *server) singleAndLast(t *testing.T, key tsigKey) {
	t.Helper()
	up := peers.StartUpstream(t, nil)
	others := map[string]string{} // their addresses
	for _, name := range []string{"named", "knotd", "nsd"} {
		d := s.secondary(t, name, key, 0, up)
		await(t, name+" has the zone", func() bool { _, ok := d.Serial(); return ok })
		others[name] = d.Addr
	}
	query, _ := sign(t, new(dns.Msg).SetQuestion(zone, dns.TypeSOA), credential{key: &dns.TSIG{
		Hdr: dns.RR_Header{Name: dns.Fqdn(key.Name)}, Algorithm: dns.HmacSHA256,
	}, value: key.Secret})
	question := 12 + len(zone) + 1 + 4
	record := query[question:]
	opt := []byte{0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0}
	build := func(an, ns, ar byte, records ...[]byte) []byte {
		b := slices.Concat(append([][]byte{query[:question]}, records...)...)
		b[7], b[9], b[11] = an, ns, ar
		return b
	}
	good := build(0, 0, 1, record)
	others["vaernd"] = s.dns
	for name, addr := range others {
		if m := answerOf(t, addr, good); m == nil || m.Rcode != 0 || len(m.Answer) != 1 || m.IsTsig() == nil {
			t.Errorf("%s does not take the good request: %v", name, m)
		}
	}
	delete(others, "vaernd")
	for what, raw := range map[string][]byte{
		"two":               build(0, 0, 2, record, record),
		"a record after it": build(0, 0, 2, record, opt),
		"in the answer":     build(1, 0, 0, record),
		"in the authority":  build(0, 1, 0, record),
		"in two sections":   build(0, 1, 1, record, record),
	} {
		if m := answerOf(t, s.dns, raw); m == nil || m.Rcode != dns.RcodeFormatError || len(m.Answer)+len(m.Ns)+len(m.Extra) != 0 {
			t.Errorf("%s: answered by %v", what, m)
		}
		for name, addr := range others {
			if m := answerOf(t, addr, raw); m == nil || m.Rcode != dns.RcodeFormatError {
				t.Errorf("%s: %s answers %v", what, name, m)
			}
		}
	}
}

// answerOf asks a server by a new TCP connection; nil: it closes that.
func answerOf(t *testing.T, addr string, raw []byte) *dns.Msg {
	t.Helper()
	c := connectTo(t, addr)
	defer c.Close()
	replies, err := c.ask(raw)
	if errors.Is(err, io.EOF) {
		return nil
	}
	m := new(dns.Msg)
	if err == nil {
		err = m.Unpack(replies[0])
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// While a provider changes its key, both transfer; then the old one ends (by the clock of the server).
func TestTSIGRotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, alone)
	w.add(synthetic(marker, tsigNames)...)
	w.compile()
	begin := time.Now().UTC().Truncate(time.Second)
	w.write("clock", begin.Format(time.RFC3339))
	w.environ = append(w.environ, "VAERN_TEST_CLOCK=@"+w.file("clock"))
	keyOf := func(i isp) tsigKey { return tsigKey{i.TSIG.Name, i.TSIG.Algorithm, i.TSIG.Secret} }
	old := keyOf(w.addISP("nordnet", "csam"))
	s := w.serve()
	await(t, "the old key", func() bool { return s.soa("nordnet.key") == s.latest() })
	next := keyOf(s.rotateISP("nordnet", "--overlap", "1h"))
	await(t, "the new key", func() bool { return s.soa("nordnet.key") == s.latest() })
	s.granted(t, "old key", old, 0)
	s.granted(t, "new key", next, 0)
	w.write("clock", begin.Add(time.Hour).Format(time.RFC3339))
	await(t, "the end of the old key", func() bool { return s.asks("dig", byTCP, old, 0, zone, "SOA").Error != "" })
	s.refused(t, "old key after its end", "BADKEY", old, 0)
	s.granted(t, "new key after that", next, 0)
}

// TS9: a key that is taken away in mid-transfer ends the transfer. None of the judges takes what it had for a zone.
func TestTS9_KeyTakenInMidTransfer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, alone, noGrowthLimit)
	label := strings.Repeat("x", 50)
	names := make([]string, 60_000) // more than all buffers on the way hold
	for i, name := range synthetic(marker, len(names)) {
		names[i] = strings.Join([]string{label, label, label, name}, ".")
		if i%2 == 0 {
			names[i] = name[:len(name)-len("example")] + label + "." + label + ".example"
		}
	}
	w.add(names...)
	w.compile()
	i := w.addISP("nordnet", "csam")
	w.addISP("sudnet", "csam")
	key := tsigKey{i.TSIG.Name, i.TSIG.Algorithm, i.TSIG.Secret}
	s := w.serve()
	await(t, "the list is served", func() bool { return s.soa("nordnet.key") == s.latest() })

	p := s.startPython()
	p.asks(s, python{Key: key, Then: "stall"})
	p.waits()
	type reader struct {
		out  io.ReadCloser
		wait func() error
		text string
	}
	tools := map[string]*reader{}
	for _, tool := range []string{"dig", "kdig"} {
		cmd := s.digging(tool, byTCP, key, 0, zone, "AXFR")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = cmd.Stdout
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		first := make([]byte, 2000) // then it writes to a pipe that is full
		if _, err := io.ReadFull(out, first); err != nil {
			t.Fatal(err)
		}
		tools[tool] = &reader{out, cmd.Wait, string(first)}
	}
	s.must(0, s.run(s.command("vaernd", "isp", "revoke", "nordnet")), []string{"isp", "revoke"})
	await(t, "the key is gone", func() bool { return s.soa("nordnet.key") == "" })
	if s.soa("sudnet.key") != s.latest() {
		t.Error("another provider is refused as well")
	}
	p.tell("go on")
	if v := p.verdict(); v.Verdict != "EOFError" && v.Verdict != "ConnectionResetError" || v.Messages < 1 || v.Signed != v.Messages {
		t.Errorf("dnspython: %+v", v)
	}
	for _, tool := range slices.Sorted(maps.Keys(tools)) {
		r := tools[tool]
		rest, err := io.ReadAll(r.out)
		if err != nil {
			t.Fatal(err)
		}
		_ = r.wait() // dig's status is 9, kdig's 1; what they print says it
		text := r.text + string(rest)
		if n := strings.Count(text, "\tSOA\t"); n != 1 {
			t.Errorf("%s shows %d SOA records, want the first alone", tool, n)
		}
		tail := text[max(0, len(text)-400):]
		if !strings.Contains(tail, "failed") && !strings.Contains(tail, "communications error") && !strings.Contains(tail, "ERROR") {
			t.Errorf("%s does not say that the transfer failed: %s", tool, tail)
		}
	}
	// On a machine that is very slow the server may have given a reader up before.
	await(t, "three transfers end", func() bool { return strings.Count(s.read("vaernd.log"), `"msg":"zone transfer"`) == 3 })
	if log := s.read("vaernd.log"); strings.Contains(log, `"result":"complete"`) {
		t.Errorf("a transfer was completed after the key was gone:\n%s", log)
	}
}
