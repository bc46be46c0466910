package inbox

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vaern/vaern/blocklist"
)

// Over any history the inbox says what a plain model says, and is whole.
func TestAnyHistory(t *testing.T) {
	n := 0
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		n++
		now := start
		b, err := OpenOrCreate(filepath.Join(dir, fmt.Sprintf("%d.db", n)), func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		type key struct{ source, ref, target string }
		model := map[key]blocklist.ReportID{}
		states := map[blocklist.ReportID]State{}
		events := int64(0)
		name := rapid.SampledFrom([]string{"a.example", "b.example", "c.example", "d.example"})
		source := rapid.SampledFrom([]string{"x", "y"})
		t.Repeat(map[string]func(*rapid.T){
			"import": func(t *rapid.T) {
				from := source.Draw(t, "source")
				imp, err := b.Begin(from, FormatCSV)
				if err != nil {
					t.Fatal(err)
				}
				fresh := maps.Clone(model)
				for range rapid.IntRange(0, 5).Draw(t, "lines") {
					k := key{from, rapid.SampledFrom([]string{"", "1", "2", "3"}).Draw(t, "ref"), name.Draw(t, "name")}
					target, _ := blocklist.ParseTarget(blocklist.Domain, k.target)
					r := &Report{Ref: k.ref, Target: target}
					outcome, err := imp.Add(r)
					if err != nil {
						t.Fatal(err)
					}
					want, id := Added, blocklist.ReportID(len(fresh)+1)
					if has, ok := fresh[k]; ok {
						want, id = Known, has
					} else if k.ref != "" {
						for other := range fresh {
							if other.source == k.source && other.ref == k.ref {
								want = Clash
							}
						}
					}
					if outcome != want || want != Clash && r.ID != id {
						t.Fatalf("%v: outcome %d, id %v; want %d, %v", k, outcome, r.ID, want, id)
					}
					if want == Added {
						fresh[k] = id
					}
				}
				if rapid.Bool().Draw(t, "abandon") {
					if err := imp.Abandon(); err != nil {
						t.Fatal(err)
					}
					return
				}
				if err := imp.Commit(); err != nil {
					t.Fatal(err)
				}
				model = fresh
				events++
				for _, id := range model {
					if _, ok := states[id]; !ok {
						states[id] = Reported
					}
				}
			},
			"change": func(t *rapid.T) {
				ids := rapid.SliceOfNDistinct(rapid.Int64Range(1, 8), 1, 3, rapid.ID[int64]).Draw(t, "ids")
				act, to := Act{Who: "anna", Why: "x"}, Rejected
				if rapid.Bool().Draw(t, "assess") {
					act.Assess, to = finding(Assessment{Class: National, Unit: blocklist.Domain}), Assessed
				}
				ok := true
				var all []blocklist.ReportID
				for _, i := range ids {
					id := blocklist.ReportID(i)
					state, there := states[id]
					ok = ok && there && (to == Assessed || state != Rejected)
					all = append(all, id)
				}
				if err := b.Change(all, act); (err == nil) != ok {
					t.Fatalf("%v to %v: %v", all, to, err)
				}
				if ok {
					for _, id := range all {
						states[id] = to
					}
					events += int64(len(all))
				}
			},
			"time": func(t *rapid.T) { // backwards too
				now = now.Add(time.Duration(rapid.Int64Range(-10, 10).Draw(t, "seconds")) * time.Second)
			},
			"": func(t *rapid.T) {
				s, err := b.Verify(Head{})
				if err != nil || s.Reports != int64(len(model)) || s.Events != events {
					t.Fatalf("%+v, %v", s, err)
				}
				for state := range stateNames {
					want := State(state) //nolint:gosec // three elements
					var ids, has []blocklist.ReportID
					for id, is := range states {
						if is == want {
							ids = append(ids, id)
						}
					}
					slices.Sort(ids)
					if err := b.List(Filter{State: &want, Ascending: true}, func(r *Report) error { has = append(has, r.ID); return nil }); err != nil {
						t.Fatal(err)
					}
					if !slices.Equal(ids, has) {
						t.Fatalf("%v: %v, want %v", want, has, ids)
					}
				}
			},
		})
		if strings.Contains(fmt.Sprint(b), ".example") {
			t.Fatal("printed")
		}
	})
}
