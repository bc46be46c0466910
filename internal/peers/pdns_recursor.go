package peers

import (
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

// StartRecursor starts PowerDNS Recursor as a resolver that transfers a policy zone and applies it. It hears no NOTIFY
// (before version 5), and so it asks for news every second.
func StartRecursor(t testing.TB, c RecursorConfig) *Daemon {
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
	return start(t, dir, addr, "pdns_recursor", "--config-dir="+dir)
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
