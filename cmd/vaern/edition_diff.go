package main

import (
	"fmt"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
)

type diffJSON struct {
	From    blocklist.Serial `json:"from"`
	To      blocklist.Serial `json:"to"`
	Added   int              `json:"added"`
	Removed int              `json:"removed"`
}

// diffEditions tells what one edition blocks and another does not.
func (a *authority) diffEditions(l *ListConfig, args []string) error {
	var editions [2]*blocklist.Edition
	var sets [2]*blocklist.Set
	for i := range editions {
		var err error
		if editions[i], err = a.openEdition(l, args[i:]); err != nil {
			return err
		}
		if sets[i], err = editions[i].Set(); err != nil {
			return err
		}
	}
	c := blocklist.Diff(sets[0], sets[1])
	from, to := editions[0].Serial, editions[1].Serial
	if a.json {
		return cli.PrintJSON(a.out, diffJSON{from, to, len(c.Added), len(c.Removed)})
	}
	if _, err := fmt.Fprintf(a.out, "# from %v\n# to %v\n", from, to); err != nil {
		return err
	}
	return writeChanges(a.out, c)
}
