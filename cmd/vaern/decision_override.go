package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
)

const overrideHint = "these have one: never-block, public-suffix, own-name and single-label for an entry (E12); " +
	"growth for a decision (D7); vanished, clock and never-block-file for a list"

// subjectHints say what --for wants.
var subjectHints = map[blocklist.Subject]string{
	blocklist.OfEntry:    "an entry: give an id like E12; vaern decision show names them",
	blocklist.OfDecision: "a decision: give an id like D7; vaern decision list names them",
	blocklist.OfTheList:  "a list as it is now: give its name",
}

// rules are the rules to override.
func (o *draftOptions) rules() []blocklist.Rule {
	var rules []blocklist.Rule
	if o.override != "" {
		for _, r := range strings.Split(o.override, ",") {
			rules = append(rules, blocklist.Rule(r))
		}
	}
	return rules
}

// checkOverride holds the rules against what they are to be overridden for,
// and says which list that means.
func (a *authority) checkOverride(o *draftOptions) error {
	switch {
	case o.overrideFor != "" && o.override == "":
		return cli.Misuse(errors.New("--for says what an override is for, and there is no --override"), overrideHint)
	case o.override != "" && o.overrideFor == "" && o.add == "":
		return cli.Misuse(errors.New("--override needs --for, or lines to --add"), overrideHint)
	}
	for _, rule := range o.rules() {
		subject := rule.Subject()
		if subject == blocklist.NoSubject {
			return cli.Misuse(fmt.Errorf("rule %q has no override", rule), overrideHint)
		}
		if o.overrideFor == "" {
			if subject != blocklist.OfEntry {
				return cli.Misuse(fmt.Errorf("rule %q is not about an entry to add: it needs --for", rule), "it is overridden for "+subjectHints[subject])
			}
			continue
		}
		list, err := a.listOf(subject, o.overrideFor)
		if err != nil {
			return cli.Misuse(fmt.Errorf("--for %s: %w", o.overrideFor, err), fmt.Sprintf("rule %s is overridden for %s", rule, subjectHints[subject]))
		}
		if o.list == "" {
			o.list = list
		}
		if o.list != list {
			return cli.Misuse(fmt.Errorf("--for %s is about list %s, not %s", o.overrideFor, list, o.list), "")
		}
	}
	return nil
}

// listOf returns the list that the subject of an override belongs to.
func (a *authority) listOf(subject blocklist.Subject, what string) (string, error) {
	switch subject {
	case blocklist.OfEntry:
		id, err := blocklist.ParseEntryID(what)
		if err != nil {
			return "", err
		}
		d, err := a.reg.DecisionOf(id)
		if err != nil {
			return "", err
		}
		return d.List, nil
	case blocklist.OfDecision:
		id, err := blocklist.ParseDecisionID(what)
		if err != nil {
			return "", err
		}
		d, err := a.reg.Decision(id)
		switch {
		case err != nil:
			return "", err
		case d.List == blocklist.NoList:
			return "", errors.New("it is about officers")
		}
		return d.List, nil
	default:
		l, err := a.listNamed(what)
		if err != nil {
			return "", err
		}
		return l.Name, nil
	}
}

// override binds each override to what it lets through.
func (d *draft) override() error {
	rules := d.options.rules()
	if d.options.overrideFor == "" {
		return nil // add has seen to it
	}
	for _, rule := range rules {
		digest, err := d.bound(rule, d.options.overrideFor)
		if err != nil {
			return err
		}
		d.decision.Overrides = append(d.decision.Overrides, blocklist.Override{Rule: rule, For: d.options.overrideFor, Digest: digest})
	}
	return nil
}

func (d *draft) bound(rule blocklist.Rule, subject string) (string, error) {
	switch rule.Subject() {
	case blocklist.OfEntry:
		id, err := blocklist.ParseEntryID(subject)
		if err != nil {
			return "", err
		}
		return d.reg.EntryDigest(id)
	case blocklist.OfDecision:
		id, err := blocklist.ParseDecisionID(subject)
		if err != nil {
			return "", err
		}
		of, err := d.reg.Decision(id)
		if err != nil {
			return "", err
		}
		return of.Digest, nil
	}
	b, err := d.presentBuild(d.list, d.policy)
	if err != nil {
		return "", err
	}
	digest := refusedNow(b, rule)
	if digest == "" {
		return "", cli.Refuse(fmt.Errorf("rule %s does not refuse list %s at present: there is nothing to override", rule, subject),
			"vaern check says what holds the list back")
	}
	return digest, nil
}

// refusedNow returns what an override of a rule about the list is bound to, or
// nothing if the rule does not refuse now. A clock or a never-block file that
// is wrong holds back what is not decided yet as well.
func refusedNow(b *blocklist.Build, rule blocklist.Rule) string {
	for _, r := range b.Check().Refused {
		if r.Rule == rule {
			return r.Digest
		}
	}
	if rule == blocklist.RuleNeverBlockSet && b.Unprotected != "" ||
		rule == blocklist.RuleClock && b.Previous != nil && !blocklist.Believes(b.Created, b.Now) {
		return b.State[rule]
	}
	return ""
}

// unprotectedAllowed says whether officers let the list through as its
// never-block files are now.
func (d *draft) unprotectedAllowed() bool {
	b, err := d.presentBuild(d.list, d.policy)
	return err == nil && d.reg.Overridden(blocklist.RuleNeverBlockSet, d.list.Name, b.State[blocklist.RuleNeverBlockSet])
}
