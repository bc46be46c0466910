package register

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vaern/vaern/blocklist"
)

// MaxAge is how long an entry stays in force, from the moment its decision took
// effect, or from the day on which a recheck found it still so, if that is
// later: three months (INTERPOL, France).
const MaxAge = 92 * 24 * time.Hour

// Notice is how long before its expiry an entry is announced, and may be
// decided again.
const Notice = 14 * 24 * time.Hour

// Expiry is when an entry in force expires.
type Expiry struct {
	ID     blocklist.EntryID
	Target blocklist.Target
	At     time.Time
}

// Expires returns when an entry in force expires.
func (s *State) Expires(e blocklist.Listed) time.Time {
	at := s.Decisions[e.Decision-1].Decided
	if still := s.looked[e.ID].still.time(); still.After(at) {
		at = still
	}
	return at.Add(MaxAge)
}

// Expiring returns the entries in force on a list that expire at or before a
// moment, the first to go first.
func (s *State) Expiring(name string, until time.Time) []Expiry {
	var all []Expiry
	last, old := blocklist.DecisionID(0), false // entries of a decision stand together
	for _, e := range s.InForce(name) {
		if e.Decision != last {
			last, old = e.Decision, !s.Decisions[e.Decision-1].Decided.Add(MaxAge).After(until)
		}
		if !old {
			continue // a recheck only makes it later
		}
		if at := s.Expires(e); !at.After(until) {
			all = append(all, Expiry{e.ID, e.Target, at})
		}
	}
	slices.SortFunc(all, func(a, b Expiry) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	return all
}

// Expire takes the entries of a list out whose limit has passed, and returns
// how many. What is published depends on the register alone, not on the clock
// of who compiles: that an entry expired is a record of the history.
func (r *Register) Expire(name string) (n int, err error) {
	if len(r.Expiring(name, r.now())) == 0 {
		return 0, nil
	}
	err = r.change(func() ([]record, error) {
		due := r.Expiring(name, r.now())
		if n = len(due); n == 0 {
			return nil, nil
		}
		slices.SortFunc(due, func(a, b Expiry) int { return cmp.Compare(a.ID, b.ID) })
		var body bytes.Buffer
		for _, e := range due {
			fmt.Fprintf(&body, "%v\n", e.ID)
		}
		return []record{{kind: kindExpire, subject: name, body: body.Bytes()}}, nil
	})
	return n, err
}

// expire takes out what an expire record names. When it was written each of
// its entries was in force and its limit had passed; by what is known since
// then, some may never have been in force.
func (s *State) expire(r record) error {
	out, err := parseExpired(r.body)
	if err != nil {
		return err
	}
	l := s.lists[r.subject]
	if l == nil {
		return errors.New("expiry on a list without entries")
	}
	l.moving = Move{List: r.subject, At: r.time}
	for _, id := range out {
		i, ok := l.find(id)
		if s.isNew(r) && (!ok || s.Expires(l.entries[i]).After(r.time)) {
			return fmt.Errorf("%v expired, and is not in force or not due", id)
		}
		if ok {
			l.drop(i, WasExpired)
		}
	}
	return nil
}

// parseExpired reads ids in order, a line each.
func parseExpired(body []byte) ([]blocklist.EntryID, error) {
	var all []blocklist.EntryID
	for len(body) > 0 {
		line, rest, ended := bytes.Cut(body, []byte("\n"))
		id, err := blocklist.ParseEntryID(string(line))
		if err != nil || !ended || len(all) > 0 && id <= all[len(all)-1] {
			return nil, errors.New("not a list of ids in order")
		}
		all, body = append(all, id), rest
	}
	if len(all) == 0 {
		return nil, errors.New("nothing expired")
	}
	return all, nil
}
