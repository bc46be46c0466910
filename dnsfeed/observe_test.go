package dnsfeed

import (
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Who asked to hear of transfers and refusals hears of each: an IXFR over UDP is
// a transfer, too.
func TestTransfersAndRefusalsAreReported(t *testing.T) {
	transfers, refusals := make(chan Transfer, 10), make(chan string, 10)
	ts := startServer(t, func(s *Server) {
		s.Transferred = func(done Transfer) { transfers <- done }
		s.Refused = func(reason, transport string) { refusals <- transport + ": " + reason }
	})
	old, _ := makeImage(t, testZone(), 7, testSet(t, manyNames(300)...))
	next, _ := makeImage(t, testZone(), 8, testSet(t, manyNames(302)...))
	ts.history(old, next)
	expect := func(kind, transport string, octets int) {
		t.Helper()
		select {
		case done := <-transfers:
			if done.Client != "one" || done.Zone != ispOne.Zones[0] || done.Serial != 8 || done.Type != kind || done.Transport != transport ||
				!done.From.Addr().IsLoopback() || done.Octets < int64(octets) || !done.Complete() {
				t.Errorf("heard of %+v, want %s over %s", done, kind, transport)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("heard nothing of %s over %s", kind, transport)
		}
	}
	ts.axfr(ts.dial(), ispOne)
	expect("axfr", "tcp", 3000)
	ts.ixfr(6)
	expect("ixfr as axfr", "tcp", 3000)
	ts.ixfr(7)
	expect("ixfr", "tcp", 200)
	raw, _ := signed(ixfrQuery(ispOne.Zones[0], 7), signing{key: ispOne.Key})
	ts.udp(raw)
	expect("ixfr", "udp", 200)
	current, _ := signed(ixfrQuery(ispOne.Zones[0], 8), signing{key: ispOne.Key})
	ts.udp(current) // is no transfer
	ts.udp(ask(ispOne.Zones[0], dns.TypeSOA))
	if got := <-refusals; got != "udp: no credential, or one each of two clients" {
		t.Errorf("refused %s", got)
	}
	if len(transfers)+len(refusals) != 0 {
		t.Errorf("%d transfers and %d refusals too many", len(transfers), len(refusals))
	}

	guest, member := ts.dial(), ts.dial()
	defer guest.Close()
	ts.axfr(member, ispOne)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		all, guests := ts.Connections()
		if all >= 2 && guests == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d connections, %d guests", all, guests)
		}
	}
}
