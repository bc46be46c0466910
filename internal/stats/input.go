package stats

import (
	"time"

	"github.com/vaern/vaern/blocklist"
)

// Input is what is counted. It may hold more than the time that is asked for:
// what was before says what was in force then. Times are in UTC.
type Input struct {
	Authority   string
	Environment string
	Lists       []string
	Register    blocklist.RegisterHead
	From        time.Time
	To          time.Time // the first moment that does not count

	Entries     map[blocklist.EntryID]*Entry
	Moves       []Move // in the order in which they happened
	Decisions   []Decision
	Imports     []Import
	Assessments []Assessment
	Rechecks    []Recheck
	Cases       []Case
}

// Entry is what is counted by. Empty or zero means not said, or not yet.
type Entry struct {
	Unit        string
	Source      string
	Class       string
	Country     string
	Compromised bool

	Reported  time.Time // when the report that it comes from was imported
	Assessed  time.Time // for the first time
	Drafted   time.Time
	Decided   time.Time
	Published time.Time // in the first edition after that
}

// Move is an entry that came into force or left.
type Move struct {
	Entry  blocklist.EntryID
	At     time.Time
	In     bool
	Again  bool   // of one that came: it was suspended before
	Reason string // of one that left, one of [Reasons]
}

// Reasons are the words for why an entry left.
var Reasons = []string{"withdrawn", "gone", "parked", "changed-owner", "complaint", "rollback", "suspended", "expired"}

// Decision is one that took effect.
type Decision struct {
	At         time.Time
	Adds       bool
	Signatures int
	Overrides  []string // the rules that it lets something through
}

// Import is a file of reports.
type Import struct {
	At     time.Time
	Source string
	New    int
}

// Assessment is what somebody found of a report: a class, or "rejected".
type Assessment struct {
	At    time.Time
	Class string
}

// Recheck is what somebody found who looked at an entry again.
type Recheck struct {
	Entry  blocklist.EntryID
	At     time.Time
	Result string
}

// Case is a complaint or a request for revision.
type Case struct {
	Opened    time.Time
	Suspended bool      // the entry, until it is decided
	Decided   time.Time // zero: it is not
	Upheld    bool
	Closed    time.Time // zero: it is not
}
