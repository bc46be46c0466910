package e2e

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/vaern/vaern/blocklist"
)

// editionsToFollow is how many editions the secondaries are taken through.
func editionsToFollow() int {
	if full {
		return 1000
	}
	return 40
}

// seed is that of VAERN_SEED, to see a failure again, or another one each time.
func seed(t testing.TB) uint64 {
	t.Helper()
	n := rand.Uint64()
	if text := os.Getenv("VAERN_SEED"); text != "" {
		var err error
		if n, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("VAERN_SEED: %v", err)
		}
	}
	t.Logf("VAERN_SEED=%d makes the same choices", n)
	return n
}

// journey is the way of some secondaries through the editions of a list.
type journey struct {
	t         *testing.T
	lot       *rand.Rand
	list      *changing
	primary   *primary
	followers []*follower
	serial    blocklist.Serial
	left      []uint32 // the steps that the serial will take
	wraps     int      // how often it went from 4294967295 to 0

	// Since the last comparison:
	heard    int        // how much the server had said by then
	policies []string   // of the newest edition
	settings policyZone // of that one too
	other    bool       // whether settings changed
	changed  int        // octets of the policies that came and went
	smallest int        // octets of the smallest zone's policies

	rounds, light int
}

// R6: the secondaries of four houses, and a resolver of a fifth, hold what is published, record by record, whatever changes
// and whoever was away meanwhile. They get there by differences: one whose difference is not to its liking would ask for the
// whole zone, and that fails too.
func TestSecondariesFollow(t *testing.T) {
	t.Parallel()
	seed := seed(t)
	j := &journey{t: t, lot: rand.New(rand.NewPCG(seed, 0))} //nolint:gosec // no secret
	j.list = newChanging(t, j.lot)
	j.primary = newPrimary(t, followers...)
	j.numberEditions(editionsToFollow())
	j.publish(0)
	j.primary.open()
	j.followers = j.primary.startFollowers()
	j.compare(map[string]bool{})

	quiet, several, away := j.quiet, j.several, j.away
	events := deck[func()]{all: []func(){
		quiet, quiet, quiet, quiet, quiet, quiet, quiet, several, several, away, away, j.primaryAway, j.forgotten,
	}}
	began := time.Now()
	for len(j.left) > 0 {
		events.draw(j.lot)()
	}
	j.sum()
	t.Logf("%d editions, %d comparisons, %d of them of differences, in %v",
		editionsToFollow(), j.rounds, j.light, time.Since(began).Round(time.Second))
	if j.wraps == 0 || j.light < 3 {
		t.Errorf("the serial wrapped %d times, and %d comparisons were of differences", j.wraps, j.light)
	}
}

// numberEditions chooses the first serial and the step to each next one, so that the wrap from 4294967295 to 0 is crossed
// after a third of the way (RFC 1982). Zero is no serial. All steps of the longest absence stay below 2^31.
func (j *journey) numberEditions(n int) {
	sum := uint32(0)
	for i := range n - 1 {
		step := 1 + uint32(j.lot.IntN(1000)) //nolint:gosec // small, as the next
		switch j.lot.IntN(8) {
		case 0:
			step = 1
		case 1:
			step = 1 + uint32(j.lot.IntN(1<<28))
		}
		j.left = append(j.left, step)
		if i < n/3 {
			sum += step
		}
	}
	j.serial = blocklist.Serial(-sum - uint32(j.lot.IntN(int(j.left[n/3])))) //nolint:gosec // it wraps
	if j.serial == 0 {
		j.serial = 1
	}
}

// publish makes the next edition, if there is one still to come, and keeps so many.
func (j *journey) publish(keep int) {
	j.t.Helper()
	what := "the first"
	if len(j.primary.order) > 0 {
		if len(j.left) == 0 {
			return
		}
		what = j.list.change()
		before := j.serial
		if j.serial += blocklist.Serial(j.left[0]); j.serial == 0 {
			j.serial = 1
		}
		if j.serial < before {
			j.wraps++
		}
		j.left = j.left[1:]
	}
	policies := j.list.policies()
	j.other = j.other || !j.settings.equal(j.list.policy)
	j.changed += octets(without(policies, j.policies)) + octets(without(j.policies, policies))
	j.smallest = min(j.smallest, octets(j.policies), octets(policies))
	j.policies, j.settings = policies, j.list.policy
	j.primary.publish(j.list.zone(), j.serial, j.list.set(), keep)
	j.t.Logf("edition %v: %s; %d entries", j.serial, what, len(j.list.units))
}

// An edition more.
func (j *journey) quiet() {
	j.t.Helper()
	j.publish(4)
	j.compare(map[string]bool{})
}

// Some editions quickly after each other, each announced.
func (j *journey) several() {
	j.t.Helper()
	for range 2 + j.lot.IntN(3) {
		j.publish(6)
		for _, f := range j.followers {
			f.notify()
		}
	}
	j.compare(map[string]bool{})
}

// Some secondaries are away for some editions.
func (j *journey) away() {
	j.t.Helper()
	j.compare(j.absence(func([]*follower) {}))
}

// Some secondaries are away until nobody knows any more what they have.
func (j *journey) forgotten() {
	j.t.Helper()
	lost := j.absence(func(present []*follower) {
		for _, f := range present {
			f.awaits(j.t, j.serial)
		}
		j.primary.forget(0, nil)
	})
	for name := range lost {
		lost[name] = true
	}
	j.compare(lost)
}

// absence stops some daemons, publishes, and starts them again. It returns who was away.
func (j *journey) absence(meanwhile func(present []*follower)) map[string]bool {
	j.t.Helper()
	all := slices.Clone(j.followers)
	j.lot.Shuffle(len(all), func(a, b int) { all[a], all[b] = all[b], all[a] })
	n := 1 + j.lot.IntN(3)
	away, present := all[:n], all[n:]
	gone := map[string]bool{}
	for _, f := range away {
		f.daemon.Stop()
		gone[f.name] = false
		if f.forgets {
			f.has = 0
		}
	}
	for range 1 + j.lot.IntN(3) {
		j.publish(6)
		if j.lot.IntN(2) == 0 {
			for _, f := range present {
				f.awaits(j.t, j.serial)
			}
		}
	}
	meanwhile(present)
	for _, f := range away {
		f.daemon.Start()
	}
	return gone
}

// The server is away for some editions, and those who ask it meanwhile hear nothing.
func (j *journey) primaryAway() {
	j.t.Helper()
	j.primary.close()
	for range 1 + j.lot.IntN(3) {
		j.publish(6)
		for _, f := range j.followers {
			f.notify()
		}
	}
	j.primary.open()
	j.compare(map[string]bool{})
}

// compare waits until everybody has the newest edition, and holds theirs against it. Those who are lost had a version that
// the server does not know.
func (j *journey) compare(lost map[string]bool) {
	j.t.Helper()
	for _, f := range j.followers {
		f.awaits(j.t, j.serial)
	}
	// A difference that is a small part of the zone is never the longer answer.
	light := !j.other && j.changed*4 <= j.smallest && j.smallest >= 4000
	for _, f := range j.followers {
		if err := f.holds(j.t, j.serial, j.list.apex(j.serial), j.policies); err != nil {
			j.t.Fatalf("%s, edition %v: %v", f.name, j.serial, err)
		}
		j.sentWhatItShould(f, light, lost[f.name])
		f.has = j.serial
	}
	j.rounds++
	if light {
		j.light++
	}
	j.heard = len(j.primary.audit.since(0))
	j.other, j.changed, j.smallest = false, 0, octets(j.policies)
}

// sentWhatItShould holds what the server sent to one since the last comparison against what it had.
func (j *journey) sentWhatItShould(f *follower, light, lost bool) {
	j.t.Helper()
	var got []sent
	await(j.t, "the server says what it sent to "+f.name, func() bool {
		got = slices.DeleteFunc(j.primary.audit.since(j.heard), func(s sent) bool {
			return s.client != f.name || s.result != "complete"
		})
		return slices.ContainsFunc(got, func(s sent) bool { return s.serial == j.serial })
	})
	for _, s := range got {
		switch {
		case s.kind == "axfr" && f.has != 0:
			if f.whole++; !f.likes(j.t) {
				j.t.Errorf("%s has edition %v, and asked for the whole of %v: the difference was not to its liking", f.name, f.has, s.serial)
			}
		case s.kind == "ixfr as axfr" && f.has != 0 && light && !lost:
			j.t.Errorf("%s has edition %v, which is kept, and was sent the whole of %v", f.name, f.has, s.serial)
		case s.kind == "ixfr" && (f.has == 0 || lost):
			j.t.Errorf("%s has nothing that the server knows, and was sent a difference to %v", f.name, s.serial)
		}
	}
}

func octets(lines []string) (n int) {
	for _, line := range lines {
		n += len(line) - len(zone)
	}
	return n
}

// sum says how much was sent of each kind.
func (j *journey) sum() {
	j.t.Helper()
	type row struct{ transfers, octets int64 }
	all := map[string]map[string]row{}
	for _, s := range j.primary.audit.since(0) {
		if all[s.client] == nil {
			all[s.client] = map[string]row{}
		}
		kind := s.kind + ", " + s.result
		r := all[s.client][kind]
		all[s.client][kind] = row{r.transfers + 1, r.octets + s.octets}
	}
	for _, f := range j.followers {
		j.t.Logf("%s: transfers and octets: %v", f.name, all[f.name])
	}
}
