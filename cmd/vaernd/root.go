package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func newRoot(p *program) *cobra.Command {
	root := &cobra.Command{
		Use:   "vaernd",
		Short: "Serve signed blocklist editions to ISPs",
		Long: `Vaernd serves signed blocklist editions to ISPs: as DNS response policy zones
by zone transfer, and as files over HTTP.`,
		Version:       version,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          needsCommand,
		PersistentPreRun: func(cmd *cobra.Command, _ []string) {
			p.started = cmd.HasParent() && !cmd.HasSubCommands()
		},
	}
	root.SetVersionTemplate("vaernd {{.Version}}\n")
	root.SetHelpTemplate(root.HelpTemplate() + "\n" + exitStatus)
	root.PersistentFlags().StringVar(&p.configFile, "config", "", "configuration `FILE` (default vaernd.toml here, then in /etc/vaern)")
	root.AddCommand(newServe(p), newISP(p), newStatus(p), newCheck(p))
	return root
}

// needsCommand is what a command does that only has others below it.
func needsCommand(*cobra.Command, []string) error { return errors.New("which command?") }
