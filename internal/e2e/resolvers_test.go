package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/vaern/vaern/internal/peers"
)

const (
	stopAddr = "192.0.2.99"
	samples  = 200
)

// resolver is one of three that an ISP may run, and how it hears that there is something new.
type resolver struct {
	name, addr, log string
	refresh         func()
}

// The main job from the edition on: resolvers that nobody here wrote block what is on the list and nothing else, and let
// go of what was withdrawn.
func TestResolvers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.decideAll(inputs(t)[0])
	w.compile()
	domains := w.lines("domains.txt")
	w.list(domains...)
	nordnet := w.addISP("nordnet", "csam")
	s := w.serve()
	resolvers := s.startResolvers(nordnet)

	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	lot := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // no secret
	blocked := draw(lot, domains)
	free := unlisted(lot, domains, strings.Fields(w.read("never-block.txt")))
	for _, r := range resolvers {
		begin := time.Now()
		for _, name := range append(blocked, testName) {
			stops(t, r.addr, name)
			stops(t, r.addr, label(lot)+"."+name)
		}
		for _, name := range free {
			passes(t, r.addr, name)
		}
		// A host is that name alone; a URL is no business of DNS.
		stops(t, r.addr, hostName)
		for _, name := range []string{"www." + hostName, strings.TrimPrefix(hostName, "www."), urlHost, "www." + urlHost} {
			passes(t, r.addr, name)
		}
		t.Logf("%s: %d listed names and those below them stop, %d others pass: %v",
			r.name, len(blocked)+1, len(free), time.Since(begin).Round(time.Millisecond))
	}
	w.withdrawEverywhere(s, resolvers, blocked[0])
	for _, r := range resolvers {
		stops(t, r.addr, blocked[1])
		stops(t, r.addr, testName)
	}
}

func (s *server) startResolvers(i isp) []resolver {
	s.t.Helper()
	up := peers.StartUpstream(s.t, map[string]string{stopHost: stopAddr})
	named := peers.StartNamed(s.t, peers.NamedConfig{
		Zone: zone, Primary: s.dns, KeyName: i.TSIG.Name, Algorithm: i.TSIG.Algorithm, Secret: i.TSIG.Secret, Upstream: up.Addr,
	})
	recursor := peers.StartRecursor(s.t, peers.RecursorConfig{
		Zone: zone, Primary: s.dns, KeyName: i.TSIG.Name, Algorithm: i.TSIG.Algorithm, Secret: i.TSIG.Secret, Upstream: up.Addr,
	})
	s.download(i)
	unbound := peers.StartUnbound(s.t, peers.UnboundConfig{Zone: zone, ZoneFile: s.file("rpz.zone"), Upstream: up.Addr})
	return []resolver{
		{"BIND", named.Addr, named.Log, func() { notify(s.t, named.Addr) }},
		{"PowerDNS Recursor", recursor.Addr, recursor.Log, func() {}}, // asks every second
		{"Unbound", unbound.Addr, unbound.Log, func() { s.download(i); unbound.Reload() }},
	}
}

// download is what an ISP does whose resolver reads a file.
func (s *server) download(i isp) {
	s.t.Helper()
	s.tool("curl", "-sS", "--fail", "-H", "@"+i.Name+".header", "-o", "rpz.zone.zst", "http://"+s.http+"/v1/csam/rpz.zone.zst")
	s.tool("zstd", "-dqf", "rpz.zone.zst", "-o", "rpz.zone")
}

// notify tells BIND that there is a new serial (RFC 1996), rather than have it find out when the SOA's refresh is over.
func notify(t testing.TB, addr string) {
	t.Helper()
	m := new(dns.Msg)
	m.SetNotify(zone)
	client := dns.Client{Timeout: 5 * time.Second}
	if answer, _, err := client.Exchange(m, addr); err != nil || answer.Rcode != dns.RcodeSuccess {
		t.Fatalf("NOTIFY: %v %v", answer, err)
	}
}

// withdrawEverywhere takes a name off the list, and measures how long each resolver goes on blocking it.
func (w *world) withdrawEverywhere(s *server, resolvers []resolver, name string) {
	w.t.Helper()
	w.write("gone.txt", name+"\n")
	w.decide([]string{"bo"}, "--withdraw", "gone.txt")
	begin := time.Now()
	serial := w.compile().Serial
	published := time.Now()
	w.t.Logf("withdrawn: compiled in %v", published.Sub(begin).Round(time.Millisecond))
	await(w.t, "vaernd serves the new edition", func() bool { return s.soa("nordnet.key") == w.latest() })
	w.t.Logf("withdrawn: edition %d served %v after it was published", serial, time.Since(published).Round(time.Millisecond))
	cleared := make(chan string)
	for _, r := range resolvers {
		go func() {
			for !letsGo(r.addr, name) && time.Since(published) < patience {
				time.Sleep(20 * time.Millisecond)
			}
			cleared <- fmt.Sprintf("%s lets it go %v after it was published", r.name, time.Since(published).Round(time.Millisecond))
		}()
	}
	for _, r := range resolvers {
		r.refresh()
	}
	for range resolvers {
		w.t.Log("withdrawn:", <-cleared)
	}
	for _, r := range resolvers {
		passes(w.t, r.addr, name)
		passes(w.t, r.addr, "a-name-of-nobody."+name) // www may have been decided on by itself, and come again
	}
}

// letsGo says whether a resolver lets a name through that it blocked until now. It is for any goroutine.
func letsGo(addr, name string) bool {
	query := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeA)
	answer, _, err := (&dns.Client{Timeout: time.Second}).Exchange(query, addr)
	return err == nil && passing(answer)
}

// stops waits until a name leads to the stop host: a resolver that has just got a zone applies it bit by bit.
func stops(t testing.TB, addr, name string) {
	t.Helper()
	peers.Await(t, addr, name, dns.TypeA, func(m *dns.Msg) bool {
		if len(m.Answer) != 2 || !peers.Answers(stopAddr)(m) {
			return false
		}
		cname, ok := m.Answer[0].(*dns.CNAME)
		return ok && cname.Target == stopHost && dns.CanonicalName(cname.Hdr.Name) == dns.Fqdn(name)
	})
}

func passes(t testing.TB, addr, name string) {
	t.Helper()
	if m := ask(t, addr, name); !passing(m) {
		t.Errorf("%s is not listed, and is answered %v", name, m)
	}
}

func ask(t testing.TB, addr, name string) *dns.Msg {
	t.Helper()
	return peers.Query(t, addr, name, dns.TypeA)
}

func passing(m *dns.Msg) bool { return len(m.Answer) == 1 && peers.Answers(peers.Elsewhere)(m) }

// draw takes some listed names by lot, but none of those that a resolver answers by itself, whatever any zone says.
func draw(lot *rand.Rand, domains []string) []string {
	all := slices.DeleteFunc(slices.Clone(domains), func(name string) bool { return name == testName || onion(name) })
	lot.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:samples]
}

// onion says whether a name is of .onion: a resolver answers that there is none, before it looks at any zone (RFC 7686).
func onion(name string) bool { return strings.HasSuffix(name, ".onion") }

func label(lot *rand.Rand) string {
	return string(rune('a'+lot.IntN(26))) + string(rune('a'+lot.IntN(26)))
}

// unlisted makes up names that are not on the list, many of them very near it: popular ones, what is above a listed name,
// and a listed name with a letter more.
func unlisted(lot *rand.Rand, domains, popular []string) (free []string) {
	listed := map[string]bool{}
	for _, name := range domains {
		listed[name] = true
	}
	covered := func(name string) bool {
		for ok := true; ok; _, name, ok = strings.Cut(name, ".") {
			if listed[name] {
				return true
			}
		}
		return false
	}
	for len(free) < samples {
		name := domains[lot.IntN(len(domains))]
		switch len(free) % 3 {
		case 0:
			name = popular[lot.IntN(len(popular))]
		case 1:
			_, name, _ = strings.Cut(name, ".")
		case 2:
			name = "x" + name
		}
		if first, _, _ := strings.Cut(name, "."); strings.Contains(name, ".") && !onion(name) && len(first) < 64 && !covered(name) {
			free = append(free, name)
		}
	}
	return free
}

func TestUnlistedNamesAreNotCovered(t *testing.T) {
	lot := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // no secret
	for _, name := range unlisted(lot, []string{"a.test", "b.c.test"}, []string{"www.a.test", "d.test"}) {
		if strings.HasSuffix("."+name, ".a.test") || name == "b.c.test" {
			t.Errorf("%s is covered", name)
		}
	}
}
