package peers

import (
	"testing"

	"github.com/miekg/dns"
)

// StartKnot starts Knot DNS as a secondary.
func StartKnot(t testing.TB, c SecondaryConfig) *Secondary {
	t.Helper()
	dir, addr := daemonDir(t)
	host, port := split(t, addr)
	primary, primaryPort := split(t, c.Primary)
	conf := write(t, dir, "knot.conf", fill(knotConf,
		"{dir}", dir, "{address}", host+"@"+port, "{zone}", dns.Fqdn(c.Zone),
		"{primary}", primary+"@"+primaryPort,
		"{key}", c.KeyName, "{algorithm}", c.Algorithm, "{secret}", c.Secret))
	return &Secondary{startAhead(t, c.Ahead, dir, addr, "knotd", "-c", conf), dns.Fqdn(c.Zone)}
}

// Knot is the strictest about a difference: what is to be deleted must be there, and what is to be added must not, else
// it transfers the whole zone. It keeps the differences in its journal, and the zone file beside it.
const knotConf = `
server:
    listen: {address}
    rundir: "{dir}"
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stdout
    any: info
database:
    storage: "{dir}"
key:
  - id: "{key}"
    algorithm: {algorithm}
    secret: "{secret}"
remote:
  - id: primary
    address: {primary}
    key: "{key}"
acl:
  - id: loopback
    address: 127.0.0.0/8
    action: [transfer, notify]
  - id: signed
    address: 127.0.0.0/8
    key: "{key}"
    action: [transfer, notify]
zone:
  - domain: "{zone}"
    storage: "{dir}"
    file: policy.zone
    master: primary
    acl: [loopback, signed]
`
