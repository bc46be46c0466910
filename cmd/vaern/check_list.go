package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/durable"
	"github.com/vaern/vaern/internal/sshsig"
)

// checkList reports all that is wrong with one list.
func (a *authority) checkList(l *ListConfig, r *report) {
	problem := func(format string, args ...any) {
		r.problem(fmt.Errorf("list %s: "+format, append([]any{l.Name}, args...)...))
	}
	a.announceExpiries(l, r)
	a.announceDue(l, r)
	p, err := a.loadPolicy(l, a.reg.Highest[l.Name])
	if err != nil {
		r.problem(err)
		return
	}
	if p.unprotected != "" {
		problem("%s: %s", blocklist.RuleNeverBlockSet, p.unprotected)
	}
	keys, err := a.editionKeys()
	if err != nil {
		r.problem(err)
		return
	}
	dir := a.listDir(l)
	old, err := a.previous(dir, keys)
	if err != nil {
		problem("%w", err)
		return
	}
	if old == nil {
		if since := a.decidedSince(l, time.Time{}); !since.IsZero() && late(l.times(), since, a.now()) {
			problem("%v", lateAlarm("what was decided at "+since.Format(time.RFC3339)+" is in no edition: does vaern run?"))
		}
		return
	}
	if old.gap != nil {
		problem("%w", old.gap)
	}
	if err := old.CheckContents(zoneFiles(l, old)...); err != nil {
		problem("%w", err)
	}
	alarms, err := a.checkBuild(l, p, old, keys)
	if err != nil {
		problem("%w", err)
	}
	for _, al := range append(alarms, expiryAlarms(old.Manifest, a.now())...) {
		problem("%v", al)
	}
	if a.urgentRequest(l) > old.Register.Records {
		problem("an urgent decision waits: vaern compile --urgent publishes it, or vaern run by itself")
	}
	a.checkFolder(l, old, keys, r)
}

// zoneFiles are the files of an edition that the zone as configured makes. If the
// configuration has changed, the next compile makes others.
func zoneFiles(l *ListConfig, old *published) (same []blocklist.File) {
	for _, f := range l.zone().Files() {
		if begins, err := old.BeginsAs(f, old.set); err == nil && begins {
			same = append(same, f)
		}
	}
	return same
}

// checkBuild holds what a build would say now against what is published.
func (a *authority) checkBuild(l *ListConfig, p *policy, old *published, keys *sshsig.AllowedSigners) ([]alarm, error) {
	b, err := a.build(l, p, old, keys)
	if err != nil {
		return nil, err
	}
	a.withoutExpired(l, b)
	o := b.Run()
	alarms := guardAlarms(o.Refused, o.Flagged)
	same, err := a.unchanged(l, old, o.Set)
	if err != nil {
		return alarms, err
	}
	return append(alarms, a.lateEdition(l, old.Manifest, !same, b.Now)...), nil
}

// staleAfter is how long something hidden may lie in a folder before somebody
// has to ask why no compile has swept it away.
const staleAfter = time.Hour

// checkFolder looks at what lies beside the published editions.
func (a *authority) checkFolder(l *ListConfig, old *published, keys *sshsig.AllowedSigners, r *report) {
	dir := a.listDir(l)
	entries, err := os.ReadDir(dir)
	if err != nil {
		r.problem(err)
		return
	}
	if latest, err := blocklist.Latest(dir); err == nil && latest == 0 {
		r.notice("list %s: the file latest is missing; the next compile makes %v the latest", l.Name, old.Serial)
	}
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, durable.TempPrefix) {
			info, err := entry.Info()
			if err == nil && a.clock().Sub(info.ModTime()) > staleAfter {
				r.problem(fmt.Errorf("list %s: %s was left over and never swept: does vaern run?", l.Name, name))
			}
			continue
		}
		serial, err := blocklist.ParseSerial(name)
		if err != nil || slices.ContainsFunc(old.history, func(e *blocklist.Edition) bool { return e.Serial == serial }) {
			continue
		}
		switch e, err := blocklist.Open(filepath.Join(dir, name), keys); {
		case err == nil && old.gap != nil: // it may be of the history beyond the gap
		case err == nil && e.Serial.After(old.Serial) && a.reg.Includes(e.Register):
			r.notice("list %s: the file latest says %v, and %v is there: the next compile goes on from that", l.Name, old.Serial, serial)
		case err == nil:
			r.notice("list %s: edition %v is in no history; it is removed when it is old", l.Name, serial)
		case exists(filepath.Join(dir, name)): // else somebody removed it meanwhile
			r.problem(fmt.Errorf("list %s: %w: restore it from a backup, or remove its folder", l.Name, err))
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
