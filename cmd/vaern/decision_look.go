package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/progress"
	"github.com/vaern/vaern/internal/register"
)

// counts sorts the additions of a decision. Each is one of the first five;
// what is flagged is counted there too.
type counts struct {
	New         int `json:"new"`
	Existing    int `json:"existing"`    // another entry in force lists the same
	Reactivated int `json:"reactivated"` // was listed before: withdrawn, suspended or expired
	Covered     int `json:"covered"`     // a domain in force covers it: it adds nothing
	Refused     int `json:"refused"`     // a guard refuses it, and no override lets it through
	Flagged     int `json:"flagged"`     // to be looked at again
}

func (c *counts) String() string {
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{
		{c.New, "new"},
		{c.Existing, "existing"},
		{c.Reactivated, "reactivated"},
		{c.Covered, "covered"},
		{c.Refused, "refused"},
		{c.Flagged, "flagged"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	return strings.Join(parts, ", ")
}

// isNew is what is said of an addition that nothing else lists or did.
const isNew = "new"

var plainlyNew = []string{isNew}

// look holds a decision against what is in force of all others, and, if it is
// a draft, tries the build that it would lead to.
type look struct {
	*authority
	decision *register.Decision
	list     *ListConfig
	policy   *policy
	counts   counts
	listed   [blocklist.URL + 1]map[string]blocklist.EntryID // targets in force, by unit
	added    []blocklist.Listed
	out      []blocklist.Withdrawal // withdrawn or suspended
	own      map[blocklist.Override]bool
	digests  map[string]string // of entries that the decision has itself an override for
}

func (a *authority) look(d *register.Decision) (*look, error) {
	l, err := a.listNamed(d.List)
	if err != nil {
		return nil, err
	}
	p, err := a.loadPolicy(l, a.reg.Highest[l.Name])
	if err != nil {
		return nil, err
	}
	k := &look{authority: a, decision: d, list: l, policy: p, own: map[blocklist.Override]bool{}, digests: map[string]string{}}
	for _, o := range d.Overrides {
		k.own[o] = true
		k.digests[o.For] = ""
	}
	if d.Adds == 0 {
		return k, nil
	}
	inForce := a.reg.InForce(l.Name)
	for u := range k.listed {
		size := 0
		if u == int(blocklist.Domain) {
			size = len(inForce)
		}
		k.listed[u] = make(map[string]blocklist.EntryID, size)
	}
	for _, e := range inForce {
		if e.Decision != d.ID {
			k.listed[e.Target.Unit][e.Target.Reveal()] = e.ID
		}
	}
	return k, nil
}

// add sorts one addition and returns what is to be said of it.
func (k *look) add(e blocklist.Entry) []string {
	k.added = append(k.added, blocklist.Listed{ID: e.ID, Decision: k.decision.ID, Target: e.Target, Category: e.Category})
	if len(k.own) > 0 {
		if _, ok := k.digests[e.ID.String()]; ok {
			k.digests[e.ID.String()] = e.Digest()
		}
	}
	count, standing := k.standing(e)
	findings := k.policy.CheckTarget(e.Target)
	if standing == isNew && len(findings) == 0 { // as most are
		*count++
		return plainlyNew
	}
	found := []string{standing}
	refused, flagged := false, false
	for _, f := range findings {
		switch {
		case f.Flag:
			flagged = true
			found = append(found, fmt.Sprintf("flagged: %s: %s", f.Rule, f.Reason))
		case k.lets(f.Rule, e.ID.String(), ""):
			flagged = true
			found = append(found, fmt.Sprintf("flagged: %s: %s, let through by an override", f.Rule, f.Reason))
		default:
			refused = true
			found = append(found, fmt.Sprintf("refused: %s: %s", f.Rule, f.Reason))
		}
	}
	if flagged {
		k.counts.Flagged++
	}
	if refused {
		k.counts.Refused++
		return found[1:]
	}
	*count++
	return found
}

// resume looks at one entry that is to come back, and returns what is to be
// said of it.
func (k *look) resume(w blocklist.Withdrawal) []string {
	found := []string{}
	suspended := k.reg.Suspended(k.decision.List)
	if i := slices.IndexFunc(suspended, func(e blocklist.Listed) bool { return e.ID == w.ID }); i >= 0 {
		k.added = append(k.added, suspended[i])
	} else if k.decision.Status == register.Draft {
		found = append(found, "is not suspended any more")
	}
	for _, f := range k.policy.CheckTarget(w.Target) {
		switch {
		case f.Flag:
			found = append(found, "flagged: "+f.String())
		case !k.lets(f.Rule, w.ID.String(), ""):
			found = append(found, "refused: "+f.String())
		}
	}
	return found
}

// standing says how an addition stands to the other entries, and where it is
// counted unless a guard refuses it.
func (k *look) standing(e blocklist.Entry) (count *int, text string) {
	name := e.Target.Reveal()
	if id, ok := k.listed[e.Target.Unit][name]; ok {
		return &k.counts.Existing, fmt.Sprintf("existing: %v lists the same%s", id, k.until(id))
	}
	if e.Target.Unit == blocklist.Host {
		if id, ok := k.listed[blocklist.Domain][name]; ok {
			return &k.counts.Covered, fmt.Sprintf("covered: by %v", id)
		}
	}
	if e.Target.Unit != blocklist.URL {
		for _, above, ok := strings.Cut(name, "."); ok; _, above, ok = strings.Cut(above, ".") {
			if id, ok := k.listed[blocklist.Domain][above]; ok {
				return &k.counts.Covered, fmt.Sprintf("covered: below %v", id)
			}
		}
	}
	f, was := k.reg.Former(k.decision.List, e.Target)
	switch {
	case was && f.ID == e.ID:
		return &k.counts.New, fmt.Sprintf("new: and %s since", f.How)
	case was:
		return &k.counts.Reactivated, fmt.Sprintf("reactivated: was %v, %s", f.ID, f.How)
	}
	return &k.counts.New, isNew
}

// until says when an entry expires, if that is announced: an addition of the
// same then renews it.
func (k *look) until(id blocklist.EntryID) string {
	inForce := k.reg.InForce(k.list.Name)
	i, ok := slices.BinarySearchFunc(inForce, id, func(e blocklist.Listed, id blocklist.EntryID) int { return cmp.Compare(e.ID, id) })
	if !ok {
		return ""
	}
	at := k.reg.Expires(inForce[i])
	if at.After(k.now().Add(register.Notice)) {
		return ""
	}
	return ", until " + at.Format(time.DateOnly)
}

// lets says whether an override in force, or one of the decision itself, lets
// something through a rule.
func (k *look) lets(rule blocklist.Rule, subject, digest string) bool {
	if k.reg.Overridden(rule, subject, digest) {
		return true
	}
	own, ok := k.digests[subject]
	if !ok {
		return false
	}
	switch rule.Subject() {
	case blocklist.OfEntry:
		digest = own
		if id, err := blocklist.ParseEntryID(subject); err == nil && own == "" {
			digest, _ = k.reg.EntryDigest(id) // of another decision
		}
	case blocklist.OfDecision:
		if id, err := blocklist.ParseDecisionID(subject); err == nil {
			if of, err := k.reg.Decision(id); err == nil {
				digest = of.Digest
			}
		}
	}
	return k.own[blocklist.Override{Rule: rule, For: subject, Digest: digest}]
}

// try runs the build that the decision would lead to if it were in force now,
// and returns what refuses it.
func (k *look) try() ([]blocklist.Refusal, error) {
	clear(k.listed[:]) // a million names are some hundred megabytes
	b, err := k.presentBuild(k.list, k.policy)
	if err != nil {
		return nil, err
	}
	leaving := make(map[blocklist.EntryID]bool, len(k.out))
	explained := make(map[string]bool, len(k.out))
	for _, w := range k.out {
		leaving[w.ID] = true
		explained[w.Target.RevealKey()] = true
	}
	entries := make([]blocklist.Listed, 0, len(b.Entries)+len(k.added))
	for _, e := range b.Entries {
		if !leaving[e.ID] {
			entries = append(entries, e)
		}
	}
	b.Entries = append(entries, k.added...)
	b.Overridden = k.lets
	if withdrawn := b.Withdrawn; len(explained) > 0 {
		b.Withdrawn = func(t blocklist.Target) bool { return explained[t.RevealKey()] || withdrawn(t) }
	}
	return b.Check().Refused, nil
}

// presentBuild is the build that compile would run now.
func (a *authority) presentBuild(l *ListConfig, p *policy) (*blocklist.Build, error) {
	keys, err := a.editionKeys()
	if err != nil {
		return nil, err
	}
	var old *published
	if _, err := os.Stat(a.listDir(l)); !errors.Is(err, os.ErrNotExist) {
		if old, err = a.previous(a.listDir(l), keys); err != nil {
			return nil, err
		}
	}
	return a.build(l, p, old, keys)
}

// details reads the decision's text again and looks at each of its lines.
func (a *authority) details(d *register.Decision) (decisionJSON, error) {
	defer progress.Begin(a.err, "checking the decision")()
	j := a.decisionJSON(d)
	text, err := a.reg.Text(d.ID)
	if err != nil {
		return j, err
	}
	var k *look
	if d.List != blocklist.NoList {
		if k, err = a.look(d); err != nil {
			fmt.Fprintf(a.err, "the guards were not run: %v\n", err)
		}
	}
	take := func(change string) func(blocklist.Withdrawal) error {
		return func(w blocklist.Withdrawal) error {
			if k != nil {
				k.out = append(k.out, w)
			}
			j.Entries = append(j.Entries, entryJSON{w.ID.String(), change, w.Target.Unit.String(), w.Target.Reveal(), "", []string{}})
			return nil
		}
	}
	_, err = blocklist.ScanDecision(text, blocklist.Each{
		Add: func(e blocklist.Entry) error {
			row := entryJSON{e.ID.String(), "add", e.Target.Unit.String(), e.Target.Reveal(), e.Category, []string{}}
			if k != nil {
				row.Findings = k.add(e)
			}
			j.Entries = append(j.Entries, row)
			return nil
		},
		Withdraw: take("withdraw"),
		Suspend:  take("suspend"),
		Resume: func(w blocklist.Withdrawal) error {
			row := entryJSON{w.ID.String(), "resume", w.Target.Unit.String(), w.Target.Reveal(), "", []string{}}
			if k != nil {
				row.Findings = k.resume(w)
			}
			j.Entries = append(j.Entries, row)
			return nil
		},
		Recheck: func(c blocklist.Recheck) error {
			found := []string{fmt.Sprintf("%v on %s", c.Result, c.Day.Format(time.DateOnly))}
			if c.Note != "" {
				found = append(found, c.Note)
			}
			j.Entries = append(j.Entries, entryJSON{c.ID.String(), "recheck", c.Target.Unit.String(), c.Target.Reveal(), "", found})
			return nil
		},
	})
	if err != nil {
		return j, err
	}
	for _, c := range d.Cases {
		j.Other = append(j.Other, fmt.Sprintf("case %v: %s", c.Case, c.Step))
	}
	for _, o := range d.Officers {
		if o.Revoke {
			j.Other = append(j.Other, fmt.Sprintf("revoke officer %s since %s", o.Name, o.Since.Format(time.RFC3339)))
		} else {
			j.Other = append(j.Other, fmt.Sprintf("add officer %s, %s, %s", o.Name, o.Role, o.Key))
		}
	}
	for _, o := range d.Overrides {
		j.Other = append(j.Other, fmt.Sprintf("override %s for %v with digest %s", o.Rule, o.For, o.Digest))
	}
	if k == nil {
		return j, nil
	}
	j.Counts = &k.counts
	if d.Status == register.Draft && d.AddsAnything() {
		if j.HeldBack, err = k.try(); err != nil {
			fmt.Fprintf(a.err, "the guards on the list as a whole were not run: %v\n", err)
		}
	}
	return j, nil
}

// heldBack says in one line what would refuse a build.
func (j *decisionJSON) heldBack() string {
	if len(j.HeldBack) == 0 {
		return ""
	}
	return "would be held back: " + reasons(j.HeldBack)
}

// summary is one line with counts: what an officer sees before signing.
func (j *decisionJSON) summary() string {
	var parts []string
	if j.Adds > 0 {
		text := cli.Plural(j.Adds, "addition", "additions")
		if j.Counts != nil {
			text += " (" + j.Counts.String() + ")"
		}
		parts = append(parts, text)
	}
	if j.Withdraws > 0 {
		parts = append(parts, cli.Plural(j.Withdraws, "withdrawal", "withdrawals"))
	}
	if j.Rollback != "" {
		parts = append(parts, "rollback to edition "+j.Rollback)
	}
	if j.Suspends > 0 {
		parts = append(parts, cli.Plural(j.Suspends, "suspension", "suspensions"))
	}
	if j.Resumes > 0 {
		parts = append(parts, cli.Plural(j.Resumes, "resumption", "resumptions"))
	}
	if j.Rechecks > 0 {
		parts = append(parts, cli.Plural(j.Rechecks, "recheck", "rechecks"))
	}
	for i, other := range j.Other {
		if i == maxReasons {
			parts = append(parts, fmt.Sprintf("and %d more", len(j.Other)-i))
			break
		}
		what, _, _ := strings.Cut(other, " with digest ")
		parts = append(parts, what)
	}
	return strings.Join(parts, ", ")
}
