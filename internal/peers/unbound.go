package peers

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/miekg/dns"
)

// UnboundConfig says which policy zone Unbound applies, and where it forwards to.
type UnboundConfig struct {
	Zone     string // the policy zone; empty: none
	ZoneFile string // its master file
	Primary  string // or ADDR:PORT: who gives it without a key
	URL      string // or where it is fetched over HTTP
	CA       string // PEM file that the server of an https URL has to be known by
	Include  string // a file of more configuration, read again with the rest; empty: none
	Upstream string // the Addr of an Upstream
}

// Unbound is a running Unbound.
type Unbound struct {
	*Daemon
	zone    string
	Control []string // a command that has it read all again: unbound-control
}

// StartUnbound starts Unbound as a resolver that reads a policy zone from a file, transfers it, or fetches it, and applies it.
func StartUnbound(t testing.TB, c UnboundConfig) *Unbound {
	t.Helper()
	dir, addr := daemonDir(t)
	host, port := split(t, addr)
	upstream, upstreamPort := split(t, c.Upstream)
	source := fmt.Sprintf("zonefile: %q", c.ZoneFile)
	if c.Primary != "" {
		primary, primaryPort := split(t, c.Primary)
		source = "primary: " + primary + "@" + primaryPort
	}
	bundle := ""
	if c.URL != "" {
		source = fmt.Sprintf("url: %q", c.URL)
		bundle = fmt.Sprintf("tls-cert-bundle: %q", c.CA)
	}
	if c.Zone != "" {
		source = fill(unboundZone, "{zone}", dns.Fqdn(c.Zone), "{source}", source)
	} else {
		source = ""
	}
	if c.Include != "" {
		source += fmt.Sprintf("include: %q\n", c.Include)
	}
	conf := write(t, dir, "unbound.conf", fill(unboundConf,
		"{dir}", dir, "{host}", host, "{port}", port,
		"{source}", source, "{bundle}", bundle,
		"{upstream}", upstream+"@"+upstreamPort))
	return &Unbound{
		start(t, dir, addr, "unbound", "-d", "-p", "-c", conf), dns.Fqdn(c.Zone),
		[]string{Path(t, "unbound-control"), "-c", conf, "reload"},
	}
}

// Fetch has Unbound fetch the zone from its URL, rather than wait until the SOA's refresh is over.
func (u *Unbound) Fetch() {
	u.t.Helper()
	out, err := Command(u.t, "unbound-control", "-c", filepath.Join(u.Dir, "unbound.conf"), "auth_zone_transfer", u.zone).CombinedOutput()
	if err != nil {
		u.t.Fatalf("peers: unbound-control: %v: %s", err, out)
	}
}

// Reload has Unbound read the zone file again, and waits until it has.
func (u *Unbound) Reload() {
	u.t.Helper()
	starts := func() int { return strings.Count(u.log(), "start of service") }
	before := starts()
	u.signal(syscall.SIGHUP)
	u.await(func() bool { return starts() > before }, "reload")
}

// Without the validator there is no trust anchor to keep fresh; all is forwarded. The test names would by themselves be
// answered with NXDOMAIN before they are looked up.
const unboundConf = `
server:
	directory: "{dir}"
	chroot: ""
	username: ""
	interface: {host}@{port}
	access-control: 127.0.0.0/8 allow
	do-ip6: no
	do-not-query-localhost: no
	num-threads: 1
	use-syslog: no
	verbosity: 1
	module-config: "respip iterator"
	qname-minimisation: no
	local-zone: "test." nodefault
	local-zone: "invalid." nodefault
	{bundle}
remote-control:
	control-enable: yes
	control-interface: "{dir}/control"
{source}
forward-zone:
	name: "."
	forward-addr: {upstream}
`

const unboundZone = `
rpz:
	name: "{zone}"
	{source}
`
