package main

import (
	"fmt"
	"io"
	"os"

	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/isp"
)

// readCertificate returns the pin of the client certificate in a PEM file.
func readCertificate(path string) (isp.Digest, error) {
	f, err := os.Open(path)
	if err != nil {
		return isp.Digest{}, cli.Misuse(fmt.Errorf("read --cert: %w", err), "")
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return isp.Digest{}, fmt.Errorf("read --cert: %w", err)
	}
	pin, err := isp.ParseCertificate(text)
	if err != nil {
		hint := cli.HintOf(err)
		return isp.Digest{}, cli.Misuse(fmt.Errorf("read --cert %s: %w", path, err), either(hint, "it wants the ISP's own certificate, in PEM; a self-signed one will do"))
	}
	return pin, nil
}

// warnOfTLS says what of an ISP can not work without a listener for TLS.
func (p *program) warnOfTLS(i *isp.ISP, s *settings) {
	overDNS, overHTTP := len(s.DNS.TLSListen) > 0, s.HTTP.TLS.Cert != ""
	switch {
	case i.TLSOnly && !overDNS:
		fmt.Fprintf(p.stderr, "dns.tls_listen is not set: %s gets nothing over DNS until it is\n", i.Name)
	case i.CertSHA256 != isp.Digest{} && !overDNS && !overHTTP:
		fmt.Fprintf(p.stderr, "neither dns.tls_listen nor http.tls is set: the certificate of %s is of no use until one is\n", i.Name)
	}
}
