package main

import (
	"testing"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/config"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func listWith(schedule string) *ListConfig {
	return &ListConfig{Name: "csam", Schedule: schedule, ValidFor: config.Duration{Duration: 72 * time.Hour}}
}

func manifest(created time.Time) *blocklist.Manifest {
	return &blocklist.Manifest{Serial: blocklist.Serial(created.Unix()), Created: created, Expires: created.Add(72 * time.Hour), Settle: time.Hour}
}

// The schedule is followed in UTC; an edition is renewed before it expires,
// however rare the schedule is; what failed is tried again soon.
func TestPlan(t *testing.T) {
	for _, c := range []struct {
		schedule string
		zone     string
		edition  *blocklist.Manifest
		failed   bool
		want     time.Time
	}{
		{"*/15 * * * *", "UTC", nil, false, noon.Add(15 * time.Minute)},
		{"*/15 * * * *", "UTC", manifest(noon), false, noon.Add(15 * time.Minute)},
		{"0 3 * * *", "America/New_York", nil, false, noon.Add(15 * time.Hour)},
		{"0 0 1 * *", "UTC", manifest(noon), false, noon.Add(36*time.Hour + time.Second)},
		{"0 0 1 * *", "UTC", manifest(noon.Add(-40 * time.Hour)), false, time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)},
		{"0 0 1 * *", "UTC", manifest(noon), true, noon.Add(retryAfter)},
		{"* * * * *", "UTC", manifest(noon), true, noon.Add(time.Minute)},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			zone = time.FixedZone(c.zone, -5*3600)
		}
		w := newWatched(listWith(c.schedule), noon)
		if !w.isDue(noon) {
			t.Errorf("%s: not due at the start", c.schedule)
		}
		if c.failed {
			w.again(noon.In(zone), retryAfter)
		} else {
			w.next(noon.In(zone), c.edition)
		}
		if late := w.due.Sub(c.want); late < 0 || late > maxJitter {
			t.Errorf("%s: due at %v, want %v", c.schedule, w.due, c.want)
		}
		if w.isDue(noon) || !w.isDue(w.due) {
			t.Errorf("%s: due now, or not when it is due", c.schedule)
		}
		if !w.isDue(noon.Add(-time.Second)) {
			t.Errorf("%s: the clock went back, and nothing is due", c.schedule)
		}
	}
}

func TestJitterIsLessThanATenth(t *testing.T) {
	for _, interval := range []time.Duration{0, 1, time.Second, time.Minute, 24 * time.Hour} {
		for range 100 {
			if j := jitter(interval); j < 0 || j > maxJitter || j > interval/10 {
				t.Fatalf("%v for %v", j, interval)
			}
		}
	}
}

func TestLate(t *testing.T) {
	for _, c := range []struct {
		schedule string
		since    time.Duration
		want     bool
	}{
		{"*/15 * * * *", 30 * time.Minute, false},
		{"*/15 * * * *", 32 * time.Minute, true},
		{"0 12 * * *", 47 * time.Hour, false},
		{"0 12 * * *", 49 * time.Hour, true},
		{"0 12 * * MON-FRI", 72 * time.Hour, false}, // since Friday noon: on Monday only one time has passed
		{"0 12 * * MON-FRI", 97 * time.Hour, true},
	} {
		if got := late(listWith(c.schedule).times(), noon.Add(-c.since), noon); got != c.want {
			t.Errorf("%s, %v ago: late is %v", c.schedule, c.since, got)
		}
	}
}

func TestExpiryAlarms(t *testing.T) {
	for age, want := range map[time.Duration]string{
		0: "", 53 * time.Hour: "", 54 * time.Hour: "the edition expires soon", 72 * time.Hour: "the edition has expired",
	} {
		got := ""
		for _, a := range expiryAlarms(manifest(noon.Add(-age)), noon) {
			got = a.Message
		}
		if got != want {
			t.Errorf("%v old: %q", age, got)
		}
	}
}

func TestKept(t *testing.T) {
	day := 24 * time.Hour
	for _, c := range []struct {
		name string
		keep int
		ages []time.Duration
		want int
	}{
		{"young ones stay", 1, []time.Duration{0, 13 * day, 14 * day, 15 * day}, 3},
		{"the newest so many stay", 3, []time.Duration{0, 15 * day, 30 * day, 45 * day, 60 * day}, 3},
		{"fewer than so many", 48, []time.Duration{0, 30 * day}, 2},
		{"what growth counts from stays", 1, []time.Duration{0, 30 * day, 60 * day}, 2},
		{"and not only while the latest is in the waves", 1, []time.Duration{2 * time.Hour, 30 * day, 60 * day}, 2},
		{"the latest alone", 1, []time.Duration{30 * day, 60 * day}, 1},
		{"all from the future", 1, []time.Duration{-30 * day, -20 * day, -10 * day}, 3},
	} {
		var history []*blocklist.Edition
		for _, age := range c.ages {
			history = append(history, &blocklist.Edition{Manifest: manifest(noon.Add(-age))})
		}
		if got := kept(history, c.keep, noon); got != c.want {
			t.Errorf("%s: %d kept, want %d", c.name, got, c.want)
		}
	}
	// The slowest wave is served the last edition that is settled.
	slow := []*blocklist.Edition{{Manifest: manifest(noon.Add(-2 * day))}, {Manifest: manifest(noon.Add(-20 * day))}}
	slow[0].Settle = 3 * day
	if got := kept(slow, 1, noon); got != 2 {
		t.Errorf("a slow wave: %d kept, want 2", got)
	}
}
