package peers

import (
	"strconv"
	"testing"

	"github.com/miekg/dns"
)

// NamedFileConfig says which policy zone BIND reads from a file, and where it forwards to.
type NamedFileConfig struct {
	Zone     string
	ZoneFile string // exists
	Upstream string // the Addr of an Upstream
}

// NamedFile is a running BIND.
type NamedFile struct {
	*Daemon
	Reload []string // a command that has it read the zone file again: rndc
}

// StartNamedFile starts BIND as a resolver that is primary of a policy zone, and applies it.
func StartNamedFile(t testing.TB, c NamedFileConfig, secret string) *NamedFile {
	t.Helper()
	dir, addr := daemonDir(t)
	_, port := split(t, addr)
	upstream, upstreamPort := split(t, c.Upstream)
	values := []string{
		"{dir}", dir, "{port}", port, "{zone}", dns.Fqdn(c.Zone), "{file}", c.ZoneFile, "{control port}", strconv.Itoa(FreePort(t)), "{secret}", secret,
		"{upstream}", upstream, "{upstream port}", upstreamPort,
	}
	conf := write(t, dir, "named.conf", fill(namedFileConf, values...))
	rndc := write(t, dir, "rndc.conf", fill(rndcConf, values...))
	return &NamedFile{
		start(t, dir, addr, "named", "-g", "-4", "-n", "1", "-c", conf),
		[]string{Path(t, "rndc"), "-c", rndc, "reload", dns.Fqdn(c.Zone)},
	}
}

// As for StartNamed: it asks nobody but the upstream.
const namedFileConf = `
options {
	directory "{dir}";
	listen-on port {port} { 127.0.0.1; };
	listen-on-v6 { none; };
	pid-file none;
	session-keyfile none;
	recursion yes;
	allow-query { 127.0.0.0/8; };
	allow-transfer { none; };
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
key control { algorithm hmac-sha256; secret "{secret}"; };
controls { inet 127.0.0.1 port {control port} allow { 127.0.0.0/8; } keys { control; }; };
zone "{zone}" {
	type primary;
	file "{file}";
};
`

const rndcConf = `
key control { algorithm hmac-sha256; secret "{secret}"; };
options { default-key control; default-server 127.0.0.1; default-port {control port}; };
`
