package blocklist

import (
	"errors"
	"fmt"
	"time"
)

// Result is what somebody found who looked at an entry again.
type Result uint8

// The results. Only the first keeps an entry in force for longer; the others
// change nothing by themselves: what follows from them is a withdrawal or a
// suspension beside them.
const (
	Still        Result = iota // what was decided is so still
	Gone                       // there is nothing any more
	Parked                     // there is only a page of who sells or parks names
	ChangedOwner               // the name is somebody else's now
	Moved                      // it is somewhere else now: that place is reported anew
)

var resultNames = [...]string{"still", "gone", "parked", "changed-owner", "moved"}

// Results lists the words of all results, for messages.
const Results = "still, gone, parked, changed-owner, moved"

func (r Result) String() string {
	if int(r) >= len(resultNames) {
		return fmt.Sprintf("result(%d)", uint8(r))
	}
	return resultNames[r]
}

// MarshalText writes the result as the word users know.
func (r Result) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// ParseResult reads one of [Results].
func ParseResult(s string) (Result, error) {
	for r, name := range resultNames {
		if s == name {
			return Result(r), nil //nolint:gosec // five elements
		}
	}
	return 0, errors.New("result is none of " + Results)
}

// Recheck is what was found of an entry on a day. Like a withdrawal it names
// the target: who signs that something is so still signs what they looked at.
type Recheck struct {
	ID     EntryID
	Target Target
	Result Result
	Day    time.Time // on which somebody looked, its beginning in UTC
	Note   string    // stays in the house
}

// Check says whether the recheck can stand in a decision.
func (c *Recheck) Check() error {
	switch {
	case int(c.Result) >= len(resultNames):
		return errors.New("result is none of " + Results)
	case c.Day.Unix() < 0 || !c.Day.Equal(c.Day.UTC().Truncate(24*time.Hour)):
		return errors.New("day of a recheck is not the beginning of a day")
	case len(c.Note) > maxFieldText:
		return fmt.Errorf("note is longer than %d octets", maxFieldText)
	}
	return checkField(c.Note)
}

// recheck reads "E12 unit target result day note", tabs between them.
func (s *scanner) recheck(line string) error {
	var f [6]string
	if !cutFields(line, f[:]) {
		return errors.New("a recheck has not its six fields")
	}
	w, err := s.named(kindRecheck, f[:3])
	if err != nil {
		return err
	}
	c := Recheck{ID: w.ID, Target: w.Target, Note: f[5]}
	if c.Result, err = ParseResult(f[3]); err != nil {
		return err
	}
	if c.Day, err = time.Parse(time.DateOnly, f[4]); err != nil {
		return errors.New("day of a recheck is no date like 2026-12-31")
	}
	if err := c.Check(); err != nil {
		return err
	}
	if s.each.Recheck == nil {
		return nil
	}
	return s.each.Recheck(c)
}
