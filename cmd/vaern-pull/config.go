package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"os/user"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/config"
	"github.com/vaern/vaern/internal/pull"
)

// settings is vaern-pull.toml. Paths are relative to the file.
type settings struct {
	// URL is where the list is: https://HOST/v1/LIST. http:// is for loopback.
	URL string `toml:"url"`
	// EditionKeys is the edition.allowed_signers that the authority gave: who may
	// sign editions.
	EditionKeys string `toml:"edition_keys"`
	// Environment is in every MANIFEST; editions of another one are refused.
	Environment string `toml:"environment"`
	// TokenFile holds the bearer token, and only its owner may read it (0600).
	TokenFile string `toml:"token_file"`
	// TLS is the client certificate, instead of a token or beside it.
	TLS struct {
		Cert string `toml:"cert"` // PEM
		Key  string `toml:"key"`  // PEM; only its owner may read it
	} `toml:"tls"`
	// CA is a PEM file with the certificates that the server's is held against.
	// Empty: those of the system.
	CA string `toml:"ca"`
	// State is the folder for what has to be remembered, and for one previous copy
	// of each file that is replaced. No other list may use it.
	State string `toml:"state"`
	// Interval is how often the server is asked, with a tenth more or less by lot.
	Interval config.Duration `toml:"interval"`
	// Check is a command, argv without a shell, that looks at each new file before
	// it is installed: {file} is its path. An exit status that is not 0 refuses it.
	Check []string `toml:"check"`
	// Reload is a command, argv without a shell, that has the resolver read what
	// was installed.
	Reload []string `toml:"reload"`
	// Install is what the resolver reads: at least one.
	Install []installSettings `toml:"install"`
	// Guard refuses an edition for what it adds to what is installed, and raises
	// an alarm at the authority.
	Guard struct {
		// NeverBlock are files of names that must not be blocked, nor anything above
		// or below them: one a line, or rank,name.
		NeverBlock []string `toml:"never_block"`
		// MaxGrowth refuses more additions than both numbers.
		MaxGrowth *struct {
			Count   int     `toml:"count"`
			Percent float64 `toml:"percent"`
		} `toml:"max_growth"`
	} `toml:"guard"`

	now      func() time.Time
	url      *url.URL
	installs []pull.Install
}

// installSettings is one [[install]].
type installSettings struct {
	// File is a text of the edition, installed as it is: rpz.zone, domains.txt, ...
	File string `toml:"file"`
	// Format, instead of File, is unbound, dnsmasq or hosts: rendered here.
	Format string `toml:"format"`
	// Stop is the address that blocked names get, for a Format.
	Stop string `toml:"stop"`
	// To is the path of the file; its folder exists.
	To string `toml:"to"`
	// Mode is octal, like "0640"; empty: that of the file it replaces, or 0600.
	Mode string `toml:"mode"`
	// Owner is a user, by name or number; empty: that of the file it replaces, or
	// whoever runs this program.
	Owner string `toml:"owner"`
	// Group is a group, by name or number; empty: likewise.
	Group string `toml:"group"`
	// Check is for this file what check is for all, and takes its place; [] is none.
	Check *[]string `toml:"check"`
}

const defaultInterval = 5 * time.Minute

// load finds, reads and checks the configuration.
func (p *program) load() (*settings, error) {
	path, err := config.Find(p.configFile, "vaern-pull.toml")
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return nil, cli.Misuse(err, "")
	}
	s := &settings{State: "./state", Interval: config.Duration{Duration: defaultInterval}}
	if err := config.Load(path, s); err != nil {
		return nil, cli.Misuse(err, "")
	}
	paths := []*string{&s.EditionKeys, &s.TokenFile, &s.TLS.Cert, &s.TLS.Key, &s.CA, &s.State}
	for i := range s.Install {
		paths = append(paths, &s.Install[i].To)
	}
	for i := range s.Guard.NeverBlock {
		paths = append(paths, &s.Guard.NeverBlock[i])
	}
	for _, name := range paths {
		*name = config.Resolve(path, *name)
	}
	if err := s.check(); err != nil {
		return nil, cli.Misuse(fmt.Errorf("%s: %w", path, err), cli.HintOf(err))
	}
	if s.now, err = config.Clock(s.Environment, p.now); err != nil {
		return nil, cli.Misuse(err, "")
	}
	return s, nil
}

func (s *settings) check() (err error) {
	for _, required := range []struct{ key, value string }{
		{"url", s.URL}, {"edition_keys", s.EditionKeys}, {"environment", s.Environment}, {"state", s.State},
	} {
		if required.value == "" {
			return fmt.Errorf("%s is missing", required.key)
		}
	}
	if s.url, err = pull.ParseURL(s.URL); err != nil {
		return fmt.Errorf("url: %w", err)
	}
	switch {
	case (s.TLS.Cert == "") != (s.TLS.Key == ""):
		return errors.New("tls needs both cert and key")
	case s.TokenFile == "" && s.TLS.Cert == "":
		return cli.Misuse(errors.New("neither token_file nor tls"), "give the credential that the authority gave you")
	case s.Interval.Duration < time.Second:
		return fmt.Errorf("interval %v is less than a second", s.Interval)
	case len(s.Install) == 0:
		return cli.Misuse(errors.New("no [[install]]: nothing would be installed"), `give one, like file = "rpz.zone" and to = PATH`)
	}
	if err := checkArgv("check", s.Check, true); err != nil {
		return err
	}
	if err := checkArgv("reload", s.Reload, false); err != nil {
		return err
	}
	if g := s.Guard.MaxGrowth; g != nil && (g.Count < 0 || g.Percent < 0) {
		return errors.New("guard.max_growth is negative")
	}
	taken := map[string]bool{}
	for i := range s.Install {
		install, err := s.Install[i].parse(s.Check)
		if err == nil && taken[install.To] {
			err = errors.New("to is that of another one")
		}
		if err != nil {
			return cli.Misuse(fmt.Errorf("install %d: %w", i+1, err), cli.HintOf(err))
		}
		taken[install.To] = true
		s.installs = append(s.installs, install)
	}
	return nil
}

// checkArgv wants a program, and in a check the file.
func checkArgv(key string, argv []string, file bool) error {
	switch {
	case len(argv) == 0:
		return nil
	case argv[0] == "":
		return fmt.Errorf("%s names no program", key)
	case file && !slices.ContainsFunc(argv[1:], func(arg string) bool { return strings.Contains(arg, pull.File) }):
		return fmt.Errorf("%s does not say %s, the file to look at", key, pull.File)
	}
	return nil
}

func (i *installSettings) parse(check []string) (in pull.Install, err error) {
	in = pull.Install{File: i.File, To: i.To, UID: -1, GID: -1, Check: check}
	switch {
	case (i.File == "") == (i.Format == ""):
		return in, errors.New("give file or format, one of them")
	case i.To == "":
		return in, errors.New("to is missing")
	case i.Format == "" && i.Stop != "":
		return in, errors.New("stop is for a format; a file is installed as it is")
	case strings.ContainsAny(i.File, "/\\") || strings.HasSuffix(i.File, ".zst") || strings.HasSuffix(i.File, ".gz"):
		return in, errors.New("file is the plain name of a text: rpz.zone, domains.txt, hosts.txt, urls.txt or entries.csv")
	}
	in.To = filepath.Clean(i.To)
	if i.Check != nil {
		in.Check = *i.Check
	}
	if err := checkArgv("check", in.Check, true); err != nil {
		return in, err
	}
	if i.Format != "" {
		if in.Format, err = pull.ParseFormat(i.Format); err != nil {
			return in, err
		}
		if in.Stop, err = netip.ParseAddr(i.Stop); err != nil || in.Stop.Zone() != "" {
			return in, errors.New("a format needs stop, the IP address that blocked names get")
		}
		in.Stop = in.Stop.Unmap()
	}
	if i.Mode != "" {
		mode, err := strconv.ParseUint(i.Mode, 8, 12)
		if err != nil || mode == 0 || mode > 0o777 || mode&0o022 != 0 {
			return in, fmt.Errorf("mode %q: write it like 0640; nobody but the owner may write", i.Mode)
		}
		in.Mode = fs.FileMode(mode)
	}
	if in.UID, err = numberOf("owner", i.Owner, func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	}); err != nil {
		return in, err
	}
	in.GID, err = numberOf("group", i.Group, func(name string) (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
	return in, err
}

// numberOf returns the number of a user or group, or -1 for "".
func numberOf(key, name string, lookup func(string) (string, error)) (int, error) {
	if name == "" {
		return -1, nil
	}
	id := name
	if _, err := strconv.ParseUint(name, 10, 31); err != nil {
		if id, err = lookup(name); err != nil {
			return -1, fmt.Errorf("%s: %w", key, err)
		}
	}
	n, err := strconv.ParseUint(id, 10, 31)
	if err != nil {
		return -1, fmt.Errorf("%s %q: %w", key, name, err)
	}
	return int(n), nil //nolint:gosec // 31 bits
}

// list is the name of the list.
func (s *settings) list() string { return path.Base(s.url.Path) }

// client reads the files that the configuration names.
func (s *settings) client() (*pull.Client, error) {
	c := &pull.Client{
		URL: s.url, Environment: s.Environment, State: s.State, Installs: s.installs, Reload: s.Reload, Now: s.now,
	}
	var err error
	if c.Keys, err = s.keys(); err != nil {
		return nil, err
	}
	if c.Token, err = s.token(); err != nil {
		return nil, cli.Misuse(err, cli.HintOf(err))
	}
	if c.HTTP, err = s.http(); err != nil {
		return nil, cli.Misuse(err, cli.HintOf(err))
	}
	if c.Guard, err = s.guard(); err != nil {
		return nil, cli.Misuse(err, "what must not be blocked is not known; mend the file, or take it out of [guard]")
	}
	return c, nil
}
