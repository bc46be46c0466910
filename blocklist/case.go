package blocklist

import (
	"errors"
	"slices"
	"strings"
)

// Case is what somebody outside has against an entry: a complaint that it
// should not be listed, or a request to revise it. It is not about who that is:
// nothing of a person is kept.
type Case struct {
	Entry EntryID
	Kind  string // one of CaseKinds
	From  string // one of CaseSources
	Text  string // what is said, in one line
}

// CaseKinds and CaseSources are the words for what a case is, and for who came
// with it: who owns the name, who wanted to see it, a provider that carries the
// block out, another authority.
var (
	CaseKinds   = []string{"complaint", "revision"}
	CaseSources = []string{"owner", "user", "provider", "authority"}
)

// Check says whether the case can stand in a register.
func (c *Case) Check() error {
	switch {
	case !slices.Contains(CaseKinds, c.Kind):
		return errors.New("kind of a case is none of " + strings.Join(CaseKinds, ", "))
	case !slices.Contains(CaseSources, c.From):
		return errors.New("a case comes from none of " + strings.Join(CaseSources, ", "))
	}
	return CheckLine(c.Text)
}

// Step is what a decision does in a case.
type Step string

// The steps. Uphold and Reject decide the case, and whoever signs that had no
// part in the listing.
const (
	Suspend Step = "suspend" // it may be right: the entry is out until it is decided
	Uphold  Step = "uphold"  // it is right: the entry is withdrawn
	Reject  Step = "reject"  // it is not
)

// CaseStep is a line about a case in a decision.
type CaseStep struct {
	Case CaseID
	Step Step
}

// Decides says whether the step is the verdict of its case.
func (c CaseStep) Decides() bool { return c.Step == Uphold || c.Step == Reject }

// caseStep reads "case", the case and the step, tabs between them.
func (s *scanner) caseStep(line string) error {
	f := strings.Split(line, "\t")
	if len(f) != 3 {
		return errors.New("a line about a case has not its three fields")
	}
	id, err := ParseCaseID(f[1])
	if err != nil {
		return err
	}
	c := CaseStep{id, Step(f[2])}
	if c.Step != Suspend && !c.Decides() {
		return errors.New("step in a case is none of suspend, uphold, reject")
	}
	if s.kind == kindCase && id <= s.lastCase {
		return errors.New("cases are not in order of their ids")
	}
	s.lastCase = id
	if s.each.Case == nil {
		return nil
	}
	return s.each.Case(c)
}
