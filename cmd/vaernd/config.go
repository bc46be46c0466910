package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/config"
)

// settings is vaernd.toml. Paths are relative to the file.
type settings struct {
	// Environment is in every MANIFEST; editions of another one are refused.
	Environment string `toml:"environment"`
	// Editions is the folder in which the authority publishes, one folder a list.
	Editions string `toml:"editions"`
	// EditionKeys is an allowed_signers file: who may sign editions. It is read
	// again for every new edition.
	EditionKeys string `toml:"edition_keys"`
	// ISPs is the folder with one 0600 file per ISP.
	ISPs string `toml:"isps"`
	// State is the folder in which it is noted which serial of each list was
	// served last, so that a restart never goes back, and what each ISP got
	// last. Empty: no such memory.
	State string `toml:"state"`
	// Admin is a loopback ADDRESS:PORT for /healthz, /readyz, /metrics and
	// /status.
	Admin string `toml:"admin"`

	DNS struct {
		// Listen are ADDRESS:PORT for UDP and TCP.
		Listen []string `toml:"listen"`
		// ClearText says that Listen may leave this machine, although all who
		// are on the way can read the list.
		ClearText bool `toml:"clear_text"`
		// TLSListen are ADDRESS:PORT for zone transfer over TLS (RFC 9103).
		TLSListen []string `toml:"tls_listen"`
		// TLS is the server's certificate there.
		TLS keyPair `toml:"tls"`
	} `toml:"dns"`

	HTTP struct {
		// Listen is ADDRESS:PORT; without TLS on loopback only.
		Listen string `toml:"listen"`
		// TLS is the server's certificate there.
		TLS keyPair `toml:"tls"`
		// MinTLS is the oldest version of TLS that is spoken there: 1.3 unless
		// it says "1.2".
		MinTLS string `toml:"min_tls"`
	} `toml:"http"`

	now func() time.Time
}

// keyPair are a certificate and its key. A running server notices when the
// files change.
type keyPair struct {
	Cert string `toml:"cert"` // PEM, the server's own certificate first
	Key  string `toml:"key"`  // PEM
}

// check wants both or none; listen says that they are needed.
func (k keyPair) check(key string, listen bool) error {
	switch {
	case (k.Cert == "") != (k.Key == ""):
		return fmt.Errorf("%s needs both cert and key", key)
	case listen && k.Cert == "":
		return cli.Misuse(fmt.Errorf("%s is missing", key), "give tls = {cert = ..., key = ...}")
	}
	return nil
}

// load finds, reads and checks the configuration.
func (p *program) load() (*settings, error) {
	path, err := config.Find(p.configFile, "vaernd.toml")
	if err != nil {
		return nil, cli.Misuse(err, "")
	}
	s := &settings{ISPs: "./isps", State: "./state"}
	if err := config.Load(path, s); err != nil {
		return nil, cli.Misuse(err, "")
	}
	for _, p := range []*string{&s.Editions, &s.EditionKeys, &s.ISPs, &s.State, &s.DNS.TLS.Cert, &s.DNS.TLS.Key, &s.HTTP.TLS.Cert, &s.HTTP.TLS.Key} {
		*p = config.Resolve(path, *p)
	}
	if err := s.check(); err != nil {
		return nil, cli.Misuse(fmt.Errorf("%s: %w", path, err), cli.HintOf(err))
	}
	if s.now, err = config.Clock(s.Environment, realNow); err != nil {
		return nil, cli.Misuse(err, "")
	}
	return s, nil
}

func (s *settings) check() error {
	for _, required := range []struct{ key, value string }{
		{"environment", s.Environment}, {"editions", s.Editions}, {"edition_keys", s.EditionKeys}, {"isps", s.ISPs},
	} {
		if required.value == "" {
			return fmt.Errorf("%s is missing", required.key)
		}
	}
	if len(s.DNS.Listen) == 0 && len(s.DNS.TLSListen) == 0 && s.HTTP.Listen == "" {
		return errors.New("neither dns.listen nor dns.tls_listen nor http.listen: nothing would be served")
	}
	for _, listen := range s.DNS.Listen {
		if loopback, err := isLoopback("dns.listen", listen); err != nil {
			return err
		} else if !loopback && !s.DNS.ClearText {
			return cli.Misuse(fmt.Errorf("dns.listen: %s is beyond loopback", listen),
				"plain DNS shows the list to everybody on the way: use tls_listen, or if the network is yours alone, say clear_text = true")
		}
	}
	for _, listen := range s.DNS.TLSListen {
		if _, err := isLoopback("dns.tls_listen", listen); err != nil {
			return err
		}
	}
	if err := s.DNS.TLS.check("dns.tls", len(s.DNS.TLSListen) > 0); err != nil {
		return err
	}
	if err := s.HTTP.TLS.check("http.tls", false); err != nil {
		return err
	}
	if s.tlsVersion() == 0 {
		return cli.Misuse(fmt.Errorf("http.min_tls: %q is not a version", s.HTTP.MinTLS), `write "1.3", or "1.2" for clients that know no better`)
	}
	if s.HTTP.Listen != "" {
		if loopback, err := isLoopback("http.listen", s.HTTP.Listen); err != nil {
			return err
		} else if !loopback && s.HTTP.TLS.Cert == "" {
			return cli.Misuse(fmt.Errorf("http.listen: %s is beyond loopback, and there is no http.tls", s.HTTP.Listen),
				"tokens and lists must not cross a network in the clear; give tls = {cert = ..., key = ...}")
		}
	}
	if s.Admin != "" {
		if loopback, err := isLoopback("admin", s.Admin); err != nil {
			return err
		} else if !loopback {
			return fmt.Errorf("admin: %s is beyond loopback; it asks for no credential", s.Admin)
		}
	}
	return nil
}

// tlsVersion is MinTLS as package tls numbers it, or 0.
func (s *settings) tlsVersion() uint16 {
	switch s.HTTP.MinTLS {
	case "", "1.3":
		return tls.VersionTLS13
	case "1.2":
		return tls.VersionTLS12
	}
	return 0
}

func isLoopback(key, listen string) (bool, error) {
	a, err := netip.ParseAddrPort(listen)
	if err != nil {
		return false, fmt.Errorf("%s: %q is not ADDRESS:PORT with an IP address", key, listen)
	}
	return a.Addr().Unmap().IsLoopback(), nil
}

// lists returns the names of the lists that have a folder, in order.
func (s *settings) lists() ([]string, error) {
	entries, err := os.ReadDir(s.Editions)
	if err != nil {
		return nil, fmt.Errorf("read editions: %w", err)
	}
	var all []string
	for _, e := range entries {
		if info, err := os.Stat(s.Editions + "/" + e.Name()); err == nil && info.IsDir() && blocklist.CheckListName(e.Name()) == nil {
			all = append(all, e.Name())
		}
	}
	slices.Sort(all)
	return all, nil
}
