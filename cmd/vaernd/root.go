package main

import (
	"github.com/spf13/cobra"
)

func newRoot(p *program) *cobra.Command {
	root := &cobra.Command{
		Use:   "vaernd",
		Short: "Serve signed blocklist editions to ISPs",
		Long: `Vaernd serves signed blocklist editions to ISPs: as DNS response policy zones
by zone transfer, and as files over HTTP.`,
		Version: version,
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.PersistentFlags().StringVar(&p.configFile, "config", "", "configuration `FILE` (default vaernd.toml here, then in /etc/vaern)")
	root.AddCommand(newServe(p), newISP(p), newStatus(p), newCheck(p))
	return root
}
