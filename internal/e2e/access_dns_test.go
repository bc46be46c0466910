package e2e

import (
	"crypto/rand"
	"encoding/base64"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// marker is part of every name that the access tests list: one search finds any of them, in whatever form.
const marker = "zqlisted"

// accessWorld has two lists, three providers and a server: nordnet may have csam, sydnet the other list, and oldnet's
// credentials were taken away while the server ran.
func accessWorld(t *testing.T) (s *server, nordnet, sydnet, oldnet isp) {
	t.Helper()
	w := newWorld(t, alone)
	config := w.read("vaern.toml")
	list := config[strings.Index(config, "[[list]]"):]
	w.write("vaern.toml", config+"\n"+strings.ReplaceAll(list, "csam", "other"))
	for _, list := range []string{"csam", "other"} {
		names := synthetic(marker+list, 100)
		w.list(names...)
		w.write("batch.txt", strings.Join(names, "\n"))
		w.decide([]string{"anna"}, "--list", list, "--add", "batch.txt")
	}
	w.vaern(0, "compile")
	nordnet, sydnet, oldnet = w.addISP("nordnet", "csam"), w.addISP("sydnet", "other"), w.addISP("oldnet", "csam")
	s = w.serve()
	if s.soa("oldnet.key") != w.latest() {
		t.Fatal("oldnet is not served before it is revoked: the test shows nothing")
	}
	s.must(0, s.run(s.command("vaernd", "isp", "revoke", "oldnet")), []string{"isp", "revoke"})
	await(t, "oldnet is refused", func() bool { return s.soa("oldnet.key") == "" })
	return s, nordnet, sydnet, oldnet
}

// Nobody gets anything of a list by DNS who has not the provider's key, whole and with its own algorithm.
func TestTransferNeedsTheKey(t *testing.T) {
	t.Parallel()
	s, nordnet, sydnet, oldnet := accessWorld(t)
	other := make([]byte, 32)
	_, _ = rand.Read(other) // never fails
	type key struct{ name, algorithm, secret string }
	k := nordnet.TSIG
	for what, key := range map[string]key{
		"no key":                     {},
		"a wrong secret":             {k.Name, k.Algorithm, base64.StdEncoding.EncodeToString(other)},
		"a wrong algorithm":          {k.Name, "hmac-sha512", k.Secret},
		"an unknown key":             {"nobody-0123456789abcdef", k.Algorithm, k.Secret},
		"SHA-1":                      {k.Name, "hmac-sha1", k.Secret},
		"MD5":                        {k.Name, "hmac-md5", k.Secret},
		"another provider's key":     {sydnet.TSIG.Name, sydnet.TSIG.Algorithm, sydnet.TSIG.Secret},
		"another provider's secret":  {k.Name, k.Algorithm, sydnet.TSIG.Secret},
		"a revoked provider's key":   {oldnet.TSIG.Name, oldnet.TSIG.Algorithm, oldnet.TSIG.Secret},
		"the name of another's list": {"csam", k.Algorithm, k.Secret},
	} {
		file, kdigFile := "", ""
		if key.name != "" {
			file, kdigFile = "try.key", "try.kdig"
			s.write(file, keyFile(key.name, key.algorithm, key.secret))
			s.write(kdigFile, key.algorithm+":"+key.name+":"+key.secret+"\n")
		}
		for _, query := range []string{"AXFR", "IXFR=1", "SOA", "NS", "ANY"} {
			s.nothing(what, s.dig(file, "+tcp", zone, query))
			if query != "AXFR" { // dig has TCP alone for that
				s.nothing(what+" by UDP", s.dig(file, "+notcp", zone, query))
			}
			s.nothing(what+" by kdig", s.kdig(kdigFile, "+tcp", zone, query))
			s.nothing(what+" by kdig and UDP", s.kdig(kdigFile, "+notcp", zone, query))
		}
		s.nothing(what+", a listed name", s.dig(file, "+tcp", "+nocmd", "+noquestion", marker+"csam1.example."+zone, "CNAME"))
	}
	// The right key, so that the tools would have shown it.
	s.write("right.kdig", k.Algorithm+":"+k.Name+":"+k.Secret+"\n")
	for _, out := range []string{s.dig("nordnet.key", zone, "AXFR"), s.kdig("right.kdig", "+tcp", zone, "AXFR")} {
		if n := strings.Count(out, "\n*."+marker); n != 100 {
			t.Errorf("with its key the provider gets %d domains, want 100", n)
		}
	}
	// A zone is not known by the answers either.
	for _, transport := range []string{"+tcp", "+notcp"} {
		ours, absent := s.header("", transport, zone), s.header("", transport, "absent."+zone)
		foreign := s.header("sydnet.key", transport, zone)
		if ours != absent || !strings.Contains(ours, "REFUSED") {
			t.Errorf("%s: our zone is answered %q, one that is not there %q", transport, ours, absent)
		}
		if absent := s.header("sydnet.key", transport, "absent."+zone); foreign != absent {
			t.Errorf("%s: a foreign list is answered %q, one that is not there %q", transport, foreign, absent)
		}
	}
}

// AXFR over UDP gives nothing, not even to the provider (AX5).
func TestNoTransferByUDP(t *testing.T) {
	t.Parallel()
	w := newWorld(t, alone)
	w.add(synthetic(marker, 100)...)
	w.compile()
	nordnet := w.addISP("nordnet", "csam")
	s := w.serve()
	name, algorithm := dns.Fqdn(nordnet.TSIG.Name), dns.Fqdn(nordnet.TSIG.Algorithm)
	m := new(dns.Msg).SetAxfr(zone)
	m.SetTsig(name, algorithm, 300, time.Now().Unix())
	query, _, err := dns.TsigGenerate(m, nordnet.TSIG.Secret, "", false)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("udp", s.dns)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err = c.Write(query); err == nil {
		err = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	}
	if err != nil {
		t.Fatal(err)
	}
	raw := make([]byte, 65535)
	n, err := c.Read(raw)
	if err != nil {
		t.Fatalf("no answer at all: %v", err)
	}
	answer := new(dns.Msg)
	if err := answer.Unpack(raw[:n]); err != nil || len(answer.Answer) != 0 || answer.Rcode == dns.RcodeSuccess {
		t.Errorf("AXFR over UDP is answered %v %v", answer, err)
	}
	s.nothing("AXFR over UDP", string(raw[:n]))
}

// nothing says that an answer holds nothing of a list.
func (s *server) nothing(what, answer string) {
	s.t.Helper()
	for _, word := range []string{marker, stopHost, "blocktest", "hostmaster.police", "ns1.police"} {
		if strings.Contains(strings.ToLower(answer), word) {
			s.t.Errorf("%s: the answer holds %s:\n%s", what, word, answer)
			return
		}
	}
}

func (s *server) kdig(key string, args ...string) string {
	s.t.Helper()
	host, port, _ := net.SplitHostPort(s.dns)
	args = append([]string{"@" + host, "-p", port, "+retry=0", "+time=5"}, args...)
	if key != "" {
		args = append(args, "-k", s.file(key))
	}
	r, err := finish(s.command("kdig", args...))
	if err != nil {
		s.t.Fatal(err)
	}
	return r.stdout + r.stderr
}

// header is what the server tells beside records: the status, the flags and the counts.
func (s *server) header(key, transport, zone string) (lines string) {
	s.t.Helper()
	for line := range strings.Lines(s.dig(key, transport, zone, "SOA")) {
		if before, _, ok := strings.Cut(line, ", id: "); ok {
			lines += before + "\n"
		}
		if strings.HasPrefix(line, ";; flags:") {
			lines += line
		}
	}
	return lines
}
