package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/register"
)

// listing is an entry of TestThreeYears.
type listing struct {
	name    string
	id      string
	decided time.Time
	seen    time.Time // last found to be still so
	told    int       // days on which vaern check said that it ends soon
	looked  bool      // somebody looks at it again
}

func (l *listing) ends() time.Time {
	if l.seen.After(l.decided) {
		return l.seen.Add(register.MaxAge)
	}
	return l.decided.Add(register.MaxAge)
}

var endsSoon = regexp.MustCompile(`list csam: (E\d+) ends on (\S+) unless`)

// TestThreeYears runs vaern run once a day for three years, on a list that gets
// four entries a fortnight, but for the last half year. Every day what is
// published are the entries whose limit has not come, no more and no fewer, and
// what vaern check announces are those that end within fourteen days, with
// their day. Without rechecks the list is empty at the end; of one year with
// rechecks of every second entry, those are what is left.
func TestThreeYears(t *testing.T) {
	t.Parallel()
	const year = 365
	for looks, days := range map[bool]int{false: 3*year + 1, true: year + 1} {
		t.Run(fmt.Sprintf("rechecks %v", looks), func(t *testing.T) {
			o := newOffice(t, `"*/15 * * * *"`, `"0 12 * * *"`, `"72h"`, `"672h"`)
			o.at = noon.Add(time.Minute)
			o.Lists[0].Keep = 1 // those of fourteen days
			r := o.runner()
			var all []*listing
			ended, beats := 0, 0
			for day := range days {
				o.at = noon.Add(time.Duration(day)*24*time.Hour + time.Minute)
				if day%14 == 0 && day < days-year/2 {
					all = append(all, o.list(day, looks)...)
				}
				if looks && day%30 == 29 {
					o.lookAt(all)
				}
				r.beat(t.Context())
				beats++
				want := []string{"blocktest.police"}
				for _, l := range all {
					if o.at.Before(l.ends()) {
						want = append(want, l.name)
					}
				}
				slices.Sort(want)
				o.wants(fmt.Sprintf("day %d", day), strings.Join(want, " "))
				told := o.announced()
				for _, l := range all {
					left := l.ends().Sub(o.at)
					soon := left > 0 && left <= register.Notice
					if end := told[l.id]; (end != "") != soon || soon && end != l.ends().Format(time.DateOnly) {
						t.Fatalf("day %d: %s ends at %v, and was announced for %q", day, l.id, l.ends(), end)
					}
					if soon {
						l.told++
					}
				}
				if t.Failed() {
					t.FailNow()
				}
			}
			for _, l := range all {
				if !o.at.Before(l.ends()) {
					ended++
					if l.told != 14 {
						t.Errorf("%s left at %v, and was announced on %d days", l.id, l.ends(), l.told)
					}
				}
			}
			left := len(o.reg.InForce("csam"))
			if wantLeft := len(all) / 2; len(all) < 40 || !looks && (left != 0 || ended != len(all)) || looks && (left != wantLeft || ended != len(all)-wantLeft) {
				t.Errorf("of %d entries %d ended and %d are left", len(all), ended, left)
			}
			if n := o.recordedExpiries(); n != ended {
				t.Errorf("%d ended, and %d are on record", ended, n)
			}
			t.Logf("%d days, %d entries, %d ended, %d left", beats, len(all), ended, left)
		})
	}
}

// list decides on entries, an even number of them in the end.
func (o *office) list(day int, looks bool) (all []*listing) {
	o.t.Helper()
	var names []string
	for i := range 4 {
		names = append(names, fmt.Sprintf("n%04d-%d.example", day, i))
	}
	o.decide(names)
	inForce := o.reg.InForce("csam")
	for i, name := range names {
		all = append(all, &listing{
			name: strings.TrimSuffix(name, ".example"), id: inForce[len(inForce)-len(names)+i].ID.String(),
			decided: o.at, looked: looks && i%2 == 1,
		})
	}
	return all
}

// lookAt signs that entries are still so.
func (o *office) lookAt(all []*listing) {
	o.t.Helper()
	d := blocklist.Decision{List: "csam", Basis: "monthly"}
	today := o.at.Truncate(24 * time.Hour)
	for _, l := range all {
		for _, e := range o.reg.InForce("csam") {
			if l.looked && e.ID.String() == l.id {
				d.Rechecks = append(d.Rechecks, blocklist.Recheck{ID: e.ID, Target: e.Target, Result: blocklist.Still, Day: today})
				l.seen = today
			}
		}
	}
	if len(d.Rechecks) == 0 {
		return
	}
	_, err := o.reg.Decide(func() (blocklist.Decision, error) { return d, nil }, o.needs, "bo",
		func(text []byte) ([]byte, error) { return o.keys["bo"](text), nil })
	o.must(err)
}

// announced returns the day on which entries end, as vaern check announces it;
// it says the first ten by id, and how many more.
func (o *office) announced() map[string]string {
	o.t.Helper()
	found := &report{}
	o.announceExpiries(&o.Lists[0], found)
	told := map[string]string{}
	for _, text := range found.notices {
		if m := endsSoon.FindStringSubmatch(text); m != nil {
			told[m[1]] = m[2]
		} else {
			o.t.Fatalf("announced: %s", text)
		}
	}
	return told
}

func (o *office) recordedExpiries() (n int) {
	o.t.Helper()
	o.must(o.reg.Records(func(r register.Record) error {
		if k := 0; r.Kind == "expire" {
			if _, err := fmt.Sscanf(r.Says, "entries: %d", &k); err != nil {
				return err
			}
			n += k
		}
		return nil
	}))
	return n
}
