package peers

import (
	"crypto/rand"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

const (
	zone     = "list.rpz.police.example."
	stopHost = "stop.police.example."
	stopAddr = "192.0.2.99"
	keyName  = "isp.key.example."
)

// policy is a policy zone with one listed domain.
func policy(serial, listed string) string {
	return fill(`$TTL 60
@ SOA ns.police.example. hostmaster.police.example. {serial} 300 60 1209600 60
@ NS ns.police.example.
{listed} CNAME stop.police.example.
*.{listed} CNAME stop.police.example.
`, "{serial}", serial, "{listed}", listed)
}

func policyFile(t *testing.T) string {
	t.Helper()
	return write(t, t.TempDir(), "policy.zone", "$ORIGIN "+zone+"\n"+policy("1", "bad.example"))
}

// primary serves the policy zone to whoever has the secret.
func primary(t *testing.T) (addr, secret string) {
	t.Helper()
	secret = newSecret()
	return StartNSD(t, NSDConfig{
		Zone: zone, ZoneFile: policyFile(t), KeyName: keyName, Algorithm: "hmac-sha256", Secret: secret,
	}).Addr, secret
}

func newSecret() string {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	return base64.StdEncoding.EncodeToString(raw)
}

// applies holds a resolver's answers against the policy: the listed name and those below it lead to the stop host, by
// CNAME, and no other does.
func applies(t *testing.T, addr, listed, unlisted string) {
	t.Helper()
	for _, name := range []string{listed, "www." + listed, "a.b." + listed} {
		answer := Await(t, addr, name, dns.TypeA, Answers(stopAddr))
		if cname, ok := answer.Answer[0].(*dns.CNAME); !ok || cname.Target != stopHost {
			t.Errorf("%s leads to the stop host without a CNAME: %v", name, answer.Answer)
		}
	}
	for _, name := range []string{unlisted, "www." + unlisted, "www.lawful.test."} {
		if answer := Query(t, addr, name, dns.TypeA); !Answers(Elsewhere)(answer) || len(answer.Answer) != 1 {
			t.Errorf("%s is not listed and is answered %v", name, answer)
		}
	}
}

func TestNamed(t *testing.T) {
	t.Parallel()
	up := StartUpstream(t, map[string]string{stopHost: stopAddr})
	addr, secret := primary(t)
	named := StartNamed(t, NamedConfig{
		Zone: zone, Primary: addr, KeyName: keyName, Algorithm: "hmac-sha256", Secret: secret, Upstream: up.Addr,
	})
	applies(t, named.Addr, "bad.example.", "good.example.")
}

func TestRecursor(t *testing.T) {
	t.Parallel()
	up := StartUpstream(t, map[string]string{stopHost: stopAddr})
	addr, secret := primary(t)
	recursor := StartRecursor(t, RecursorConfig{
		Zone: zone, Primary: addr, KeyName: keyName, Algorithm: "hmac-sha256", Secret: secret, Upstream: up.Addr,
	})
	applies(t, recursor.Addr, "bad.example.", "good.example.")
	if policies, err := recursor.Policies(); err != nil || len(policies) != 3 {
		t.Errorf("it holds %v, %v", policies, err)
	}
}

func TestUnbound(t *testing.T) {
	t.Parallel()
	up := StartUpstream(t, map[string]string{stopHost: stopAddr})
	file := policyFile(t)
	unbound := StartUnbound(t, UnboundConfig{Zone: zone, ZoneFile: file, Upstream: up.Addr})
	applies(t, unbound.Addr, "bad.example.", "good.example.")

	write(t, filepath.Dir(file), filepath.Base(file), "$ORIGIN "+zone+"\n"+policy("2", "worse.example"))
	unbound.Reload()
	applies(t, unbound.Addr, "worse.example.", "bad.example.")
}

func TestNamedFile(t *testing.T) {
	t.Parallel()
	up := StartUpstream(t, map[string]string{stopHost: stopAddr})
	file := policyFile(t)
	named := StartNamedFile(t, NamedFileConfig{Zone: zone, ZoneFile: file, Upstream: up.Addr}, newSecret())
	applies(t, named.Addr, "bad.example.", "good.example.")

	write(t, filepath.Dir(file), filepath.Base(file), "$ORIGIN "+zone+"\n"+policy("2", "worse.example"))
	reload(t, named.Reload)
	applies(t, named.Addr, "worse.example.", "bad.example.")
}

func reload(t *testing.T, argv []string) {
	t.Helper()
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", argv, err, out)
	}
}

func TestUnboundInclude(t *testing.T) {
	t.Parallel()
	up := StartUpstream(t, nil)
	file := write(t, t.TempDir(), "more.conf", "server:\nlocal-data: \"bad.example. A 192.0.2.99\"\n")
	unbound := StartUnbound(t, UnboundConfig{Include: file, Upstream: up.Addr})
	Await(t, unbound.Addr, "bad.example.", dns.TypeA, Answers(stopAddr))
	Await(t, unbound.Addr, "good.example.", dns.TypeA, Answers(Elsewhere))
	write(t, filepath.Dir(file), filepath.Base(file), "server:\n")
	reload(t, unbound.Control)
	Await(t, unbound.Addr, "bad.example.", dns.TypeA, Answers(Elsewhere))
}

func TestDnsmasq(t *testing.T) {
	t.Parallel()
	up := StartUpstream(t, nil)
	dir := t.TempDir()
	conf := write(t, dir, "conf", "address=/bad.example/192.0.2.99\n")
	hosts := write(t, dir, "hosts", "192.0.2.99 host.example\n")
	d := StartDnsmasq(t, DnsmasqConfig{ConfFile: conf, HostsFile: hosts, Upstream: up.Addr})
	Await(t, d.Addr, "www.bad.example.", dns.TypeA, Answers(stopAddr))
	Await(t, d.Addr, "host.example.", dns.TypeA, Answers(stopAddr))
	Await(t, d.Addr, "good.example.", dns.TypeA, Answers(Elsewhere))
	write(t, dir, "hosts", "")
	reload(t, d.HUP())
	Await(t, d.Addr, "host.example.", dns.TypeA, Answers(Elsewhere))
}

// Knot Resolver sees by itself that its file is another one.
func TestKnotResolver(t *testing.T) {
	t.Parallel()
	up := StartUpstream(t, nil)
	file := policyFile(t)
	denies := func(serial, listed string) string {
		return "$ORIGIN " + zone + "\n" + strings.ReplaceAll(policy(serial, listed), "CNAME "+stopHost, "CNAME .")
	}
	write(t, filepath.Dir(file), filepath.Base(file), denies("1", "bad.example"))
	d := StartKnotResolver(t, KnotResolverConfig{ZoneFile: file, Upstream: up.Addr})
	Await(t, d.Addr, "www.bad.example.", dns.TypeA, Denies)
	Await(t, d.Addr, "good.example.", dns.TypeA, Answers(Elsewhere))
	next := write(t, filepath.Dir(file), "next", denies("2", "worse.example"))
	if err := os.Rename(next, file); err != nil {
		t.Fatal(err)
	}
	Await(t, d.Addr, "worse.example.", dns.TypeA, Denies)
	Await(t, d.Addr, "bad.example.", dns.TypeA, Answers(Elsewhere))
	if log := d.log(); strings.Contains(log, "198.41.0.4") || up.Asked() == 0 {
		t.Errorf("it asked somebody else:\n%s", log)
	}
}

// The primary of these tests gives the zone to nobody without the key: a secondary that has it has proven its TSIG.
func TestNSDWantsTheKey(t *testing.T) {
	t.Parallel()
	addr, secret := primary(t)
	host, port := split(t, addr)
	dig := func(args ...string) string {
		cmd := Command(t, "dig", append([]string{"@" + host, "-p", port, "+noall", "+answer"}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("dig: %v\n%s", err, out)
		}
		return string(out)
	}
	if out := dig("-y", "hmac-sha256:"+keyName+":"+secret, zone, "AXFR"); !strings.Contains(out, "*.bad.example."+zone) {
		t.Errorf("no transfer with the key:\n%s", out)
	}
	if out := dig(zone, "AXFR"); strings.Contains(out, "bad.example") {
		t.Errorf("a transfer without a key:\n%s", out)
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	up := StartUpstream(t, nil)
	unbound := StartUnbound(t, UnboundConfig{Zone: zone, ZoneFile: policyFile(t), Upstream: up.Addr})
	unbound.Stop()
	unbound.Stop()
	if _, err := dns.Exchange(new(dns.Msg).SetQuestion("good.example.", dns.TypeA), unbound.Addr); err == nil {
		t.Error("it answers after its end")
	}
}

// fetch.sh and this package must agree on the folder, and every wrapper there must find its libraries.
func TestTools(t *testing.T) {
	bin, err := folder()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("./fetch.sh").Output()
	if err != nil {
		t.Fatalf("fetch.sh: %v", err)
	}
	if dir := strings.TrimSpace(string(out)); filepath.Join(dir, "bin") != bin {
		t.Fatalf("fetch.sh uses %s, this package %s", dir, bin)
	}
	for tool, args := range map[string][]string{
		"named": {"-v"}, "named-checkzone": {"-v"}, "dig": {"-v"}, "knotd": {"--version"}, "kdig": {"--version"},
		"kzonecheck": {"--version"}, "nsd": {"-v"}, "unbound": {"-V"}, "pdns_recursor": {"--version"},
		"pdns_server": {"--version"}, "sqlite3": {"--version"}, "python3": {"-c", "import dns.version; print(dns.version.version)"},
		"curl": {"--version"}, "openssl": {"version"}, "zstd": {"--version"},
		"dnsmasq": {"--version"}, "kresd": {"--version"},
	} {
		// pdns_recursor ends with 99 after --version.
		if out, err := Command(t, tool, args...).CombinedOutput(); !strings.ContainsAny(string(out), "0123456789") {
			t.Errorf("%s %s: %v\n%s", tool, strings.Join(args, " "), err, out)
		}
	}
	if got := strings.Split(PATH(t), string(os.PathListSeparator))[0]; got != bin {
		t.Errorf("PATH begins with %s, not %s", got, bin)
	}
	if info, err := os.Stat(Path(t, "nsd-checkzone")); err != nil || info.IsDir() {
		t.Errorf("nsd-checkzone: %v", err)
	}
}
