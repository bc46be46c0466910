package register

import (
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/vaern/vaern/blocklist"
)

func TestReserveNeverRepeats(t *testing.T) {
	w := founded(t, "production")
	var last blocklist.Serial
	for i, tick := range []time.Duration{0, 0, time.Second, -time.Hour, 0, 2 * time.Hour, -48 * time.Hour, 0} {
		w.tick(tick)
		serial, err := w.Reserve("csam", nil, "policy", i)
		if err != nil {
			t.Fatal(err)
		}
		if last != 0 && !serial.After(last) {
			t.Errorf("step %d: %v after %v", i, serial, last)
		}
		if last = serial; !reflect.DeepEqual(w.opened("production").Highest["csam"], Reservation{Serial: serial, Policy: "policy", Protected: i}) {
			t.Errorf("step %d: opened with %v", i, w.Highest["csam"])
		}
		// The process dies here: nothing was published under that serial, and
		// the next one is another.
	}
	if serial, err := w.Reserve("other", nil, "policy", 0); err != nil || serial != blocklist.Serial(w.now.Unix()) {
		t.Errorf("another list: %v, %v", serial, err)
	}
	w.same()
}

func TestReserveKnowsPublishedSerials(t *testing.T) {
	now := blocklist.Serial(start.Unix())
	for _, c := range []struct {
		name           string
		reserved, want blocklist.Serial
		known          []blocklist.Serial
	}{
		{"none", 0, now, nil},
		{"older", 0, now, []blocklist.Serial{5, now - 1}},
		{"newer", 0, now + 8, []blocklist.Serial{now + 7, now - 1}},
		{"newer, other order", 0, now + 8, []blocklist.Serial{now - 1, now + 7}},
		{"reserved is newest", now + 9, now + 10, []blocklist.Serial{now + 7}},
		{"wrap", math.MaxUint32, 1, nil},
		{"wrap, then the time", math.MaxUint32 - 9, math.MaxUint32 - 8, []blocklist.Serial{5000}},
		{"full circle", now - 1, now + 1<<30 + 1, []blocklist.Serial{now + 1<<30, now + 1<<30 + 1<<30 + 1<<30, now - 3}},
	} {
		w := founded(t, "production")
		if c.reserved != 0 {
			if _, err := w.Reserve("csam", []blocklist.Serial{c.reserved - 1}, "p", 0); err != nil {
				t.Fatal(err)
			}
		}
		before := w.Highest["csam"].Serial
		got, err := w.Reserve("csam", c.known, "p", 0)
		if err != nil {
			w.same()
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if before != 0 && !got.After(before) {
			t.Errorf("%s: %v after %v", c.name, got, before)
		}
		if c.reserved == 0 && got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		for _, k := range c.known {
			if got == k {
				t.Errorf("%s: %v is known", c.name, got)
			}
		}
	}
}

// What could not be read back must not get into the history.
func TestReservationIsReadable(t *testing.T) {
	w := founded(t, "production")
	for _, policy := range []string{"", "two words", "line\n"} {
		if _, err := w.Reserve("csam", nil, policy+" x y", 1); err == nil {
			t.Errorf("%q: accepted", policy)
		}
		w.same()
	}
	w.refused(func() error { _, err := w.Reserve("csam", nil, "", 1); return err }(), "not a reservation")
}

// Each never-block file is on record by itself, whatever it is called.
func TestReservationCountsEachFile(t *testing.T) {
	w := founded(t, "production")
	files := []FileNames{{"never block.txt", 8000}, {"a=b&c/+.txt", 0}, {"\u00e6\n.txt", 17}}
	serial, err := w.Reserve("csam", nil, "policy", 8001, files...)
	if err != nil {
		t.Fatal(err)
	}
	got := w.opened("production").Highest["csam"]
	if !reflect.DeepEqual(got, Reservation{Serial: serial, Policy: "policy", Protected: 8001, Files: files}) {
		t.Errorf("opened with %v", got)
	}
	if got.Held("never block.txt") != 8000 || got.Held("other") != 0 {
		t.Error("the wrong file was counted")
	}
	w.same()
}

func TestReservationsOfOlderProgramsCount(t *testing.T) {
	for body, want := range map[string]*Reservation{
		"1795435200 12 abc":              {Serial: 1795435200, Policy: "abc", Protected: 12},
		"1795435200 12 abc a.txt=12 b=0": {Serial: 1795435200, Policy: "abc", Protected: 12, Files: []FileNames{{"a.txt", 12}, {"b", 0}}},
		"1795435200 12":                  nil,
		"1795435200 12 abc a.txt":        nil,
		"1795435200 12 abc a.txt=-1":     nil,
		"1795435200 12 abc =1":           nil,
		"1795435200 12 abc a=1 a=1":      nil,
		"1795435200 12 abc %zz=1":        nil,
		"1795435200 twelve abc":          nil,
		"01795435200 12 abc":             nil,
	} {
		got, err := parseReservation([]byte(body))
		if want == nil && err == nil || want != nil && (err != nil || !reflect.DeepEqual(got, *want)) {
			t.Errorf("%q: %v, %v", body, got, err)
		}
	}
}
