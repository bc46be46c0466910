package main

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/durable"
	"github.com/vaern/vaern/internal/register"
	"github.com/vaern/vaern/internal/stats"
)

// withdrawalsNamespace is that of the signature over a list of withdrawals.
const withdrawalsNamespace = "vaern-withdrawals"

type withdrawalsOptions struct{ list, from, to string }

func (a *app) withdrawalsCommand() *cobra.Command {
	var o withdrawalsOptions
	c := &cobra.Command{
		Use:   "withdrawals --from DAY --to DAY DIR",
		Short: "Write a signed list of what left, for partners who took our entries",
		Long: `Writes what left a list between two days, both counted, in UTC, and is not in
force now: LIST-withdrawals-FROM-TO.csv with unit, target, the entry's id, the
day and the reason, and beside it a signature by the edition key. A partner who
listed the same because we did takes it out. Entries that were in force and never
should have been, since a key that approved them was stolen, are in each list
(void, without a day).

The partner needs one line with the public key, as in keys/edition.allowed_signers
but with namespaces="vaern-withdrawals", and verifies with

  ssh-keygen -Y verify -f FILE -I edition -n vaern-withdrawals -s CSV.sig < CSV

A suspended entry is told with the day and the reason of its suspension, and once
more when it is withdrawn. A list is true as of the record of the register that
it names, and not later: a partner checks authority, environment and list, and
takes no list whose record is before that of one taken already.

The file names what was listed, also what was withdrawn before any edition had
it: hand it over as the list itself.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			from, until, err := daysOf(o.from, o.to)
			if err != nil {
				return err
			}
			return a.with(func(auth *authority) error {
				if until.After(auth.now()) {
					return cli.Misuse(errors.New("--to is not over yet"), "yesterday at the latest, in UTC")
				}
				l, err := auth.listNamed(o.list)
				if err != nil {
					return err
				}
				return auth.exportWithdrawals(l.Name, from, until, args[0])
			})
		},
	}
	f := c.Flags()
	f.StringVar(&o.list, "list", "", "`LIST` that is meant, if there are several")
	f.StringVar(&o.from, "from", "", "first `DAY`, like 2026-01-01")
	f.StringVar(&o.to, "to", "", "last `DAY`")
	f.BoolVar(&a.json, "json", false, "print JSON: {list, file, entries}")
	_ = c.MarkFlagRequired("from")
	_ = c.MarkFlagRequired("to")
	return c
}

// daysOf reads two days, and returns the moments at which the time that they
// name begins and is over.
func daysOf(first, last string) (from, until time.Time, err error) {
	from, err = time.Parse(time.DateOnly, first)
	to, errTo := time.Parse(time.DateOnly, last)
	switch {
	case cmp.Or(err, errTo) != nil:
		return from, to, cli.Misuse(errors.New("--from or --to is no day"), "a day like 2026-12-31")
	case to.Before(from):
		return from, to, cli.Misuse(errors.New("--to is before --from"), "")
	}
	return from, to.AddDate(0, 0, 1), nil
}

// left is an entry that is not in force any more.
type left struct {
	target blocklist.Target
	id     blocklist.EntryID
	day    string // "": it never should have been in force
	reason string
}

// withdrawals returns, by id, what left a list and is not in force now, under
// whatever id.
func (a *authority) withdrawals(list string, from, until time.Time) ([]left, error) {
	g := newGathering(a, &stats.Input{}, list)
	if err := g.decisions(); err != nil {
		return nil, err
	}
	moves, err := a.reg.Moves()
	if err != nil {
		return nil, err
	}
	last := map[blocklist.EntryID]register.Move{}
	for _, m := range moves {
		if m.List == list {
			last[m.Entry] = m
		}
	}
	listed := map[string]bool{}
	for _, e := range a.reg.InForce(list) {
		listed[e.Target.RevealKey()] = true
	}
	var all []left
	for _, d := range a.reg.Decisions {
		void := d.Status == register.Void && d.Taken != 0
		if d.List != list || d.Adds == 0 || d.Status != register.Approved && !void {
			continue
		}
		err := g.additions(d, func(e blocklist.Entry) error {
			l := left{target: e.Target, id: e.ID, reason: string(register.WasVoid)}
			m, moved := last[e.ID]
			if listed[e.Target.RevealKey()] || !void && (!moved || m.In || m.At.Before(from) || !m.At.Before(until)) {
				return nil
			}
			if !void {
				l.day = m.At.Format(time.DateOnly)
				if l.reason, err = g.reason(m); err != nil {
					return err
				}
			}
			all = append(all, l)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b left) int { return cmp.Compare(a.id, b.id) })
	return all, nil
}

func (a *authority) exportWithdrawals(list string, from, until time.Time, dir string) error {
	all, err := a.withdrawals(list, from, until)
	if err != nil {
		return err
	}
	to := until.AddDate(0, 0, -1)
	head := a.reg.Head()
	var b bytes.Buffer
	fmt.Fprintf(&b, "# vaern withdrawals 1\n# authority: %s\n# environment: %s\n# list: %s\n# from: %s\n# to: %s\n# register: %d %s\n# entries: %d\n",
		a.Authority, a.Environment, list, from.Format(time.DateOnly), to.Format(time.DateOnly), head.Records, head.Hash, len(all))
	w := csv.NewWriter(&b)
	_ = w.Write([]string{"unit", "target", "id", "left", "reason"}) // into memory
	for _, l := range all {
		_ = w.Write([]string{l.target.Unit.String(), l.target.Reveal(), l.id.String(), l.day, l.reason})
	}
	w.Flush()
	signer, err := a.editionSigner()
	if err != nil {
		return err
	}
	defer signer.release()
	sig, err := signer.signAs(withdrawalsNamespace, b.Bytes())
	if err != nil {
		return fmt.Errorf("sign withdrawals: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("export withdrawals: %w", err)
	}
	path := filepath.Join(dir, fmt.Sprintf("%s-withdrawals-%s-%s.csv", list, from.Format(time.DateOnly), to.Format(time.DateOnly)))
	// The signature comes first: a list without one is not taken for whole.
	for _, f := range []struct {
		name string
		data []byte
	}{{path + ".sig", sig}, {path, b.Bytes()}} {
		if err := durable.WriteFile(f.name, f.data, 0o600); err != nil {
			return fmt.Errorf("export withdrawals: %w", err)
		}
	}
	if a.json {
		return cli.PrintJSON(a.out, struct {
			List    string `json:"list"`
			File    string `json:"file"`
			Entries int    `json:"entries"`
		}{list, path, len(all)})
	}
	_, err = fmt.Fprintf(a.out, "%s: %s, signed\n", path, cli.Plural(len(all), "entry", "entries"))
	return err
}
