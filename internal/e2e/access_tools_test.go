package e2e

import (
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// toolKey is a credential as dig and kdig want it.
func (cr credential) toolKey() tsigKey {
	if cr.key == nil {
		return tsigKey{}
	}
	return tsigKey{cr.key.Hdr.Name, strings.TrimSuffix(cr.key.Algorithm, "."), cr.value}
}

// dig and kdig see the access matrix as the rules have it: each channel with each credential.
func TestAccessMatrixByDigAndKdig(t *testing.T) {
	t.Parallel()
	s, channels, credentials := matrixWorld(t)
	axfr, soa := request{"AXFR", "csam", 2*(matrixNames+1) + 3, 0, nil}, request{"SOA", "csam", 1, 1, nil}
	name := request{"CNAME of a listed name", "", 0, 0, nil}
	tools := [2]string{"dig", "kdig"}
	for i, ch := range channels {
		for j, cr := range credentials {
			rq, args := axfr, []string{zone, "AXFR"}
			switch {
			case ch.transport == "udp":
				rq, args = soa, []string{zone, "SOA"}
			case (i+j)%4 == 3:
				rq, args = name, []string{marker + "csam1.example." + zone, "CNAME", "+noquestion"}
			}
			tool := tools[(i+j)/4%2]
			if tool == "dig" {
				args = append([]string{"+nocmd"}, args...)
			}
			s.seen(tool, ch, cr, rq, args)
		}
	}
}

// seen asks once with a tool, and holds what it says to the rules.
func (s *server) seen(tool string, ch channel, cr credential, rq request, args []string) {
	s.t.Helper()
	what := tool + ", " + ch.what + ", " + cr.what + ", " + rq.what
	v := s.asks(tool, ch, cr.toolKey(), -cr.late, args...)
	n := due(ch, cr, rq)
	if v.Records != n {
		s.t.Errorf("%s: want %d records: %v", what, n, v)
	}
	if n > 0 {
		if v.Error != "" || v.Verified != (cr.key != nil) || v.Status != 0 {
			s.t.Errorf("%s: want an answer, signed if the request was: %v", what, v)
		}
		return
	}
	s.nothing(what, v.text)
	rcode, failed := "REFUSED", ""
	if cr.wrong != 0 {
		rcode, failed = "NOTAUTH", map[uint16]string{
			dns.RcodeBadKey: "BADKEY", dns.RcodeBadSig: "BADSIG", dns.RcodeBadTime: "BADTIME",
		}[cr.wrong]
	}
	if v.Error != failed || v.Rcode != "" && v.Rcode != rcode { // dig shows no rcode for a transfer
		s.t.Errorf("%s: want %s %s: %v", what, rcode, failed, v)
	}
	if cr.wrong == dns.RcodeBadTime && tool == "dig" && !v.Clock {
		s.t.Errorf("%s: it does not say that the clocks differ: %v", what, v)
	}
}
