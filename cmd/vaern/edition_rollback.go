package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/durable"
	"github.com/vaern/vaern/internal/register"
	"github.com/vaern/vaern/internal/sshsig"
)

type rollbackOptions struct {
	as, key, basis string
	dryRun         bool
}

// rollbackCommand belongs to the group that has the flag --list.
func (a *app) rollbackCommand(list *string) *cobra.Command {
	var o rollbackOptions
	c := a.editionSub("rollback SERIAL --as NAME --key FILE", "Suspend all that was added since an edition, and publish", cobra.ExactArgs(1), list,
		func(auth *authority, l *ListConfig, args []string) error { return auth.rollBack(l, args[0], o) })
	c.Long = `Makes one decision that suspends every entry added since edition SERIAL, signs
it with the key of one police officer, and publishes at once. The list then
blocks nothing that SERIAL did not block; what was withdrawn since stays
withdrawn. SERIAL is one of vaern edition list.

On a terminal it shows what would be suspended and asks; type yes. --dry-run
shows it and does nothing.`
	c.Flags().StringVar(&o.as, "as", "", "`NAME` of the police officer who signs")
	c.Flags().StringVar(&o.key, "key", "", "sign with the key in `FILE`")
	c.Flags().StringVar(&o.basis, "basis", "", "why, in one line; - reads standard input (default rollback to edition SERIAL)")
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "only show what would be suspended")
	c.MarkFlagsOneRequired("key", "dry-run")
	c.MarkFlagsOneRequired("as", "dry-run")
	return c
}

type rollbackJSON struct {
	ID        *string          `json:"id"` // of the decision; null if none was made
	List      string           `json:"list"`
	Rollback  blocklist.Serial `json:"rollback"`
	Suspended int              `json:"suspended"`
	Decisions map[string]int   `json:"decisions"` // how many of the entries of each are suspended
}

func (a *authority) rollBack(l *ListConfig, serial string, o rollbackOptions) error {
	e, set, err := a.keptEdition(l, serial)
	if err != nil {
		return err
	}
	if o.basis == "" {
		o.basis = fmt.Sprintf("rollback to edition %v", e.Serial)
	}
	basis, err := cli.Text(o.basis, a.in)
	if err != nil {
		return err
	}
	since := e.Register.Records
	d := blocklist.Decision{List: l.Name, Basis: basis, Rollback: e.Serial}
	if err := d.Check(); err != nil {
		return cli.Misuse(err, "say it in one line")
	}
	suspends := a.addedSince(l, since, set)
	j := a.rollbackJSON(l, e.Serial, suspends)
	if len(suspends) == 0 || o.dryRun {
		return a.printRollback(j)
	}
	if a.onTerminal() {
		fmt.Fprintln(a.err, j)
		if err := a.ask("suspend them and publish?"); err != nil {
			return err
		}
	}
	signer, closer, err := sshsig.LoadSigner(o.key, a.passphrase)
	if err != nil {
		return cli.Misuse(err, "")
	}
	defer closer.Close()
	made, err := a.reg.RollBack(func() (blocklist.Decision, error) {
		d.Suspend = a.addedSince(l, since, set)
		return d, nil
	}, o.as, func(text []byte) ([]byte, error) { return sshsig.Sign(signer, blocklist.DecisionNamespace, text) })
	if errors.Is(err, register.ErrDisk) {
		return err
	}
	if err != nil {
		return cli.Refuse(fmt.Errorf("roll back: %w", err), "vaern officer list shows who may sign, and with which key")
	}
	id := made.ID.String()
	j = a.rollbackJSON(l, e.Serial, d.Suspend)
	j.ID = &id
	if err := a.printRollback(j); err != nil {
		return err
	}
	return a.compileSoon(l.Name)
}

// compileSoon compiles a list, and waits for another vaern that does so now:
// it may have looked at the register before the rollback.
func (a *authority) compileSoon(list string) error {
	err := a.compile(compileOptions{list: list})
	for n := 0; n < 100 && errors.Is(err, durable.ErrLocked); n++ {
		time.Sleep(500 * time.Millisecond)
		err = a.compile(compileOptions{list: list})
	}
	return err
}

// keptEdition opens the edition that a rollback leads back to: one of those
// kept, made from this register.
func (a *authority) keptEdition(l *ListConfig, text string) (*blocklist.Edition, *blocklist.Set, error) {
	const hint = "vaern edition list shows the editions that are kept"
	serial, err := blocklist.ParseSerial(text)
	if err != nil {
		return nil, nil, cli.Misuse(err, hint)
	}
	keys, err := a.editionKeys()
	if err != nil {
		return nil, nil, err
	}
	history, gap := blocklist.History(a.listDir(l), keys)
	var dir string
	for _, e := range history {
		if e.Serial == serial {
			dir = e.Dir
		}
	}
	if dir == "" {
		return nil, nil, cli.Misuse(errors.Join(fmt.Errorf("list %s has no edition %v to go back to", l.Name, serial), gap), hint)
	}
	e, err := blocklist.Open(dir, keys)
	if err != nil {
		return nil, nil, err
	}
	if !a.reg.Includes(e.Register) {
		return nil, nil, cli.Misuse(fmt.Errorf("edition %v was made from a register that this one does not continue", serial), hint)
	}
	set, err := e.Set()
	return e, set, err
}

// addedSince returns the entries in force that an edition does not have: what
// was decided after the record that it was made from, and what was held back
// from it.
func (a *authority) addedSince(l *ListConfig, record int64, set *blocklist.Set) []blocklist.Withdrawal {
	since := func(e blocklist.Listed) bool {
		d, err := a.reg.Decision(e.Decision)
		return err != nil || d.Taken > record
	}
	// What was decided again while it was listed, because it was to expire, was
	// not added then; what was withdrawn in between was.
	renewed := map[string]bool{}
	for _, e := range a.reg.InForce(l.Name) {
		if _, same := set.Find(e.Target); same && since(e) {
			former, _ := a.reg.Former(l.Name, e.Target)
			renewed[e.Target.RevealKey()] = former.How == register.WasExpired
		}
	}
	for _, e := range a.reg.InForce(l.Name) {
		if _, again := renewed[e.Target.RevealKey()]; len(renewed) > 0 && again && !since(e) {
			renewed[e.Target.RevealKey()] = true
		}
	}
	var all []blocklist.Withdrawal
	for _, e := range a.reg.InForce(l.Name) {
		if !renewed[e.Target.RevealKey()] && since(e) || !set.Covers(e.Target) {
			all = append(all, blocklist.Withdrawal{ID: e.ID, Target: e.Target})
		}
	}
	return all
}

func (a *authority) rollbackJSON(l *ListConfig, serial blocklist.Serial, suspends []blocklist.Withdrawal) rollbackJSON {
	j := rollbackJSON{List: l.Name, Rollback: serial, Suspended: len(suspends), Decisions: map[string]int{}}
	for _, w := range suspends {
		if d, err := a.reg.DecisionOf(w.ID); err == nil {
			j.Decisions[d.ID.String()]++
		}
	}
	return j
}

// String tells what is suspended, or would be.
func (j rollbackJSON) String() string {
	ids := slices.SortedFunc(maps.Keys(j.Decisions), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) // D9 before D10
	})
	var of []string
	for i, id := range ids {
		if i == maxReasons {
			of = append(of, fmt.Sprintf("and of %d more", len(ids)-i))
			break
		}
		of = append(of, fmt.Sprintf("%d of %s", j.Decisions[id], id))
	}
	return fmt.Sprintf("list %s: rollback to edition %v suspends %s: %s", j.List, j.Rollback,
		cli.Plural(j.Suspended, "entry", "entries"), strings.Join(of, ", "))
}

func (a *authority) printRollback(j rollbackJSON) error {
	if a.json {
		return cli.PrintJSON(a.out, j)
	}
	var err error
	switch {
	case j.Suspended == 0:
		_, err = fmt.Fprintf(a.out, "list %s: nothing was added since edition %v\n", j.List, j.Rollback)
	case j.ID == nil:
		_, err = fmt.Fprintln(a.out, j)
	default:
		_, err = fmt.Fprintf(a.out, "%v, decided as %s\n", j, *j.ID)
	}
	return err
}
