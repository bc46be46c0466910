package main

import (
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/sshsig"
)

func (a *app) officerCommand() *cobra.Command {
	return cli.Group("officer", "Add, list and revoke officers",
		a.officerAdd(), a.officerList(), a.officerRevoke())
}

// officerJSON is an officer as --json prints it.
type officerJSON struct {
	Name        string     `json:"name"`
	Role        string     `json:"role"`
	Fingerprint string     `json:"fingerprint"`
	Added       *time.Time `json:"added,omitempty"`
	Revoked     *time.Time `json:"revoked,omitempty"`
	Decision    string     `json:"decision,omitempty"`
}

func (a *app) officerAdd() *cobra.Command {
	var role, pubkey, basis string
	c := &cobra.Command{
		Use:   "add NAME --role police|hotline --pubkey FILE",
		Short: "Add an officer: a founder at once, a later one by a decision",
		Long: `The first two police officers found the register. After them an officer is
added by a decision: this command then drafts one, and it takes effect when
enough police officers have approved it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.with(func(auth *authority) error { return auth.addOfficer(args[0], role, pubkey, basis) })
		},
	}
	c.Flags().StringVar(&role, "role", "", "police (decides) or hotline (drafts, rechecks)")
	c.Flags().StringVar(&pubkey, "pubkey", "", "OpenSSH public key `FILE`")
	c.Flags().StringVar(&basis, "basis", "officer added", "why, for the decision; - reads standard input")
	c.Flags().BoolVar(&a.json, "json", false, "print JSON")
	_ = c.MarkFlagRequired("role")
	_ = c.MarkFlagRequired("pubkey")
	return c
}

func (a *authority) addOfficer(name, role, pubkey, basis string) error {
	data, err := os.ReadFile(pubkey)
	if err != nil {
		return cli.Misuse(fmt.Errorf("read public key: %w", err), "")
	}
	key, _, err := sshsig.ParsePublicKey(data)
	if err != nil {
		return cli.Misuse(err, "give the .pub file of the officer's key")
	}
	change := blocklist.OfficerChange{Name: name, Role: blocklist.Role(role), Key: sshsig.Text(key)}
	if err := change.Check(); err != nil {
		return cli.Misuse(err, "")
	}
	if !a.reg.Founded() {
		if err := a.reg.Found(change); err != nil {
			return cli.Refuse(fmt.Errorf("add officer: %w", err), "vaern officer list shows who there is")
		}
		if err := a.writeOfficers(); err != nil {
			return err
		}
		return a.printOfficer(officerJSON{Name: name, Role: role, Fingerprint: sshsig.Fingerprint(key)}, "added")
	}
	return a.draftOfficer(change, basis, sshsig.Fingerprint(key))
}

// draftOfficer drafts the decision by which an officer comes or goes.
func (a *authority) draftOfficer(change blocklist.OfficerChange, basis, fingerprint string) error {
	basis, err := cli.Text(basis, a.in)
	if err != nil {
		return err
	}
	if err := a.reg.CheckOfficer(change); err != nil {
		return cli.Refuse(err, "vaern officer list shows who there is")
	}
	d, err := a.reg.NewDraft(blocklist.Decision{List: blocklist.NoList, Basis: basis, Officers: []blocklist.OfficerChange{change}}, 0)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("drafted as %v: it needs the approval of %s", d.ID, cli.Plural(a.needs(d), "police officer", "police officers"))
	return a.printOfficer(officerJSON{Name: change.Name, Role: string(change.Role), Fingerprint: fingerprint, Decision: d.ID.String()}, what)
}

func (a *authority) printOfficer(o officerJSON, what string) error {
	if a.json {
		return cli.PrintJSON(a.out, o)
	}
	_, err := fmt.Fprintf(a.out, "officer %s %s\n", o.Name, what)
	return err
}

func (a *app) officerList() *cobra.Command {
	c := &cobra.Command{
		Use:   "list",
		Short: "List the officers, revoked ones too",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.with(func(auth *authority) error { return auth.listOfficers() })
		},
	}
	c.Flags().BoolVar(&a.json, "json", false, "print JSON")
	return c
}

func (a *authority) listOfficers() error {
	all := []officerJSON{}
	for _, o := range a.reg.Officers {
		row := officerJSON{Name: o.Name, Role: string(o.Role), Fingerprint: o.Fingerprint(), Added: &o.Added}
		if !o.Revoked.IsZero() {
			row.Revoked = &o.Revoked
		}
		if o.By != 0 {
			row.Decision = o.By.String()
		}
		all = append(all, row)
	}
	if a.json {
		return cli.PrintJSON(a.out, all)
	}
	w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tROLE\tADDED\tBY\tREVOKED\tKEY")
	for _, o := range all {
		by, revoked := o.Decision, "-"
		if by == "" {
			by = "founder"
		}
		if o.Revoked != nil {
			revoked = o.Revoked.Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", o.Name, o.Role, o.Added.Format(time.DateOnly), by, revoked, o.Fingerprint)
	}
	return w.Flush()
}

func (a *app) officerRevoke() *cobra.Command {
	var since, basis string
	c := &cobra.Command{
		Use:   "revoke NAME [--since TIME]",
		Short: "Draft the decision that takes an officer's key away",
		Long: `The decision takes effect when enough police officers have approved it. With
--since, approvals by that key that were recorded at that time or later are
void, and what only they added leaves the list. What they withdrew stays away.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.with(func(auth *authority) error { return auth.revokeOfficer(args[0], since, basis) })
		},
	}
	c.Flags().StringVar(&since, "since", "", "revoke since this `TIME` (RFC 3339; default now)")
	c.Flags().StringVar(&basis, "basis", "officer revoked", "why; - reads standard input")
	c.Flags().BoolVar(&a.json, "json", false, "print JSON")
	return c
}

func (a *authority) revokeOfficer(name, since, basis string) error {
	at := a.now().UTC().Truncate(time.Second)
	if since != "" {
		t, err := time.Parse(time.RFC3339, since)
		if err != nil || t.Nanosecond() != 0 {
			return cli.Misuse(errors.New("--since is not a time like 2026-11-23T12:00:00Z"), "")
		}
		at = t.UTC()
	}
	return a.draftOfficer(blocklist.OfficerChange{Revoke: true, Name: name, Since: at}, basis, "")
}
