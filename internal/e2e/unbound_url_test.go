package e2e

import (
	"strings"
	"testing"

	"github.com/vaern/vaern/internal/peers"
)

// Unbound can not send a header: it fetches the zone by a URL with the token in it, over TLS, and blocks what was published
// and lets go of what was withdrawn. Nothing that was printed has the token in it.
func TestUnboundFetchesByURL(t *testing.T) {
	t.Parallel()
	w := newWorld(t, alone)
	w.add(synthetic("listed", 5)...)
	w.compile()
	w.certificate("server")
	nordnet := w.addISP("nordnet", "csam")
	w.write("secure.toml", httpOverTLS(w.read("vaernd.toml")))
	s := w.serveAs("secure")
	_, port, _ := strings.Cut(s.http, ":")
	up := peers.StartUpstream(t, map[string]string{stopHost: stopAddr, serverName + ".": "127.0.0.1"})
	unbound := peers.StartUnbound(t, peers.UnboundConfig{
		Zone: zone, URL: "https://" + serverName + ":" + port + "/v1/t/" + nordnet.Token + "/csam/rpz.zone", CA: w.file("server.pem"), Upstream: up.Addr,
	})
	stops(t, unbound.Addr, "listed1.example")
	stops(t, unbound.Addr, "www.listed1.example")
	passes(t, unbound.Addr, "new.example")

	w.add("new.example")
	w.withdraw("listed1.example")
	w.compile()
	serial := w.latest()
	await(t, "the new edition is served", func() bool { return s.soa("nordnet.key") == serial })
	unbound.Fetch()
	stops(t, unbound.Addr, "new.example")
	stops(t, unbound.Addr, "listed2.example")
	passes(t, unbound.Addr, "listed1.example")
	passes(t, unbound.Addr, "www.listed1.example")

	w.vaernd("isp", "revoke", "nordnet")
	await(t, "the provider is refused", func() bool { return s.soa("nordnet.key") == "" })
	unbound.Fetch()
	stops(t, unbound.Addr, "new.example") // what it has, it keeps
	s.stop()
	log := w.read("secure.log")
	if !strings.Contains(log, `"file":"rpz.zone"`) || strings.Contains(log, "vaern_") {
		t.Error("the log lacks the request, or has the token")
	}
}
