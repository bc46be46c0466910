package stats

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/vaern/vaern/blocklist"
)

const day = 24 * time.Hour

// unsaid is the key of what is not known of an entry.
const unsaid = "unsaid"

// dimensions are what entries are counted by.
var dimensions = []struct {
	key string
	of  func(*Entry) string
}{
	{"unit", func(e *Entry) string { return e.Unit }},
	{"source", func(e *Entry) string { return e.Source }},
	{"class", func(e *Entry) string { return e.Class }},
	{"country", func(e *Entry) string { return e.Country }},
}

// Count counts.
func Count(in *Input) *Figures {
	f := &Figures{
		Authority: in.Authority, Environment: in.Environment, Lists: in.Lists,
		From: date(in.From), To: date(in.To.Add(-day)), Records: in.Register.Records, Head: in.Register.Hash,
	}
	in.entries(f)
	in.times(f)
	in.ages(f)
	in.rechecks(f)
	in.cases(f)
	in.reports(f)
	in.decisions(f)
	return f
}

func (in *Input) within(t time.Time) bool { return !t.Before(in.From) && t.Before(in.To) }

// table hides what has to be, and adds a table.
func (f *Figures) table(key string, cells ...Cell) {
	hide(cells)
	f.Tables = append(f.Tables, Table{key, cells})
}

// ranked adds a table with the largest first. What is hidden comes last: its
// place would tell its size.
func (f *Figures) ranked(key string, counts map[string]int) {
	cells := parts(counts)
	hide(cells)
	shown := func(c Cell) float64 {
		if c.Hidden {
			return 0
		}
		return c.Value
	}
	slices.SortStableFunc(cells, func(a, b Cell) int { return cmp.Compare(shown(b), shown(a)) })
	f.Tables = append(f.Tables, Table{key, cells})
}

// measures adds a table of what is no count.
func (f *Figures) measures(key string, cells ...Cell) {
	f.Tables = append(f.Tables, Table{key, cells})
}

// part is a count that is a part of a whole.
func part(key string, n int) Cell { return Cell{Key: key, Value: float64(n), parted: true} }

// entries counts what was in force, came and left.
func (in *Input) entries(f *Figures) {
	active := map[blocklist.EntryID]bool{}
	var before, added, again, removed int
	added3, removed3 := tally{}, tally{}
	reasons := map[string]int{}
	moves := in.Moves
	step := in.step()
	for at := in.From; ; at = at.Add(step) {
		at = minTime(at, in.To)
		for len(moves) > 0 && moves[0].At.Before(at) {
			m := moves[0]
			moves = moves[1:]
			if m.In {
				active[m.Entry] = true
			} else {
				delete(active, m.Entry)
			}
			if !in.within(m.At) {
				continue
			}
			switch e := in.Entries[m.Entry]; {
			case m.In && m.Again:
				again++
			case m.In:
				added++
				added3.add(e)
			default:
				removed++
				reasons[m.Reason]++
				removed3.add(e)
			}
		}
		if at.Equal(in.From) {
			before = len(active)
		} else {
			f.Active = append(f.Active, Point{date(at.Add(-day)), nearest(len(active))})
		}
		if at.Equal(in.To) {
			break
		}
	}
	active3 := tally{}
	for id := range active {
		active3.add(in.Entries[id])
	}
	f.table("entries", part("at_start", before), part("added", added), part("resumed", again), part("removed", removed), part("active", len(active)))
	f.table("removed_by_reason", inOrder(Reasons, reasons)...)
	for _, t := range []struct {
		key string
		of  tally
	}{{"active", active3}, {"added", added3}, {"removed", removed3}} {
		for _, d := range dimensions {
			f.ranked(t.key+"_by_"+d.key, t.of[d.key])
		}
	}
}

// points is how many points a curve has at most.
const points = 60

// step is the distance of two points of a curve, in whole days.
func (in *Input) step() time.Duration {
	days := int(in.To.Sub(in.From) / day)
	return time.Duration((days+points-1)/points) * day
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// tally counts entries by dimension and word.
type tally map[string]map[string]int

func (t tally) add(e *Entry) {
	for _, d := range dimensions {
		if t[d.key] == nil {
			t[d.key] = map[string]int{}
		}
		t[d.key][cmp.Or(d.of(e), unsaid)]++
	}
}

// parts lists counts by their words.
func parts(counts map[string]int) (cells []Cell) {
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		cells = append(cells, part(key, counts[key]))
	}
	return cells
}

// inOrder lists counts in the order of their words.
func inOrder(words []string, counts map[string]int) (cells []Cell) {
	for _, w := range words {
		cells = append(cells, part(w, counts[w]))
	}
	return cells
}

// times measures the steps of what was decided in the time.
func (in *Input) times(f *Figures) {
	steps := []struct {
		key      string
		from, to func(*Entry) time.Time
		took     []time.Duration
	}{
		{key: "reported_to_assessed", from: func(e *Entry) time.Time { return e.Reported }, to: func(e *Entry) time.Time { return e.Assessed }},
		{key: "assessed_to_decided", from: func(e *Entry) time.Time { return e.Assessed }, to: func(e *Entry) time.Time { return e.Decided }},
		{key: "drafted_to_decided", from: func(e *Entry) time.Time { return e.Drafted }, to: func(e *Entry) time.Time { return e.Decided }},
		{key: "decided_to_published", from: func(e *Entry) time.Time { return e.Decided }, to: func(e *Entry) time.Time { return e.Published }},
	}
	for _, m := range in.Moves {
		if !m.In || m.Again || !in.within(m.At) {
			continue
		}
		e := in.Entries[m.Entry]
		for i := range steps {
			if from, to := steps[i].from(e), steps[i].to(e); !from.IsZero() && !to.IsZero() && to.Before(in.To) {
				steps[i].took = append(steps[i].took, to.Sub(from))
			}
		}
	}
	var cells []Cell
	for _, s := range steps {
		cells = append(cells, quantile(s.key+"_median", s.took, 50), quantile(s.key+"_90_percent", s.took, 90))
	}
	f.measures("days_between_steps", cells...)
}

// quantile is the time within which so many of a hundred were done, in days to
// the hundredth. Of few it is hidden.
func quantile(key string, took []time.Duration, percent int) Cell {
	if len(took) < smallest {
		return Cell{Key: key, Hidden: true}
	}
	slices.Sort(took)
	days := took[(len(took)*percent+99)/100-1].Hours() / 24
	return Cell{Key: key, Value: math.Round(days*100) / 100}
}

// ages measures how old is what is in force at the end.
func (in *Input) ages(f *Figures) {
	bands := []int{0, 30, 60, 92, 183, 365}
	keys := []string{"0-29", "30-59", "60-91", "92-182", "183-364", "365-"}
	counts := map[string]int{}
	var all []time.Duration
	for _, e := range in.active() {
		age := in.To.Sub(e.Decided)
		all = append(all, age)
		i, found := slices.BinarySearch(bands, int(age/day))
		if !found {
			i--
		}
		counts[keys[i]]++
	}
	f.table("active_by_age_in_days", inOrder(keys, counts)...)
	f.measures("age_in_days", quantile("median", all, 50), quantile("90_percent", all, 90))
}

// active returns what is in force at the end.
func (in *Input) active() map[blocklist.EntryID]*Entry {
	all := map[blocklist.EntryID]*Entry{}
	for _, m := range in.Moves {
		switch {
		case !m.At.Before(in.To):
			return all
		case m.In:
			all[m.Entry] = in.Entries[m.Entry]
		default:
			delete(all, m.Entry)
		}
	}
	return all
}

// Within so long somebody should have looked at an entry again.
const (
	recheckAfter            = 30 * day
	recheckAfterCompromised = 7 * day
)

// rechecks counts what was looked at again, and what was not.
func (in *Input) rechecks(f *Figures) {
	counts, last := map[string]int{}, map[blocklist.EntryID]time.Time{}
	for _, c := range in.Rechecks {
		if c.At.Before(in.To) {
			last[c.Entry] = c.At
		}
		if in.within(c.At) {
			counts[c.Result]++
		}
	}
	f.table("rechecks_by_result", inOrder([]string{"still", "gone", "parked", "changed-owner", "moved"}, counts)...)
	done, late := 0, 0
	for id, e := range in.active() {
		seen, after := e.Decided, recheckAfter
		if last[id].After(seen) {
			seen = last[id]
		}
		if e.Compromised {
			after = recheckAfterCompromised
		}
		if in.To.Sub(seen) > after {
			late++
		} else {
			done++
		}
	}
	f.table("active_by_recheck", part("in_time", done), part("late", late))
}

// cases counts complaints.
func (in *Input) cases(f *Figures) {
	var opened, suspended, upheld, rejected, other, waiting int
	var took []time.Duration
	for _, c := range in.Cases {
		if in.within(c.Opened) {
			opened++
			if c.Suspended {
				suspended++
			}
		}
		switch {
		case in.within(c.Decided):
			took = append(took, c.Decided.Sub(c.Opened))
			if c.Upheld {
				upheld++
			} else {
				rejected++
			}
		case c.Decided.IsZero() && in.within(c.Closed):
			other++
		}
		ended := !c.Decided.IsZero() && c.Decided.Before(in.To) || !c.Closed.IsZero() && c.Closed.Before(in.To)
		if c.Opened.Before(in.To) && !ended {
			waiting++
		}
	}
	f.table("complaints", part("opened", opened), part("suspended_at_once", suspended), part("upheld", upheld), part("rejected", rejected),
		part("closed_undecided", other), part("waiting", waiting))
	f.measures("complaint_days", quantile("median", took, 50), quantile("90_percent", took, 90))
}

// reports counts what came in, and what was found of it.
func (in *Input) reports(f *Figures) {
	sources, classes := map[string]int{}, map[string]int{}
	for _, i := range in.Imports {
		if in.within(i.At) {
			sources[i.Source] += i.New
		}
	}
	for _, a := range in.Assessments {
		if in.within(a.At) {
			classes[a.Class]++
		}
	}
	f.ranked("reports_by_source", sources)
	f.table("assessments", inOrder([]string{"baseline", "national", "doubtful", "ignore", "rejected"}, classes)...)
}

// decisions counts by how many officers was added, and where guards were
// overridden.
func (in *Input) decisions(f *Figures) {
	var adding, byTwo int
	rules := map[string]int{}
	for _, d := range in.Decisions {
		if !in.within(d.At) {
			continue
		}
		if d.Adds {
			adding++
			if d.Signatures >= 2 {
				byTwo++
			}
		}
		for _, r := range d.Overrides {
			rules[r]++
		}
	}
	f.table("decisions_that_add", part("by_two_officers", byTwo), part("by_one", adding-byTwo))
	percent := Cell{Key: "percent", Hidden: adding == 0}
	if adding > 0 {
		percent.Value = math.Floor(1000*float64(byTwo)/float64(adding)) / 10
	}
	f.measures("two_person_rule", percent)
	f.ranked("guards_overridden", rules)
}
