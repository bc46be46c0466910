package e2e

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// complaint is what the resolvers write when something about a zone is not to their liking; not what they say of themselves
// when they start.
var complaint = regexp.MustCompile(`(?i)\b(rpz|zone|transfer|policy)\b.*(error|warn|fail|invalid|discard|ignor|not loaded|too long|skip|unsupported)| (error|warning): `)

// The names at the edge of what is allowed are blocked by resolvers as any other, and nothing around them is; and none of the
// resolvers finds anything odd in the zone.
func TestResolversTakeTheExtremes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, alone, noGrowthLimit)
	all := exampleZone.extremes("q")
	w.adds("csv", all...)
	w.compile()
	domains, hosts := w.lines("domains.txt"), w.lines("hosts.txt")
	nordnet := w.addISP("nordnet", "csam")
	s := w.serve()
	for _, r := range s.startResolvers(nordnet) {
		for _, name := range domains {
			stops(t, r.addr, name)
			stops(t, r.addr, "a."+name)
			stops(t, r.addr, below(name))
		}
		for _, name := range hosts {
			stops(t, r.addr, name)
			passes(t, r.addr, "a."+name)
			passes(t, r.addr, below(name))
			if _, above, _ := strings.Cut(name, "."); !covered(above, domains) {
				passes(t, r.addr, above)
			}
		}
		for _, target := range all {
			if target.unit == "url" && !strings.Contains(target.text, "192.0.2.7") {
				passes(t, r.addr, strings.Split(target.text, "/")[2])
			}
		}
		passes(t, r.addr, longName("nobody", 253))
		passes(t, r.addr, "test")
		data, err := os.ReadFile(r.log)
		if err != nil {
			t.Fatal(err)
		}
		log := string(data)
		for line := range strings.Lines(log) {
			if complaint.MatchString(line) {
				t.Errorf("%s says %s", r.name, line)
			}
		}
		policies := 2*len(domains) + len(hosts)
		loaded := map[string]string{"BIND": fmt.Sprintf(" %d records, ", policies+3), "PowerDNS Recursor": fmt.Sprintf("nrecords=%q", fmt.Sprint(policies))}
		if !strings.Contains(log, loaded[r.name]) {
			t.Errorf("%s has not loaded %d policies:\n%s", r.name, policies, log)
		}
	}
}

// below is a name below another one, as long as a name can be: together with the zone's it is longer.
func below(name string) string {
	return strings.TrimSuffix(longName("a", 253-len(name)-1+len(".test")), ".test") + "." + name
}

func covered(name string, domains []string) bool {
	for _, d := range domains {
		if name == d || strings.HasSuffix(name, "."+d) {
			return true
		}
	}
	return false
}
