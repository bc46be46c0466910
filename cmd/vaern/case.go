package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/register"
	"github.com/vaern/vaern/internal/sshsig"
)

func (a *app) caseCommand() *cobra.Command {
	return cli.Group("case", "Complaints about entries, and requests to revise them",
		a.caseOpen(), a.caseList(), a.caseShow(), a.caseDecide(), a.caseClose())
}

type caseOptions struct {
	entry, kind, from, text string
	credible                bool
	as, key                 string
}

func (a *app) caseOpen() *cobra.Command {
	var o caseOptions
	c := &cobra.Command{
		Use:   "open --entry ID|- --kind complaint|revision --from owner|user|provider|authority --text TEXT|-",
		Short: "Open a case: somebody has something against an entry",
		Long: `Opens a case about an entry that is in force or suspended. From then on the clock
runs, until a police officer decides who did not approve the listing.

--entry - reads the name or URL that it is about from standard input, and finds
the entry that blocks it.

Nothing of a person is kept: a text with what looks like a mail address or a
phone number is refused. Who complains is answered from where they wrote to.

--credible suspends the entry at once, by the signature of one police officer
(--as, --key): it may be right, and the entry is out until it is decided.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if o.credible == (o.key == "") || o.credible == (o.as == "") {
				return cli.Misuse(errors.New("--credible needs --as and --key, which are for nothing else"), "see vaern case open --help")
			}
			return a.with(func(auth *authority) error { return auth.openCase(o) })
		},
	}
	f := c.Flags()
	f.StringVar(&o.entry, "entry", "", "the entry's `ID`; - reads a name or URL from standard input")
	f.StringVar(&o.kind, "kind", "complaint", "complaint or revision")
	f.StringVar(&o.from, "from", "", "who comes with it: owner, user, provider or authority")
	f.StringVar(&o.text, "text", "", "what is said, in one line; - reads standard input")
	f.BoolVar(&o.credible, "credible", false, "it may be right: suspend the entry at once")
	f.StringVar(&o.as, "as", "", "`NAME` of the police officer who signs the suspension")
	f.StringVar(&o.key, "key", "", "sign it with the key in `FILE`")
	f.BoolVar(&a.json, "json", false, "print JSON")
	for _, name := range []string{"entry", "from", "text"} {
		_ = c.MarkFlagRequired(name)
	}
	return c
}

func (a *authority) openCase(o caseOptions) error {
	if o.entry == "-" && o.text == "-" {
		return cli.Misuse(errors.New("--entry and --text can not both be read from standard input"), "")
	}
	text, err := a.impersonal("text", o.text)
	if err != nil {
		return err
	}
	entry, err := a.entryMeant(o.entry)
	if err != nil {
		return err
	}
	c := blocklist.Case{Entry: entry, Kind: o.kind, From: o.from, Text: text}
	if err := c.Check(); err != nil {
		return cli.Misuse(err, "see vaern case open --help")
	}
	if !o.credible {
		opened, err := a.reg.OpenCase(c)
		if err != nil {
			return cli.Refuse(fmt.Errorf("open case: %w", err), "vaern explain says what became of a name")
		}
		return a.printCase(opened, "opened")
	}
	if a.onTerminal() {
		if err := a.ask(fmt.Sprintf("suspend %v?", entry)); err != nil {
			return err
		}
	}
	sign, release, err := a.officerSigner(o.key)
	if err != nil {
		return err
	}
	defer release()
	opened, made, err := a.reg.OpenCredibleCase(c, fmt.Sprintf("credible %s of the %s", o.kind, o.from), a.needs, o.as, sign)
	if err != nil {
		return refusedOfficer("open case", err)
	}
	if err := a.printCase(opened, "opened"); err != nil || a.json {
		return err
	}
	return a.printMade(made, entry, "suspended")
}

// printMade says what a decision in a case does to its entry.
func (a *authority) printMade(d *register.Decision, entry blocklist.EntryID, what string) error {
	if d.Status == register.Draft {
		_, err := fmt.Fprintf(a.out, "%v is %s when %v is approved, which needs %d: vaern decision approve %v --as NAME --key FILE\n",
			entry, what, d.ID, d.Quorum, d.ID)
		return err
	}
	_, err := fmt.Fprintf(a.out, "%v is %s by %v\n%s\n", entry, what, d.ID, publishedSoon)
	return err
}

// officerSigner loads the key that an officer signs decisions with.
func (a *authority) officerSigner(key string) (sign func([]byte) ([]byte, error), release func(), err error) {
	signer, closer, err := sshsig.LoadSigner(key, a.passphrase)
	if err != nil {
		return nil, nil, cli.Misuse(err, "")
	}
	return func(text []byte) ([]byte, error) { return sshsig.Sign(signer, blocklist.DecisionNamespace, text) }, func() { _ = closer.Close() }, nil
}

// refusedOfficer is an error of a decision that was to be signed at once.
func refusedOfficer(what string, err error) error {
	if errors.Is(err, register.ErrDisk) {
		return err
	}
	return cli.Refuse(fmt.Errorf("%s: %w", what, err), "vaern officer list shows who may sign, and with which key")
}

// entryMeant reads the id of an entry, or a name that exactly one entry blocks.
func (a *authority) entryMeant(text string) (blocklist.EntryID, error) {
	if text != "-" {
		id, err := blocklist.ParseEntryID(text)
		if err != nil {
			return 0, cli.Misuse(fmt.Errorf("--entry: %w", err), "vaern explain finds the entry of a name")
		}
		return id, nil
	}
	questions, wrong, err := a.questions()
	if err != nil {
		return 0, err
	}
	if wrong > 0 || len(questions) != 1 {
		return 0, cli.Misuse(errors.New("standard input is not one name or URL"), "")
	}
	asked := map[string]bool{}
	for _, t := range questions[0].by {
		asked[t.RevealKey()] = true
	}
	var found []blocklist.EntryID
	for i := range a.Lists {
		for _, all := range [][]blocklist.Listed{a.reg.InForce(a.Lists[i].Name), a.reg.Suspended(a.Lists[i].Name)} {
			for _, e := range all {
				if asked[e.Target.RevealKey()] {
					found = append(found, e.ID)
				}
			}
		}
	}
	switch len(found) {
	case 0:
		return 0, cli.Refuse(errors.New("no entry in force or suspended blocks that"), "vaern explain says what became of a name")
	case 1:
		return found[0], nil
	}
	return 0, cli.Misuse(fmt.Errorf("several entries block that: %v", found), "open a case for each, with --entry ID")
}

// Dates have as many digits as phone numbers.
var (
	aDate  = regexp.MustCompile(`\b(\d{4}-\d\d-\d\d|\d\d?\.\d\d?\.\d{4})\b`)
	aMail  = regexp.MustCompile(`[^\s@]@[^\s@]`)
	aPhone = regexp.MustCompile(`\d([ ().-]{0,2}\d){6}`)
)

// impersonal reads a text of a case, and refuses what looks like somebody's
// mail address or number: who complains is nobody's business but theirs who
// answer.
func (a *authority) impersonal(flag, value string) (string, error) {
	text, err := cli.Text(value, a.in)
	if err != nil {
		return "", err
	}
	if err := blocklist.CheckLine(text); err != nil {
		return "", cli.Misuse(fmt.Errorf("%s: %w", flag, err), "say it in one line")
	}
	like := ""
	switch {
	case aMail.MatchString(text), strings.Contains(strings.ToLower(text), "mailto:"):
		like = "a mail address"
	case aPhone.MatchString(aDate.ReplaceAllString(text, "date")):
		like = "a phone number, or the number of a person"
	}
	if like != "" {
		return "", cli.Refuse(fmt.Errorf("%s holds what looks like %s", flag, like), "a case keeps nothing of a person: say it without")
	}
	return text, nil
}
