package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/internal/durable"
	"github.com/vaern/vaern/internal/register"
)

func (a *app) decisionExport() *cobra.Command {
	return &cobra.Command{
		Use:   "export ID DIR",
		Short: "Write the text to sign, and the signatures it has",
		Long: `Writes ID.txt, exactly what officers sign, and ID.NAME.sig for each approval.
An officer whose key is on another machine signs it there and hands in the
signature:

  ssh-keygen -Y sign -n vaern-decision -f KEY D7.txt
  vaern decision approve D7 --as anna --signature D7.txt.sig`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: a.completeDecisions(),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withDecision(args[0], func(auth *authority, d *register.Decision) error { return auth.exportDecision(d, args[1]) })
		},
	}
}

func (a *authority) exportDecision(d *register.Decision, dir string) error {
	text, err := a.reg.Text(d.ID)
	if err != nil {
		return err
	}
	signatures, err := a.reg.Signatures(d.ID)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("export decision: %w", err)
	}
	files := map[string][]byte{d.ID.String() + ".txt": text}
	for officer, sig := range signatures {
		files[d.ID.String()+"."+officer+".sig"] = sig
	}
	for name, data := range files {
		if err := durable.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return fmt.Errorf("export decision: %w", err)
		}
	}
	_, err = fmt.Fprintf(a.out, "%s\nsha256 %s\n", filepath.Join(dir, d.ID.String()+".txt"), d.Digest)
	return err
}
