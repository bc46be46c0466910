package dnsfeed

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"

	"github.com/miekg/dns"

	"github.com/vaern/vaern/internal/peers"
)

// RZ2: three resolvers load the zone, two by transfer and one from the file,
// and block what is listed and nothing beside it.
func TestRZ2_ResolversApplyTheZone(t *testing.T) {
	ts := startServer(t)
	key, zone := ispOne.Key, ispOne.Zones[0]
	secret := base64.StdEncoding.EncodeToString(key.Secret)
	up := peers.StartUpstream(t, map[string]string{
		"stop.police.example.": "192.0.2.99", "sub.exactwicked.example.": "192.0.2.1", "good.example.": "192.0.2.1",
	})
	path := filepath.Join(t.TempDir(), "rpz.zone")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := testZone().WriteRPZ(f, 100, testSet(t, listed...)); err != nil {
		t.Fatal(err)
	}
	f.Close()
	resolvers := map[string]string{
		"named": peers.StartNamed(t, peers.NamedConfig{
			Zone: zone, Primary: ts.addr, KeyName: key.Name, Algorithm: "hmac-sha256", Secret: secret, Upstream: up.Addr,
		}).Addr,
		"pdns_recursor": peers.StartRecursor(t, peers.RecursorConfig{
			Zone: zone, Primary: ts.addr, KeyName: key.Name, Algorithm: "hmac-sha256", Secret: secret, Upstream: up.Addr,
		}).Addr,
		"unbound": peers.StartUnbound(t, peers.UnboundConfig{Zone: zone, ZoneFile: path, Upstream: up.Addr}).Addr,
	}
	for tool, addr := range resolvers {
		for name, address := range map[string]string{
			"secretbad.example.": "192.0.2.99", "www.secretbad.example.": "192.0.2.99",
			"a.b.hiddenevil.test.": "192.0.2.99", "exactwicked.example.": "192.0.2.99",
			"sub.exactwicked.example.": "192.0.2.1", "good.example.": "192.0.2.1",
		} {
			t.Run(tool+" "+address, func(t *testing.T) {
				peers.Await(t, addr, name, dns.TypeA, peers.Answers(address))
			})
		}
	}
}
