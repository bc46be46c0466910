package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// policyZone is how a zone must be by the configuration. It says so by rules of its own, and not with the code that wrote
// the zone: one bad record is enough for a resolver to drop the zone, or to block everything.
type policyZone struct {
	name, target, hostmaster string
	ns                       []string
	ttl                      uint32
}

// exampleZone is the zone of the configuration that init writes.
var exampleZone = policyZone{zone, stopHost, "hostmaster.police.example.", []string{"ns1.police.example."}, 60}

// equal says whether two zones are the same but for their names.
func (z policyZone) equal(o policyZone) bool {
	return z.name == o.name && z.target == o.target && z.hostmaster == o.hostmaster && z.ttl == o.ttl && slices.Equal(z.ns, o.ns)
}

// trigger is what may stand before the zone's name: letters, digits, hyphens; an asterisk only as the first label.
var trigger = regexp.MustCompile(`^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*$`)

// check holds the text of a zone, a master file, against the rules, and against the names that the lists of the same edition
// have: each of them is in the zone, in their order, and nothing else.
func (z policyZone) check(text string, domains, hosts []string) error {
	var owners []string
	seen := map[string]bool{}
	parser := dns.NewZoneParser(strings.NewReader(text), "", "")
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		owner := rr.Header().Name
		if len(owners)+len(seen) == 0 && rr.Header().Rrtype != dns.TypeSOA {
			return fmt.Errorf("the zone does not begin with its SOA: %v", rr)
		}
		if h := rr.Header(); h.Class != dns.ClassINET || h.Ttl != z.ttl {
			return fmt.Errorf("class or TTL: %v", rr)
		}
		if owner == z.name {
			// An address, a text or a digest here is a policy for the root in two of three resolvers.
			if err := z.checkApex(rr); err != nil {
				return err
			}
			key := rr.String()
			if seen[key] {
				return fmt.Errorf("a record twice: %v", rr)
			}
			seen[key] = true
			continue
		}
		if err := z.checkPolicy(rr); err != nil {
			return err
		}
		if seen[owner] {
			return fmt.Errorf("two records at one owner: %v", rr)
		}
		seen[owner] = true
		owners = append(owners, strings.TrimSuffix(owner, "."+z.name))
	}
	if err := parser.Err(); err != nil {
		return err
	}
	if len(seen)-len(owners) != 1+len(z.ns) {
		return fmt.Errorf("%d records at the apex, want SOA and %d NS", len(seen)-len(owners), len(z.ns))
	}
	var want []string
	for _, name := range domains {
		want = append(want, name, "*."+name)
	}
	want = append(want, hosts...)
	if !slices.IsSorted(domains) || !slices.IsSorted(hosts) || !slices.Equal(owners, want) {
		return fmt.Errorf("the zone's %d policies are not those of %d domains and %d hosts, in their order", len(owners), len(domains), len(hosts))
	}
	return nil
}

func (z policyZone) checkApex(rr dns.RR) error {
	switch rr := rr.(type) {
	case *dns.SOA:
		if rr.Ns == z.ns[0] && rr.Mbox == z.hostmaster {
			return nil
		}
	case *dns.NS:
		if slices.Contains(z.ns, rr.Ns) {
			return nil
		}
	}
	return fmt.Errorf("at the apex: %v", rr)
}

func (z policyZone) checkPolicy(rr dns.RR) error {
	owner := rr.Header().Name
	name, inside := strings.CutSuffix(owner, "."+z.name)
	cname, is := rr.(*dns.CNAME)
	switch {
	case !inside:
		return fmt.Errorf("owner outside the zone: %v", rr)
	case !trigger.MatchString(name):
		return fmt.Errorf("owner that is no name: %v", rr)
	case strings.HasPrefix(name[strings.LastIndexByte(name, '.')+1:], "rpz-"):
		return fmt.Errorf("a trigger on addresses or servers: %v", rr)
	case len(owner)+1 > 255: // on the wire: a length for each dot, and one more
		return fmt.Errorf("owner of %d octets: %v", len(owner)+1, rr)
	case !is || cname.Target != z.target:
		return fmt.Errorf("not a CNAME to %s: %v", z.target, rr)
	case name+"." == z.target: // PASSTHRU was once written so
		return fmt.Errorf("an exception: %v", rr)
	}
	return nil
}

// What the other tests rely on: the check finds every odd record that resolvers are known to trip over.
func TestPolicyZoneCheck(t *testing.T) {
	const head = "$ORIGIN csam.rpz.police.example.\n$TTL 60\n@ SOA ns1.police.example. hostmaster.police.example. 7 300 60 1209600 60\n"
	const ns = "@ NS ns1.police.example.\n"
	block := func(name string) string { return name + " CNAME stop.police.example.\n" }
	good := block("a.test") + block("*.a.test") + block("b.test") + block("*.b.test") + block("www.c.test")
	domains, hosts := []string{"a.test", "b.test"}, []string{"www.c.test"}
	if err := exampleZone.check(head+ns+good, domains, hosts); err != nil {
		t.Fatalf("a good zone: %v", err)
	}
	long := strings.Repeat("a.", 116) // 232 octets, and 26 of the zone on the wire
	for what, text := range map[string]string{
		"an address at the apex":       head + ns + "@ A 192.0.2.1\n" + good,
		"a text at the apex":           head + ns + "@ TXT x\n" + good,
		"a digest at the apex":         head + ns + "@ ZONEMD 7 1 1 " + strings.Repeat("00", 48) + "\n" + good,
		"a CNAME at the apex":          head + ns + block("@") + good,
		"another NS":                   head + ns + "@ NS ns2.police.example.\n" + good,
		"no NS":                        head + good,
		"the SOA at the end":           strings.Replace(head, "@ SOA", "; SOA", 1) + ns + good + "@ SOA ns1.police.example. hostmaster.police.example. 7 300 60 1209600 60\n",
		"another hostmaster":           strings.Replace(head, "hostmaster", "host", 1) + ns + good,
		"another TTL":                  head + ns + good + "d.test 61 CNAME stop.police.example.\n",
		"two CNAMEs":                   head + ns + good + "www.c.test CNAME .\n",
		"a CNAME twice":                head + ns + good + block("www.c.test"),
		"an address at an owner":       head + ns + good + "www.c.test A 192.0.2.1\n",
		"an owner outside":             head + ns + good + block("other.test."),
		"an IP trigger":                head + ns + good + block("32.1.2.0.192.rpz-ip"),
		"an IP trigger without prefix": head + ns + good + block("1.2.0.192.rpz-ip"),
		"a client trigger":             head + ns + good + block("32.1.2.0.192.rpz-client-ip"),
		"a server trigger":             head + ns + good + block("ns.test.rpz-nsdname"),
		"an unknown action":            head + ns + good + "d.test CNAME rpz-future.\n",
		"an exception":                 head + ns + good + "d.test CNAME rpz-passthru.\n",
		"an exception of old":          head + ns + good + block("stop.police.example"),
		"another target":               head + ns + good + "d.test CNAME .\n",
		"capitals":                     head + ns + strings.ReplaceAll(good, "www", "WWW"),
		"an owner of 258 octets":       head + ns + good + block(long+"d"),
		"a wildcard in the middle":     head + ns + good + block("x.*.d.test"),
		"a policy for everything":      head + ns + good + block("*"),
		"an escape":                    head + ns + good + block(`\097.test`),
		"a name too many":              head + ns + good + block("d.test"),
		"a name too few":               head + ns + strings.TrimSuffix(good, block("www.c.test")),
		"a wildcard too few":           head + ns + strings.Replace(good, block("*.b.test"), "", 1),
		"another order":                head + ns + block("b.test") + block("*.b.test") + block("a.test") + block("*.a.test") + block("www.c.test"),
		"half a line":                  head + ns + good + "d.test CNA",
		"an $INCLUDE":                  head + ns + good + "$INCLUDE /dev/null\n",
	} {
		if exampleZone.check(text, domains, hosts) == nil {
			t.Errorf("%s is not noticed", what)
		}
	}
}
