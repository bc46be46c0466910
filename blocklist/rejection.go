package blocklist

// Rule names a check that an entry, a decision or a build can fail. Rules are
// part of the outside: messages, JSON and overrides use these words.
type Rule string

// Rules on one entry. The first group has no override.
const (
	RuleSyntax    Rule = "syntax"     // not a name, URL or field of ours
	RuleIDNA      Rule = "idna"       // not a valid internationalised name
	RuleTooLong   Rule = "too-long"   // longer than a name, or than the zone leaves room for
	RuleRoot      Rule = "root"       // the root of all names
	RuleIPLiteral Rule = "ip-literal" // an IP address in any spelling
	RuleStopHost  Rule = "stop-host"  // covers what blocked names lead to: an exception to some resolvers, a loop to others

	RuleSingleLabel  Rule = "single-label"  // a top-level domain or a bare word
	RulePublicSuffix Rule = "public-suffix" // everybody's names live below it
	RuleNeverBlock   Rule = "never-block"   // equal to, above or below a protected name
	RuleOwn          Rule = "own-name"      // the stop host, a name server or the zone
)

// Rules that only flag: they tell an officer to look twice at what was typed.
const (
	RuleLookalike Rule = "look-alike" // letters that pass for others
	RuleGlued     Rule = "www-glued"  // "www" and a name with the dot forgotten
)

// Rules on a build.
const (
	RuleGrowth        Rule = "growth"           // more names than max_growth allows
	RuleVanished      Rule = "vanished"         // entries gone without a decision
	RuleEmpty         Rule = "empty"            // a list that never had an entry
	RuleClock         Rule = "clock"            // the clock is before the last edition, or far after it
	RuleNeverBlockSet Rule = "never-block-file" // a never-block file is missing, empty or halved
)

// Rejection is the reason why a line or an entry is not accepted. It names
// the rule and never the name: whoever reports it adds file and line, or the
// entry's id.
type Rejection struct {
	Rule   Rule
	Reason string
}

func (r *Rejection) Error() string { return string(r.Rule) + ": " + r.Reason }

func reject(rule Rule, reason string) *Rejection { return &Rejection{rule, reason} }

// Subject is what an override of a rule is for.
type Subject uint8

// The subjects of overrides. What cannot be in the zone at all has none, nor
// has an empty list.
const (
	NoSubject  Subject = iota
	OfEntry            // one entry, E12, bound to its line in the signed decision
	OfDecision         // one decision, D7, bound to its text
	OfTheList          // a list by name, bound to what stands against it now: see Refusal.Digest
)

// Subject says what a signed override of the rule is for, if it has one.
func (r Rule) Subject() Subject {
	switch r {
	case RuleNeverBlock, RulePublicSuffix, RuleOwn, RuleSingleLabel:
		return OfEntry
	case RuleGrowth:
		return OfDecision
	case RuleVanished, RuleClock, RuleNeverBlockSet:
		return OfTheList
	}
	return NoSubject
}
