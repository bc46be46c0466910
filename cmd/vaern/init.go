package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/config"
	"github.com/vaern/vaern/internal/durable"
	"github.com/vaern/vaern/internal/register"
	"github.com/vaern/vaern/internal/sshsig"
)

const neverBlockExample = `# Names that must never be blocked: not the name, nothing above it, nothing
# below it. One a line, or rank,name. Put the country's most visited names, the
# authorities' and the providers' own here, before the first decision.
police.example
`

func (a *app) initCommand() *cobra.Command {
	var authority, environment string
	c := &cobra.Command{
		Use:   "init DIR",
		Short: "Make a new authority: configuration, register, edition key, editions",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.initAuthority(args[0], authority, environment)
		},
	}
	c.Flags().StringVar(&authority, "authority", "Example National Police", "`NAME` of the authority")
	c.Flags().StringVar(&environment, "environment", "production", "`NAME` of the environment")
	return c
}

// initAuthority fills a new or empty directory. It writes vaern.toml last: a
// directory without one is not an authority, and may be removed and made
// again.
func (a *app) initAuthority(dir, authority, environmentName string) error {
	if !environment.MatchString(environmentName) {
		return cli.Misuse(errors.New("environment is not of the form [a-z][a-z0-9-]*"), "")
	}
	now, err := config.Clock(environmentName, a.clock)
	if err != nil {
		return cli.Misuse(err, "")
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("init %s: the directory is not empty", dir)
	}
	for _, d := range []struct {
		path string
		mode os.FileMode
	}{{dir, 0o700}, {filepath.Join(dir, "keys"), 0o700}, {filepath.Join(dir, "editions"), 0o750}} {
		if err := errors.Join(os.MkdirAll(d.path, d.mode), os.Chmod(d.path, d.mode)); err != nil {
			return fmt.Errorf("init: %w", err)
		}
	}
	if err := writeEditionKey(filepath.Join(dir, "keys", "edition")); err != nil {
		return fmt.Errorf("init: %w", err)
	}
	path := filepath.Join(dir, "register.db")
	if err := register.Create(path, now); err != nil {
		return fmt.Errorf("init: %w", err)
	}
	reg, err := register.Open(path, environmentName, now)
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	officers := reg.OfficersFile()
	if err := reg.Close(); err != nil {
		return fmt.Errorf("init: %w", err)
	}
	text := strings.NewReplacer(
		`authority = "Example National Police"`, "authority = "+strconv.Quote(authority),
		`environment = "production"`, "environment = "+strconv.Quote(environmentName),
	).Replace(exampleConfig)
	for _, f := range []struct {
		name string
		data []byte
	}{{"officers", officers}, {"never-block.txt", []byte(neverBlockExample)}, {"vaern.toml", []byte(text)}} {
		if err := durable.WriteFile(filepath.Join(dir, f.name), f.data, 0o600); err != nil {
			return fmt.Errorf("init: %w", err)
		}
	}
	fmt.Fprintf(a.out, `made %[1]s
  vaern.toml                    read it, and change what is an example
  never-block.txt               fill it before the first decision
  keys/edition.allowed_signers  what servers and providers verify editions with
Next: two police officers found the register, each with a key of their own:
  vaern --config %[1]s/vaern.toml officer add NAME --role police --pubkey FILE
`, dir)
	return nil
}

// writeEditionKey makes the key pair that signs editions, and the file with
// which everybody else verifies them. That file has no validity bounds, which
// older ssh-keygen programs at providers read differently.
func writeEditionKey(path string) error {
	private, public, err := sshsig.GenerateEd25519("vaern edition")
	if err != nil {
		return err
	}
	key, _, err := sshsig.ParsePublicKey(public)
	if err != nil {
		return err
	}
	signers, err := sshsig.NewAllowedSigners([]sshsig.Key{{
		Principal: blocklist.EditionPrincipal, Public: key,
		Namespaces: []string{blocklist.EditionNamespace, blocklist.HoldNamespace},
	}})
	if err != nil {
		return err
	}
	return errors.Join(
		durable.WriteFile(path, private, 0o600),
		durable.WriteFile(path+".pub", public, 0o600),
		durable.WriteFile(path+".allowed_signers", signers.Bytes(), 0o600),
	)
}
