package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/durable"
	"github.com/vaern/vaern/internal/progress"
	"github.com/vaern/vaern/internal/sshsig"
)

func (a *app) compileCommand() *cobra.Command {
	var list string
	c := &cobra.Command{
		Use:   "compile",
		Short: "Build, check, sign and publish",
		Long: `Builds an edition of each list from what is decided, holds it against the
guards, signs and publishes it; says "unchanged" if nothing changed.

Guards hold back what adds, and nothing else: a refused build exits with 3 and
names the rule and the entry or decision, and withdrawals are published all
the same.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.with(func(auth *authority) error { return auth.compile(list) })
		},
	}
	c.Flags().StringVar(&list, "list", "", "compile only `LIST`")
	c.Flags().BoolVar(&a.json, "json", false, "print JSON, an object a line for each list")
	return c
}

// compiled is what compile tells of one list.
type compiled struct {
	List      string              `json:"list"`
	Serial    blocklist.Serial    `json:"serial"`
	Unchanged bool                `json:"unchanged"`
	Entries   int                 `json:"entries"`
	Domains   int                 `json:"domains"`
	Hosts     int                 `json:"hosts"`
	URLs      int                 `json:"urls"`
	Refused   []blocklist.Refusal `json:"refused,omitempty"`
	Flagged   []blocklist.Refusal `json:"flagged,omitempty"`
}

// compile builds every list that is meant, each on its own, and returns the
// worst of what happened.
func (a *authority) compile(only string) error {
	if only != "" {
		if _, err := a.listNamed(only); err != nil {
			return err
		}
	}
	var wrong []error
	for i := range a.Lists {
		l := &a.Lists[i]
		if only != "" && l.Name != only {
			continue
		}
		c, err := a.compileList(l)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("compile list %s: %w", l.Name, err))
			continue
		}
		if err := a.printCompiled(c); err != nil {
			return err
		}
		if len(c.Refused) > 0 {
			wrong = append(wrong, cli.Refuse(fmt.Errorf("list %s: additions held back: %s", l.Name, reasons(c.Refused)), a.advice(c)))
		}
	}
	return cli.Join(wrong...)
}

// advice says what to do about a build that was refused.
func (a *authority) advice(c *compiled) string {
	switch r := c.Refused[0]; r.Rule {
	case blocklist.RuleGrowth:
		return "look at each entry again, then: vaern decision new --override growth --for " + r.ID + " --basis TEXT"
	case blocklist.RuleEmpty:
		return "vaern decision list shows what waits for approval"
	case blocklist.RuleNeverBlockSet:
		return "mend the never-block files"
	case blocklist.RuleClock, blocklist.RuleVanished:
		return "vaern check says more"
	}
	return "vaern decision show explains each entry"
}

// maxReasons bounds what an error message lists.
const maxReasons = 10

func reasons(refused []blocklist.Refusal) string {
	text := ""
	for i, r := range refused {
		if i == maxReasons {
			return text + fmt.Sprintf("; and %d more", len(refused)-i)
		}
		if i > 0 {
			text += "; "
		}
		text += fmt.Sprintf("%s %s: %s", r.Rule, r.ID, r.Reason)
	}
	return text
}

func (a *authority) printCompiled(c *compiled) error {
	for _, f := range c.Flagged {
		fmt.Fprintf(a.err, "list %s: published entry %s would be refused today: %s: %s\n", c.List, f.ID, f.Rule, f.Reason)
	}
	if a.json {
		return cli.PrintJSON(a.out, c)
	}
	if c.Serial == 0 {
		_, err := fmt.Fprintf(a.out, "list %s: nothing published\n", c.List)
		return err
	}
	state := "published"
	if c.Unchanged {
		state = "unchanged"
	}
	_, err := fmt.Fprintf(a.out, "list %s: %s: edition %v: %d domains, %d hosts, %d urls from %s\n",
		c.List, state, c.Serial, c.Domains, c.Hosts, c.URLs, cli.Plural(c.Entries, "entry", "entries"))
	return err
}

// maxBuilds bounds how often a list is built again because the register
// changed under the build.
const maxBuilds = 5

// errMoved says that the register changed between a build and its serial.
var errMoved = errors.New("the register changed during the build; run the command again")

// compileList brings one list from the register to the latest edition. It
// holds the list's lock throughout, so that a second compiler can not publish
// between its look at the last edition and its own, and it looks at the
// register only after it has the lock: an older look could bring back what
// was withdrawn meanwhile.
func (a *authority) compileList(l *ListConfig) (*compiled, error) {
	keys, err := a.editionKeys()
	if err != nil {
		return nil, err
	}
	dir, err := blocklist.MakeListDir(a.Editions, l.Name)
	if err != nil {
		return nil, err
	}
	unlock, err := durable.Lock(filepath.Join(filepath.Dir(a.Register), "compile."+l.Name+".lock"))
	if errors.Is(err, durable.ErrLocked) {
		return nil, cli.Fail(err, "another vaern compiles this list now")
	}
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := durable.Sweep(dir); err != nil {
		return nil, err
	}
	for range maxBuilds {
		c, err := a.compileOnce(l, dir, keys)
		if !errors.Is(err, errMoved) {
			return c, err
		}
	}
	return nil, errMoved
}

func (a *authority) compileOnce(l *ListConfig, dir string, keys *sshsig.AllowedSigners) (*compiled, error) {
	if err := a.reg.Refresh(); err != nil {
		return nil, err
	}
	old, err := a.previous(dir, keys)
	if err != nil {
		return nil, err
	}
	p, err := a.loadPolicy(l, a.reg.Highest[l.Name])
	if err != nil {
		return nil, err
	}
	if p.unprotected != "" {
		fmt.Fprintf(a.err, "list %s: nothing can be added: %s: %s\n", l.Name, blocklist.RuleNeverBlockSet, p.unprotected)
	}
	end := progress.Begin(a.err, "building list "+l.Name)
	b, err := a.build(l, p, old, keys)
	if err != nil {
		end()
		return nil, err
	}
	outcome := b.Run()
	end()
	c := &compiled{List: l.Name, Entries: len(b.Entries), Refused: outcome.Refused, Flagged: outcome.Flagged}
	return c, a.finish(c, l, p, old, outcome.Set, dir, keys)
}

// finish publishes set unless the last edition says the same.
func (a *authority) finish(c *compiled, l *ListConfig, p *policy, old *published, set *blocklist.Set, dir string, keys *sshsig.AllowedSigners) error {
	if set == nil {
		return nil // nothing was ever published, and nothing may be
	}
	c.Domains, c.Hosts, c.URLs = len(set.Rows(blocklist.Domain)), len(set.Rows(blocklist.Host)), len(set.Rows(blocklist.URL))
	if old != nil {
		same, err := a.unchanged(l, old, set)
		if err != nil {
			return err
		}
		if same {
			c.Serial, c.Unchanged = old.Serial, true
			return nil
		}
	}
	e, err := a.publish(l, p, old, set, dir, keys)
	if err != nil {
		return err
	}
	c.Serial = e.Serial
	return nil
}

// published is the latest edition and those before it.
type published struct {
	*blocklist.Edition
	history []*blocklist.Edition
	gap     error // why history ends before its end
	set     *blocklist.Set
}

// previous opens the latest edition, or returns nil if there is none. An
// edition that the register knows nothing of means that the register is an
// old copy: it would publish again what was withdrawn since.
func (a *authority) previous(dir string, keys *sshsig.AllowedSigners) (*published, error) {
	e, err := blocklist.OpenLatest(dir, keys)
	if err == nil && e == nil {
		e, err = a.adopt(dir, keys)
	}
	if err != nil || e == nil {
		return nil, err
	}
	known, err := a.reg.Includes(e.Register)
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, cli.Refuse(fmt.Errorf("edition %v was made from a register that this one does not continue", e.Serial),
			"the register is an old copy or another one: restore the newest backup")
	}
	set, err := e.Set()
	if err != nil {
		return nil, err
	}
	old := &published{Edition: e, set: set}
	if old.history, old.gap = blocklist.History(dir, keys); len(old.history) == 0 {
		return nil, old.gap
	}
	return old, nil
}

// adopt is for a list without a latest edition. Either it never had one, or
// the process died just before the first was made the latest, or somebody
// lost the file: then the newest whole edition that this register made is the
// latest. To begin again without it would be a second branch, which servers
// and providers refuse.
func (a *authority) adopt(dir string, keys *sshsig.AllowedSigners) (*blocklist.Edition, error) {
	serials, err := blocklist.Serials(dir)
	if err != nil {
		return nil, err
	}
	var newest *blocklist.Edition
	for _, serial := range serials {
		e, err := blocklist.Open(filepath.Join(dir, serial.String()), keys)
		if err != nil {
			return nil, cli.Fail(fmt.Errorf("there is no latest edition: %w", err), "restore editions from a backup, or remove what is damaged")
		}
		if known, err := a.reg.Includes(e.Register); err != nil || !known {
			return nil, cli.Refuse(fmt.Errorf("edition %v was made from a register that this one does not continue", serial), "restore the newest backup")
		}
		if newest == nil || e.Serial.After(newest.Serial) {
			newest = e
		}
	}
	if newest == nil {
		return nil, nil
	}
	fmt.Fprintf(a.err, "the file %s was missing: %v is the newest edition\n", filepath.Join(dir, "latest"), newest.Serial)
	return newest, blocklist.MakeLatest(dir, newest.Serial)
}

func (a *authority) build(l *ListConfig, p *policy, old *published, keys *sshsig.AllowedSigners) (*blocklist.Build, error) {
	target, err := testTarget(l)
	if err != nil {
		return nil, err
	}
	now := a.now().UTC()
	b := &blocklist.Build{
		List:        l.Name,
		Policy:      p.Policy,
		Entries:     a.reg.InForce(l.Name),
		Standing:    []blocklist.Row{{Target: target, Category: blocklist.StandingCategory}},
		Today:       now.Format(time.DateOnly),
		Now:         now,
		Withdrawn:   func(t blocklist.Target) bool { return a.reg.WasListed(l.Name, t) },
		Overridden:  a.reg.Overridden,
		Unprotected: p.unprotected,
	}
	if old == nil {
		return b, nil
	}
	b.Previous, b.Created = old.set, old.Created
	b.Baseline = old.set
	if base := blocklist.Baseline(old.history, now); base.Serial != old.Serial {
		e, err := blocklist.Open(base.Dir, keys)
		if err == nil {
			b.Baseline, err = e.Set()
		}
		if err != nil {
			b.Uncounted = err.Error()
		}
	}
	if old.gap != nil {
		b.Uncounted = old.gap.Error()
	}
	return b, nil
}

// unchanged says whether a new edition would tell nothing new: the same rows,
// the same zone around them, and more than half of its time left.
func (a *authority) unchanged(l *ListConfig, old *published, set *blocklist.Set) (bool, error) {
	half := old.Created.Add(old.Expires.Sub(old.Created) / 2)
	if a.now().After(half) || old.Authority != a.Authority || old.Zone != l.Zone ||
		old.Settle != l.Settle.Duration || old.Expires.Sub(old.Created) != l.ValidFor.Duration {
		return false, nil
	}
	if same, err := old.Holds(set); err != nil || !same {
		return false, err
	}
	for _, f := range l.zone().Files() {
		want, ok := old.File(f.Name)
		if !ok {
			return false, nil
		}
		h := sha256.New()
		if err := f.Write(h, old.Serial, old.set); err != nil {
			return false, err
		}
		if [32]byte(h.Sum(nil)) != want.Sum {
			return false, nil
		}
	}
	return true, nil
}

// publish reserves a serial, then writes the edition under it. If the process
// dies in between, the number is lost and the next compile takes another.
func (a *authority) publish(l *ListConfig, p *policy, old *published, set *blocklist.Set, dir string, keys *sshsig.AllowedSigners) (*blocklist.Edition, error) {
	signer, closer, err := sshsig.LoadSigner(a.SigningKey, a.passphrase)
	if err != nil {
		return nil, cli.Fail(fmt.Errorf("load signing key: %w", err), "check signing_key in the configuration")
	}
	defer closer.Close()
	if last := a.reg.Highest[l.Name]; last.Policy != "" && last.Policy != p.digest {
		fmt.Fprintf(a.err, "list %s: quorum, guards or never-block files changed since edition %v\n", l.Name, last.Serial)
	}
	serial, err := a.reserve(l, p, dir)
	if err != nil {
		return nil, err
	}
	now := a.now().UTC().Truncate(time.Second)
	m := blocklist.Manifest{
		Authority: a.Authority, Environment: a.Environment, List: l.Name, Zone: l.Zone,
		Serial: serial, Created: now, Settle: l.Settle.Duration, Register: a.reg.Head(),
	}
	var before *blocklist.Edition
	if old != nil {
		before = old.Edition
		if now.Before(old.Created) {
			m.Created = old.Created // the clock went back; time in editions does not
		}
	}
	m.Expires = m.Created.Add(l.ValidFor.Duration)
	defer progress.Begin(a.err, "writing list "+l.Name)() // after the key's passphrase was asked for
	return blocklist.Publish(blocklist.Publication{
		Dir: dir, Old: before, Manifest: m, Files: l.zone().Files(), Keys: keys,
		Sign: func(text []byte) ([]byte, error) { return sshsig.Sign(signer, blocklist.EditionNamespace, text) },
	}, set)
}

// reserve takes the next serial. What MANIFEST says of the register must be
// what was built from, so a register that changed meanwhile means a new build.
func (a *authority) reserve(l *ListConfig, p *policy, dir string) (blocklist.Serial, error) {
	known, err := blocklist.Serials(dir)
	if err != nil {
		return 0, err
	}
	protected := p.Protected.Len()
	if p.unprotected != "" {
		// A withdrawal goes out while the files are wrong; what they held when
		// they were right is not forgotten over it.
		protected = a.reg.Highest[l.Name].Protected
	}
	built := a.reg.Head().Records
	serial, err := a.reg.Reserve(l.Name, known, p.digest, protected)
	if err == nil && a.reg.Head().Records != built+1 {
		err = errMoved
	}
	return serial, err
}
