package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/register"
)

func (a *app) decisionReject() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "reject ID --reason TEXT",
		Short: "End a draft; what is decided already is withdrawn by a new decision",
		Args:  cobra.ExactArgs(1),

		ValidArgsFunction: a.completeDecisions(register.Draft),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withDecision(args[0], func(auth *authority, d *register.Decision) error {
				text, err := cli.Text(reason, a.in)
				if err != nil {
					return err
				}
				if err := auth.reg.Reject(d.ID, text); err != nil {
					return cli.Refuse(err, "only a draft can be rejected")
				}
				_, err = fmt.Fprintf(a.out, "%v rejected\n", d.ID)
				return err
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why; - reads standard input")
	_ = c.MarkFlagRequired("reason")
	return c
}
