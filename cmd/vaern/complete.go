package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/register"
)

// maxOffered bounds how many ids a shell is offered, the newest first.
const maxOffered = 50

// completeDecisions offers the ids of decisions of one state, of all if none is
// named, as the first argument.
func (a *app) completeDecisions(in ...register.Status) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		var offered []string
		_ = a.with(func(auth *authority) error { // a shell that asks is told of no error
			for _, d := range slices.Backward(auth.reg.Decisions) {
				if (len(in) == 0 || slices.Contains(in, d.Status)) && len(offered) < maxOffered {
					offered = append(offered, fmt.Sprintf("%v\t%s: %s", d.ID, d.Status, short(d.Basis, 40)))
				}
			}
			return nil
		})
		return offered, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// completePolice offers the police officers who may sign.
func (a *app) completePolice(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var offered []string
	_ = a.with(func(auth *authority) error {
		for _, o := range auth.reg.Officers {
			if o.Role == blocklist.Police && o.Revoked.IsZero() {
				offered = append(offered, o.Name)
			}
		}
		return nil
	})
	return offered, cobra.ShellCompDirectiveNoFileComp
}
