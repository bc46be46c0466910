package peers

import (
	"testing"
	"time"

	"github.com/miekg/dns"
)

// NamedConfig says what BIND is secondary of, and where it forwards to.
type NamedConfig struct {
	Zone      string // the policy zone
	Primary   string // ADDR:PORT
	KeyName   string // TSIG; empty: none
	Algorithm string // hmac-sha256 and so on
	Secret    string // base64
	Upstream  string // the Addr of an Upstream
	TLS       *TLS   // nil: it asks its primary in the clear

	Ahead time.Duration // of its clock
}

// StartNamed starts BIND as a resolver that transfers a policy zone and applies it; it is a secondary of the zone as any.
func StartNamed(t testing.TB, c NamedConfig) *Secondary {
	t.Helper()
	dir, addr := daemonDir(t)
	_, port := split(t, addr)
	primary, primaryPort := split(t, c.Primary)
	upstream, upstreamPort := split(t, c.Upstream)
	conf := write(t, dir, "named.conf", fill(namedConf,
		"{credentials}", c.credentials(), "{with}", c.with(),
		"{dir}", dir, "{port}", port, "{zone}", c.Zone,
		"{primary}", primary, "{primary port}", primaryPort,
		"{upstream}", upstream, "{upstream port}", upstreamPort))
	return &Secondary{startAhead(t, c.Ahead, dir, addr, "named", "-g", "-4", "-n", "1", "-c", conf), dns.Fqdn(c.Zone)}
}

// credentials are the blocks for its key and its certificate.
func (c NamedConfig) credentials() (text string) {
	if c.KeyName != "" {
		text = fill(`key "{key}" { algorithm {algorithm}; secret "{secret}"; };`, "{key}", c.KeyName, "{algorithm}", c.Algorithm, "{secret}", c.Secret)
	}
	if c.TLS != nil {
		text += fill("\ntls primary { ca-file \"{ca}\"; remote-hostname \"{name}\"; ", "{ca}", c.TLS.CA, "{name}", c.TLS.Name)
		if c.TLS.Cert != "" {
			text += fill(`cert-file "{cert}"; key-file "{key}"; `, "{cert}", c.TLS.Cert, "{key}", c.TLS.Key)
		}
		text += "};"
	}
	return text
}

// with says which of them it uses.
func (c NamedConfig) with() (text string) {
	if c.KeyName != "" {
		text = ` key "` + c.KeyName + `"`
	}
	if c.TLS != nil {
		text += " tls primary"
	}
	return text
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
{credentials}
zone "{zone}" {
	type secondary;
	primaries { {primary} port {primary port}{with}; };
	file "policy.zone";
	masterfile-format text;
	allow-notify { 127.0.0.0/8; };
};
`
