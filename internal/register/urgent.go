package register

import (
	"errors"
	"slices"

	"github.com/vaern/vaern/blocklist"
)

// UrgentRequest returns the number of the record that last asked for an urgent
// build of a list, answered or not, or zero: a decision took something off the
// list, and its last approval asked for that to be published at once.
func (s *State) UrgentRequest(name string) int64 {
	if l := s.lists[name]; l != nil {
		return l.urgent
	}
	return 0
}

// urge reads an urgent request for one list. A decision about officers may
// take entries off every list.
func (s *State) urge(r record) error {
	id, err := blocklist.ParseDecisionID(string(r.body))
	if err != nil {
		return err
	}
	d, err := s.Decision(id)
	switch {
	case err != nil:
		return err
	case d.AddsAnything():
		return errUrgentAdds
	case d.Taken == 0:
		return errors.New("urgent request for a decision that did not take effect")
	case d.List != r.subject && (d.List != blocklist.NoList || blocklist.CheckListName(r.subject) != nil):
		return errors.New("urgent request for another list")
	}
	s.list(r.subject).urgent = r.seq
	return nil
}

var errUrgentAdds = errors.New("a decision that adds something is never urgent")

// urgentRecords asks for what a decision takes out to be published at once.
func (s *State) urgentRecords(d *Decision) []record {
	names := []string{d.List}
	if d.List == blocklist.NoList {
		names = names[:0]
		for name := range s.lists {
			if name != blocklist.NoList {
				names = append(names, name)
			}
		}
		slices.Sort(names)
	}
	var records []record
	for _, name := range names {
		records = append(records, record{kind: kindUrgent, subject: name, body: []byte(d.ID.String())})
	}
	return records
}
