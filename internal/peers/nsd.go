package peers

import (
	"testing"

	"github.com/miekg/dns"
)

// NSDConfig says which zone NSD is primary of, and who may have it.
type NSDConfig struct {
	Zone      string
	ZoneFile  string // its master file
	KeyName   string // TSIG, required of whoever transfers the zone
	Algorithm string // hmac-sha256 and so on
	Secret    string // base64
}

// StartNSD starts NSD as the primary of a zone: the server to compare Vaern's with.
func StartNSD(t testing.TB, c NSDConfig) *Daemon {
	t.Helper()
	dir, addr := daemonDir(t)
	host, port := split(t, addr)
	conf := write(t, dir, "nsd.conf", fill(nsdServer+nsdPrimary,
		"{dir}", dir, "{address}", host+"@"+port, "{zone}", dns.Fqdn(c.Zone), "{file}", c.ZoneFile,
		"{key}", c.KeyName, "{algorithm}", c.Algorithm, "{secret}", c.Secret))
	return start(t, dir, addr, "nsd", "-d", "-c", conf)
}

// StartNSDSecondary starts NSD as a secondary.
func StartNSDSecondary(t testing.TB, c SecondaryConfig) *Secondary {
	t.Helper()
	dir, addr := daemonDir(t)
	host, port := split(t, addr)
	primary, primaryPort := split(t, c.Primary)
	bundle, auth, with := "", "", ""
	if c.TLS != nil {
		bundle = fill(`tls-cert-bundle: "{ca}"`, "{ca}", c.TLS.CA)
		auth = fill("tls-auth:\n\tname: primary\n\tauth-domain-name: \"{name}\"", "{name}", c.TLS.Name)
		with = " primary"
	}
	conf := write(t, dir, "nsd.conf", fill(nsdServer+nsdSecondary,
		"{bundle}", bundle, "{auth}", auth, "{with}", with,
		"{dir}", dir, "{address}", host+"@"+port, "{zone}", dns.Fqdn(c.Zone),
		"{primary}", primary+"@"+primaryPort,
		"{key}", c.KeyName, "{algorithm}", c.Algorithm, "{secret}", c.Secret))
	return &Secondary{startAhead(t, c.Ahead, dir, addr, "nsd", "-d", "-c", conf), dns.Fqdn(c.Zone)}
}

// By itself NSD would take up a transferred zone not more than once a second. It keeps its database, from which it goes on
// after a restart; version 4.8 and later have none, and begin anew.
const nsdServer = `
server:
	zonesdir: "{dir}"
	database: "{dir}/nsd.db"
	pidfile: ""
	xfrdfile: "{dir}/xfrd.state"
	xfrd-reload-timeout: 0
	xfrdir: "{dir}"
	zonelistfile: "{dir}/zone.list"
	chroot: ""
	username: ""
	ip-address: {address}
	server-count: 1
	verbosity: 1
remote-control:
	control-enable: no
key:
	name: "{key}"
	algorithm: {algorithm}
	secret: "{secret}"
`

const nsdPrimary = `
zone:
	name: "{zone}"
	zonefile: "{file}"
	provide-xfr: 127.0.0.1 {key}
`

const nsdSecondary = `
{auth}
server:
	{bundle}
zone:
	name: "{zone}"
	zonefile: "policy.zone"
	request-xfr: {primary} {key}{with}
	allow-notify: 127.0.0.0/8 NOKEY
	allow-notify: 127.0.0.0/8 {key}
	provide-xfr: 127.0.0.0/8 NOKEY
`
