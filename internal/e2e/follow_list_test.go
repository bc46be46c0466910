package e2e

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/dnsfeed"
)

// deck gives its cards by lot, each once before one comes again.
type deck[T any] struct{ all, left []T }

func (d *deck[T]) draw(lot *rand.Rand) T {
	if len(d.left) == 0 {
		d.left = slices.Clone(d.all)
		lot.Shuffle(len(d.left), func(i, j int) { d.left[i], d.left[j] = d.left[j], d.left[i] })
	}
	card := d.left[0]
	d.left = d.left[1:]
	return card
}

// changing is a list that changes by lot, and how its zone looks. The same lot makes the same changes.
type changing struct {
	t        testing.TB
	lot      *rand.Rand
	policy   policyZone
	units    map[target]bool // what was decided; what a domain covers is among it
	parents  []target        // domains that were put above others
	changes  deck[change]
	given    int // numbers names, so that they are new
	settings deck[func(*policyZone)]
}

// change is one kind of change.
type change struct {
	name string
	make func(*changing)
}

// A list of every day has some hundred names here, so that a difference is worth while, and each kind of change makes one
// that is another: that is what a secondary has to get right.
func newChanging(t testing.TB, lot *rand.Rand) *changing {
	t.Helper()
	c := &changing{t: t, lot: lot, policy: exampleZone, units: map[target]bool{}}
	c.policy.ns = slices.Clone(c.policy.ns)
	few := change{"a few", func(c *changing) { c.remove(1 + lot.IntN(5)); c.addNew(1 + lot.IntN(15)) }}
	settings := change{"settings", func(c *changing) { c.settings.draw(c.lot)(&c.policy) }}
	c.changes.all = []change{
		{"nothing", func(*changing) {}},
		{"one more", func(c *changing) { c.addNew(1) }},
		{"one less", func(c *changing) { c.remove(1) }},
		few, few, few, few,
		{"fewer", func(c *changing) { c.remove(1 + lot.IntN(15)) }},
		{"other units", (*changing).otherUnits},
		{"parents", (*changing).addParents},
		{"parents", (*changing).addParents},
		{"no parents", (*changing).removeParents},
		{"extremes", (*changing).addExtremes},
		{"burst", func(c *changing) { c.addNew(200 + lot.IntN(500)) }},
		{"ebb", func(c *changing) { c.remove(max(100, len(c.units)-400)) }},
		{"all others", func(c *changing) { clear(c.units); c.addNew(200 + lot.IntN(200)) }},
		{"a single name", func(c *changing) { clear(c.units); c.addNew(1) }},
		settings, settings,
	}
	c.settings.all = []func(*policyZone){
		func(z *policyZone) { z.ttl = 1 + uint32(lot.IntN(300)) }, //nolint:gosec // small
		func(z *policyZone) {
			targets := []string{stopHost, ".", "*.", "halt.police.example."}
			z.target = targets[(slices.Index(targets, z.target)+1)%len(targets)]
		},
		func(z *policyZone) {
			z.hostmaster = label(lot) + ".police.example."
			if z.ns = []string{"ns1.police.example."}; lot.IntN(2) == 0 {
				z.ns = append(z.ns, "ns-"+label(lot)+".police.example.")
			}
		},
	}
	c.addNew(300)
	return c
}

// change makes the next change, and returns what it is called.
func (c *changing) change() string {
	change := c.changes.draw(c.lot)
	change.make(c)
	if len(c.units) < 100 && change.name != "a single name" { // a list that stays small tells little
		c.addNew(300)
	}
	return change.name
}

// decided returns what is decided, in an order that is the same each time.
func (c *changing) decided() []target {
	return slices.SortedFunc(maps.Keys(c.units), func(a, b target) int {
		return strings.Compare(a.text+" "+a.unit, b.text+" "+b.unit)
	})
}

// some draws n of what is decided, or all that there is.
func (c *changing) some(n int) []target {
	all := c.decided()
	c.lot.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:min(n, len(all))]
}

// add decides on a name, which must have room in the zone.
func (c *changing) add(unit, name string) {
	c.t.Helper()
	u, err := blocklist.ParseUnit(unit)
	if err != nil {
		c.t.Fatal(err)
	}
	parsed, err := blocklist.ParseTarget(u, name)
	if err != nil {
		c.t.Fatalf("%s %s: %v", unit, name, err)
	}
	c.units[target{unit, parsed.Reveal()}] = true
}

// foreign are labels that become A-labels.
var foreign = []string{"bücher", "österreich", "españa", "пример", "例え", "δοκιμή", "한국"}

// addNew adds n names: many beside each other below a few parents, some deep, some far away.
func (c *changing) addNew(n int) {
	c.t.Helper()
	for range n {
		c.given++
		name := fmt.Sprintf("%s%d.%s.%s", label(c.lot), c.given, label(c.lot), []string{"example", "test", "invalid"}[c.lot.IntN(3)])
		switch c.lot.IntN(8) {
		case 0:
			name = fmt.Sprintf("%d.example", c.given)
		case 1:
			name = fmt.Sprintf("%s%d.test", foreign[c.lot.IntN(len(foreign))], c.given)
		case 2:
			name = strings.Repeat(label(c.lot)+".", 1+c.lot.IntN(50)) + name
		case 3:
			name = longName(fmt.Sprint("l", c.given), 20+c.lot.IntN(c.policy.room("domain")-20+1))
		}
		c.add([]string{"domain", "domain", "host"}[c.lot.IntN(3)], name)
	}
}

// remove takes n entries out, but not the last.
func (c *changing) remove(n int) {
	c.take(c.some(min(n, len(c.units)-1)))
}

func (c *changing) take(entries []target) {
	for _, t := range entries {
		delete(c.units, t)
	}
}

// otherUnits makes hosts of domains and domains of hosts: a wildcard goes or comes, and its name stays. Some are both.
func (c *changing) otherUnits() {
	for _, t := range c.some(20) {
		other := target{"host", t.text}
		if t.unit == "host" {
			other.unit = "domain"
		}
		if len(t.text) > c.policy.room(other.unit) {
			continue
		}
		c.units[other] = true
		if c.lot.IntN(4) > 0 {
			delete(c.units, t)
		}
	}
}

// addParents puts domains above some names, and above whatever else is below them.
func (c *changing) addParents() {
	for _, t := range c.some(3) {
		if _, parent, _ := strings.Cut(t.text, "."); strings.Contains(parent, ".") {
			c.add("domain", parent)
			c.parents = append(c.parents, target{"domain", parent})
		}
	}
}

// removeParents takes all of them away: what they covered comes again.
func (c *changing) removeParents() {
	for _, t := range c.parents {
		if len(c.units) > 1 {
			delete(c.units, t)
		}
	}
	c.parents = nil
}

func (c *changing) addExtremes() {
	c.given++
	for _, t := range c.policy.extremes(fmt.Sprint("q", c.given)) {
		if t.unit != "url" {
			c.add(t.unit, t.text)
		}
	}
}

// set is the list as the authority's code has it.
func (c *changing) set() *blocklist.Set {
	c.t.Helper()
	var rows []blocklist.Row
	for _, t := range c.decided() {
		unit, err := blocklist.ParseUnit(t.unit)
		if err != nil {
			c.t.Fatal(err)
		}
		parsed, err := blocklist.ParseTarget(unit, t.text)
		if err != nil {
			c.t.Fatal(err)
		}
		rows = append(rows, blocklist.Row{Target: parsed})
	}
	return blocklist.NewSet(rows)
}

// zone is the zone as the authority's code has it.
func (c *changing) zone() dnsfeed.Zone {
	action := c.policy.target
	switch action {
	case ".":
		action = dnsfeed.ActionNXDomain
	case "*.":
		action = dnsfeed.ActionNoData
	}
	return dnsfeed.Zone{
		Name: c.policy.name, Action: action, TTL: c.policy.ttl, NS: slices.Clone(c.policy.ns), Hostmaster: c.policy.hostmaster,
	}
}

// policies are the zone's policies as they have to be, by rules of their own: each entry that no domain covers, in one or
// two records. They are sorted.
func (c *changing) policies() (lines []string) {
	for t := range c.units {
		_, parent, _ := strings.Cut(t.text, ".")
		if c.covers(parent) || t.unit == "host" && c.covers(t.text) {
			continue
		}
		tail := fmt.Sprintf(".%s %d IN CNAME %s", c.policy.name, c.policy.ttl, c.policy.target)
		lines = append(lines, t.text+tail)
		if t.unit == "domain" {
			lines = append(lines, "*."+t.text+tail)
		}
	}
	slices.Sort(lines)
	return lines
}

// covers says whether a domain covers a name.
func (c *changing) covers(name string) bool {
	for ; name != ""; _, name, _ = strings.Cut(name, ".") {
		if c.units[target{"domain", name}] {
			return true
		}
	}
	return false
}

// blocks says whether a resolver has to block a name.
func (c *changing) blocks(name string) bool { return c.covers(name) || c.units[target{"host", name}] }

// apex is the rest of the zone.
func (c *changing) apex(serial blocklist.Serial) (lines []string) {
	z := c.policy
	lines = []string{fmt.Sprintf("%s %d IN SOA %s %s %d 300 60 1209600 60", z.name, z.ttl, z.ns[0], z.hostmaster, serial)}
	for _, ns := range z.ns {
		lines = append(lines, fmt.Sprintf("%s %d IN NS %s", z.name, z.ttl, ns))
	}
	return lines
}

// lines are records in the form of policies and apex, sorted.
func lines(records []dns.RR) (all []string) {
	for _, rr := range records {
		all = append(all, strings.ToLower(strings.Join(strings.Fields(rr.String()), " ")))
	}
	for i, line := range all {
		for _, word := range []string{" in cname ", " in soa ", " in ns "} {
			line = strings.Replace(line, word, strings.ToUpper(word), 1)
		}
		all[i] = line
	}
	slices.Sort(all)
	return all
}

// The lists that the secondaries are judged by have what makes a zone hard, and the same twice from one seed.
func TestChangingLists(t *testing.T) {
	t.Parallel()
	make := func() (texts []string, c *changing) {
		c = newChanging(t, rand.New(rand.NewPCG(7, 0))) //nolint:gosec // no secret
		for range 2 * len(c.changes.all) {
			c.change()
			if len(c.policies()) == 0 {
				t.Fatal("an empty zone, which no authority makes")
			}
			texts = append(texts, strings.Join(append(c.apex(1), c.policies()...), "\n"))
		}
		for range 4 * len(c.settings.all) {
			c.settings.draw(c.lot)(&c.policy)
			texts = append(texts, strings.Join(append(c.apex(1), c.policies()...), "\n"))
		}
		return texts, c
	}
	texts, c := make()
	if again, _ := make(); !slices.Equal(texts, again) {
		t.Error("the same seed makes other lists")
	}
	all := strings.Join(texts, "\n") + "\n"
	longest, labels := 0, 0
	for line := range strings.Lines(all) {
		owner, _, _ := strings.Cut(line, " ")
		longest, labels = max(longest, len(owner)+1), max(labels, strings.Count(owner, "."))
	}
	if longest != 255 || labels < 100 {
		t.Errorf("the longest name has %d octets, the deepest %d labels", longest, labels)
	}
	for _, word := range []string{"xn--", " CNAME .\n", " CNAME *.\n", " NS ns-"} {
		if !strings.Contains(all, word) {
			t.Errorf("no zone has %q", word)
		}
	}
	if unlike := slices.Compact(slices.Sorted(slices.Values(texts))); len(unlike) < len(texts)*3/4 {
		t.Errorf("only %d of %d zones are different", len(unlike), len(texts))
	}
	if len(c.set().Rows(blocklist.URL)) != 0 {
		t.Error("a URL, which has no place in a zone")
	}
}
