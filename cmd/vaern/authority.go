package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/config"
	"github.com/vaern/vaern/internal/durable"
	"github.com/vaern/vaern/internal/progress"
	"github.com/vaern/vaern/internal/register"
	"github.com/vaern/vaern/internal/sshsig"
)

// authority is an opened authority: configuration, register, clock.
type authority struct {
	*Config
	*app
	reg *register.Register
	now func() time.Time
}

// open reads the configuration, replays the register, and refuses to go on if
// the officers file is not what the register says.
func (a *app) open() (*authority, error) {
	c, now, err := a.configured()
	if err != nil {
		return nil, err
	}
	if a.compiles {
		letGrow(c.Register)
		a.readAhead(c)
	}
	end := progress.Begin(a.err, "reading the register")
	reg, err := register.Open(c.Register, c.Environment, now)
	end()
	switch {
	case errors.Is(err, register.ErrTampered):
		return nil, cli.Refuse(err, "restore the register from a backup and compare it with the last MANIFEST")
	case errors.Is(err, os.ErrNotExist):
		return nil, cli.Misuse(err, "make a new authority with vaern init DIR")
	case err != nil:
		return nil, err
	}
	auth := &authority{c, a, reg, now}
	if err := auth.checkOfficers(); err != nil {
		return nil, errors.Join(err, reg.Close())
	}
	return auth, nil
}

// configured reads configuration and clock.
func (a *app) configured() (*Config, func() time.Time, error) {
	c, err := loadConfig(a.config)
	if err != nil {
		return nil, nil, err
	}
	now, err := config.Clock(c.Environment, a.clock)
	if err != nil {
		return nil, nil, cli.Misuse(err, "")
	}
	return c, now, nil
}

// with runs a command on the opened authority and closes it.
func (a *app) with(run func(*authority) error) error {
	auth, err := a.open()
	if err != nil {
		return err
	}
	return errors.Join(run(auth), auth.reg.Close())
}

func (a *authority) checkOfficers() error {
	stale, err := a.compareOfficers()
	if err != nil {
		// Another vaern may have changed both since the register was read.
		if err := a.reg.Refresh(); err != nil {
			return err
		}
		stale, err = a.compareOfficers()
	}
	switch {
	case err != nil:
		return cli.Refuse(fmt.Errorf("%s: %w", a.Officers, err), "restore the file from a backup")
	case stale:
		fmt.Fprintln(a.err, "the officers file was not written when the register last changed; writing it now")
		return a.writeOfficers()
	}
	return nil
}

// maxOfficers bounds the officers file, in octets.
const maxOfficers = 16 << 20

func (a *authority) compareOfficers() (stale bool, err error) {
	data, err := durable.ReadRegular(a.Officers, maxOfficers)
	if err != nil {
		return false, err
	}
	return a.reg.CheckOfficersFile(data)
}

// writeOfficers follows every change of officers. If the process dies before
// it, the next command finds the file stale and writes it.
func (a *authority) writeOfficers() error {
	return durable.WriteFile(a.Officers, a.reg.OfficersFile(), 0o600)
}

// editionKeys are the keys that editions are verified with.
func (c *Config) editionKeys() (*sshsig.AllowedSigners, error) {
	return blocklist.LoadKeys(c.EditionKeys)
}

// passphrase asks for the passphrase of a key, on a terminal only.
func (a *app) passphrase(path string) ([]byte, error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return progress.Passphrase(ctx, a.in, a.err, path)
}

// onTerminal says whether a person sits at both ends.
func (a *app) onTerminal() bool { return progress.IsTerminal(a.in) && progress.IsTerminal(a.err) }

// needs says how many police officers must sign a decision now: enough to
// add, or, for one that only takes away, enough to withdraw, unless it takes
// away so much that one person could empty the list. A rollback needs one,
// whatever it takes, and so does what only says something of entries or cases.
func (a *authority) needs(d *register.Decision) int {
	switch {
	case d.Rollback != 0, d.OnlySays():
		return 1
	case d.AddsAnything() || a.shrinks(d) || a.leavesNobody(d):
		return a.Quorum.Add
	}
	return a.Quorum.Withdraw
}

// leavesNobody says whether a decision revokes the last police officer: then
// nobody could withdraw, and nobody could be added.
func (a *authority) leavesNobody(d *register.Decision) bool {
	revoked := map[string]bool{}
	for _, o := range d.Officers {
		if o.Revoke {
			revoked[o.Name] = true
		}
	}
	return len(revoked) > 0 && !slices.ContainsFunc(a.reg.Officers, func(o *register.Officer) bool {
		return o.Role == blocklist.Police && !revoked[o.Name] && o.Revoked.IsZero()
	})
}

// shrinks says whether a decision takes more off some list than its
// max_shrink lets one person take at a time.
func (a *authority) shrinks(d *register.Decision) bool {
	leaving := map[string]int{d.List: d.Withdraws + d.Suspends}
	for _, o := range d.Officers {
		if o.Revoke {
			for list, n := range a.reg.Lost(o.Name, o.Since) {
				leaving[list] += n
			}
		}
	}
	for i := range a.Lists {
		l := &a.Lists[i]
		if n := leaving[l.Name]; n > 0 && l.maxShrink().Exceeded(n, len(a.reg.InForce(l.Name))) {
			return true
		}
	}
	return false
}
