package main

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
)

type check struct {
	*program
	json bool
}

func newCheck(p *program) *cobra.Command {
	o := check{program: p}
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check configuration, keys, ISPs and editions",
		Long: `Check what "vaernd serve" would find: the configuration (exit status 2 if it is
wrong), the edition keys, the certificates, every ISP's file, and the published
edition of every list with all its files (exit status 1 if something is wrong
with them). Nothing is changed, and no port is taken.`,
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
	return cli.PrintFindings(o.stdout, checkAll(s), o.json)
}

func checkAll(s *settings) []cli.Finding {
	all := []cli.Finding{{What: "configuration", OK: true, Says: "environment " + s.Environment}}
	add := func(what, says string, err error) {
		if err != nil {
			all = append(all, cli.Finding{What: what, Says: err.Error(), Hint: cli.HintOf(err)})
			return
		}
		all = append(all, cli.Finding{What: what, OK: true, Says: says})
	}

	keys, err := blocklist.LoadKeys(s.EditionKeys)
	if err == nil && len(keys.Keys()) == 0 {
		err = errors.New("no key: every edition would be refused")
	}
	add("edition_keys", s.EditionKeys, err)
	for _, pair := range []struct {
		what  string
		files keyPair
	}{{"dns.tls", s.DNS.TLS}, {"http.tls", s.HTTP.TLS}} {
		if pair.files.Cert != "" {
			_, err := pair.files.load(pair.what)
			add(pair.what, pair.files.Cert, err)
		}
	}

	table, err := readISPs(s.ISPs)
	if err != nil {
		add("isps", "", err)
	} else {
		add("isps", fmt.Sprintf("%d in order", len(table.ISPs)), nil)
		for _, err := range table.Refused {
			add("isps", "", err)
		}
		for _, i := range table.ISPs {
			if i.TLSOnly && i.Revoked.IsZero() && len(s.DNS.TLSListen) == 0 {
				add("isps", i.Name+" is tls_only, and there is no dns.tls_listen", nil)
			}
		}
	}

	names, err := s.lists()
	add("editions", fmt.Sprintf("%d lists", len(names)), err)
	f := newFeed(s, slog.New(slog.DiscardHandler))
	for _, name := range names {
		says := "nothing is published yet"
		list, err := f.open(name, nil)
		if list != nil {
			f.lists[name] = list
			e := list.edition
			says = fmt.Sprintf("edition %v: %d domains, %d hosts, %d urls; %d kept", e.Serial, e.Domains, e.Hosts, e.URLs, len(list.older)+1)
			if err = list.gap; list.expired(s.now()) {
				err = fmt.Errorf("edition %v is expired", e.Serial)
			}
		}
		add("list "+name, says, err)
	}
	return all
}
