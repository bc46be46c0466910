package blocklist

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// Listed is one entry in force, as much of it as a build needs.
type Listed struct {
	ID       EntryID
	Decision DecisionID
	Target   Target
	Category string
}

// GrowthWindow is how long ago the edition was made that growth is counted
// against.
const GrowthWindow = 24 * time.Hour

// clockWindow is how far ahead of the last edition a clock is believed.
const clockWindow = 30 * 24 * time.Hour

// Build decides what the next edition blocks. It is a pure function of its
// fields: [Build.Run] neither reads a clock nor a file.
type Build struct {
	List     string
	Policy   *Policy
	Entries  []Listed // every decided entry in force, by id
	Standing []Row    // rows of every edition that no decision made: the test name
	Today    string   // YYYY-MM-DD, for rows that are new

	Previous *Set // of the published edition; nil if there is none
	Created  time.Time
	Base     *Base // the edition that growth is counted against; nil means Previous
	Now      time.Time
	// Uncounted says why growth can not be counted: it is not known against
	// which edition. Additions then wait.
	Uncounted string

	// Withdrawn says whether a decision took the target out; a row that is
	// gone without one is a fault, not a withdrawal.
	Withdrawn func(Target) bool
	// Overridden says whether a signed override lets something through a rule:
	// an entry, a decision, or the list. Of the latter it is told the digest
	// that stands in the refusal; the others have theirs in the register.
	Overridden func(rule Rule, subject, digest string) bool
	// Unprotected is set when a never-block file is missing, empty or halved.
	Unprotected string
	// State is the digest of what an override of the list's clock or
	// never-block files is bound to.
	State map[Rule]string

	// Within makes an urgent build: it keeps what every one of these sets and
	// Previous cover, and adds nothing to any of them, so that no wave has to
	// wait for it. nil: an ordinary build.
	Within []*Set
}

// Base is the edition that growth is counted against. It is read only if what
// is known without reading it does not suffice.
type Base struct {
	Len  int    // how many rows it has
	Date string // YYYY-MM-DD of its making: what came earlier was in it
	Read func() (*Set, error)
}

// Refusal names a rule that a build failed, and the entry, decision or list
// that failed it.
type Refusal struct {
	Rule   Rule   `json:"rule"`
	ID     string `json:"id"`
	Reason string `json:"reason"`
	// Digest is what an override of a rule about the list is bound to.
	Digest string `json:"-"`
}

// Outcome is the result of a build: the set to publish, and why additions are
// held back if they are. Set is nil if there is nothing that may be published.
type Outcome struct {
	Set     *Set
	Changes Changes // from Previous to Set
	Refused []Refusal
	Flagged []Refusal // published entries that a guard would refuse today
}

// Run builds the set of all entries and holds it against the guards. If one
// refuses, what it returns instead is the previous set less everything that
// left: guards hold back what adds, and nothing ever holds back a withdrawal.
// An urgent build is of that kind from the start, and nothing refuses it.
func (b *Build) Run() Outcome {
	if b.Within != nil {
		var o Outcome
		b.checkEntries(&o)
		o.Refused = nil
		o.Set, o.Changes = b.only(b.within)
		return o
	}
	o, full, changes := b.check()
	switch {
	case len(o.Refused) == 0:
		o.Set, o.Changes = full, changes
	case b.Previous != nil:
		o.Set, o.Changes = b.only(b.Previous.Covers)
	}
	return o
}

// Check says what an ordinary build would refuse and flag. The outcome has no
// set.
func (b *Build) Check() Outcome {
	o, _, _ := b.check()
	return o
}

func (b *Build) check() (o Outcome, full *Set, changes Changes) {
	var wg sync.WaitGroup
	wg.Go(func() { full, changes = b.set(b.Entries) })
	b.checkEntries(&o)
	wg.Wait()
	b.checkBuild(full, changes, &o)
	return o, full, changes
}

// within says whether an urgent build may hold a target.
func (b *Build) within(t Target) bool {
	for _, s := range b.Within {
		if !s.Covers(t) {
			return false
		}
	}
	return b.Previous.Covers(t)
}

// adds says whether a target blocks a name that the previous edition does not.
func (b *Build) adds(t Target) bool { return b.Previous == nil || !b.Previous.Covers(t) }

// set makes the set of entries, keeping the date of rows that stay, and says
// what it changes in a previous edition.
func (b *Build) set(entries []Listed) (*Set, Changes) {
	standing := uint32(len(b.Standing)) //nolint:gosec // one
	n := len(b.Standing) + len(entries)
	target := func(i uint32) *Target {
		if i < standing {
			return &b.Standing[i].Target
		}
		return &entries[i-standing].Target
	}
	row := func(i uint32) Row {
		if i < standing {
			return Row{b.Standing[i].Target, b.Standing[i].Category, b.Today}
		}
		e := &entries[i-standing]
		return Row{e.Target, e.Category, b.Today}
	}
	if b.Previous == nil {
		return newSet(n, target, row), Changes{}
	}
	return revise(b.Previous, n, target, row)
}

// only builds the set of the entries that were published before, as keep
// tells, and of the rows that are gone without a decision: it adds nothing. A
// child that was covered by a withdrawn parent comes back: its name was
// blocked before.
func (b *Build) only(keep func(Target) bool) (*Set, Changes) {
	var kept []Listed
	for _, e := range b.Entries {
		if keep(e.Target) {
			kept = append(kept, e)
		}
	}
	set, changes := b.set(kept)
	n := len(kept)
	for _, row := range b.vanished(set, changes.Removed) { // what is held back may have covered it
		if keep(row.Target) {
			kept = append(kept, Listed{Target: row.Target, Category: row.Category})
		}
	}
	if len(kept) == n {
		return set, changes
	}
	return b.set(kept)
}

// vanished returns the rows of the previous edition that nothing in the set
// blocks any more although no decision took them out: removed are those that
// are not in it.
func (b *Build) vanished(set *Set, removed []Row) []Row {
	var gone []Row
	for _, row := range removed {
		if row.Category != StandingCategory && !set.Covers(row.Target) && !b.Withdrawn(row.Target) {
			gone = append(gone, row)
		}
	}
	return gone
}

// StandingCategory is the category of rows that no decision made; no entry
// may have it.
const StandingCategory = "vaern-test"

// checkEntries runs the guards of single targets again: a never-block file
// may be newer than the decision. What is published already is only flagged,
// because taking it out is a decision of its own.
func (b *Build) checkEntries(o *Outcome) {
	for _, e := range b.Entries {
		for _, f := range b.Policy.refusals(e.Target) {
			id := e.ID.String()
			if b.Overridden(f.Rule, id, "") {
				continue
			}
			r := Refusal{Rule: f.Rule, ID: id, Reason: f.Reason}
			if b.adds(e.Target) {
				o.Refused = append(o.Refused, r)
			} else {
				o.Flagged = append(o.Flagged, r)
			}
		}
	}
}

// checkBuild runs the guards that look at the list as a whole.
func (b *Build) checkBuild(full *Set, changes Changes, o *Outcome) {
	refuse := func(rule Rule, digest, format string, args ...any) {
		if !b.Overridden(rule, b.List, digest) {
			o.Refused = append(o.Refused, Refusal{rule, "list", fmt.Sprintf(format, args...), digest})
		}
	}
	if b.Previous == nil {
		if len(b.Entries) == 0 {
			refuse(RuleEmpty, "", "the list never had an entry")
		}
		if b.Unprotected != "" {
			refuse(RuleNeverBlockSet, b.State[RuleNeverBlockSet], "%s", b.Unprotected)
		}
		return
	}
	if gone := b.vanished(full, changes.Removed); len(gone) > 0 {
		refuse(RuleVanished, digestOf(gone), "%d entries are gone without a decision", len(gone))
	}
	if !slices.ContainsFunc(changes.Added, func(r Row) bool { return b.adds(r.Target) }) {
		return
	}
	if !Believes(b.Created, b.Now) {
		refuse(RuleClock, b.State[RuleClock], "the clock says %s, the last edition was made at %s",
			b.Now.UTC().Format(time.RFC3339), b.Created.UTC().Format(time.RFC3339))
	}
	if b.Unprotected != "" {
		refuse(RuleNeverBlockSet, b.State[RuleNeverBlockSet], "%s", b.Unprotected)
	}
	b.checkGrowth(full, o)
}

// Believes says whether the clock can be right, if the last edition was made
// at created: neither before it nor more than 30 days after.
func Believes(created, now time.Time) bool {
	return !now.Before(created) && now.Sub(created) <= clockWindow
}

// digestOf is the sha256 of the targets of rows, in hex.
func digestOf(rows []Row) string {
	h := sha256.New()
	for _, r := range rows {
		_, _ = io.WriteString(h, r.Target.RevealKey()+"\n")
	}
	return hex.EncodeToString(h.Sum(nil))
}

// checkGrowth counts what blocks more than the baseline, decisions with an
// override left out. The refusal names every decision that has a part in it
// and is not published yet.
func (b *Build) checkGrowth(full *Set, o *Outcome) {
	base, err := b.base(full)
	switch {
	case err != nil:
		o.Refused = append(o.Refused, Refusal{Rule: RuleGrowth, ID: "list", Reason: err.Error()})
		return
	case base == nil:
		return
	}
	more := slices.DeleteFunc(Diff(base, full).Added, func(r Row) bool {
		return r.Category == StandingCategory || base.Covers(r.Target)
	})
	if !b.Policy.MaxGrowth.Exceeded(len(more), base.Len()) {
		return // without asking whose they are
	}
	overridden := map[DecisionID]bool{}
	var counted []Listed
	var rows []Row
	for _, e := range b.Entries {
		if base.Covers(e.Target) {
			continue
		}
		let, known := overridden[e.Decision]
		if !known {
			let = b.Overridden(RuleGrowth, e.Decision.String(), "")
			overridden[e.Decision] = let
		}
		if !let {
			counted, rows = append(counted, e), append(rows, Row{Target: e.Target})
		}
	}
	grown := NewSet(rows).Len()
	if !b.Policy.MaxGrowth.Exceeded(grown, base.Len()) {
		return
	}
	named := map[DecisionID]bool{}
	for _, e := range counted {
		if b.adds(e.Target) && !named[e.Decision] {
			named[e.Decision] = true
			o.Refused = append(o.Refused, Refusal{Rule: RuleGrowth, ID: e.Decision.String(), Reason: fmt.Sprintf(
				"%d more than the %d of a day ago; max_growth is %s", grown, base.Len(), b.Policy.MaxGrowth)})
		}
	}
}

// base returns the set that growth is counted against; nil if there is no need
// to count, because few rows are as young as that edition.
func (b *Build) base(full *Set) (*Set, error) {
	switch {
	case b.Uncounted != "":
		return nil, errors.New(b.Uncounted)
	case b.Base == nil:
		return b.Previous, nil
	}
	young := 0
	for u := range full.rows {
		for i := range full.rows[u] {
			if r := &full.rows[u][i]; r.Added >= b.Base.Date && r.Category != StandingCategory {
				young++
			}
		}
	}
	if !b.Policy.MaxGrowth.Exceeded(young, b.Base.Len) {
		return nil, nil
	}
	return b.Base.Read()
}

// Baseline picks the edition that growth is counted against: the latest one
// that is a day old, or the oldest one kept. history is the latest first.
func Baseline(history []*Edition, now time.Time) *Edition {
	var oldest *Edition
	for _, m := range history {
		oldest = m
		if m.Age(now) >= GrowthWindow {
			break
		}
	}
	return oldest
}
