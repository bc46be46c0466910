package peers

import (
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// Each secondary transfers the zone with its key, gives it back whole, and has it still after it was stopped, while the
// primary is away.
func TestSecondaries(t *testing.T) {
	t.Parallel()
	raw := newSecret()
	up := StartUpstream(t, nil)
	file := write(t, t.TempDir(), "policy.zone", "$ORIGIN "+zone+"\n"+policy("4294967295", "bad.example"))
	server := StartNSD(t, NSDConfig{Zone: zone, ZoneFile: file, KeyName: keyName, Algorithm: "hmac-sha256", Secret: raw})
	c := SecondaryConfig{Zone: zone, Primary: server.Addr, KeyName: keyName, Algorithm: "hmac-sha256", Secret: raw}
	named := NamedConfig{Zone: zone, Primary: c.Primary, KeyName: keyName, Algorithm: c.Algorithm, Secret: raw, Upstream: up.Addr}
	secondaries := []*Secondary{StartKnot(t, c), StartNSDSecondary(t, c), StartPDNS(t, c), StartNamed(t, named)}
	holds := func(s *Secondary) {
		s.await(func() bool { _, ok := s.Serial(); return ok }, "a zone")
		records, err := s.Records()
		var names []string
		for _, rr := range records {
			names = append(names, strings.TrimSuffix(rr.Header().Name, "list.rpz.police.example."))
		}
		slices.Sort(names)
		if err != nil || strings.Join(names, " ") != "  *.bad.example. bad.example." || records[0].(*dns.SOA).Serial != 1<<32-1 {
			t.Errorf("%s has %v, %v", s.tool, records, err)
		}
	}
	for _, s := range secondaries {
		s.Notify()
		holds(s)
	}
	server.Stop()
	for _, s := range secondaries {
		s.Stop()
		s.Start()
		holds(s)
	}
}
