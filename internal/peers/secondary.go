package peers

import (
	"fmt"
	"time"

	"github.com/miekg/dns"
)

// SecondaryConfig says which zone a name server is secondary of.
type SecondaryConfig struct {
	Zone      string
	Primary   string // ADDR:PORT
	KeyName   string // TSIG
	Algorithm string // hmac-sha256 and so on
	Secret    string // base64
	TLS       *TLS   // nil: it asks its primary in the clear; for NSD alone, which shows no certificate

	Ahead time.Duration // of its clock
}

// Secondary is a name server that transfers a zone from a primary (RFC 5936, RFC 1995), keeps it as it does by default,
// and gives it to everyone on loopback. It takes a NOTIFY from there, signed with its key or not signed.
type Secondary struct {
	*Daemon
	zone string
}

// Notify tells it that there may be a new serial (RFC 1996), rather than have it find out when the SOA's refresh is over.
func (s *Secondary) Notify() {
	s.t.Helper()
	m := new(dns.Msg)
	m.SetNotify(s.zone)
	s.await(func() bool {
		answer, _, err := (&dns.Client{Timeout: 2 * time.Second}).Exchange(m, s.Addr)
		return err == nil && answer.Rcode == dns.RcodeSuccess
	}, "answer to NOTIFY")
}

// Serial returns the serial that it answers with. It has none, for one, before its first transfer.
func (s *Secondary) Serial() (serial uint32, ok bool) {
	query := new(dns.Msg)
	query.SetQuestion(s.zone, dns.TypeSOA)
	answer, _, err := (&dns.Client{Timeout: 2 * time.Second}).Exchange(query, s.Addr)
	if err != nil || answer.Rcode != dns.RcodeSuccess || !answer.Authoritative || len(answer.Answer) != 1 {
		return 0, false
	}
	soa, ok := answer.Answer[0].(*dns.SOA)
	if !ok {
		return 0, false
	}
	return soa.Serial, true
}

// Records transfers the whole zone from it, the SOA first and not again at the end. It fails while there is none.
func (s *Secondary) Records() ([]dns.RR, error) {
	m := new(dns.Msg)
	m.SetAxfr(s.zone)
	envelopes, err := new(dns.Transfer).In(m, s.Addr)
	if err != nil {
		return nil, fmt.Errorf("peers: transfer from %s: %w", s.tool, err)
	}
	var all []dns.RR
	for e := range envelopes {
		if e.Error != nil {
			return nil, fmt.Errorf("peers: transfer from %s: %w", s.tool, e.Error)
		}
		all = append(all, e.RR...)
	}
	if len(all) < 2 {
		return nil, fmt.Errorf("peers: transfer from %s: no zone", s.tool)
	}
	return all[:len(all)-1], nil
}
