package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/durable"
	"github.com/vaern/vaern/internal/pull"
	"github.com/vaern/vaern/internal/sshsig"
)

// Bounds of what is read, in octets.
const (
	maxToken      = 4 << 10
	maxPEM        = 4 << 20
	maxNeverBlock = 256 << 20
)

// private reads a file that only its owner may read.
func private(key, path string, limit int64) ([]byte, error) {
	f, err := durable.OpenRegular(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, cli.Misuse(fmt.Errorf("read %s: %s is open to others, mode %04o", key, path, info.Mode().Perm()), "chmod 600 "+path)
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s is longer than %d octets", path, limit)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return data, nil
}

// keys reads the edition keys.
func (s *settings) keys() (*sshsig.AllowedSigners, error) {
	keys, err := blocklist.LoadKeys(s.EditionKeys)
	if err != nil {
		return nil, cli.Misuse(err, "edition_keys names the edition.allowed_signers that the authority gave you")
	}
	return keys, nil
}

// token reads the bearer token, if one is configured. It never stands in an error.
func (s *settings) token() (string, error) {
	if s.TokenFile == "" {
		return "", nil
	}
	data, err := private("token_file", s.TokenFile, maxToken)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(data))
	// RFC 6750, section 2.1: b64token
	if token == "" || strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=") != "" {
		return "", cli.Misuse(fmt.Errorf("read token_file: %s holds no token", s.TokenFile), "it is to hold the token and nothing else")
	}
	return token, nil
}

// http makes the client that the configuration describes.
func (s *settings) http() (*http.Client, error) {
	var roots *x509.CertPool
	if s.CA != "" {
		data, err := durable.ReadRegular(s.CA, maxPEM)
		if err != nil {
			return nil, fmt.Errorf("read ca: %w", err)
		}
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("read ca: %s holds no certificate in PEM", s.CA)
		}
	}
	if s.TLS.Cert == "" {
		return pull.NewHTTP(roots, nil), nil
	}
	cert, err := durable.ReadRegular(s.TLS.Cert, maxPEM)
	if err != nil {
		return nil, fmt.Errorf("read tls.cert: %w", err)
	}
	key, err := private("tls.key", s.TLS.Key, maxPEM)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, cli.Misuse(fmt.Errorf("read tls: %w", err), "cert and key are PEM files that belong together")
	}
	return pull.NewHTTP(roots, &pair), nil
}

// guard reads the never-block files.
func (s *settings) guard() (g pull.Guard, err error) {
	if m := s.Guard.MaxGrowth; m != nil {
		g.MaxGrowth = &blocklist.Limit{Count: m.Count, Percent: m.Percent}
	}
	for _, path := range s.Guard.NeverBlock {
		if g.NeverBlock == nil {
			g.NeverBlock = blocklist.NewProtected()
		}
		data, err := durable.ReadRegular(path, maxNeverBlock)
		n := 0
		if err == nil {
			n, err = g.NeverBlock.Read(bytes.NewReader(data))
		}
		if err == nil && n == 0 {
			err = errors.New("it is empty")
		}
		if err != nil {
			return g, fmt.Errorf("read guard.never_block %s: %w", path, err)
		}
	}
	return g, nil
}
