package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/progress"
	"github.com/vaern/vaern/internal/register"
)

// reviewOptions are the flags of decision review.
type reviewOptions struct {
	approveOptions
	from   int
	remove []string
}

func (a *app) decisionReview() *cobra.Command {
	var o reviewOptions
	c := &cobra.Command{
		Use:   "review ID --as NAME --key FILE [--urgent]",
		Short: "Go through a draft one entry at a time, and sign what is left",
		Long: `Shows one entry after the other, with what the guards say of it, and asks for a
letter and Enter:

  a  approve    the entry is right
  s  skip       look at it again at the end
  r  remove     the entry is not to be decided
  b  back       to the entry before
  u  undo       take the last answer back
  q  quit       sign nothing
  ?  help

At the end it counts, shows the digest, and asks; type yes to sign. A draft is
never edited: if entries were removed, a new one without them takes its place,
and that is signed. Signatures that the old one had do not count for it.

Answers are kept nowhere. Who quits is told the --from and --remove with which
to go on at the same place later.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeDecisions(register.Draft),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withDecision(args[0], func(auth *authority, d *register.Decision) error { return auth.review(d, o) })
		},
	}
	f := c.Flags()
	f.StringVar(&o.as, "as", "", "`NAME` of the officer who signs")
	f.StringVar(&o.key, "key", "", "sign with the key in `FILE`, see decision approve")
	f.BoolVar(&o.urgent, "urgent", false, "publish at once what the decision takes out")
	f.IntVar(&o.from, "from", 1, "begin at entry `N`: those before it were approved, or removed")
	f.StringSliceVar(&o.remove, "remove", nil, "entries that were removed, `ID,...`")
	_ = c.MarkFlagRequired("as")
	_ = c.MarkFlagRequired("key")
	_ = c.RegisterFlagCompletionFunc("as", a.completePolice)
	return c
}

// answer is what a person said of one change.
type answer int

const (
	open answer = iota // not said yet, or skipped
	approved
	removed
)

// given is an answer to take back.
type given struct {
	at     int
	before answer
}

// review is a person going through a draft.
type review struct {
	*authority
	options  reviewOptions
	decision *register.Decision
	content  *blocklist.Decision
	items    []reviewItem
	answers  []answer
	given    []given // the last one last
	lines    *bufio.Reader
}

var (
	errQuit    = errors.New("not approved")
	errGoOn    = errors.New("asked to go on") // from another place
	errNotLeft = errors.New("nothing is left to approve")
)

func (a *authority) review(d *register.Decision, o reviewOptions) error {
	r := &review{authority: a, options: o, decision: d, lines: bufio.NewReader(a.in)}
	if err := r.check(); err != nil {
		return err
	}
	if err := r.load(); err != nil {
		return err
	}
	if err := r.resume(); err != nil {
		return err
	}
	if err := r.tell(d); err != nil {
		return err
	}
	at := r.firstOpen(o.from - 1)
	for {
		err := r.walk(at)
		if err == nil {
			at, err = r.finish()
		}
		switch {
		case errors.Is(err, errGoOn):
			continue
		case errors.Is(err, errQuit), errors.Is(err, io.EOF):
			return r.quit()
		}
		return err
	}
}

// check refuses before the work begins what would be refused at its end.
func (r *review) check() error {
	o, d := r.options, r.decision
	if d.Status != register.Draft {
		return cli.Refuse(fmt.Errorf("%v is %s already", d.ID, d.Status), "vaern decision show "+d.ID.String())
	}
	if !slices.ContainsFunc(r.reg.Officers, func(of *register.Officer) bool {
		return of.Name == o.as && of.Role == blocklist.Police && of.Revoked.IsZero()
	}) {
		return cli.Refuse(fmt.Errorf("there is no active police officer %q", o.as), "vaern officer list")
	}
	if slices.ContainsFunc(d.Approvals, func(a register.Approval) bool { return a.Officer == o.as && !a.Void }) {
		return cli.Refuse(fmt.Errorf("officer %q has approved %v already", o.as, d.ID), "")
	}
	return checkUrgent(d, o.approveOptions)
}

// resume marks what was said before.
func (r *review) resume() error {
	n := len(r.items)
	if r.options.from < 1 || r.options.from > n+1 {
		return cli.Misuse(fmt.Errorf("--from %d: %v has %s", r.options.from, r.decision.ID, cli.Plural(n, "entry", "entries")), "")
	}
	for i := range r.options.from - 1 {
		r.answers[i] = approved
	}
	for _, id := range r.options.remove {
		i := slices.IndexFunc(r.items, func(it reviewItem) bool { return it.ID == id && it.stays == "" })
		if i < 0 {
			return cli.Misuse(fmt.Errorf("--remove: %v has no entry %.20q", r.decision.ID, id), "vaern decision show "+r.decision.ID.String())
		}
		r.answers[i] = removed
	}
	return nil
}

// walk asks about one entry after the other, from a place on, until none is
// open.
func (r *review) walk(at int) error {
	for shown := -1; ; {
		if at >= len(r.items) {
			if at = r.firstOpen(0); at == len(r.items) {
				return nil
			}
			shown = -1
			fmt.Fprintf(r.err, "once more what was skipped: %d\n", r.count(open))
		}
		if at != shown {
			r.page(at)
			shown = at
		}
		letter, err := r.prompt("a(pprove) s(kip) r(emove) b(ack) u(ndo) q(uit) ? ")
		if err != nil {
			return err
		}
		switch letter {
		case "a":
			at = r.next(at, approved)
		case "s":
			at = r.next(at, open)
		case "r":
			if why := r.items[at].stays; why != "" {
				fmt.Fprintln(r.err, why)
				continue
			}
			at = r.next(at, removed)
		case "b":
			at, shown = max(at-1, 0), -1
		case "u":
			at, shown = r.undo(at), -1
		case "q":
			return errQuit
		case "?":
			fmt.Fprint(r.err, reviewKeys)
		default:
			fmt.Fprintln(r.err, "one letter and Enter; ? explains them")
		}
	}
}

const reviewKeys = `a  approve: the entry is right             b  back to the entry before
s  skip: look at it again at the end       u  undo the last answer
r  remove: it is not to be decided         q  quit, and sign nothing
`

// next notes an answer and returns the next place that is open.
func (r *review) next(at int, said answer) int {
	if said != open {
		r.given = append(r.given, given{at, r.answers[at]})
	}
	r.answers[at] = said
	return r.firstOpen(at + 1)
}

// firstOpen is the first place without an answer, from a place on, or behind
// the last one.
func (r *review) firstOpen(at int) int {
	for at < len(r.answers) && r.answers[at] != open {
		at++
	}
	return at
}

// undo takes the last answer back and returns its place.
func (r *review) undo(at int) int {
	if len(r.given) == 0 {
		fmt.Fprintln(r.err, "nothing to undo")
		return at
	}
	last := r.given[len(r.given)-1]
	r.given = r.given[:len(r.given)-1]
	r.answers[last.at] = last.before
	return last.at
}

func (r *review) count(said answer) int {
	n := 0
	for _, a := range r.answers {
		if a == said {
			n++
		}
	}
	return n
}

// prompt returns what a person typed, in lower case.
func (r *review) prompt(question string) (string, error) {
	fmt.Fprint(r.err, question)
	line, err := r.lines.ReadString('\n')
	if err != nil && line == "" {
		fmt.Fprintln(r.err)
		return "", err
	}
	line = strings.TrimSpace(line)
	if !progress.IsTerminal(r.in) { // a terminal shows what is typed
		fmt.Fprintln(r.err, line)
	}
	return strings.ToLower(line), nil
}

// finish counts, has what was removed left out of a new draft, and signs. It
// returns the place to go on from if the person would rather.
func (r *review) finish() (at int, err error) {
	out := r.removed()
	fmt.Fprintf(r.err, "%s: %d approved, %d removed%s\n", cli.Plural(len(r.items), "entry", "entries"), r.count(approved), len(out), among(out))
	d := r.decision
	if len(out) > 0 {
		rest, from, exceptions := r.rest()
		if len(rest.Add)+len(rest.Withdraw)+len(rest.Suspend)+len(rest.Resume)+len(rest.Rechecks)+len(rest.Cases)+len(rest.Officers)+len(rest.Overrides) == 0 {
			return 0, cli.Refuse(errNotLeft, fmt.Sprintf("vaern decision reject %v --reason TEXT ends the draft", d.ID))
		}
		question := fmt.Sprintf("draft %v anew without %s?", d.ID, cli.Plural(len(out), "entry", "entries"))
		if n := d.Valid(); n > 0 {
			question = fmt.Sprintf("%v has %s, which the new draft has not.\n%s", d.ID, cli.Plural(n, "approval", "approvals"), question)
		}
		if at, err := r.confirmed(question); err != nil {
			return at, err
		}
		if d, err = r.reg.NewDraftFrom(rest, d.ID, from, exceptions...); err != nil {
			return 0, err
		}
		fmt.Fprintf(r.out, "%v replaces %v, without %s\n", d.ID, r.decision.ID, cli.Plural(len(out), "entry", "entries"))
		r.replaced(d)
	}
	if err := r.tell(d); err != nil {
		return 0, err
	}
	if at, err := r.confirmed("approve?"); err != nil {
		return at, err
	}
	o := r.options.approveOptions
	o.digest = d.Digest // what was shown
	if err := r.approve(d, o); err != nil {
		fmt.Fprintf(r.err, "all of %v was approved; once the key signs: vaern decision approve %v --as %s --key FILE\n", d.ID, d.ID, o.as)
		return 0, err
	}
	return 0, nil
}

// replaced goes on with the new draft, all of which was approved.
func (r *review) replaced(d *register.Decision) {
	var left []reviewItem
	for i, it := range r.items {
		if r.answers[i] != removed {
			left = append(left, it)
		}
	}
	r.items = left
	r.options.from, r.options.remove = len(r.items)+1, nil
	r.decision, r.answers, r.given = d, slices.Repeat([]answer{approved}, len(r.items)), nil
}

// confirmed has a person type yes. Or they undo, and go on from there.
func (r *review) confirmed(question string) (at int, err error) {
	for {
		said, err := r.prompt(question + " type yes, u(ndo) or q(uit): ")
		switch {
		case err != nil:
			return 0, err
		case said == "yes":
			return 0, nil
		case said == "q":
			return 0, errQuit
		case said == "u" && len(r.given) > 0:
			return r.undo(0), errGoOn
		case said == "u":
			fmt.Fprintln(r.err, "nothing to undo")
		}
	}
}

// quit tells how to go on.
func (r *review) quit() error {
	hint := fmt.Sprintf("to go on: vaern decision review %v --as %s --key FILE --from %d", r.decision.ID, r.options.as, r.firstOpen(0)+1)
	if out := r.removed(); len(out) > 0 {
		hint += " --remove " + strings.Join(out, ",")
	}
	return cli.Refuse(errQuit, hint)
}

// removed are the ids of what was removed.
func (r *review) removed() []string {
	var ids []string
	for i, said := range r.answers {
		if said == removed {
			ids = append(ids, r.items[i].ID)
		}
	}
	return ids
}

// among lists some ids for a person.
func among(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	if n := len(ids); n > maxReasons {
		return fmt.Sprintf(" (%s and %d more)", strings.Join(ids[:maxReasons], ", "), n-maxReasons)
	}
	return fmt.Sprintf(" (%s)", strings.Join(ids, ", "))
}

// rest is the decision without what was removed. An override of it for one of
// its own entries goes with the entry; if that stays, it is bound to it anew.
// The reports of what was removed wait again.
func (r *review) rest() (d blocklist.Decision, from register.Origins, exceptions []register.Exception) {
	old := r.content
	out := map[blocklist.EntryID]bool{}
	for _, id := range r.removed() {
		if n, err := blocklist.ParseEntryID(id); err == nil {
			out[n] = true
		}
	}
	d = blocklist.Decision{
		List: old.List, Basis: old.Basis, Rollback: old.Rollback, Rechecks: old.Rechecks, Cases: old.Cases, Officers: old.Officers,
	}
	own := map[string]int{} // additions: their place in the new draft, or -1
	for _, e := range old.Add {
		if out[e.ID] {
			own[e.ID.String()] = -1
			continue
		}
		own[e.ID.String()] = len(d.Add)
		d.Add = append(d.Add, e)
	}
	stay := func(all []blocklist.Withdrawal) []blocklist.Withdrawal {
		return slices.DeleteFunc(slices.Clone(all), func(w blocklist.Withdrawal) bool { return out[w.ID] })
	}
	d.Withdraw, d.Suspend, d.Resume = stay(old.Withdraw), stay(old.Suspend), stay(old.Resume)
	for _, o := range old.Overrides {
		switch place, ok := own[o.For]; {
		case !ok:
			d.Overrides = append(d.Overrides, o)
		case place >= 0:
			exceptions = append(exceptions, register.Exception{Rule: o.Rule, Entry: place})
		}
	}
	from.Inbox = r.reg.Inbox()
	r.reg.OriginsOf(r.decision, func(report blocklist.ReportID, e blocklist.EntryID) {
		if place := own[e.String()]; place >= 0 {
			from.Reports = append(from.Reports, register.Origin{Report: report, Entry: place})
		}
	})
	return d, from, exceptions
}

// withDecision is why a part of a decision is not removed by itself.
const withDecision = "it stands or falls with the decision: quit, and vaern decision reject"

// load reads what there is to look at.
func (r *review) load() error {
	d := r.decision
	text, err := r.reg.Text(d.ID)
	if err != nil {
		return err
	}
	if blocklist.Digest(text) != d.Digest {
		return cli.Refuse(register.ErrTampered, "")
	}
	if r.content, err = blocklist.ParseDecision(text); err != nil {
		return err
	}
	j, err := r.details(d)
	if err != nil {
		return err
	}
	for i, e := range j.Entries {
		it := reviewItem{entryJSON: e}
		if i < len(r.content.Add) {
			it.entry = &r.content.Add[i]
		} else {
			it.listed = r.listedBy(e.ID)
		}
		if e.Change == "recheck" { // what was found was found
			it.stays = withDecision
		}
		r.items = append(r.items, it)
	}
	for _, line := range j.Other {
		r.items = append(r.items, reviewItem{other: line, stays: withDecision})
	}
	r.answers = make([]answer, len(r.items))
	return nil
}

// listedBy says who listed an entry that is to be taken out or put back.
func (r *review) listedBy(id string) string {
	n, err := blocklist.ParseEntryID(id)
	if err != nil {
		return ""
	}
	d, err := r.reg.DecisionOf(n)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("by %v of %s: %s", d.ID, d.Decided.Format(time.DateOnly), d.Basis)
}
