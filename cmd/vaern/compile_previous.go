package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/sshsig"
)

// published is the latest edition and those before it.
type published struct {
	*blocklist.Edition
	history []*blocklist.Edition // the latest first
	gap     error                // why history ends before its end
	set     *blocklist.Set
}

// previous opens the latest edition, or returns nil if there is none. An
// edition that the register knows nothing of means that the register is an
// old copy: it would publish again what was withdrawn since.
func (a *authority) previous(dir string, keys *sshsig.AllowedSigners) (*published, error) {
	e, set, err := a.latest(dir, keys)
	if err != nil {
		return nil, cli.Fail(err, "restore that edition from a backup, or from a distribution server")
	}
	lost := e == nil
	if lost {
		if e, err = a.newest(dir, keys); err != nil {
			return nil, err
		}
		if e == nil {
			return nil, a.isThere(dir, 0)
		}
		if set, err = e.Set(); err != nil {
			return nil, err
		}
	}
	if !a.reg.Includes(e.Register) {
		return nil, cli.Refuse(fmt.Errorf("edition %v was made from a register that this one does not continue", e.Serial),
			"the register is an old copy or another one: restore the newest backup")
	}
	if err := a.isThere(dir, e.Serial); err != nil {
		return nil, err
	}
	old := &published{Edition: e, set: set, history: []*blocklist.Edition{e}}
	if lost {
		return old, nil
	}
	if old.history, old.gap = blocklist.History(dir, keys); len(old.history) == 0 {
		return nil, old.gap
	}
	return old, nil
}

// isThere refuses to go on from an edition, or from none, if a later one is on
// record as published and gone: what would follow is a second branch, and the
// list that growth is counted from is not known.
func (a *authority) isThere(dir string, latest blocklist.Serial) error {
	published := a.reg.Highest[filepath.Base(dir)].Published
	if published == 0 || latest != 0 && !published.After(latest) || exists(filepath.Join(dir, published.String())) {
		return nil
	}
	return cli.Refuse(fmt.Errorf("edition %v was published and is not there", published),
		"is the editions folder the right one? restore that edition from a backup, or from a distribution server")
}

// adopt finds the edition to go on from, and makes it the latest if it is not.
// Either the process died just before it became the latest, or somebody lost
// the file latest or put an older one back. To go on from anything older would
// be a second branch, which servers and providers refuse for ever. Behind a
// latest that is there, an edition counts if it is whole and of this register.
func (a *authority) adopt(l *ListConfig, dir string, keys *sshsig.AllowedSigners) error {
	latest, err := blocklist.Latest(dir)
	if err != nil {
		return err
	}
	if latest == 0 {
		newest, err := a.newest(dir, keys)
		if err != nil || newest == nil {
			return err
		}
		fmt.Fprintf(a.err, "list %s: the file latest was missing: %v is the newest edition\n", l.Name, newest.Serial)
		return blocklist.MakeLatest(dir, newest.Serial)
	}
	next, err := a.beyond(dir, latest, keys)
	if err != nil || next == nil {
		return err
	}
	fmt.Fprintf(a.err, "list %s: the file latest said %v: %v is the newest edition\n", l.Name, latest, next.Serial)
	return blocklist.MakeLatest(dir, next.Serial)
}

// beyond returns the newest edition that is after the latest, whole, and of
// this register; nil if there is none.
func (a *authority) beyond(dir string, latest blocklist.Serial, keys *sshsig.AllowedSigners) (*blocklist.Edition, error) {
	serials, err := blocklist.Serials(dir)
	if err != nil {
		return nil, err
	}
	var newest *blocklist.Edition
	for _, serial := range serials {
		if !serial.After(latest) || newest != nil && !serial.After(newest.Serial) {
			continue
		}
		if e, err := blocklist.Open(filepath.Join(dir, serial.String()), keys); err == nil && a.reg.Includes(e.Register) {
			newest = e
		}
	}
	return newest, nil
}

// newest opens the newest edition in dir, of which all must be whole, or
// returns nil if there is none.
func (a *authority) newest(dir string, keys *sshsig.AllowedSigners) (*blocklist.Edition, error) {
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
		if !a.reg.Includes(e.Register) {
			return nil, cli.Refuse(fmt.Errorf("edition %v was made from a register that this one does not continue", serial), "restore the newest backup")
		}
		if newest == nil || e.Serial.After(newest.Serial) {
			newest = e
		}
	}
	return newest, nil
}

// build puts together what the build of a list needs to know.
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
		Today:       moment(now, old).Format(time.DateOnly),
		Now:         now,
		Withdrawn:   func(t blocklist.Target) bool { return a.reg.WasListed(l.Name, t) },
		Overridden:  a.reg.Overridden,
		Unprotected: p.unprotected,
		State:       map[blocklist.Rule]string{blocklist.RuleNeverBlockSet: p.boundTo(old)},
	}
	if old == nil {
		return b, nil
	}
	believed := a.believed(old)
	b.Previous, b.Created = old.set, believed.Created
	b.State[blocklist.RuleClock] = blocklist.Digest(believed.Bytes())
	base := blocklist.Baseline(old.history, now)
	if base.Serial != old.Serial {
		b.Base = &blocklist.Base{
			Len: base.Domains + base.Hosts + base.URLs, Date: base.Created.Format(time.DateOnly),
			Read: func() (*blocklist.Set, error) {
				e, err := blocklist.Open(base.Dir, keys)
				if err != nil {
					return nil, err
				}
				return e.Set()
			},
		}
	}
	if old.gap == nil && base.Previous != 0 && base.Age(now) < blocklist.GrowthWindow { // keep never removes that one
		b.Uncounted = fmt.Sprintf("edition %v is gone, and growth is counted from it", base.Previous)
	}
	if old.gap != nil && base.Age(now) < blocklist.GrowthWindow { // the edition to count against may lie beyond the gap
		b.Uncounted = old.gap.Error()
	}
	return b, nil
}

// believed returns the latest edition that was made at a time that can be
// right. Withdrawals go out whatever the clock says, and what an edition then
// says of its time must not be what the next one is held against: the clock
// would confirm itself.
func (a *authority) believed(old *published) *blocklist.Edition {
	last := old.history[len(old.history)-1]
	for _, e := range slices.Backward(old.history) {
		if blocklist.Believes(last.Created, e.Created) || a.reg.Overridden(blocklist.RuleClock, e.List, blocklist.Digest(last.Bytes())) {
			last = e
		}
	}
	return last
}
