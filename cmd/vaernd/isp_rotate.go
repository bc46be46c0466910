package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/isp"
)

// overlap is how long replaced credentials go on unless somebody says else.
const overlap = 7 * 24 * time.Hour

type ispRotate struct {
	*program
	overlap time.Duration
	cert    string
	out     string
	json    bool
}

func newISPRotate(p *program) *cobra.Command {
	o := ispRotate{program: p}
	cmd := &cobra.Command{
		Use:   "rotate NAME",
		Short: "Give an ISP new credentials; the old ones go on for a while",
		Long: `Give an ISP a new TSIG key and a new token, and with --cert another client
certificate, and show the secrets this once. What it had before goes on for the
overlap, so that it can change over at leisure; with --overlap 0s it ends at
once, and so does what the server is just sending by it. Rotating again while
old credentials go on ends the oldest.`,
		Example: `  vaernd isp rotate nordnet
  vaernd isp rotate nordnet --cert nordnet-2027.pem --overlap 72h`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return o.run(args[0]) },
	}
	cmd.Flags().DurationVar(&o.overlap, "overlap", overlap, "`DURATION` for which the old credentials go on")
	cmd.Flags().StringVar(&o.cert, "cert", "", "PEM `FILE` with its new client certificate (default: it keeps the one it has)")
	cmd.Flags().StringVar(&o.out, "out", "", outHelp)
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON: {name, tsig: {name, algorithm, secret}, token, previous_until}")
	return cmd
}

func (o ispRotate) run(name string) error {
	s, err := o.load()
	if err != nil {
		return err
	}
	if o.overlap < 0 {
		return cli.Misuse(errors.New("--overlap is negative"), "0s ends the old credentials at once")
	}
	var cert isp.Digest
	if o.cert != "" {
		if cert, err = readCertificate(o.cert); err != nil {
			return err
		}
	}
	if err := prepareOut(o.out); err != nil {
		return err
	}
	made, c, err := isp.Rotate(s.ISPs, name, cert, o.overlap, s.now())
	if err != nil {
		return ispOutcome(err)
	}
	o.warnOfTLS(&made, s)
	end := "ended just now"
	if until := made.Previous.Until; !until.IsZero() {
		end = "go on until " + until.Format(time.RFC3339)
	}
	head := fmt.Sprintf("ISP %s has new credentials. The old ones %s.", name, end)
	if cert == (isp.Digest{}) && made.CertSHA256 != (isp.Digest{}) {
		fmt.Fprintln(o.stderr, "its certificate goes on: give another one with --cert if that is to end too")
	}
	return o.show(&made, c, s, head, o.out, o.json)
}
