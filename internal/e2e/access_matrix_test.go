package e2e

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// The access matrix of DNS (R4): channels x credentials x requests. What each cell must be is said here by a few rules of
// who is who and who may what, and held against each octet that the server sends.

// channel is a way to the server, and the certificate that the client shows on it.
type channel struct {
	what, transport string // udp, tcp or tls
	cert            string // NAME.pem; "": none
	known           string // whose it is; "": nobody's, or nobody's any more
}

// credential is what requests are signed with.
type credential struct {
	what  string
	key   *dns.TSIG     // nil: not signed; else its name and algorithm
	value string        // the secret, base64
	late  time.Duration // how old the request is
	wrong uint16        // the TSIG error that it earns (RFC 8945 section 3); 0: it is good
	owner string        // whose it is, if it is good
}

// request is one question.
type request struct {
	what string
	list string // that it is about; "": it is granted to nobody
	want int    // records of the answer to who may have the list; zoneful: all of them
	udp  int    // the same by UDP; 0: refused
	make func() *dns.Msg
}

const zoneful = -1

// holdings are the lists that a provider may fetch from here, and by TLS alone. What is not in it may nothing.
var holdings = map[string]struct {
	list    string
	tlsOnly bool
}{
	"nordnet": {list: "csam"},
	"turnet":  {list: "csam"},
	"safenet": {list: "csam", tlsOnly: true},
	"sydnet":  {list: "other"},
	"farnet":  {}, // has csam, and must come from 192.0.2.0/24
}

// asker is who the server takes a request to be from; "" is a stranger.
func asker(ch channel, cr credential) string {
	switch {
	case cr.wrong != 0:
		return ""
	case cr.key == nil:
		return ch.known
	case ch.known != "" && ch.known != cr.owner: // one credential each of two
		return ""
	}
	return cr.owner
}

// due is how many records the answer has; 0: the request is refused.
func due(ch channel, cr credential, rq request) int {
	may, ok := holdings[asker(ch, cr)]
	if !ok || rq.list == "" || may.list != rq.list || may.tlsOnly && ch.transport != "tls" {
		return 0
	}
	if ch.transport == "udp" {
		return rq.udp
	}
	return rq.want
}

const matrixNames = 1500 // of csam, so that a transfer takes several messages

// matrixWorld is an authority with two lists, and providers of every kind.
func matrixWorld(t *testing.T) (s *server, channels []channel, credentials []credential) {
	t.Helper()
	w := newWorld(t, alone)
	w.overTLS()
	config := w.read("vaern.toml")
	w.write("vaern.toml", config+"\n"+strings.ReplaceAll(config[strings.Index(config, "[[list]]"):], "csam", "other"))
	for list, n := range map[string]int{"csam": matrixNames, "other": 10} {
		names := synthetic(marker+list, n)
		w.list(names...)
		w.write("batch.txt", strings.Join(names, "\n"))
		w.decide([]string{"anna"}, "--list", list, "--add", "batch.txt")
	}
	w.vaern(0, "compile")

	// Credentials end by the clock of the server, which the test turns. That of TSIG is always the real one.
	begin := time.Now().UTC().Truncate(time.Second)
	clock := func(at time.Time) { w.write("clock", at.Format(time.RFC3339)) }
	clock(begin)
	w.environ = append(w.environ, "VAERN_TEST_CLOCK=@"+w.file("clock"))
	for _, name := range []string{"nordnet", "sydnet", "safenet", "farnet", "oldnet", "turnet", "turnet-next", "nobody"} {
		w.certificate(name)
	}
	with := func(name string, more ...string) []string { return append([]string{"--cert", name + ".pem"}, more...) }
	nordnet := w.addISP("nordnet", "csam", with("nordnet")...)
	sydnet := w.addISP("sydnet", "other", with("sydnet")...)
	safenet := w.addISP("safenet", "csam", with("safenet", "--tls-only")...)
	farnet := w.addISP("farnet", "csam", with("farnet", "--address", "192.0.2.0/24")...)
	oldnet := w.addISP("oldnet", "csam", with("oldnet")...)
	ended := w.addISP("turnet", "csam", with("turnet")...)
	w.write("ended.key", w.read("turnet.key"))
	s = w.serve()

	// Both of turnet's keys are good for an hour; what is refused in the matrix was served before.
	turnet := w.rotateISP("turnet", with("turnet-next", "--overlap", "1h")...)
	for _, key := range []string{"oldnet.key", "ended.key", "turnet.key"} {
		await(t, key+" is served", func() bool { return s.soa(key) == w.latest() })
	}
	s.must(0, s.run(s.command("vaernd", "isp", "revoke", "oldnet")), []string{"isp", "revoke"})
	clock(begin.Add(time.Hour))
	for _, key := range []string{"oldnet.key", "ended.key"} {
		await(t, key+" is refused", func() bool { return s.soa(key) == "" })
	}

	channels = []channel{
		{"UDP", "udp", "", ""},
		{"TCP", "tcp", "", ""},
		{"TLS", "tls", "", ""},
		{"TLS, nordnet's certificate", "tls", "nordnet", "nordnet"},
		{"TLS, another provider's certificate", "tls", "sydnet", "sydnet"},
		{"TLS, that of who may use TLS only", "tls", "safenet", "safenet"},
		{"TLS, that of who asks from a wrong address", "tls", "farnet", "farnet"},
		{"TLS, one that came with a rotation", "tls", "turnet-next", "turnet"},
		{"TLS, one that ended with a rotation", "tls", "turnet", ""},
		{"TLS, one of a revoked provider", "tls", "oldnet", ""},
		{"TLS, an unknown one", "tls", "nobody", ""},
	}
	key := func(i isp) *dns.TSIG {
		return &dns.TSIG{
			Hdr:       dns.RR_Header{Name: i.TSIG.Name + ".", Rrtype: dns.TypeTSIG, Class: dns.ClassANY},
			Algorithm: i.TSIG.Algorithm + ".",
		}
	}
	unknown, sha512 := key(nordnet), key(nordnet)
	unknown.Hdr.Name, sha512.Algorithm = "nobody-0123456789abcdef.", dns.HmacSHA512
	its := nordnet.TSIG.Secret
	credentials = []credential{
		{what: "no key"},
		{"an unknown key", unknown, its, 0, dns.RcodeBadKey, ""},
		{"a wrong secret", key(nordnet), sydnet.TSIG.Secret, 0, dns.RcodeBadSig, ""},
		{"a wrong algorithm", sha512, its, 0, dns.RcodeBadKey, ""},
		{"a key that ended with a rotation", key(ended), ended.TSIG.Secret, 0, dns.RcodeBadKey, ""},
		{"a key that was revoked", key(oldnet), oldnet.TSIG.Secret, 0, dns.RcodeBadKey, ""},
		{"a request of an hour ago", key(nordnet), its, time.Hour, dns.RcodeBadTime, ""},
		{"a request of an hour ahead", key(nordnet), its, -time.Hour, dns.RcodeBadTime, ""},
		{"another provider's key", key(sydnet), sydnet.TSIG.Secret, 0, 0, "sydnet"},
		{"the right key from a wrong address", key(farnet), farnet.TSIG.Secret, 0, 0, "farnet"},
		{"the key of who may use TLS only", key(safenet), safenet.TSIG.Secret, 0, 0, "safenet"},
		{"a key that came with a rotation", key(turnet), turnet.TSIG.Secret, 0, 0, "turnet"},
		{"the right key", key(nordnet), its, 0, 0, "nordnet"},
	}
	return s, channels, credentials
}

// matrixRequests are all kinds of questions. A question of a name is one of 0x20: each letter as it likes.
func (s *server) matrixRequests() []request {
	const spelt, otherZone = "CsAm.rpz.Police.EXAMPLE.", "other.rpz.police.example."
	listed := marker + "csam1.example." + spelt
	ask := func(name string, qtype uint16) func() *dns.Msg {
		return func() *dns.Msg {
			m := new(dns.Msg).SetQuestion(name, qtype)
			m.RecursionDesired = rand.IntN(2) == 0
			return m
		}
	}
	ixfr := func(serial uint32) func() *dns.Msg {
		return func() *dns.Msg { return new(dns.Msg).SetIxfr(spelt, serial, "ns.invalid.", "hostmaster.invalid.") }
	}
	soa := &dns.SOA{
		Hdr: dns.RR_Header{Name: zone, Rrtype: dns.TypeSOA, Class: dns.ClassINET},
		Ns:  "ns.invalid.", Mbox: "hostmaster.invalid.", Serial: 1<<32 - 1,
	}
	cname := &dns.CNAME{Hdr: dns.RR_Header{Name: "unasked.example." + zone, Rrtype: dns.TypeCNAME, Class: dns.ClassINET}, Target: "."}
	// Of a list: n names and the test name, each with a wildcard; SOA, NS, and the SOA again.
	return []request{
		{"SOA", "csam", 1, 1, ask(spelt, dns.TypeSOA)},
		{"NS", "csam", 1, 1, ask(spelt, dns.TypeNS)},
		{"AXFR", "csam", zoneful, 0, ask(spelt, dns.TypeAXFR)},
		{"IXFR from a serial that never was", "csam", zoneful, 1, ixfr(7)},
		{"IXFR from the serial that is", "csam", 1, 1, ixfr(number(s.t, s.latest()))},
		{"AXFR of the other list", "other", 2*(10+1) + 3, 0, ask(otherZone, dns.TypeAXFR)},
		{"SOA of the other list", "other", 1, 1, ask(otherZone, dns.TypeSOA)},
		{"AXFR of no list", "", 0, 0, ask("absent.rpz.police.example.", dns.TypeAXFR)},
		{"A of a listed name", "", 0, 0, ask(listed, dns.TypeA)},
		{"CNAME of a listed name", "", 0, 0, ask(listed, dns.TypeCNAME)},
		{"CNAME below a listed name", "", 0, 0, ask("www."+listed, dns.TypeCNAME)},
		{"A of a name that is not listed", "", 0, 0, ask("unlisted.example."+spelt, dns.TypeA)},
		{"A of a listed name by itself", "", 0, 0, ask(marker+"csam1.example.", dns.TypeA)},
		{"ANY", "", 0, 0, ask(spelt, dns.TypeANY)},
		{"DNSKEY", "", 0, 0, ask(spelt, dns.TypeDNSKEY)},
		{"SOA of class CH", "", 0, 0, func() *dns.Msg {
			m := ask(spelt, dns.TypeSOA)()
			m.Question[0].Qclass = dns.ClassCHAOS
			return m
		}},
		{"TXT version.bind of class CH", "", 0, 0, func() *dns.Msg {
			m := ask("version.bind.", dns.TypeTXT)()
			m.Question[0].Qclass = dns.ClassCHAOS
			return m
		}},
		{"NOTIFY", "", 0, 0, func() *dns.Msg {
			m := new(dns.Msg).SetNotify(zone)
			m.Answer = []dns.RR{soa}
			return m
		}},
		{"UPDATE", "", 0, 0, func() *dns.Msg {
			m := new(dns.Msg).SetUpdate(zone)
			m.Insert([]dns.RR{cname})
			return m
		}},
	}
}

// Every cell of the matrix. A connection asks one thing with all credentials, in any order: what one was granted says
// nothing of the next.
func TestAccessMatrix(t *testing.T) {
	t.Parallel()
	s, channels, credentials := matrixWorld(t)
	requests := s.matrixRequests()
	seed := time.Now().UnixNano()
	lot := rand.New(rand.NewPCG(uint64(seed), 0)) //nolint:gosec // an order, not a secret
	editions := strings.Count(s.read("vaernd.log"), `"msg":"edition served"`)
	var cells, granted int
	for _, ch := range channels {
		for _, rq := range requests {
			c := s.connect(ch)
			for _, i := range lot.Perm(len(credentials)) {
				cells++
				if s.cell(c, ch, credentials[i], rq) {
					granted++
				}
			}
			c.Close()
		}
	}
	if want := len(channels) * len(credentials) * len(requests); cells != want || granted < 100 {
		t.Errorf("%d cells, want %d; and %d of them granted, which is too few to show anything", cells, want, granted)
	}
	t.Logf("%d cells, %d of them granted; order of seed %d", cells, granted, seed)
	// NO3: no NOTIFY or UPDATE changed anything.
	if got := s.soa("nordnet.key"); got != s.latest() || strings.Count(s.read("vaernd.log"), `"msg":"edition served"`) != editions {
		t.Errorf("after the matrix the server has serial %q, and it was %s", got, s.latest())
	}
}

// cell asks once, holds the answer to the rules, and says whether something was granted.
func (s *server) cell(c *wire, ch channel, cr credential, rq request) (granted bool) {
	s.t.Helper()
	what := ch.what + ", " + cr.what + ", " + rq.what
	query, mac := sign(s.t, rq.make(), cr)
	replies, err := c.ask(query)
	if err != nil {
		s.t.Errorf("%s: %v", what, err)
		return false
	}
	n := due(ch, cr, rq)
	if n == 0 {
		if len(replies) != 1 {
			s.t.Errorf("%s: a refusal of %d messages", what, len(replies))
			return false
		}
		s.refusal(what, ch, cr, query, mac, replies[0])
		return false
	}
	if n == zoneful {
		n = 2*(matrixNames+1) + 3
	}
	s.grant(what, cr, n, query, mac, replies)
	return true
}

// grant holds an answer to how many records it must have, and how it must be signed.
func (s *server) grant(what string, cr credential, n int, query []byte, mac string, replies [][]byte) {
	s.t.Helper()
	got := 0
	for i, raw := range replies {
		var m dns.Msg
		if err := m.Unpack(raw); err != nil {
			s.t.Errorf("%s: message %d: %v", what, i, err)
			return
		}
		if m.Rcode != dns.RcodeSuccess || !m.Authoritative || m.Truncated || !bytes.Equal(raw[:2], query[:2]) {
			s.t.Errorf("%s: message %d is %v, want an answer", what, i, m.MsgHdr)
		}
		got += len(m.Answer)
		if cr.key == nil { // TS7
			if m.IsTsig() != nil {
				s.t.Errorf("%s: message %d has a TSIG and the request had none", what, i)
			}
			continue
		}
		if err := dns.TsigVerify(bytes.Clone(raw), cr.value, mac, i > 0); err != nil { // TS6; it writes into the message
			s.t.Errorf("%s: message %d: %v", what, i, err)
			return
		}
		mac = m.IsTsig().MAC
	}
	if got != n {
		s.t.Errorf("%s: %d records, want %d", what, got, n)
	}
}
