package peers

import (
	"testing"

	"github.com/miekg/dns"
)

// NamedConfig says what BIND is secondary of, and where it forwards to.
type NamedConfig struct {
	Zone      string // the policy zone
	Primary   string // ADDR:PORT
	KeyName   string // TSIG
	Algorithm string // hmac-sha256 and so on
	Secret    string // base64
	Upstream  string // the Addr of an Upstream
}

// StartNamed starts BIND as a resolver that transfers a policy zone and applies it; it is a secondary of the zone as any.
func StartNamed(t testing.TB, c NamedConfig) *Secondary {
	t.Helper()
	dir, addr := daemonDir(t)
	_, port := split(t, addr)
	primary, primaryPort := split(t, c.Primary)
	upstream, upstreamPort := split(t, c.Upstream)
	conf := write(t, dir, "named.conf", fill(namedConf,
		"{dir}", dir, "{port}", port, "{zone}", c.Zone,
		"{primary}", primary, "{primary port}", primaryPort,
		"{key}", c.KeyName, "{algorithm}", c.Algorithm, "{secret}", c.Secret,
		"{upstream}", upstream, "{upstream port}", upstreamPort))
	return &Secondary{start(t, dir, addr, "named", "-g", "-4", "-n", "1", "-c", conf), dns.Fqdn(c.Zone)}
}

// Forward only, nothing validated, no trust anchor fetched: it asks nobody but the upstream. By itself BIND would apply a
// changed policy zone once a minute.
const namedConf = `
options {
	directory "{dir}";
	listen-on port {port} { 127.0.0.1; };
	listen-on-v6 { none; };
	pid-file none;
	session-keyfile none;
	recursion yes;
	allow-query { 127.0.0.0/8; };
	allow-transfer { 127.0.0.0/8; };
	notify no;
	forward only;
	forwarders { {upstream} port {upstream port}; };
	dnssec-validation no;
	qname-minimization off;
	trust-anchor-telemetry no;
	empty-zones-enable no;
	max-cache-size 32m;
	response-policy { zone "{zone}"; } min-update-interval 0 qname-wait-recurse no;
};
controls { };
key "{key}" { algorithm {algorithm}; secret "{secret}"; };
zone "{zone}" {
	type secondary;
	primaries { {primary} port {primary port} key "{key}"; };
	file "policy.zone";
	masterfile-format text;
	allow-notify { 127.0.0.0/8; };
};
`
