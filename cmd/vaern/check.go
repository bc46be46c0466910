package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/register"
	"github.com/vaern/vaern/internal/sshsig"
)

func (a *app) checkCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "check",
		Short: "Check configuration, register, keys and editions",
		Long: `Replays the history of the register with its chain and all signatures, checks
the officers file, the never-block files, the signing key and the latest
edition of each list, and says what waits for somebody.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.with((*authority).check)
		},
	}
	c.Flags().BoolVar(&a.json, "json", false, "print JSON")
	return c
}

type checkJSON struct {
	Records  int64    `json:"records"`
	Head     string   `json:"head"`
	Officers int      `json:"officers"`
	Drafts   []string `json:"drafts"`
	Problems []string `json:"problems"`
}

func (a *authority) check() error {
	j := checkJSON{
		Records: a.reg.Head().Records, Head: a.reg.Head().Hash, Officers: len(a.reg.Officers),
		Drafts: []string{}, Problems: []string{},
	}
	for _, d := range a.reg.Decisions {
		if d.Status == register.Draft {
			j.Drafts = append(j.Drafts, d.ID.String())
		}
	}
	problem := func(err error) {
		if err != nil {
			j.Problems = append(j.Problems, err.Error())
		}
	}
	problem(a.checkSigningKey())
	if police := a.reg.Police(a.now()); a.reg.Founded() && police < a.Quorum.Add {
		problem(fmt.Errorf("quorum.add is %d, and there are %d police officers: nothing can be added", a.Quorum.Add, police))
	}
	if _, err := os.Stat(a.Editions); err != nil {
		problem(fmt.Errorf("editions: %w", err))
	}
	for i := range a.Lists {
		problem(a.checkList(&a.Lists[i]))
	}
	if a.json {
		if err := cli.PrintJSON(a.out, j); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(a.out, "register: %d records, chain and signatures are whole, head %s\n", j.Records, j.Head)
		fmt.Fprintf(a.out, "officers: %d; decisions: %d, of which %d are drafts\n", j.Officers, len(a.reg.Decisions), len(j.Drafts))
		for _, d := range a.reg.Decisions {
			if d.Status == register.Draft {
				fmt.Fprintf(a.out, "waiting: %v on list %s, approved by %d of %d\n", d.ID, d.List, d.Valid(), a.needs(d))
			}
		}
		for _, p := range j.Problems {
			fmt.Fprintf(a.err, "problem: %s\n", p)
		}
	}
	if len(j.Problems) > 0 {
		return errors.New(cli.Plural(len(j.Problems), "problem", "problems") + " found")
	}
	return nil
}

// checkSigningKey signs a probe, and verifies it as a reader would.
func (a *authority) checkSigningKey() error {
	keys, err := a.editionKeys()
	if err != nil {
		return err
	}
	signer, closer, err := sshsig.LoadSigner(a.SigningKey, a.passphrase)
	if err != nil {
		return fmt.Errorf("signing key: %w", err)
	}
	defer closer.Close()
	// The namespace is the real one: whether the key may sign editions is the
	// question. The text is no MANIFEST, so the signature is worth nothing.
	probe := []byte("vaern check: not an edition\n")
	sig, err := sshsig.Sign(signer, blocklist.EditionNamespace, probe)
	if err != nil {
		return fmt.Errorf("signing key: %w", err)
	}
	if _, err := keys.Verify(blocklist.EditionPrincipal, blocklist.EditionNamespace, probe, sig, a.now()); err != nil {
		return fmt.Errorf("signing key: readers would refuse it: %w", err)
	}
	return nil
}

func (a *authority) checkList(l *ListConfig) error {
	p, err := a.loadPolicy(l, a.reg.Highest[l.Name])
	if err != nil {
		return err
	}
	if p.unprotected != "" {
		return fmt.Errorf("list %s: %s: %s", l.Name, blocklist.RuleNeverBlockSet, p.unprotected)
	}
	if _, err := os.Stat(a.listDir(l)); errors.Is(err, os.ErrNotExist) {
		return nil // not compiled yet
	}
	keys, err := a.editionKeys()
	if err != nil {
		return err
	}
	old, err := a.previous(a.listDir(l), keys)
	if err != nil || old == nil {
		return err
	}
	b, err := a.build(l, p, old, keys)
	if err != nil {
		return err
	}
	if o := b.Run(); len(o.Refused)+len(o.Flagged) > 0 {
		return fmt.Errorf("list %s: decide on these, or mend the never-block files: %s", l.Name, reasons(append(o.Refused, o.Flagged...)))
	}
	if err := old.CheckContents(); err != nil {
		return fmt.Errorf("list %s: %w", l.Name, err)
	}
	if now := a.now(); !now.Before(old.Expires) {
		return fmt.Errorf("list %s: edition %v expired at %s", l.Name, old.Serial, old.Expires)
	}
	return nil
}
