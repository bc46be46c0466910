package peers

import (
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"
)

// Elsewhere is the address of every name that an Upstream was told nothing about.
const Elsewhere = "192.0.2.80"

// Upstream is the whole Internet as a recursor under test sees it: a stub resolver on loopback that knows an address for
// every name.
type Upstream struct {
	Addr string // 127.0.0.1:PORT, UDP and TCP

	hosts   map[string]net.IP
	asked   atomic.Int64
	servers []*dns.Server
	stop    sync.Once
}

// StartUpstream answers A queries with the given addresses, by name, or with Elsewhere, and all other queries with no
// data. It stops when the test ends.
func StartUpstream(t testing.TB, hosts map[string]string) *Upstream {
	t.Helper()
	u := &Upstream{hosts: map[string]net.IP{}}
	for name, address := range hosts {
		u.hosts[dns.CanonicalName(name)] = net.ParseIP(address)
	}
	port := FreePort(t)
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback, Port: port})
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: loopback, Port: port})
	if err != nil {
		udp.Close()
		t.Fatal(err)
	}
	u.Addr = udp.LocalAddr().String()
	u.servers = []*dns.Server{{PacketConn: udp, Handler: u}, {Listener: tcp, Handler: u}}
	for _, server := range u.servers {
		running := make(chan struct{})
		server.NotifyStartedFunc = func() { close(running) }
		go func() {
			if err := server.ActivateAndServe(); err != nil {
				t.Errorf("peers: upstream: %v", err)
			}
		}()
		<-running // a server that is stopped before it runs would run for ever
	}
	t.Cleanup(u.Stop)
	return u
}

// Asked is the number of queries that came so far.
func (u *Upstream) Asked() int64 { return u.asked.Load() }

// Stop ends it. A second call does nothing.
func (u *Upstream) Stop() {
	u.stop.Do(func() {
		for _, server := range u.servers {
			_ = server.Shutdown() // fails only if it is not running
		}
	})
}

// ServeDNS answers one query.
func (u *Upstream) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	u.asked.Add(1)
	answer := new(dns.Msg)
	answer.SetReply(query)
	answer.RecursionAvailable = true
	if len(query.Question) == 1 {
		u.answer(answer, query.Question[0])
	}
	_ = w.WriteMsg(answer) // whoever asked has gone
}

func (u *Upstream) answer(answer *dns.Msg, question dns.Question) {
	header := dns.RR_Header{Name: question.Name, Class: dns.ClassINET, Ttl: 1}
	if question.Qtype == dns.TypeA {
		header.Rrtype = dns.TypeA
		address := u.hosts[strings.ToLower(question.Name)]
		if address == nil {
			address = net.ParseIP(Elsewhere)
		}
		answer.Answer = append(answer.Answer, &dns.A{Hdr: header, A: address})
		return
	}
	// RFC 2308 section 2.2: no data is an answer without records, and the SOA that says for how long.
	header.Name, header.Rrtype = ".", dns.TypeSOA
	answer.Ns = append(answer.Ns, &dns.SOA{
		Hdr: header, Ns: "ns.invalid.", Mbox: "hostmaster.invalid.",
		Serial: 1, Refresh: 300, Retry: 60, Expire: 86400, Minttl: 1,
	})
}
