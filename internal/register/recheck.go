package register

import (
	"cmp"
	"slices"
	"time"

	"github.com/vaern/vaern/blocklist"
)

// How long after its decision, or after it was last looked at, an entry is due
// for a recheck: a site that was broken into is soon mended.
const (
	RecheckAfter            = 30 * 24 * time.Hour
	RecheckAfterCompromised = 7 * 24 * time.Hour
)

// day counts days since 1970, which begin in UTC: a million of them are held.
type day int32

func dayOf(t time.Time) day { return day(t.Unix() / (24 * 60 * 60)) } //nolint:gosec // some 20,000

// time is when the day begins.
func (d day) time() time.Time { return time.Unix(int64(d)*24*60*60, 0).UTC() }

// looked is what rechecks of an entry found.
type looked struct {
	at     day // that was looked at last
	still  day // that it was found to be still so last; 0: it never was
	result blocklist.Result
	by     blocklist.DecisionID // that says so
}

// sooner is what a decision says of an entry that is due sooner than others.
type sooner struct {
	compromised bool
	by          day // recheck_by; 0: not said
}

func (s *State) noteSooner(e blocklist.Entry) {
	if e.RecheckBy == "" && e.Compromised != "yes" {
		return
	}
	x := sooner{compromised: e.Compromised == "yes"}
	if by, err := time.Parse(time.DateOnly, e.RecheckBy); err == nil {
		x.by = dayOf(by)
	}
	s.sooner[e.ID] = x
}

// recheck takes in what was found of entries that are in force. It brings
// nothing back: who left, or should have by the limit, is passed over, and so is
// an id that stands beside another target than its own. No entry stays longer
// than MaxAge after a day on which it was still so, and none shorter than it
// would have.
func (s *State) recheck(d *Decision, l *list) {
	for _, c := range d.rechecked {
		i, ok := l.find(c.ID)
		if !ok || l.entries[i].Target.RevealKey() != c.Target.RevealKey() || !s.Expires(l.entries[i]).After(d.Decided) {
			continue
		}
		k := s.looked[c.ID]
		if at := dayOf(c.Day); at >= k.at {
			k.at, k.result, k.by = at, c.Result, d.ID
		}
		if c.Result == blocklist.Still {
			k.still = max(k.still, dayOf(c.Day))
		}
		s.looked[c.ID] = k
	}
}

// ofHotline says whether a decision is no more than a recheck: what was found,
// and the suspension of what has changed its owner. That much a hotline officer
// may sign, who looks at entries and decides about none.
func (d *Decision) ofHotline() bool {
	if d.Rechecks == 0 || d.AddsAnything() || d.Withdraws+len(d.Cases)+len(d.Officers) > 0 || d.Rollback != 0 {
		return false
	}
	changed := map[blocklist.EntryID]bool{}
	for _, c := range d.rechecked {
		changed[c.ID] = c.Result == blocklist.ChangedOwner
	}
	return !slices.ContainsFunc(d.suspended, func(w blocklist.Withdrawal) bool { return !changed[w.ID] })
}

// HotlineSuspended counts the entries of a list that hotline officers took out
// by rechecks since a moment.
func (s *State) HotlineSuspended(name string, since time.Time) int {
	n := 0
	for _, d := range slices.Backward(s.Decisions) {
		if d.Taken == 0 || d.List != name || !d.hotline || d.Suspends == 0 || d.Decided.Before(since) {
			continue
		}
		if slices.ContainsFunc(d.Approvals, func(a Approval) bool { return s.roleOf(a) == blocklist.Hotline }) {
			n += d.Suspends
		}
	}
	return n
}

func (s *State) roleOf(a Approval) blocklist.Role {
	for _, o := range s.Officers {
		if o.Name == a.Officer && o.Fingerprint() == a.Fingerprint {
			return o.Role
		}
	}
	return ""
}

// Recheck is when an entry in force is due to be looked at again.
type Recheck struct {
	ID          blocklist.EntryID
	Target      blocklist.Target
	Due         time.Time
	Limit       time.Time // when it leaves, unless it is found to be still so before
	Compromised bool

	Last   time.Time // day on which it was last looked at; zero: not since it was decided
	Result blocklist.Result
	By     blocklist.DecisionID // that says so
}

// Due returns the entries in force on a list that are due for a recheck at or
// before a moment, the first that were due first: [RecheckAfter] or
// [RecheckAfterCompromised] after they were decided or looked at last, or on the
// day that their decision names, if that is earlier and nobody looked since.
func (s *State) Due(name string, until time.Time) []Recheck {
	var all []Recheck
	for _, e := range s.InForce(name) {
		if c := s.due(e); !c.Due.After(until) {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b Recheck) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.ID, b.ID)) })
	return all
}

func (s *State) due(e blocklist.Listed) Recheck {
	early := s.sooner[e.ID]
	c := Recheck{ID: e.ID, Target: e.Target, Limit: s.Expires(e), Compromised: early.compromised}
	from, after := s.Decisions[e.Decision-1].Decided, RecheckAfter
	k, was := s.looked[e.ID]
	if was {
		c.Last, c.Result, c.By = k.at.time(), k.result, k.by
		if c.Last.After(from) {
			from = c.Last
		}
	}
	if early.compromised {
		after = RecheckAfterCompromised
	}
	c.Due = from.Add(after)
	if by := early.by.time(); early.by != 0 && by.Before(c.Due) && by.After(c.Last) {
		c.Due = by
	}
	if c.Limit.Before(c.Due) {
		c.Due = c.Limit
	}
	return c
}
