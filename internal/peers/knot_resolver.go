package peers

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// KnotResolverConfig says which policy zone Knot Resolver applies, and where it forwards to.
type KnotResolverConfig struct {
	ZoneFile string // the policy zone, watched for changes; CNAMEs to a host are nothing to it
	Upstream string // the Addr of an Upstream
}

// StartKnotResolver starts Knot Resolver with a policy zone from a file.
//
// It looks for its Lua files at a path that was compiled in, and at its start for the root's trust anchor, which it fetches
// if it is not there. So it runs as a copy in which that path leads to the daemon's own directory, with Lua files that do
// neither that nor ask the root servers anything.
func StartKnotResolver(t testing.TB, c KnotResolverConfig) *Daemon {
	t.Helper()
	dir, addr := daemonDir(t)
	host, port := split(t, addr)
	upstream, upstreamPort := split(t, c.Upstream)
	lib := packaged(t, "usr/lib/*/knot-resolver")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.CopyFS(filepath.Join(dir, "kres"), os.DirFS(lib)))
	sandbox, err := os.ReadFile(filepath.Join(lib, "sandbox.lua"))
	must(err)
	text := string(sandbox)
	for _, line := range []string{
		"trust_anchors.add_file('/usr/share/dns/root.key', true)", "modules.load('ta_update')", "modules.load('ta_signal_query')",
		"modules.load('priming')", "modules.load('detect_time_skew')", "modules.load('detect_time_jump')",
	} {
		if !strings.Contains(text, line+"\n") {
			t.Fatalf("peers: sandbox.lua of Knot Resolver does not say %s: what would it ask the Internet?", line)
		}
		text = strings.Replace(text, line+"\n", "", 1)
	}
	must(os.WriteFile(filepath.Join(dir, "kres", "sandbox.lua"), []byte(text), 0o600))

	program, err := os.ReadFile(packaged(t, "usr/sbin/kresd"))
	must(err)
	compiled := []byte("/usr/lib/" + filepath.Base(filepath.Dir(lib)) + "/knot-resolver")
	here := append(bytes.Repeat([]byte("/"), len(compiled)), "kres"...)[4:] // as long, and from the directory that it runs in
	here[0] = '.'
	must(os.WriteFile(filepath.Join(dir, "kresd"), bytes.ReplaceAll(program, compiled, here), 0o700)) //nolint:gosec // it is to be run

	usr := filepath.Join(filepath.Dir(lib), "..", "..")
	script := write(t, dir, "start", fill(`#!/bin/sh
export LD_LIBRARY_PATH="{usr}/lib/{arch}" LUA_PATH="{usr}/share/lua/5.1/?.lua;;" LUA_CPATH="{usr}/lib/{arch}/lua/5.1/?.so;;"
exec ./kresd --noninteractive --config=config .
`, "{usr}", usr, "{arch}", filepath.Base(filepath.Dir(lib))))
	write(t, dir, "config", fill(knotResolverConf,
		"{host}", host, "{port}", port, "{zone}", c.ZoneFile, "{upstream}", upstream+"@"+upstreamPort))
	return start(t, dir, addr, "sh", script)
}

// What is not listed is forwarded; and if it were not, the root would be this machine.
const knotResolverConf = `
modules = {'hints > iterate'}
hints.root({['root.invalid.'] = '127.0.0.1'})
net.listen('{host}', {port}, {kind = 'dns'})
cache.size = 10 * MB
cache.min_ttl(0)
cache.max_ttl(1)
log_level('notice')
policy.add(policy.rpz(policy.DENY, '{zone}', true))
policy.add(policy.all(policy.STUB('{upstream}')))
`

// Denies is for Await: the name does not exist.
func Denies(m *dns.Msg) bool { return m.Rcode == dns.RcodeNameError }
