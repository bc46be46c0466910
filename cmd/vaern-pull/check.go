package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/pull"
)

type check struct {
	*program
	json bool
}

func newCheck(p *program) *cobra.Command {
	o := check{program: p}
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check configuration, keys, credential and state",
		Long: `Check what a run would find: the configuration (exit status 2 if it is wrong), the
edition keys, the credential, the guard's files, the state, the folders to install
into, and whether the programs of check and reload are there (exit status 1 if
something is wrong with them). Nothing is changed, and the server is not asked.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return o.run() },
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON: [{what, ok, says}]")
	return cmd
}

func (o check) run() error {
	s, err := o.load()
	if err != nil {
		return err
	}
	return cli.PrintFindings(o.stdout, s.checkAll(), o.json)
}

func (s *settings) checkAll() []cli.Finding {
	all := []cli.Finding{{What: "configuration", OK: true, Says: "list " + s.list() + ", environment " + s.Environment}}
	add := func(what, says string, err error) {
		if err != nil {
			all = append(all, cli.Finding{What: what, Says: err.Error(), Hint: cli.HintOf(err)})
			return
		}
		all = append(all, cli.Finding{What: what, OK: true, Says: says})
	}
	keys, err := s.keys()
	if err == nil && len(keys.Keys()) == 0 {
		err = errors.New("no key: every edition would be refused")
	}
	add("edition_keys", s.EditionKeys, err)
	if s.TokenFile != "" {
		_, err := s.token()
		add("token_file", s.TokenFile, err)
	}
	_, err = s.http()
	add("tls", "certificates in order", err)
	if len(s.Guard.NeverBlock) > 0 {
		g, err := s.guard()
		says := ""
		if err == nil {
			says = cli.Plural(g.NeverBlock.Len(), "name", "names")
		}
		add("guard", says, err)
	}
	says, err := pull.DescribeState(s.State)
	add("state", says, err)
	for _, i := range s.installs {
		add("install "+i.To, "its folder is there", isFolder(filepath.Dir(i.To)))
		if len(i.Check) > 0 {
			found, err := exec.LookPath(i.Check[0])
			add("check of "+i.To, found, err)
		}
	}
	if len(s.Reload) > 0 {
		found, err := exec.LookPath(s.Reload[0])
		add("reload", found, err)
	}
	return all
}

func isFolder(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a folder", path)
	}
	return err
}
