package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
)

func (a *app) editionCommand() *cobra.Command {
	var list string
	c := cli.Group("edition", "List, show, compare, verify and roll back what is published",
		a.editionSub("list", "List the published editions kept, the latest first", cobra.NoArgs, &list, (*authority).listEditions),
		a.editionSub("show [SERIAL]", "Show the MANIFEST of an edition, the latest if none is named", cobra.MaximumNArgs(1), &list, (*authority).showEdition),
		a.editionFile("cat SERIAL FILE", "Write a file of an edition: a text in plain form, any other as it is stored", cobra.ExactArgs(2), &list, (*authority).catEdition),
		a.editionSub("diff A B", "Write what edition B blocks and A does not (+), and the other way round (-)", cobra.ExactArgs(2), &list, (*authority).diffEditions),
		a.editionSub("verify [SERIAL]", "Check every file of an edition, the latest if none is named", cobra.MaximumNArgs(1), &list, (*authority).verifyEdition),
		a.rollbackCommand(&list),
	)
	c.PersistentFlags().StringVar(&list, "list", "", "`LIST` that is meant, if there are several")
	return c
}

// editionSub is one command about the editions of one list, which prints data.
func (a *app) editionSub(use, short string, args cobra.PositionalArgs, list *string, run func(*authority, *ListConfig, []string) error) *cobra.Command {
	c := a.editionFile(use, short, args, list, run)
	c.Flags().BoolVar(&a.json, "json", false, "print JSON")
	return c
}

// editionFile is one command about the editions of one list, which prints a
// file.
func (a *app) editionFile(use, short string, args cobra.PositionalArgs, list *string, run func(*authority, *ListConfig, []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: args,
		RunE: func(_ *cobra.Command, args []string) error {
			return a.with(func(auth *authority) error {
				l, err := auth.listNamed(*list)
				if err != nil {
					return err
				}
				return run(auth, l, args)
			})
		},
	}
}

type editionJSON struct {
	Serial  blocklist.Serial `json:"serial"`
	Created time.Time        `json:"created"`
	Expires time.Time        `json:"expires"`
	Domains int              `json:"domains"`
	Hosts   int              `json:"hosts"`
	URLs    int              `json:"urls"`
}

func newEditionJSON(m *blocklist.Manifest) editionJSON {
	return editionJSON{m.Serial, m.Created, m.Expires, m.Domains, m.Hosts, m.URLs}
}

func (a *authority) listEditions(l *ListConfig, _ []string) error {
	keys, err := a.editionKeys()
	if err != nil {
		return err
	}
	history, err := blocklist.History(a.listDir(l), keys)
	all := []editionJSON{}
	for _, e := range history {
		all = append(all, newEditionJSON(e.Manifest))
	}
	if a.json {
		return errors.Join(err, cli.PrintJSON(a.out, all))
	}
	w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "SERIAL\tCREATED\tEXPIRES\tDOMAINS\tHOSTS\tURLS")
	for _, e := range all {
		fmt.Fprintf(w, "%v\t%s\t%s\t%d\t%d\t%d\n", e.Serial, e.Created.Format(time.RFC3339), e.Expires.Format(time.RFC3339), e.Domains, e.Hosts, e.URLs)
	}
	return errors.Join(err, w.Flush())
}

// openEdition opens the edition that args name, or the latest.
func (a *authority) openEdition(l *ListConfig, args []string) (*blocklist.Edition, error) {
	keys, err := a.editionKeys()
	if err != nil {
		return nil, err
	}
	if len(args) > 0 {
		serial, err := blocklist.ParseSerial(args[0])
		if err != nil {
			return nil, cli.Misuse(err, "vaern edition list shows the serials")
		}
		dir := filepath.Join(a.listDir(l), serial.String())
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
			return nil, cli.Fail(fmt.Errorf("list %s has no edition %v, or does not keep it any more", l.Name, serial), "vaern edition list shows those that are kept")
		}
		return blocklist.Open(dir, keys)
	}
	e, err := blocklist.OpenLatest(a.listDir(l), keys)
	if err == nil && e == nil {
		err = cli.Fail(fmt.Errorf("list %s has no edition yet", l.Name), "vaern compile makes one")
	}
	return e, err
}

func (a *authority) showEdition(l *ListConfig, args []string) error {
	e, err := a.openEdition(l, args)
	if err != nil {
		return err
	}
	if a.json {
		return cli.PrintJSON(a.out, newEditionJSON(e.Manifest))
	}
	_, err = a.out.Write(e.Bytes())
	return err
}

func (a *authority) verifyEdition(l *ListConfig, args []string) error {
	e, err := a.openEdition(l, args)
	if err != nil {
		return err
	}
	if err := e.CheckContents(); err != nil {
		return err
	}
	if a.json {
		return cli.PrintJSON(a.out, newEditionJSON(e.Manifest))
	}
	_, err = fmt.Fprintf(a.out, "edition %v is whole and signed: %d files, %d domains, %d hosts, %d urls\n",
		e.Serial, len(e.Files), e.Domains, e.Hosts, e.URLs)
	return err
}
