package peers

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/miekg/dns"
)

// RecursorConfig says what PowerDNS Recursor is secondary of, and where it forwards to.
type RecursorConfig struct {
	Zone      string // the policy zone
	Primary   string // ADDR:PORT
	KeyName   string // TSIG
	Algorithm string // hmac-sha256 and so on
	Secret    string // base64
	Upstream  string // the Addr of an Upstream
}

// Recursor is a running PowerDNS Recursor.
type Recursor struct {
	*Daemon
	zone string
}

// StartRecursor starts PowerDNS Recursor as a resolver that transfers a policy zone and applies it. It hears no NOTIFY
// (before version 5), and so it asks for news every second.
func StartRecursor(t testing.TB, c RecursorConfig) *Recursor {
	t.Helper()
	dir, addr := daemonDir(t)
	host, port := split(t, addr)
	split(t, c.Primary)
	split(t, c.Upstream)
	write(t, dir, "policy.lua", fill(recursorLua,
		"{primary}", c.Primary, "{zone}", dns.Fqdn(c.Zone),
		"{key}", c.KeyName, "{algorithm}", c.Algorithm, "{secret}", c.Secret))
	write(t, dir, "recursor.conf", fill(recursorConf,
		"{dir}", dir, "{host}", host, "{port}", port, "{upstream}", c.Upstream))
	return &Recursor{start(t, dir, addr, "pdns_recursor", "--config-dir="+dir), dns.Fqdn(c.Zone)}
}

// Policies returns the zone as it holds it: the SOA, and its policies as the records that they came from. There is no NS
// record among them. It fails while there is no zone.
func (r *Recursor) Policies() ([]dns.RR, error) {
	file := filepath.Join(r.Dir, "dump")
	defer os.Remove(file)
	out, err := Command(r.t, "rec_control", "--socket-dir="+r.Dir, "dump-rpz", r.zone, file).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("peers: rec_control dump-rpz: %w: %s", err, out)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("peers: read what rec_control dumped: %w", err)
	}
	var all []dns.RR
	records := dns.NewZoneParser(bytes.NewReader(text), r.zone, "")
	for rr, ok := records.Next(); ok; rr, ok = records.Next() {
		all = append(all, rr)
	}
	if err := records.Err(); err != nil {
		return nil, fmt.Errorf("peers: read what rec_control dumped: %w", err)
	}
	return all, nil
}

// All is forwarded; nothing is validated; neither the root servers nor the news of security updates are asked for.
const recursorConf = `
socket-dir={dir}
lua-config-file={dir}/policy.lua
local-address={host}
local-port={port}
allow-from=127.0.0.0/8
forward-zones-recurse=.={upstream}
hint-file=no
dnssec=off
qname-minimization=no
security-poll-suffix=
packetcache-ttl=0
threads=1
daemon=no
disable-syslog=yes
write-pid=no
`

const recursorLua = `
rpzPrimary({"{primary}"}, "{zone}", {
	tsigname="{key}", tsigalgo="{algorithm}", tsigsecret="{secret}", refresh=1,
})
`
