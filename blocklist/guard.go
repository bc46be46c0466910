package blocklist

import (
	"fmt"
	"math"
	"sync"
)

// Limit is a bound that is passed only beyond both its numbers.
type Limit struct {
	Count   int
	Percent float64
}

// Exceeded says whether n changes in a list of total entries pass the limit.
func (l Limit) Exceeded(n, total int) bool {
	// The smallest of margins, because 0.57 % of 10,000 is 56.99999999999999.
	return n > l.Count && float64(n) > math.Floor(l.Percent*float64(total)/100+1e-9)
}

func (l Limit) String() string { return fmt.Sprintf("%d and %g %%", l.Count, l.Percent) }

// Policy is what guards hold additions against. It is immutable in use.
type Policy struct {
	Protected *Protected // never-block names
	Own       []Name     // stop host, name servers, zone: never blocked from above
	// MaxText is the greatest length, in octets of text, that the zone leaves
	// to a name of each unit (field note RZ1); the DNS side knows it.
	MaxText   func(Unit) int
	StopHost  Name // that blocked names lead to; zero: they lead to none
	MaxGrowth Limit

	once   sync.Once
	marks  map[string]mark // see marked
	filter []bool
}

// Finding is what a guard says of one target. A flag informs; everything else
// refuses.
type Finding struct {
	Rule   Rule
	Reason string
	Flag   bool
}

func (f Finding) String() string {
	if f.Flag {
		return fmt.Sprintf("flag %s: %s", f.Rule, f.Reason)
	}
	return fmt.Sprintf("%s: %s", f.Rule, f.Reason)
}

// CheckTarget runs the guards on one target that is to be added. Guards of
// names do not apply to a URL, which blocks nothing but itself; there they
// only flag.
func (p *Policy) CheckTarget(t Target) []Finding {
	name := t.Name()
	switch {
	case name.IsZero(): // a URL on an IP address
		return nil
	case t.Unit == URL:
		m, belowProtected := p.look(name.Reveal())
		return append(suspicious(name), flagURL(m, belowProtected)...)
	}
	return append(suspicious(name), p.refusals(t)...)
}

// refusals runs the guards that hold a domain or host back.
func (p *Policy) refusals(t Target) (found []Finding) {
	if t.Unit == URL {
		return nil
	}
	name := t.Name()
	text := name.Reveal()
	m, belowProtected := p.look(text)
	refuse := func(rule Rule, reason string) { found = append(found, Finding{Rule: rule, Reason: reason}) }
	if name.Labels() == 1 {
		refuse(RuleSingleLabel, "a single label is a whole top-level domain")
	}
	if p.MaxText != nil && len(text) > p.MaxText(t.Unit) {
		refuse(RuleTooLong, fmt.Sprintf("longer than the %d octets that the zone leaves room for", p.MaxText(t.Unit)))
	}
	switch {
	case m&isSuffix != 0:
		refuse(RulePublicSuffix, "everybody's names live below a public suffix")
	case t.Unit == Domain && m&aboveSuffix != 0:
		refuse(RulePublicSuffix, "a public suffix lies below it")
	}
	switch {
	case m&isProtected != 0:
		refuse(RuleNeverBlock, "is a protected name")
	case m&aboveProtected != 0:
		refuse(RuleNeverBlock, "is above a protected name")
	case belowProtected:
		refuse(RuleNeverBlock, "is below a protected name")
	}
	if m&isStop != 0 || t.Unit == Domain && m&aboveStop != 0 {
		refuse(RuleStopHost, "covers the host that blocked names lead to")
	}
	if m&isOwn != 0 {
		refuse(RuleOwn, "is or is above a name that the blocking itself needs")
	}
	return found
}

// IsBelowProtected says whether a name lies below a protected name and is not,
// nor is above, one itself.
func (p *Policy) IsBelowProtected(n Name) bool {
	m, below := p.look(n.Reveal())
	return below && m&(isProtected|aboveProtected) == 0
}

// flagURL says what is worth knowing of a URL's host.
func flagURL(m mark, belowProtected bool) (flags []Finding) {
	switch {
	case m&isProtected != 0:
		flags = append(flags, Finding{RuleNeverBlock, "the URL's host is a protected name", true})
	case belowProtected && m&aboveProtected == 0:
		flags = append(flags, Finding{RuleNeverBlock, "the URL's host is below a protected name", true})
	}
	if m&isSuffix != 0 {
		flags = append(flags, Finding{RulePublicSuffix, "the URL's host is shared: a public suffix", true})
	}
	return flags
}

// Refuses says whether one of the findings is more than a flag.
func Refuses(found []Finding) bool {
	for _, f := range found {
		if !f.Flag {
			return true
		}
	}
	return false
}
