package e2e

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/peers"
)

// What is transferred is applied: BIND and PowerDNS Recursor block by the zone that they have from us, and Unbound, which knows
// no TSIG, by what NSD beside it has from us. So it is for the first edition, and for those that come as differences.
func TestSecondariesBlock(t *testing.T) {
	t.Parallel()
	lot := rand.New(rand.NewPCG(seed(t), 0)) //nolint:gosec // no secret
	p := newPrimary(t, "named", "pdns_recursor", "nsd")
	list := newChanging(t, lot)
	list.addExtremes()
	serial := blocklist.Serial(1<<32 - 3)
	p.publish(list.zone(), serial, list.set(), 0)
	p.open()

	up := peers.StartUpstream(t, map[string]string{stopHost: stopAddr})
	named := p.startNamed(up)
	recursor := p.startRecursor(up)
	nsd := peers.StartNSDSecondary(t, p.secondary("nsd"))
	await(t, "NSD has a zone", func() bool { _, ok := nsd.Serial(); return ok })
	unbound := peers.StartUnbound(t, peers.UnboundConfig{Zone: zone, Primary: nsd.Addr, Upstream: up.Addr})
	resolvers := map[string]string{"named": named.Addr, "pdns_recursor": recursor.Addr, "unbound": unbound.Addr}

	var gone []target
	for _, change := range []func(){
		func() {},
		list.otherUnits,
		func() { list.addParents(); list.addNew(10) },
		func() { list.removeParents(); gone = list.some(30); list.take(gone) },
	} {
		change()
		if serial++; serial == 0 {
			serial++
		}
		p.publish(list.zone(), serial, list.set(), 4)
		named.Notify()
		nsd.Notify()
		await(t, "NSD has the edition", func() bool { has, ok := nsd.Serial(); return ok && has == uint32(serial) })
		notify(t, unbound.Addr)
		asked := around(append(list.some(40), gone...))
		for name, addr := range resolvers {
			blocked := 0
			for _, ask := range asked {
				if list.blocks(ask) {
					stops(t, addr, ask)
					blocked++
				} else {
					await(t, name+" lets an unlisted name go", func() bool { return letsGo(addr, ask) })
				}
			}
			t.Logf("edition %v: %s blocks %d of %d names that it was asked for", serial, name, blocked, len(asked))
			if blocked < len(asked)/8 || blocked > len(asked)*7/8 {
				t.Errorf("%d of %d names are listed: this tells little", blocked, len(asked))
			}
		}
	}
	differences := map[string]int{}
	for _, s := range p.audit.since(0) {
		if s.kind == "ixfr" && s.result == "complete" {
			differences[s.client]++
		}
	}
	if t.Log("differences:", differences); len(differences) != len(p.keys) {
		t.Error("not everybody had a difference")
	}
}

// around are names of entries, and names above, below and beside them.
func around(entries []target) (names []string) {
	for _, t := range entries {
		names = append(names, t.text)
		if len(t.text) <= 250 {
			names = append(names, "a."+t.text)
		}
		first, parent, _ := strings.Cut(t.text, ".")
		if len(first) < 63 && len(t.text) < 253 {
			names = append(names, "x"+t.text)
		}
		if strings.Contains(parent, ".") {
			names = append(names, parent)
		}
	}
	return names
}
