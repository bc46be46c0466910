package dnsfeed

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/vaern/vaern/blocklist"
)

// history publishes the editions of one zone, the last of which is served.
// calls counts how often an earlier one was opened.
func (ts *testServer) history(images ...*Image) (calls *atomic.Int32) {
	ts.t.Helper()
	calls = new(atomic.Int32)
	newest := images[len(images)-1]
	z, err := NewSnapshot(NewVersions(newest, func(s blocklist.Serial) (*Image, error) {
		for _, m := range images {
			if m.serial == s {
				calls.Add(1)
				return m, nil
			}
		}
		return nil, nil
	}))
	if err != nil {
		ts.t.Fatal(err)
	}
	ts.SetZones(z)
	return calls
}

// ixfrQuery asks for what has changed since a serial.
func ixfrQuery(zone string, have blocklist.Serial, edit ...func(*dns.Msg)) []byte {
	return ask(zone, dns.TypeIXFR, append(edit, func(m *dns.Msg) { m.Ns[0].(*dns.SOA).Serial = uint32(have) })...)
}

// ixfr runs an IXFR over TCP and returns all records of the answer.
func (ts *testServer) ixfr(have blocklist.Serial) (records []string) {
	ts.t.Helper()
	raw, mac := signed(ixfrQuery(ispOne.Zones[0], have), signing{key: ispOne.Key})
	c := ts.dial()
	if _, err := c.Write(frame(raw)); err != nil {
		ts.t.Fatal(err)
	}
	rrs, _ := transferOver(ts.t, c, ispOne.Key, mac)
	return texts(rrs)
}

func editions(t testing.TB) []*Image {
	t.Helper()
	one, _ := makeImage(t, testZone(), 4294967000, testSet(t, append(manyNames(200), "=once.example", "twice.example")...))
	two, _ := makeImage(t, testZone(), 4294967290, testSet(t, append(manyNames(220), "once.example", "=twice.example")...))
	three, _ := makeImage(t, testZone(), 5, testSet(t, append(manyNames(210), "thrice.example")...)) // SN1: over the top
	return []*Image{one, two, three}
}

// IX3, SN1: from any version that is kept there is one difference to the
// newest, over the wrap of serials too.
func TestIX3_FromAnyVersion(t *testing.T) {
	ts := startServer(t)
	all := editions(t)
	calls := ts.history(all...)
	for _, old := range all[:2] {
		for range 3 {
			got := ts.ixfr(old.serial)
			if soa := transferred(t, all[2])[0]; got[0] != soa || got[len(got)-1] != soa || got[1] != transferred(t, old)[0] {
				t.Fatalf("from %v: not SOA(new) SOA(old) ... SOA(new)", old.serial)
			}
			if zone := apply(t, transferred(t, old), got); !slices.Equal(zone, recordsOf(t, all[2])) {
				t.Errorf("from %v: the difference does not give the zone", old.serial)
			}
		}
	}
	if n := calls.Load(); n != 2 {
		t.Errorf("%d images opened for six answers, want 2", n)
	}
	ts.awaitLog("type=ixfr ")
}

// IX2: a serial that is not kept, or whose image can not be read, gets the full
// zone; who is up to date or ahead gets one SOA.
func TestIX2_FullZoneOrOneSOA(t *testing.T) {
	ts := startServer(t)
	all := editions(t)
	ts.history(all...)
	want := transferred(t, all[2])
	for _, have := range []blocklist.Serial{4294967001, 1, 4, 2147483654} {
		if got := ts.ixfr(have); !slices.Equal(got, want) {
			t.Errorf("from %v: %d records, want the zone's %d", have, len(got), len(want))
		}
	}
	ts.awaitLog(`type="ixfr as axfr"`)
	for _, have := range []blocklist.Serial{5, 6, 1 << 30} {
		if got := ts.ixfr(have); len(got) != 1 || got[0] != want[0] {
			t.Errorf("from %v: %d records, want one SOA", have, len(got))
		}
	}
	z, _ := NewSnapshot(NewVersions(all[2], func(blocklist.Serial) (*Image, error) { return nil, errors.New("disk away") }))
	ts.SetZones(z)
	if got := ts.ixfr(all[1].serial); !slices.Equal(got, want) {
		t.Errorf("the old image is away: %d records, want the zone's %d", len(got), len(want))
	}
}

// IX4: over UDP there is the whole difference if it is ready and fits, else one
// SOA.
func TestIX4_UDP(t *testing.T) {
	ts := startServer(t)
	names := manyNames(300)
	old, _ := makeImage(t, testZone(), 7, testSet(t, names...))
	small, _ := makeImage(t, testZone(), 8, testSet(t, append(names[1:], "=new.example")...))
	ts.history(old, small)
	over := func(have blocklist.Serial, size uint16) *dns.Msg {
		raw, mac := signed(ixfrQuery(ispOne.Zones[0], have, func(m *dns.Msg) {
			if size > 0 {
				m.SetEdns0(size, false)
			}
		}), signing{key: ispOne.Key})
		reply := ts.udp(raw)
		ts.signedBy(reply, ispOne.Key, mac)
		var m dns.Msg
		if err := m.Unpack(reply); err != nil {
			t.Fatal(err)
		}
		return &m
	}
	if m := over(7, 1232); len(m.Answer) != 1 {
		t.Errorf("not ready: %d records, want one SOA", len(m.Answer))
	}
	ts.ixfr(7) // makes it
	m := over(7, 1232)
	if zone := apply(t, transferred(t, old), texts(m.Answer)); !slices.Equal(zone, recordsOf(t, small)) {
		t.Error("the difference over UDP does not give the zone")
	}
	if len(m.Extra) != 2 || m.Truncated {
		t.Errorf("OPT and TSIG are wanted, TC is not: %v", m.MsgHdr)
	}
	if m := over(7, 0); len(m.Answer) != 4+3 {
		t.Errorf("without EDNS 512 octets are enough for %d records, got %d", 7, len(m.Answer))
	}
	large, _ := makeImage(t, testZone(), 9, testSet(t, append(manyNames(330), "=new.example")...))
	ts.history(old, large)
	ts.ixfr(7)
	if m := over(7, 4096); len(m.Answer) != 1 || m.Truncated {
		t.Errorf("does not fit: %d records, TC %v; want one SOA", len(m.Answer), m.Truncated)
	}
}

// Many clients at once: each difference is made once, and all are right.
func TestVersionsConcurrent(t *testing.T) {
	all := editions(t)
	var opened atomic.Int32
	v := NewVersions(all[2], func(s blocklist.Serial) (*Image, error) {
		opened.Add(1)
		return all[slices.IndexFunc(all, func(m *Image) bool { return m.serial == s })], nil
	})
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if d, ok := v.since(all[i%2].serial, fmt.Sprint(i%3), time.Minute); !ok || d == nil {
				t.Error("no difference")
			}
		})
	}
	wg.Wait()
	if opened.Load() != 2 {
		t.Errorf("%d images opened, want 2", opened.Load())
	}
}

// What is kept of differences is bounded.
func TestVersionsForget(t *testing.T) {
	all := editions(t)
	v := NewVersions(all[2], nil)
	for i := range 100 {
		v.made[blocklist.Serial(1000+i)] = &difference{size: 1 << 20}
		v.size += 1 << 20
	}
	v.make(all[1].serial, all[1])
	if v.size > maxDifferences || v.made[all[1].serial] == nil {
		t.Errorf("%d octets kept, want at most %d with the one just made", v.size, maxDifferences)
	}
}

// Follow makes ready what is asked for next; over UDP it is there at once.
func TestVersionsFollow(t *testing.T) {
	all := editions(t)
	v := NewVersions(all[2], nil)
	v.Follow(all[1])
	if d, ok := v.since(all[1].serial, "one", 0); !ok || d == nil {
		t.Error("the difference from the version before is not ready")
	}
	other := testZone()
	other.Name = strings.Replace(other.Name, "csam", "mice", 1)
	stranger, _ := makeImage(t, other, 4, testSet(t, "some.example"))
	w := NewVersions(all[2], nil)
	w.Follow(stranger)
	w.Follow(all[2])
	w.Follow(nil)
	if len(w.made) != 0 {
		t.Error("a difference from what is no version before")
	}
}

// A client that asks for all there is does not keep others waiting: of those
// who wait, each client has one difference made before any has a second. Who
// waits too long gets the full zone, and so does nobody wait for ever.
func TestVersionsTakeTurns(t *testing.T) {
	newest := editions(t)[2]
	for _, c := range []struct {
		takes time.Duration // to make a difference
		ok    bool          // the good client gets one
	}{{time.Second, true}, {6 * time.Second, false}} {
		synctest.Test(t, func(t *testing.T) {
			v := NewVersions(newest, func(s blocklist.Serial) (*Image, error) {
				time.Sleep(c.takes)
				old := *newest
				old.serial = s
				return &old, nil
			})
			var all sync.WaitGroup
			for i := range 100 {
				all.Go(func() { v.since(newest.serial-blocklist.Serial(i+2), "greedy", patience) })
			}
			synctest.Wait() // one makes, the others wait for that client's turn
			began := time.Now()
			d, ok := v.since(newest.serial-1, "good", patience)
			if waited := time.Since(began); ok != c.ok || (d != nil) != c.ok || waited > patience+c.takes {
				t.Errorf("%v each: %v after %v", c.takes, ok, waited)
			}
			all.Wait()
			if waited := time.Since(began); waited > 2*(patience+c.takes) {
				t.Errorf("the last waited %v", waited)
			}
		})
	}
}
