package peers

import (
	"fmt"
	"testing"
)

// DnsmasqConfig says which files dnsmasq reads, and where it forwards to.
type DnsmasqConfig struct {
	ConfFile  string // lines of configuration, read at the start; empty: none
	HostsFile string // lines of hosts(5), read again on SIGHUP; empty: none
	Upstream  string // the Addr of an Upstream
}

// Dnsmasq is a running dnsmasq.
type Dnsmasq struct{ *Daemon }

// StartDnsmasq starts dnsmasq as a forwarder that answers by itself what its files say.
func StartDnsmasq(t testing.TB, c DnsmasqConfig) *Dnsmasq {
	t.Helper()
	dir, addr := daemonDir(t)
	host, port := split(t, addr)
	upstream, upstreamPort := split(t, c.Upstream)
	files := ""
	if c.ConfFile != "" {
		files += "conf-file=" + c.ConfFile + "\n"
	}
	if c.HostsFile != "" {
		files += "addn-hosts=" + c.HostsFile + "\n"
	}
	conf := write(t, dir, "dnsmasq.conf", fill(dnsmasqConf,
		"{host}", host, "{port}", port, "{upstream}", upstream+"#"+upstreamPort, "{files}", files))
	return &Dnsmasq{start(t, dir, addr, "dnsmasq", "--keep-in-foreground", "--conf-file="+conf, "--log-facility=-")}
}

// HUP is a command that has it read its hosts file again.
func (d *Dnsmasq) HUP() []string {
	return []string{"sh", "-c", fmt.Sprintf("kill -HUP %d", d.process.Pid)}
}

// Nothing is remembered, so that a test sees at once what a file says; and nothing of the machine is read. As root it would
// become another user, who may not read the files of the test.
const dnsmasqConf = `
port={port}
listen-address={host}
bind-interfaces
user=root
pid-file=
no-resolv
no-hosts
no-poll
cache-size=0
server={upstream}
{files}`
