package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/internal/isp"
)

func newISPRevoke(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke NAME",
		Short: "Take an ISP's credentials away",
		Long: `Take an ISP's credentials away. A running server stops answering it within a
second, and ends what it is just sending to it. Its name stays taken, so that
the logs stay true. There is no way back: add the ISP under another name.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return ispRevoke(p, args[0]) },
	}
}

func ispRevoke(p *program, name string) error {
	s, err := p.load()
	if err != nil {
		return err
	}
	i, err := isp.Revoke(s.ISPs, name, s.now())
	if err != nil {
		return ispOutcome(err)
	}
	_, err = fmt.Fprintf(p.stdout, "%s is revoked since %s\n", i.Name, i.Revoked.Format(time.RFC3339))
	return err
}
