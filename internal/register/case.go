package register

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/vaern/vaern/blocklist"
)

// Case is what the state knows of a case; what it says is in the history.
type Case struct {
	ID     blocklist.CaseID
	Entry  blocklist.EntryID
	List   string
	Kind   string // one of blocklist.CaseKinds
	From   string // one of blocklist.CaseSources
	Opened time.Time

	Suspended blocklist.DecisionID // that took the entry out until the case is decided; zero: none did
	Verdict   blocklist.Step       // blocklist.Uphold or Reject; "": it is not decided
	Decided   time.Time
	Decision  blocklist.DecisionID // that decided it
	Closed    time.Time            // zero: it is open
	Reason    string               // why it was closed

	seq int64 // record of the text
}

// Waits says whether somebody waits for a verdict.
func (c *Case) Waits() bool { return c.Verdict == "" && c.Closed.IsZero() }

// Case returns the case with that id.
func (s *State) Case(id blocklist.CaseID) (*Case, error) {
	if id < 1 || int(id) > len(s.Cases) {
		return nil, fmt.Errorf("there is no case %v", id)
	}
	return s.Cases[id-1], nil
}

// CaseText returns what a case says.
func (r *Register) CaseText(id blocklist.CaseID) (string, error) {
	c, err := r.Case(id)
	if err != nil {
		return "", err
	}
	body, err := r.store.body(c.seq)
	_, text, _ := strings.Cut(string(body), "\n")
	return text, err
}

// OpenCase records a case about an entry that is in force or suspended.
func (r *Register) OpenCase(c blocklist.Case) (*Case, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	err := r.change(func() ([]record, error) {
		opened, err := r.opening(c)
		return []record{opened}, err
	})
	if err != nil {
		return nil, err
	}
	return r.Cases[len(r.Cases)-1], nil
}

// OpenCredibleCase is OpenCase, and suspends the entry in the same moment, as
// Decide does.
func (r *Register) OpenCredibleCase(c blocklist.Case, basis string, needs func(*Decision) int, officer string, sign func(text []byte) ([]byte, error)) (*Case, *Decision, error) {
	if err := c.Check(); err != nil {
		return nil, nil, err
	}
	d, err := r.decide(func() (d blocklist.Decision, before []record, err error) {
		opened, err := r.opening(c)
		if err != nil {
			return d, nil, err
		}
		e, err := r.Entry(c.Entry)
		return blocklist.Decision{
			List: r.listOf(c.Entry), Basis: basis, Suspend: []blocklist.Withdrawal{{ID: e.ID, Target: e.Target}},
			Cases: []blocklist.CaseStep{{Case: blocklist.CaseID(len(r.Cases) + 1), Step: blocklist.Suspend}},
		}, []record{opened}, err
	}, needs, officer, sign)
	if err != nil {
		return nil, nil, err
	}
	made, err := r.Case(d.Cases[0].Case)
	return made, d, err
}

// opening is the record of a new case: "E12 complaint owner", and below it what
// the case says.
func (r *Register) opening(c blocklist.Case) (record, error) {
	if err := r.checkCaseEntry(c.Entry); err != nil {
		return record{}, err
	}
	id := blocklist.CaseID(len(r.Cases) + 1)
	return record{kind: kindCase, subject: id.String(), body: fmt.Appendf(nil, "%v %s %s\n%s", c.Entry, c.Kind, c.From, c.Text)}, nil
}

func (s *State) checkCaseEntry(id blocklist.EntryID) error {
	d, err := s.DecisionOf(id)
	if err != nil {
		return err
	}
	l := s.lists[d.List]
	if l == nil {
		return fmt.Errorf("%v is not in force", id)
	}
	_, inForce := l.find(id)
	_, suspended := place(l.suspended, id)
	if !inForce && !suspended {
		return fmt.Errorf("%v is neither in force nor suspended", id)
	}
	return nil
}

func (s *State) openCase(r record) error {
	head, text, _ := strings.Cut(string(r.body), "\n")
	f := strings.Split(head, " ")
	if len(f) != 3 {
		return errors.New("not a case")
	}
	entry, err := blocklist.ParseEntryID(f[0])
	if err != nil {
		return err
	}
	c := blocklist.Case{Entry: entry, Kind: f[1], From: f[2], Text: text}
	if err := c.Check(); err != nil {
		return err
	}
	if want := blocklist.CaseID(len(s.Cases) + 1); r.subject != want.String() {
		return errors.New("case has not the next id")
	}
	if _, err := s.DecisionOf(entry); err != nil {
		return err
	}
	if err := s.checkCaseEntry(entry); s.isNew(r) && err != nil {
		return err
	}
	s.Cases = append(s.Cases, &Case{
		ID: blocklist.CaseID(len(s.Cases) + 1), Entry: entry, List: s.listOf(entry), Kind: c.Kind, From: c.From, Opened: r.time, seq: r.seq,
	})
	return nil
}

// CloseCase ends a case: the answer is given, or there is nothing to decide.
// What is suspended stays so.
func (r *Register) CloseCase(id blocklist.CaseID, reason string) error {
	if err := blocklist.CheckLine(reason); err != nil {
		return fmt.Errorf("reason: %w", err)
	}
	return r.change(func() ([]record, error) {
		if _, err := r.openCaseOf(id.String()); err != nil {
			return nil, err
		}
		return []record{{kind: kindClose, subject: id.String(), body: []byte(reason)}}, nil
	})
}

func (s *State) closeCase(r record) error {
	c, err := s.openCaseOf(r.subject)
	if err != nil {
		return err
	}
	c.Closed, c.Reason = r.time, string(r.body)
	return nil
}

func (s *State) openCaseOf(subject string) (*Case, error) {
	id, err := blocklist.ParseCaseID(subject)
	if err != nil {
		return nil, err
	}
	c, err := s.Case(id)
	if err == nil && !c.Closed.IsZero() {
		err = fmt.Errorf("%v is closed already", id)
	}
	return c, err
}

// checkSteps holds what a decision does in cases against the rest of it: to
// uphold is to withdraw the entry, and to suspend is to suspend it.
func (s *State) checkSteps(d *Decision) error {
	for _, step := range d.Cases {
		c, err := s.Case(step.Case)
		if err != nil {
			return err
		}
		has := func(all []blocklist.Withdrawal) bool {
			for _, w := range all {
				if w.ID == c.Entry {
					return true
				}
			}
			return false
		}
		switch {
		case d.List != c.List:
			return fmt.Errorf("%v is about another list", c.ID)
		case step.Step == blocklist.Uphold && !has(d.withdrawn):
			return fmt.Errorf("%v is upheld, and its entry not withdrawn", c.ID)
		case step.Step == blocklist.Suspend && !has(d.suspended):
			return fmt.Errorf("%v suspends, and its entry is not suspended", c.ID)
		}
	}
	return nil
}

// checkImpartial says whether an officer may approve a decision: a case is
// decided by somebody who did not approve the listing.
func (s *State) checkImpartial(d *Decision, o *Officer) error {
	for _, step := range d.Cases {
		if !step.Decides() {
			continue
		}
		c, err := s.Case(step.Case)
		if err != nil {
			return err
		}
		listing, err := s.DecisionOf(c.Entry)
		if err != nil {
			return err
		}
		for _, a := range listing.Approvals {
			if a.Officer == o.Name {
				return fmt.Errorf("officer %q approved %v, which lists what %v is about: somebody else decides", o.Name, listing.ID, c.ID)
			}
		}
	}
	return nil
}

// stepCases lets a decision take effect in its cases. The first verdict counts.
func (s *State) stepCases(d *Decision) {
	for _, step := range d.Cases {
		c := s.Cases[step.Case-1]
		switch {
		case step.Step == blocklist.Suspend && c.Suspended == 0:
			c.Suspended = d.ID
		case step.Decides() && c.Waits():
			c.Verdict, c.Decided, c.Decision = step.Step, d.Decided, d.ID
		}
	}
}

// CheckResume refuses to put back what a case is about before it is decided.
func (s *State) CheckResume(back []blocklist.Withdrawal) error {
	for _, w := range back {
		for _, c := range s.Cases {
			if c.Entry == w.ID && c.Waits() {
				return fmt.Errorf("%v is not resumed while %v is not decided", w.ID, c.ID)
			}
		}
	}
	return nil
}

func (s *State) listOf(id blocklist.EntryID) string {
	d, err := s.DecisionOf(id)
	if err != nil {
		return ""
	}
	return d.List
}

// Entry returns an entry as it was decided, wherever it is now. It reads the
// text of its decision.
func (r *Register) Entry(id blocklist.EntryID) (e blocklist.Entry, err error) {
	d, err := r.DecisionOf(id)
	if err != nil {
		return e, err
	}
	text, err := r.textOf(d)
	if err != nil {
		return e, err
	}
	_, err = blocklist.ScanDecision(text, blocklist.Each{Add: func(a blocklist.Entry) error {
		if a.ID == id {
			e = a
		}
		return nil
	}})
	return e, err
}
