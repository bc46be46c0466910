package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/durable"
	"github.com/vaern/vaern/internal/isp"
)

const outHelp = "`DIR` to make (0700): credentials.json, and files for curl and BIND with the secrets in them"

// prepareOut makes the folder for credentials, before there are any. One that
// holds something is refused: nothing is overwritten.
func prepareOut(dir string) error {
	if dir == "" {
		return nil
	}
	err := os.Mkdir(dir, 0o700)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	switch {
	case err != nil:
		return err
	case len(entries) > 0:
		return cli.Refuse(fmt.Errorf("%s is not empty", dir), "choose a folder that is not there yet")
	case info.Mode().Perm()&0o077 != 0:
		return cli.Refuse(fmt.Errorf("%s is open to others, mode %04o", dir, info.Mode().Perm()), "chmod 700 "+dir)
	}
	return nil
}

// writeOut writes what an ISP needs. If the process dies here, some of it is
// missing, and the ISP is rotated.
func writeOut(dir string, i *isp.ISP, c isp.Credentials, s *settings) error {
	all, err := json.MarshalIndent(credentialsJSON(i, c), "", "  ")
	if err != nil {
		return err
	}
	for name, text := range map[string][]byte{
		"credentials.json": append(all, '\n'),
		"token":            []byte(c.Token + "\n"),
		"curl.conf": fmt.Appendf(nil, "# curl --config curl.conf --compressed --remote-name %s/v1/%s/domains.txt\nfail\nheader = \"Authorization: Bearer %s\"\n",
			s.baseURL(), i.Lists[0], c.Token),
		"named.conf": namedConf(i, c, s),
	} {
		if err := durable.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// namedConf makes BIND a secondary of the ISP's lists that applies them. A list
// without an edition has no zone yet.
func namedConf(i *isp.ISP, c isp.Credentials, s *settings) []byte {
	var b, policies bytes.Buffer
	host, port := "ADDRESS", "53"
	if len(s.DNS.Listen) > 0 {
		host, port, _ = net.SplitHostPort(s.DNS.Listen[0]) // it was checked
	}
	fmt.Fprintf(&b, "key %q {\n\talgorithm %s;\n\tsecret %q;\n};\n", c.TSIG.Name, c.TSIG.Algorithm, c.TSIG.Secret.Base64())
	keys, err := blocklist.LoadKeys(s.EditionKeys)
	for _, list := range i.Lists {
		if err != nil {
			break
		}
		e, err := blocklist.OpenLatest(filepath.Join(s.Editions, list), keys)
		if err != nil || e == nil {
			continue
		}
		fmt.Fprintf(&b, "zone %q {\n\ttype secondary;\n\tprimaries { %s port %s key %q; };\n\tfile %q;\n\tallow-query { none; };\n};\n",
			e.Zone, host, port, c.TSIG.Name, list+".rpz")
		fmt.Fprintf(&policies, " zone %q;", e.Zone)
	}
	if policies.Len() > 0 {
		fmt.Fprintf(&b, "// in options { }:\n//\tresponse-policy {%s };\n", policies.Bytes())
	}
	return b.Bytes()
}

// baseURL is where HTTP is answered, as far as this machine knows.
func (s *settings) baseURL() string {
	scheme, host := "http", either(s.HTTP.Listen, "HOST")
	if s.HTTP.TLS.Cert != "" {
		scheme = "https"
	}
	return scheme + "://" + host
}
