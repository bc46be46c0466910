package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/dnsfeed"
	"github.com/vaern/vaern/internal/durable"
	"github.com/vaern/vaern/internal/progress"
	"github.com/vaern/vaern/internal/register"
	"github.com/vaern/vaern/internal/sshsig"
)

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
func (a *authority) compileList(l *ListConfig, o compileOptions) (*compiled, error) {
	begin := a.clock()
	keys, err := a.editionKeys()
	if err != nil {
		return nil, err
	}
	if o.dryRun {
		return a.dryRun(l, o, keys)
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
	// Of one that died right behind the switch of latest nobody knows whether
	// the disk has it.
	if err := durable.SyncDir(dir); err != nil {
		return nil, err
	}
	if err := a.adopt(l, dir, keys); err != nil {
		return nil, err
	}
	err = errMoved
	for n := 0; n < maxBuilds && errors.Is(err, errMoved); n++ {
		var c *compiled
		if c, err = a.compileOnce(l, o, dir, keys); err == nil {
			c.took = a.clock().Sub(begin)
			return c, nil
		}
	}
	return nil, err
}

func (a *authority) compileOnce(l *ListConfig, o compileOptions, dir string, keys *sshsig.AllowedSigners) (*compiled, error) {
	if err := a.reg.Refresh(); err != nil {
		return nil, err
	}
	old, err := a.previous(dir, keys)
	if err != nil {
		return nil, err
	}
	expired := 0
	if old == nil || blocklist.Believes(a.believed(old).Created, a.now()) {
		if expired, err = a.reg.Expire(l.Name); err != nil {
			return nil, err
		}
	}
	s, err := a.outcome(l, o, old, keys)
	if err != nil {
		return nil, err
	}
	c := s.compiled
	c.expired = expired
	if c.edition, err = a.finish(s, old, dir, keys); err != nil || c.edition == nil {
		return c, err
	}
	c.Serial = c.edition.Serial
	c.Unchanged = old != nil && old.Serial == c.Serial
	c.tidied, err = a.tidy(l, dir, c.edition, old, keys)
	return c, err
}

// built is a build that was run, and what it says of the list.
type built struct {
	*compiled
	list   *ListConfig
	policy *policy
	moment time.Time      // that the edition is made at
	set    *blocklist.Set // nil: nothing may be published
	// changes lead to it from the last edition.
	changes blocklist.Changes
}

// outcome builds a list without writing anything.
func (a *authority) outcome(l *ListConfig, o compileOptions, old *published, keys *sshsig.AllowedSigners) (*built, error) {
	p, err := a.loadPolicy(l, a.reg.Highest[l.Name])
	if err != nil {
		return nil, err
	}
	if p.unprotected != "" {
		fmt.Fprintf(a.err, "list %s: nothing can be added: %s: %s\n", l.Name, blocklist.RuleNeverBlockSet, p.unprotected)
	}
	defer progress.Begin(a.err, "building list "+l.Name)()
	b, err := a.build(l, p, old, keys)
	if err != nil {
		return nil, err
	}
	expiring := a.reg.Expiring(l.Name, b.Now.Add(register.Notice))
	c := &compiled{List: l.Name, Urgent: o.urgent, Entries: len(b.Entries), expiring: len(expiring)}
	s := &built{compiled: c, list: l, policy: p, moment: moment(b.Now, old)}
	if o.urgent {
		if old == nil {
			return s, nil // there is nothing to take out, and nothing is added
		}
		b.Within = a.within(old, b.Now, keys)
	}
	if o.dryRun {
		a.withoutExpired(l, b)
	}
	outcome := b.Run()
	c.Refused, c.Flagged, s.set, s.changes = outcome.Refused, outcome.Flagged, outcome.Set, outcome.Changes
	for _, f := range outcome.Flagged {
		if f.Rule.Subject() == blocklist.NoSubject { // no zone can hold it, so the configuration is new
			return nil, cli.Misuse(fmt.Errorf("list %s: the zone as configured can not hold the published entry %s: %s: %s", l.Name, f.ID, f.Rule, f.Reason),
				"change the configuration back, or withdraw the entry first")
		}
	}
	if s.set != nil {
		c.Domains, c.Hosts, c.URLs = len(s.set.Rows(blocklist.Domain)), len(s.set.Rows(blocklist.Host)), len(s.set.Rows(blocklist.URL))
	}
	return s, nil
}

// moment is when an edition that is built now was made: now, unless the clock
// went back, since time in editions does not.
func moment(now time.Time, old *published) time.Time {
	now = now.UTC().Truncate(time.Second)
	if old != nil && now.Before(old.Created) {
		return old.Created
	}
	return now
}

// finish publishes what was built unless the last edition says the same, and
// returns the edition that is published then, if any.
func (a *authority) finish(s *built, old *published, dir string, keys *sshsig.AllowedSigners) (*blocklist.Manifest, error) {
	if s.set == nil {
		return nil, nil // nothing was ever published, and nothing may be
	}
	if old != nil {
		same, err := a.unchanged(s.list, old, s.set)
		if err != nil {
			return nil, err
		}
		if same {
			// The process may have died between the switch and its record.
			if last := a.reg.Highest[s.list.Name]; last.Serial == old.Serial && last.Published != old.Serial {
				err = a.reg.Published(s.list.Name, old.Serial)
			}
			return old.Manifest, err
		}
		old.set = nil // a large list is not held twice while it is written
	}
	e, err := a.publish(s, old, dir, keys)
	if err != nil {
		return nil, err
	}
	return e.Manifest, nil
}

// unchanged says whether a new edition would tell nothing new: the same rows,
// the same zone around them, and more than half of its time left.
func (a *authority) unchanged(l *ListConfig, old *published, set *blocklist.Set) (bool, error) {
	if a.now().After(renewal(old.Manifest)) || old.Authority != a.Authority || old.Zone != l.Zone ||
		old.Settle != l.Settle.Duration || old.Expires.Sub(old.Created) != l.ValidFor.Duration {
		return false, nil
	}
	if !old.set.Equal(set) {
		return false, nil
	}
	for _, f := range l.zone().Files() {
		if same, err := old.BeginsAs(f, set); err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

// renewal is the moment from which on less than half of an edition's time is
// left, and the next compile makes a new one.
func renewal(m *blocklist.Manifest) time.Time {
	return m.Created.Add(m.Expires.Sub(m.Created) / 2)
}

// publish reserves a serial, then writes the edition under it. If the process
// dies in between, the number is lost and the next compile takes another.
func (a *authority) publish(s *built, old *published, dir string, keys *sshsig.AllowedSigners) (*blocklist.Edition, error) {
	signer, err := a.editionSigner()
	if err != nil {
		return nil, err
	}
	defer signer.release()
	l := s.list
	if last := a.reg.Highest[l.Name]; last.Policy != "" && last.Policy != s.policy.digest {
		fmt.Fprintf(a.err, "list %s: quorum, guards or never-block files changed since edition %v\n", l.Name, last.Serial)
	}
	head := a.reg.Head() // that was built from; the reservation adds to it
	serial, err := a.reserve(s, old, dir)
	if err != nil {
		return nil, err
	}
	m := blocklist.Manifest{
		Authority: a.Authority, Environment: a.Environment, List: l.Name, Zone: l.Zone,
		Serial: serial, Created: s.moment, Expires: s.moment.Add(l.ValidFor.Duration), Settle: l.Settle.Duration, Register: head,
	}
	files := l.zone().Files()
	var before *blocklist.Edition
	if old != nil {
		before = old.Edition
		if image, err := before.ReadStored(dnsfeed.ImageName); err == nil { // it saves time and nothing else
			files = l.zone().FilesAfter(image, s.changes)
		}
	}
	defer progress.Begin(a.err, "writing list "+l.Name)() // after the key's passphrase was asked for
	e, err := blocklist.Publish(blocklist.Publication{
		Dir: dir, Old: before, Manifest: m, Files: files, Keys: keys, Sign: signer.sign,
	}, s.set)
	if err != nil {
		return nil, err
	}
	if err := a.reg.Published(l.Name, serial); err != nil {
		return nil, cli.Fail(fmt.Errorf("edition %v is published; record that: %w", serial, err), "run vaern compile again")
	}
	return e, nil
}

// reserve takes the next serial. What MANIFEST says of the register must be
// what was built from, so a register that changed meanwhile means a new build.
func (a *authority) reserve(s *built, old *published, dir string) (blocklist.Serial, error) {
	known, err := blocklist.Serials(dir)
	if err != nil {
		return 0, err
	}
	p, name := s.policy, s.list.Name
	protected, files := p.Protected.Len(), p.files
	if p.unprotected != "" && !a.reg.Overridden(blocklist.RuleNeverBlockSet, name, p.boundTo(old)) {
		// A withdrawal goes out while the files are wrong; what they held when
		// they were right is not forgotten over it.
		last := a.reg.Highest[name]
		protected, files = last.Protected, last.Files
	}
	built := a.reg.Head().Records
	serial, err := a.reg.Reserve(name, known, p.digest, protected, files...)
	if err == nil && a.reg.Head().Records != built+1 {
		err = errMoved
	}
	return serial, err
}
