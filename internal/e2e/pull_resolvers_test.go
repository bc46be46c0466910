package e2e

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/vaern/vaern/internal/peers"
)

// puller is a provider with vaern-pull in a folder of its own.
type puller struct {
	*server
	i      isp
	folder string
}

func (s *server) newPuller(i isp) *puller {
	s.t.Helper()
	p := &puller{s, i, s.t.TempDir()}
	p.put("token", i.Token)
	return p
}

// acked is the serial that the server says the provider has acknowledged, or "".
func (p *puller) acked() string {
	p.t.Helper()
	status := p.tool("curl", "-sS", "--fail", "http://"+p.admin+"/status")
	for _, i := range parse[struct {
		ISPs []struct {
			Name  string
			Acked *uint32
		}
	}](p.t, status).ISPs {
		if i.Name == p.i.Name && i.Acked != nil {
			return fmt.Sprint(*i.Acked)
		}
	}
	return ""
}

func (p *puller) put(name, content string) string {
	p.t.Helper()
	path := filepath.Join(p.folder, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

func (p *puller) path(name string) string { return filepath.Join(p.folder, name) }

// configure writes vaern-pull.toml.
func (p *puller) configure(install string) {
	p.put("vaern-pull.toml", p.pullConfig("http://"+p.http, install))
}

// pull runs vaern-pull, which must end so.
func (p *puller) pull(status int) {
	p.t.Helper()
	cmd := p.command("vaern-pull", "--once")
	cmd.Dir = p.folder
	p.must(status, p.run(cmd), []string{"vaern-pull", "--once"})
}

// argv is a command as the configuration has it.
func argv(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = fmt.Sprintf("%q", w)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

func answered(t testing.TB, addr, name string, qtype uint16, want func(*dns.Msg) bool) {
	t.Helper()
	peers.Await(t, addr, name, qtype, want)
}

func stopped(m *dns.Msg) bool { return peers.Answers(stopAddr)(m) }

// What the resolvers of a provider are asked for. Both domains and the host are listed at first; gone is withdrawn.
const (
	listedDomain = "listed.example"
	goneDomain   = "gone.example"
	listedHost   = "www.host.test"
)

// pullResolver is a resolver that reads what vaern-pull installs.
type pullResolver struct {
	name    string
	action  string // in vaern.toml; "": the stop host
	install func(t testing.TB, p *puller, up *peers.Upstream) (addr string, reloaded func())
	stops   func(*dns.Msg) bool // what is blocked
	below   bool                // names below a domain are blocked
	host    bool                // hosts are blocked, and nothing below them
	tight   bool                // of what is blocked, nobody else is asked anything
}

var pullResolvers = []pullResolver{
	{"BIND by rpz.zone", "", func(t testing.TB, p *puller, up *peers.Upstream) (string, func()) {
		check := "check = " + argv([]string{peers.Path(t, "named-checkzone"), strings.TrimSuffix(zone, "."), "{file}"}) + "\n"
		const install = "[[install]]\nfile = \"rpz.zone\"\nto = \"rpz.zone\"\n"
		p.configure(check + install) // BIND does not start without the file
		p.pull(0)
		secret := base64.StdEncoding.EncodeToString([]byte(fmt.Sprintf("%032d", rand.Uint64())))
		named := peers.StartNamedFile(t, peers.NamedFileConfig{Zone: zone, ZoneFile: p.path("rpz.zone"), Upstream: up.Addr}, secret)
		p.configure(check + "reload = " + argv(named.Reload) + "\n" + install)
		return named.Addr, func() {}
	}, stopped, true, true, false},
	{"Unbound by rpz.zone", "", func(t testing.TB, p *puller, up *peers.Upstream) (string, func()) {
		const install = "[[install]]\nfile = \"rpz.zone\"\nto = \"rpz.zone\"\n"
		p.configure(install)
		p.pull(0)
		unbound := peers.StartUnbound(t, peers.UnboundConfig{Zone: zone, ZoneFile: p.path("rpz.zone"), Upstream: up.Addr})
		p.configure("reload = " + argv(unbound.Control) + "\n" + install)
		return unbound.Addr, func() {}
	}, stopped, true, true, false},
	{"Unbound by format", "", func(t testing.TB, p *puller, up *peers.Upstream) (string, func()) {
		unbound := peers.StartUnbound(t, peers.UnboundConfig{Include: p.put("blocked.conf", ""), Upstream: up.Addr})
		// A part of a configuration is checked with what it will be a part of.
		base := p.put("base.conf", "server:\ndirectory: \"\"\nchroot: \"\"\nusername: \"\"\n")
		joint := "cat " + base + " \"$1\" > " + base + ".joint && " + peers.Path(t, "unbound-checkconf") + " " + base + ".joint"
		p.configure("check = " + argv([]string{"sh", "-c", joint, "check", "{file}"}) + "\nreload = " + argv(unbound.Control) +
			"\n[[install]]\nformat = \"unbound\"\nstop = \"" + stopAddr + "\"\nto = \"blocked.conf\"\n")
		return unbound.Addr, func() {}
	}, stopped, true, true, true},
	{"dnsmasq by format", "", func(t testing.TB, p *puller, up *peers.Upstream) (string, func()) {
		d := peers.StartDnsmasq(t, peers.DnsmasqConfig{ConfFile: p.put("blocked.conf", ""), Upstream: up.Addr})
		p.configure("check = " + argv([]string{peers.Path(t, "dnsmasq"), "--test", "--conf-file={file}"}) +
			"\n[[install]]\nformat = \"dnsmasq\"\nstop = \"" + stopAddr + "\"\nto = \"blocked.conf\"\n")
		return d.Addr, func() { // it reads its configuration when it starts
			d.Stop()
			d.Start()
		}
	}, stopped, true, false, true},
	{"dnsmasq by hosts", "", func(t testing.TB, p *puller, up *peers.Upstream) (string, func()) {
		d := peers.StartDnsmasq(t, peers.DnsmasqConfig{HostsFile: p.put("hosts", ""), Upstream: up.Addr})
		p.configure("reload = " + argv(d.HUP()) + "\n[[install]]\nformat = \"hosts\"\nstop = \"" + stopAddr + "\"\nto = \"hosts\"\n")
		return d.Addr, func() {}
	}, stopped, false, true, false},
	// It takes no policy that leads to a host, see internal/peers.
	{"Knot Resolver by rpz.zone", "nxdomain", func(t testing.TB, p *puller, up *peers.Upstream) (string, func()) {
		p.configure("[[install]]\nfile = \"rpz.zone\"\nto = \"rpz.zone\"\n")
		p.pull(0)
		d := peers.StartKnotResolver(t, peers.KnotResolverConfig{ZoneFile: p.path("rpz.zone"), Upstream: up.Addr})
		return d.Addr, func() {}
	}, peers.Denies, true, true, false},
}

// What vaern-pull installs, each resolver blocks, and nothing else; and lets go of what is withdrawn.
func TestPullIntoResolvers(t *testing.T) {
	t.Parallel()
	for _, r := range pullResolvers {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			r.test(t)
		})
	}
}

func (r pullResolver) test(t *testing.T) {
	edits := [][2]string{alone}
	if r.action != "" {
		edits = append(edits, [2]string{`action = "` + stopHost + `"`, `action = "` + r.action + `"`})
	}
	w := newWorld(t, edits...)
	w.add(listedDomain, goneDomain)
	w.list(listedHost)
	w.write("batch.csv", "unit,target\nhost,"+listedHost+"\n")
	w.decide([]string{"anna"}, "--add", "batch.csv")
	w.compile()
	nordnet := w.addISP("nordnet", "csam")
	s := w.serve()
	p := s.newPuller(nordnet)
	up := peers.StartUpstream(t, map[string]string{stopHost: stopAddr})
	addr, reloaded := r.install(t, p, up)
	p.pull(0)
	if got := p.acked(); got != w.latest() {
		t.Errorf("acknowledged is %q, installed %s", got, w.latest())
	}
	reloaded()

	for _, name := range []string{listedDomain, goneDomain} {
		answered(t, addr, name, dns.TypeA, r.stops)
		r.elsewhereOr(t, addr, "a-name."+name, r.below)
	}
	r.elsewhereOr(t, addr, listedHost, r.host)
	for _, name := range []string{"x." + listedHost, "host.test", "other.test", "x" + listedDomain} {
		passes(t, addr, name)
	}
	if r.tight {
		r.testTight(t, addr, up)
	}

	w.withdraw(goneDomain)
	w.compile()
	await(t, "vaernd serves the new edition", func() bool { return s.soa("nordnet.key") == w.latest() })
	p.pull(0)
	reloaded()
	answered(t, addr, goneDomain, dns.TypeA, passing)
	answered(t, addr, "a-name."+goneDomain, dns.TypeA, passing)
	answered(t, addr, listedDomain, dns.TypeA, r.stops)
	r.elsewhereOr(t, addr, listedHost, r.host)
	if got := p.acked(); got != w.latest() {
		t.Errorf("acknowledged is %q, installed %s", got, w.latest())
	}
}

// elsewhereOr wants a name to be blocked or not.
func (r pullResolver) elsewhereOr(t testing.TB, addr, name string, blocked bool) {
	t.Helper()
	if blocked {
		answered(t, addr, name, dns.TypeA, r.stops)
	} else {
		answered(t, addr, name, dns.TypeA, passing)
	}
}

// testTight asks for other kinds of records: a name that is blocked for A alone would still lead somewhere.
func (r pullResolver) testTight(t testing.TB, addr string, up *peers.Upstream) {
	t.Helper()
	names := []string{listedDomain, "other-name." + listedDomain}
	if r.host {
		names = append(names, listedHost)
	}
	before := up.Asked()
	for _, name := range names {
		for _, qtype := range []uint16{dns.TypeAAAA, dns.TypeTXT, dns.TypeMX, dns.TypeHTTPS, dns.TypeCNAME, dns.TypeNS} {
			if m := peers.Query(t, addr, name, qtype); len(m.Answer) > 0 {
				t.Errorf("%s %s is answered %v", name, dns.TypeToString[qtype], m.Answer)
			}
		}
	}
	if asked := up.Asked() - before; asked > 0 {
		t.Errorf("%d questions about what is blocked were sent on", asked)
	}
	if r.host { // nothing that was not decided
		answered(t, addr, "other-name."+listedHost, dns.TypeA, passing)
	}
}
