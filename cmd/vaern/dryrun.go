package main

import (
	"bufio"
	"io"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/sshsig"
)

// dryRun says what compile would do, and writes nothing: it takes no lock,
// which would be a file, and no serial. Another vaern may publish meanwhile;
// then what it says is what would have changed before.
func (a *authority) dryRun(l *ListConfig, o compileOptions, keys *sshsig.AllowedSigners) (*compiled, error) {
	old, err := a.previous(a.listDir(l), keys)
	if err != nil {
		return nil, err
	}
	s, err := a.outcome(l, o, old, keys)
	if err != nil {
		return nil, err
	}
	c, before := s.compiled, blocklist.NewSet(nil)
	if old != nil {
		c.edition, c.Serial, before = old.Manifest, old.Serial, old.set
	}
	if s.set != nil {
		c.changes = blocklist.Diff(before, s.set)
		if old != nil {
			if c.Unchanged, err = a.unchanged(l, old, s.set); err != nil {
				return nil, err
			}
		}
	}
	added, removed := len(c.changes.Added), len(c.changes.Removed)
	c.Added, c.Removed = &added, &removed
	return c, nil
}

// writeChanges writes a line "+ UNIT TARGET" for each row that came and a line
// "- UNIT TARGET" for each that went, in the order of the lists.
func writeChanges(w io.Writer, c blocklist.Changes) error {
	out := bufio.NewWriter(w)
	came, went := c.Added, c.Removed
	for len(came)+len(went) > 0 {
		sign, rows := "+ ", &came
		if len(came) == 0 || len(went) > 0 && went[0].Target.Compare(came[0].Target) < 0 {
			sign, rows = "- ", &went
		}
		t := (*rows)[0].Target
		*rows = (*rows)[1:]
		_, _ = out.WriteString(sign + t.Unit.String() + " " + t.Reveal() + "\n") // Flush says what failed
	}
	return out.Flush()
}
