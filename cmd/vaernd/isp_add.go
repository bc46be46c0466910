package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/isp"
)

type ispAdd struct {
	*program
	lists, addresses, notify []string
	wave, cert, out          string
	tlsOnly, json            bool
}

func newISPAdd(p *program) *cobra.Command {
	o := ispAdd{program: p}
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Make an ISP and show its credentials, once",
		Long: `Make an ISP that may fetch lists, and show its credentials: a TSIG key for zone
transfers and a token for HTTP. They are shown this once, or written into files
with --out; the token is not stored at all. A running server knows the ISP within a second.

With --cert, the ISP is known by its client certificate as well when it asks
over TLS, by DNS (RFC 9103) or HTTP: by the public key in it, whoever signed it
and however long it is valid. With --tls-only, DNS over TLS is all it may use.

NAME is 1 to 63 of a-z, 0-9 and -, and is used once: a revoked ISP keeps it.`,
		Example: `  vaernd isp add nordnet --list csam --address 192.0.2.0/24,2001:db8::53
  vaernd isp add sudnet --cert sudnet.pem --tls-only --notify 192.0.2.53:53`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return o.run(args[0]) },
	}
	cmd.Flags().StringSliceVar(&o.lists, "list", nil, "`LISTS` it may fetch, separated by commas (may be left out if there is one)")
	cmd.Flags().StringSliceVar(&o.addresses, "address", nil, "`ADDRESSES` or prefixes it asks from (default: any)")
	cmd.Flags().StringSliceVar(&o.notify, "notify", nil, "`ADDRESS:PORT`s of its secondaries, to be told of new editions (RFC 1996)")
	cmd.Flags().StringVar(&o.wave, "wave", "", "`WAVE` of the ISP, kept for later: editions do not go out in waves yet")
	cmd.Flags().StringVar(&o.cert, "cert", "", "PEM `FILE` with its client certificate")
	cmd.Flags().BoolVar(&o.tlsOnly, "tls-only", false, "refuse it on plain DNS")
	cmd.Flags().StringVar(&o.out, "out", "", outHelp)
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON: {name, tsig: {name, algorithm, secret}, token}")
	return cmd
}

func (o ispAdd) run(name string) error {
	s, err := o.load()
	if err != nil {
		return err
	}
	want := isp.ISP{Name: name, Wave: o.wave, TLSOnly: o.tlsOnly}
	if want.Lists, err = o.chosenLists(s); err != nil {
		return err
	}
	if o.cert != "" {
		if want.CertSHA256, err = readCertificate(o.cert); err != nil {
			return err
		}
	}
	for _, text := range o.addresses {
		prefix, err := isp.ParseAddress(text)
		if err != nil {
			return cli.Misuse(err, "write 192.0.2.7, or 192.0.2.0/24")
		}
		want.Addresses = append(want.Addresses, prefix)
	}
	for _, text := range o.notify {
		target, err := isp.ParseNotify(text)
		if err != nil {
			return cli.Misuse(err, "names are not looked up: write the address and the port of one secondary")
		}
		want.Notify = append(want.Notify, target)
	}
	if err := prepareOut(o.out); err != nil {
		return err
	}
	made, c, err := isp.Add(s.ISPs, want, s.now())
	if err != nil {
		return ispOutcome(err)
	}
	o.warnOfTLS(&made, s)
	head := fmt.Sprintf("ISP %s may fetch %s.", name, strings.Join(made.Lists, ", "))
	return o.show(&made, c, s, head, o.out, o.json)
}

// show shows new credentials, this once: on the terminal or in files.
func (p *program) show(i *isp.ISP, c isp.Credentials, s *settings, head, out string, json bool) error {
	if out != "" {
		if err := writeOut(out, i, c, s); err != nil {
			return cli.Fail(err, "the credentials were not all written; rotate them")
		}
	}
	switch {
	case json:
		return cli.PrintJSON(p.stdout, credentialsJSON(i, c))
	case out != "":
		_, err := fmt.Fprintf(p.stdout, "%s\nIts secrets are in %s, and nowhere else. Hand them over on a safe way.\n", head, out)
		return err
	}
	return printCredentials(p.stdout, head, i, c, s)
}

// chosenLists are those of --list, or the only one there is. Before anything is
// published a list may be named that is not there yet.
func (o ispAdd) chosenLists(s *settings) ([]string, error) {
	known, err := s.lists()
	if err != nil {
		return nil, err
	}
	if len(o.lists) == 0 {
		if len(known) != 1 {
			return nil, cli.Misuse(fmt.Errorf("there are %d lists: which may it fetch?", len(known)), "add --list L,... ("+strings.Join(known, ", ")+")")
		}
		return known, nil
	}
	for _, list := range o.lists {
		if err := blocklist.CheckListName(list); err != nil {
			return nil, cli.Misuse(fmt.Errorf("--list %q: %w", list, err), "")
		}
		switch {
		case len(known) == 0:
			fmt.Fprintf(o.stderr, "list %s has no edition yet\n", list)
		case !slices.Contains(known, list):
			return nil, cli.Refuse(fmt.Errorf("list %q is unknown", list), "editions has "+strings.Join(known, ", "))
		}
	}
	slices.Sort(o.lists)
	return slices.Compact(o.lists), nil
}

func either(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

func credentialsJSON(i *isp.ISP, c isp.Credentials) any {
	type tsig struct {
		Name      string `json:"name"`
		Algorithm string `json:"algorithm"`
		Secret    string `json:"secret"`
	}
	return struct {
		Name  string    `json:"name"`
		TSIG  tsig      `json:"tsig"`
		Token string    `json:"token"`
		Until time.Time `json:"previous_until,omitzero"`
	}{i.Name, tsig{c.TSIG.Name, c.TSIG.Algorithm, c.TSIG.Secret.Base64()}, c.Token, i.Previous.Until}
}

// printCredentials shows the secrets and how they are used by programs that
// ISPs have. The token stands in a file for curl: other users of a machine can
// read what is on a command line.
func printCredentials(w io.Writer, head string, i *isp.ISP, c isp.Credentials, s *settings) error {
	_, err := fmt.Fprintf(w, `%[2]s
These secrets are shown this once. Hand them over on a safe way.

TSIG key       %[3]s
algorithm      %[4]s
secret         %[5]s
HTTP token     %[6]s

# BIND, named.conf
key "%[3]s" {
	algorithm %[4]s;
	secret "%[5]s";
};

# curl: the next line alone in the file %[1]s.header, mode 0600, then
#   curl --fail --compressed --header @%[1]s.header %[7]s/v1/%[8]s/domains.txt
Authorization: Bearer %[6]s
`, i.Name, head, c.TSIG.Name, c.TSIG.Algorithm, c.TSIG.Secret.Base64(), c.Token,
		s.baseURL(), i.Lists[0])
	if err != nil {
		return errors.Join(err, errors.New("the credentials were not shown; rotate them"))
	}
	return nil
}
