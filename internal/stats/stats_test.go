package stats

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vaern/vaern/blocklist"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// some makes an input at random: entries that come and leave, and the rest.
func some(t *rapid.T) *Input {
	days := rapid.IntRange(1, 400).Draw(t, "days")
	in := &Input{
		Authority: "Example National Police", Environment: "test", Lists: []string{"csam"}, From: start, To: start.AddDate(0, 0, days),
		Entries: map[blocklist.EntryID]*Entry{},
	}
	at := start.AddDate(0, 0, -100)
	forced := map[blocklist.EntryID]bool{}
	for i := range rapid.IntRange(0, 60).Draw(t, "moves") {
		at = at.Add(time.Duration(rapid.IntRange(0, 20*24).Draw(t, "hours")) * time.Hour)
		id := blocklist.EntryID(i + 1)
		in.Entries[id] = &Entry{Unit: "domain", Source: rapid.SampledFrom([]string{"", "hotline", "abroad"}).Draw(t, "source"), Decided: at}
		in.Moves = append(in.Moves, Move{Entry: id, At: at, In: true})
		forced[id] = true
		if out := rapid.SampledFrom(slices.Sorted(maps.Keys(forced))).Draw(t, "out"); out != id {
			delete(forced, out)
			in.Moves = append(in.Moves, Move{Entry: out, At: at, Reason: rapid.SampledFrom(Reasons).Draw(t, "reason")})
		}
		in.Cases = append(in.Cases, Case{Opened: at, Upheld: i%2 == 0, Decided: at.Add(time.Hour)})
	}
	return in
}

// No count of one to four is in any output, nor is one hidden part alone of a
// whole that is shown; a second run gives the same octets.
func TestSmallCountsAreHidden(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := some(t)
		f := Count(in)
		for _, table := range f.Tables {
			hidden, others := 0, 0
			for _, c := range table.Cells {
				switch {
				case c.Hidden:
					hidden++
				case c.parted && c.Value > 0:
					others++
					if c.Value < smallest {
						t.Fatalf("%s.%s is %v", table.Key, c.Key, c.Value)
					}
				}
			}
			if hidden == 1 && others > 0 && table.Cells[0].parted {
				t.Fatalf("of %s one part alone is hidden", table.Key)
			}
		}
		for _, p := range f.Active {
			if p.Active%smallest != 0 {
				t.Fatalf("the curve shows %d", p.Active)
			}
		}
		if a, b := outputs(t, f), outputs(t, Count(in)); a != b {
			t.Fatal("a second run differs")
		}
	})
}

func outputs(t interface{ Fatal(...any) }, f *Figures) string {
	var b bytes.Buffer
	err := json.NewEncoder(&b).Encode(f)
	if err == nil {
		err = f.WriteCSV(&b)
	}
	for _, language := range Languages {
		if err == nil {
			err = f.WritePage(&b, language)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What was, what came and what left give what is.
func TestFlow(t *testing.T) {
	in := &Input{From: start, To: start.AddDate(0, 1, 0), Entries: map[blocklist.EntryID]*Entry{}}
	come := func(n int, at time.Time) {
		for range n {
			id := blocklist.EntryID(len(in.Entries) + 1)
			in.Entries[id] = &Entry{Unit: "host", Decided: at}
			in.Moves = append(in.Moves, Move{Entry: id, At: at, In: true})
		}
	}
	come(20, start.Add(-time.Second))
	come(10, start)
	for id := range blocklist.EntryID(6) {
		in.Moves = append(in.Moves, Move{Entry: id + 1, At: start.AddDate(0, 0, 3), Reason: "suspended"})
	}
	for id := range blocklist.EntryID(5) {
		in.Moves = append(in.Moves, Move{Entry: id + 1, At: start.AddDate(0, 0, 4), In: true, Again: true})
	}
	come(7, in.To) // too late
	f := Count(in)
	got := map[string]string{}
	for _, table := range f.Tables {
		for _, c := range table.Cells {
			got[table.Key+"."+c.Key] = c.Text()
		}
	}
	for key, want := range map[string]string{
		"entries.at_start": "20", "entries.added": "10", "entries.resumed": "5", "entries.removed": "6", "entries.active": "29",
		"removed_by_reason.suspended": "6", "active_by_unit.host": "29", "active_by_source.unsaid": "29",
		"active_by_age_in_days.30-59": "29", "active_by_recheck.late": "29", "two_person_rule.percent": "*",
	} {
		if got[key] != want {
			t.Errorf("%s is %s, want %s", key, got[key], want)
		}
	}
}

// Each language has all texts, and no other.
func TestLanguages(t *testing.T) {
	var keys [][]string
	for _, language := range Languages {
		data, err := files.ReadFile("messages/" + language + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var words map[string]string
		if err := json.Unmarshal(data, &words); err != nil {
			t.Fatal(err)
		}
		for key, text := range words {
			if strings.TrimSpace(text) == "" {
				t.Errorf("%s: %s is empty", language, key)
			}
		}
		keys = append(keys, slices.Sorted(maps.Keys(words)))
	}
	if !slices.Equal(keys[0], keys[1]) {
		t.Error("the languages have not the same texts")
	}
	f := &Figures{Tables: Tables{{Key: "entries", Cells: []Cell{{Key: "nothing"}}}}}
	if err := f.WritePage(&bytes.Buffer{}, "en"); err == nil {
		t.Error("a text is missing, and the page was written")
	}
	if err := f.WritePage(&bytes.Buffer{}, "fo"); err == nil {
		t.Error("a page in a language that there is not")
	}
}
