// Command vaern is the authority's program: it keeps the register of
// decisions, compiles signed editions from it and publishes them.
package main

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/cmd/internal/cli"
)

// version is set by the linker.
var version = "devel"

// app is what every command is given: flags of all commands, streams, clock.
type app struct {
	config string
	json   bool
	in     io.Reader
	out    io.Writer
	err    io.Writer
	clock  func() time.Time // the real one; commands use the clock of their configuration
	kept   *editionSigner   // an edition key whose passphrase is not asked for again

	compiles bool              // and ends: it reads the latest editions beside the register
	ahead    map[string]*ahead // by directory of the list
}

func main() {
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, clock: time.Now}
	os.Exit(cli.Run(context.Background(), a.root(), os.Args[1:], a.out, a.err))
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:     "vaern",
		Short:   "Decide what is blocked, and publish it as signed editions",
		Version: version,
		Long: `vaern keeps the register of an authority: who decided that what is blocked, and
why. From it, it compiles editions: signed directories of lists and a DNS
policy zone, which vaernd serves to internet providers.

Nothing is listed by one person: a decision that adds anything takes effect
when enough police officers have signed it with their own keys.

  vaern init DIR                    make a new authority
  vaern officer add anna --role police --pubkey anna.pub
  vaern report import FILE --source hotline
  vaern decision new --add FILE --basis "case 17"
  vaern decision approve D1 --as anna --key anna
  vaern compile                     build, check, sign and publish
  vaern run                         the same, on schedule`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.PersistentFlags().StringVar(&a.config, "config", "", "configuration `FILE` (default vaern.toml here, then in /etc/vaern)")
	root.AddCommand(
		a.initCommand(), a.officerCommand(), a.reportCommand(), a.decisionCommand(), a.recheckCommand(), a.caseCommand(),
		a.compileCommand(), a.runCommand(), a.editionCommand(), a.explainCommand(), a.statsCommand(), a.withdrawalsCommand(),
		a.auditCommand(), a.checkCommand(), a.demoCommand(),
	)
	return root
}
