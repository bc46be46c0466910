package peers

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// StartPDNS starts PowerDNS Authoritative Server, with SQLite behind it, as a secondary.
func StartPDNS(t testing.TB, c SecondaryConfig) *Secondary {
	t.Helper()
	dir, addr := daemonDir(t)
	host, port := split(t, addr)
	split(t, c.Primary)
	schema := packaged(t, "usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")
	module := packaged(t, "usr/lib/*/pdns/libgsqlite3backend.so")

	database := Command(t, "sqlite3", "-bail", "-init", schema, filepath.Join(dir, "pdns.sqlite3"))
	database.Stdin = strings.NewReader(fill(pdnsZone,
		"{zone}", strings.TrimSuffix(dns.CanonicalName(c.Zone), "."), "{primary}", c.Primary,
		"{key}", strings.TrimSuffix(dns.CanonicalName(c.KeyName), "."), "{algorithm}", c.Algorithm, "{secret}", c.Secret))
	if out, err := database.CombinedOutput(); err != nil {
		t.Fatalf("peers: make the database of pdns_server: %v\n%s", err, out)
	}
	write(t, dir, "pdns.conf", fill(pdnsConf,
		"{dir}", dir, "{host}", host, "{port}", port, "{modules}", filepath.Dir(module)))
	return &Secondary{startAhead(t, c.Ahead, dir, addr, "pdns_server", "--config-dir="+dir), dns.Fqdn(c.Zone)}
}

// What pdnsutil would write: a zone that is transferred, its key, and that it may come as a difference, which PowerDNS asks
// for only where it was told to.
const pdnsZone = `
INSERT INTO domains (id, name, master, type) VALUES (1, '{zone}', '{primary}', 'SLAVE');
INSERT INTO tsigkeys (name, algorithm, secret) VALUES ('{key}', '{algorithm}', '{secret}');
INSERT INTO domainmetadata (domain_id, kind, content) VALUES (1, 'AXFR-MASTER-TSIG', '{key}');
INSERT INTO domainmetadata (domain_id, kind, content) VALUES (1, 'IXFR', '1');
`

// News of security updates are not asked for.
const pdnsConf = `
module-dir={modules}
launch=gsqlite3
gsqlite3-database={dir}/pdns.sqlite3
gsqlite3-pragma-synchronous=0
socket-dir={dir}
local-address={host}
local-port={port}
secondary=yes
allow-axfr-ips=127.0.0.0/8
security-poll-suffix=
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
receiver-threads=1
distributor-threads=1
retrieval-threads=1
guardian=no
daemon=no
disable-syslog=yes
write-pid=no
`
