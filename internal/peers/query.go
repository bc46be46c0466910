package peers

import (
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Query asks the server at addr, as a stub resolver would, until an answer comes. What the answer says is the test's
// matter.
func Query(t testing.TB, addr, name string, qtype uint16) *dns.Msg {
	t.Helper()
	return Await(t, addr, name, qtype, func(*dns.Msg) bool { return true })
}

// Await asks until the answer is as wanted, since a peer takes its time to transfer a zone or to notice a change.
func Await(t testing.TB, addr, name string, qtype uint16, want func(*dns.Msg) bool) *dns.Msg {
	t.Helper()
	deadline, tick := time.After(patience), time.NewTicker(50*time.Millisecond)
	defer tick.Stop()
	for {
		query := new(dns.Msg)
		query.SetQuestion(dns.Fqdn(name), qtype)
		answer, _, err := (&dns.Client{Timeout: 2 * time.Second}).Exchange(query, addr)
		if err == nil && want(answer) {
			return answer
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("peers: %s did not answer %s %s as wanted in %v; last answer: %v %v",
				addr, name, dns.TypeToString[qtype], patience, answer, err)
		}
	}
}

// Answers is for Await: the answer has an A record with this address, directly or at the end of a CNAME.
func Answers(address string) func(*dns.Msg) bool {
	return func(m *dns.Msg) bool {
		for _, rr := range m.Answer {
			if a, ok := rr.(*dns.A); ok && a.A.String() == address {
				return true
			}
		}
		return false
	}
}

// HasRcode is for Await: the answer has this response code.
func HasRcode(rcode int) func(*dns.Msg) bool {
	return func(m *dns.Msg) bool { return m.Rcode == rcode }
}
