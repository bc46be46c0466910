package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/pull"
)

type verify struct {
	*program
	json bool
}

func newVerify(p *program) *cobra.Command {
	o := verify{program: p}
	cmd := &cobra.Command{
		Use:   "verify DIR",
		Short: "Check an edition that was downloaded, offline",
		Long: `Check an edition that was downloaded in whatever way: MANIFEST and MANIFEST.sig in
DIR, and those files of the edition that are there, plain, .gz or .zst. The keys,
the environment and the list are those of the configuration. Nothing is changed,
and nobody is asked.

Exit status 3 says that the edition must not be used. That it is older than what
is installed is no reason here.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return o.run(args[0]) },
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON: {list, serial, domains, hosts, urls, files, unknown}")
	return cmd
}

func (o verify) run(dir string) error {
	s, err := o.load()
	if err != nil {
		return err
	}
	keys, err := s.keys()
	if err != nil {
		return err
	}
	v, err := pull.VerifyDir(dir, keys, s.Environment, s.list(), s.now())
	if err != nil {
		return refused(err)
	}
	if o.json {
		return cli.PrintJSON(o.stdout, map[string]any{
			"list": v.List, "serial": v.Serial, "domains": v.Domains, "hosts": v.Hosts, "urls": v.URLs,
			"files": append([]string{}, v.Files...), "unknown": append([]string{}, v.Unknown...),
		})
	}
	for _, name := range v.Unknown {
		_, _ = fmt.Fprintf(o.stderr, "vaern-pull: MANIFEST says nothing of %q\n", name)
	}
	_, err = fmt.Fprintf(o.stdout, "%s: edition %v is good: %s verified\n", v.List, v.Serial, cli.Plural(len(v.Files), "file", "files"))
	return err
}
