package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/durable"
	"github.com/vaern/vaern/internal/register"
	"github.com/vaern/vaern/internal/sshsig"
)

func (a *app) auditCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "audit",
		Short: "Verify the register's history from outside, or export it",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.auditVerify(), a.auditExport())
	return c
}

// auditOptions name what an auditor has, instead of what the configuration
// names.
type auditOptions struct {
	register, officers string
	manifests          []string
}

func (a *app) auditVerify() *cobra.Command {
	var o auditOptions
	c := &cobra.Command{
		Use:   "verify",
		Short: "Verify the whole history, offline",
		Long: `Replays the history: every record's place in the chain, every officer's
signature, every quorum. Then it holds the history against what was kept
elsewhere: the officers' public keys, and MANIFESTs, each of which names the
head that the history had. A byte that was changed, a record that was removed or
moved, another officer's key, or an old copy is refused (exit status 3).

With --register and --officers it needs no configuration and nothing else of the
authority: a copy of the register, and a file of the officers' public keys
(OpenSSH allowed_signers). A MANIFEST's own signature is the matter of
ssh-keygen -Y verify. Without them it takes those of the configuration, and the
MANIFEST of every edition that is kept.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.auditRegister(o) },
	}
	f := c.Flags()
	f.StringVar(&o.register, "register", "", "a copy of the register, `FILE`")
	f.StringVar(&o.officers, "officers", "", "the officers' public keys, `FILE`")
	f.StringArrayVar(&o.manifests, "manifest", nil, "a MANIFEST to hold the history against, `FILE`; can be repeated")
	f.BoolVar(&a.json, "json", false, "print JSON")
	return c
}

// audited is what audit verify found to be right.
type audited struct {
	Register    string            `json:"register"`
	Environment string            `json:"environment"`
	Records     int64             `json:"records"`
	Head        string            `json:"head"`
	Officers    int               `json:"officers"` // keys, those that were revoked too
	Decisions   int               `json:"decisions"`
	Approved    int               `json:"approved"`
	Additions   int               `json:"additions"`  // approved decisions that add something
	OnePerson   int               `json:"one_person"` // of them, by fewer than two officers
	Manifests   int               `json:"manifests"`
	Sealed      *blocklist.Serial `json:"sealed_by,omitempty"` // the edition that names the latest head
	SealedTo    int64             `json:"sealed_records"`      // up to which record
}

func (a *app) auditRegister(o auditOptions) error {
	switch {
	case (o.register == "") != (o.officers == ""):
		return cli.Misuse(errors.New("--register and --officers belong together"), "without both, those of the configuration are taken")
	case o.register == "":
		return a.with(func(auth *authority) error {
			manifests, err := auth.keptManifests()
			if err == nil {
				err = a.printAudit(auth.reg, auth.Officers, append(manifests, o.manifests...))
			}
			return err
		})
	}
	reg, err := register.OpenCopy(o.register)
	if errors.Is(err, register.ErrTampered) {
		return cli.Refuse(err, "restore the register from a backup and compare it with the last MANIFEST")
	}
	if err != nil {
		return err
	}
	return errors.Join(a.printAudit(reg, o.officers, o.manifests), reg.Close())
}

// keptManifests are the MANIFEST files of all editions that are kept.
func (a *authority) keptManifests() (all []string, err error) {
	for i := range a.Lists {
		dir := a.listDir(&a.Lists[i])
		serials, err := blocklist.Serials(dir)
		if err != nil {
			return nil, err
		}
		for _, s := range serials {
			all = append(all, filepath.Join(dir, s.String(), "MANIFEST"))
		}
	}
	return all, nil
}

func (a *app) printAudit(reg *register.Register, officers string, manifests []string) error {
	if err := checkKeys(reg, officers); err != nil {
		return err
	}
	head := reg.Head()
	found := audited{
		Register: reg.ID, Environment: reg.Environment, Records: head.Records, Head: head.Hash,
		Officers: len(reg.Officers), Decisions: len(reg.Decisions), Manifests: len(manifests),
	}
	for _, d := range reg.Decisions {
		if d.Status != register.Approved {
			continue
		}
		found.Approved++
		if d.AddsAnything() {
			found.Additions++
			if d.Valid() < 2 {
				found.OnePerson++
			}
		}
	}
	for _, path := range manifests {
		m, err := readManifest(path)
		if err != nil {
			return err
		}
		if !reg.Includes(m.Register) {
			return cli.Refuse(fmt.Errorf("edition %v was made from a history that this one does not continue", m.Serial),
				"the register is an old copy or another one, or the MANIFEST is of another authority")
		}
		if m.Register.Records > found.SealedTo {
			found.SealedTo, found.Sealed = m.Register.Records, &m.Serial
		}
	}
	if a.json {
		return cli.PrintJSON(a.out, found)
	}
	return found.print(a)
}

func (f *audited) print(a *app) error {
	sealed := "none"
	if f.Sealed != nil {
		sealed = fmt.Sprintf("%d fit; edition %v seals the records up to %d", f.Manifests, *f.Sealed, f.SealedTo)
	}
	_, err := fmt.Fprintf(a.out, `register   %s, environment %s
history    %s, each in its place, each signature and quorum right
head       %s
officers   %s, each known
decisions  %d: %d approved; %d add something, %d of them approved by one person
manifests  %s
`, f.Register, f.Environment, cli.Plural(int(f.Records), "record", "records"), f.Head, cli.Plural(f.Officers, "key", "keys"),
		f.Decisions, f.Approved, f.Additions, f.OnePerson, sealed)
	return err
}

// checkKeys holds the officers of a register against a file of their keys.
func checkKeys(reg *register.Register, path string) error {
	data, err := durable.ReadRegular(path, maxOfficers)
	if err != nil {
		return cli.Misuse(fmt.Errorf("read officers: %w", err), "")
	}
	signers, err := sshsig.ParseAllowedSigners(data)
	if err != nil {
		return cli.Misuse(fmt.Errorf("read officers %s: %w", path, err), "")
	}
	known := map[[2]string]bool{}
	for _, k := range signers.Keys() {
		known[[2]string{k.Principal, k.Fingerprint()}] = true
	}
	if err := reg.CheckKeys(func(officer, fingerprint string) bool { return known[[2]string{officer, fingerprint}] }); err != nil {
		return cli.Refuse(fmt.Errorf("%s: %w", path, err), "whoever made this register made it with other keys, or the file is older than that officer")
	}
	return nil
}

// maxManifest bounds a MANIFEST, in octets.
const maxManifest = 1 << 20

func readManifest(path string) (*blocklist.Manifest, error) {
	data, err := durable.ReadRegular(path, maxManifest)
	if err != nil {
		return nil, fmt.Errorf("read MANIFEST: %w", err)
	}
	m, err := blocklist.ParseManifest(data)
	if err != nil {
		return nil, fmt.Errorf("read MANIFEST %s: %w", path, err)
	}
	return m, nil
}

func (a *app) auditExport() *cobra.Command {
	var from, to string
	c := &cobra.Command{
		Use:   "export",
		Short: "Print the records of a time, a JSON object a line",
		Long: `Prints every record of the history in a time, a JSON object a line: number, time,
kind, what it is about, what it says, and the hash over it and all before it. Of a
decision there is the digest that officers sign and not its text: no listed name
is in it.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.with(func(auth *authority) error { return auth.exportRecords(from, to) })
		},
	}
	c.Flags().StringVar(&from, "from", "", "from that `TIME` on: 2026-11-23, or RFC 3339 (default from the first)")
	c.Flags().StringVar(&to, "to", "", "before that `TIME` (default to the last)")
	return c
}

func (a *authority) exportRecords(from, to string) error {
	var bounds [2]time.Time
	for i, text := range []string{from, to} {
		var err error
		if bounds[i], err = parseMoment(text); err != nil {
			return cli.Misuse(err, "a day like 2026-11-23, or a moment like 2026-11-23T12:00:00Z")
		}
	}
	return a.reg.Records(func(r register.Record) error {
		if r.Time.Before(bounds[0]) || !bounds[1].IsZero() && !r.Time.Before(bounds[1]) {
			return nil
		}
		return cli.PrintJSON(a.out, r)
	})
}

// parseMoment reads a day, which begins in UTC, or a moment; "" is the zero
// time.
func parseMoment(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, fmt.Errorf("%q is no time", text)
	}
	return at, nil
}
