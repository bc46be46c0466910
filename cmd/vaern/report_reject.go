package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/inbox"
)

func (a *app) reportReject() *cobra.Command {
	var as, reason string
	c := &cobra.Command{
		Use:   "reject ID... --reason TEXT --as NAME",
		Short: "Set reports aside; they may be assessed again",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.changing(args, as, func(auth *authority, box *inbox.Inbox, ids []blocklist.ReportID) error {
				if reason == "" {
					return cli.Misuse(errors.New("reason is empty"), "")
				}
				return auth.change(box, ids, inbox.Act{Who: as}, reason, "rejected")
			})
		},
		ValidArgsFunction: a.completeReports(false, inbox.Reported, inbox.Assessed),
	}
	f := c.Flags()
	f.StringVar(&reason, "reason", "", "why, in one line; - reads standard input")
	f.StringVar(&as, "as", "", "`NAME` of the officer, police or hotline")
	f.BoolVar(&a.json, "json", false, "print JSON")
	_ = c.MarkFlagRequired("reason")
	_ = c.MarkFlagRequired("as")
	return c
}

// changeError gives what reports refuse its exit status.
func changeError(err error) error {
	var refused *inbox.RefusedError
	if errors.As(err, &refused) {
		return cli.Refuse(err, "")
	}
	return inboxError(err)
}
