package main

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/dnsfeed"
	"github.com/vaern/vaern/internal/config"
)

// exampleConfig is what init writes: the contract's example, as comments and
// all.
//
//go:embed example.toml
var exampleConfig string

// Config is vaern.toml.
type Config struct {
	Authority   string       `toml:"authority"`    // in every MANIFEST
	Environment string       `toml:"environment"`  // in every MANIFEST and every signed decision
	Register    string       `toml:"register"`     // SQLite file
	Editions    string       `toml:"editions"`     // directory, 0750
	SigningKey  string       `toml:"signing_key"`  // private key file, or agent:SHA256:...
	EditionKeys string       `toml:"edition_keys"` // allowed_signers of editions
	Officers    string       `toml:"officers"`     // allowed_signers of officers, written by vaern
	Metrics     string       `toml:"metrics"`      // file for Prometheus, written by vaern run; "": none
	Quorum      Quorum       `toml:"quorum"`
	Lists       []ListConfig `toml:"list"`

	path string // of the file
}

// Quorum is how many police officers must sign.
type Quorum struct {
	Add      int `toml:"add"`      // a decision that adds anything
	Withdraw int `toml:"withdraw"` // one that only takes away
}

// ListConfig is one list.
type ListConfig struct {
	Name       string          `toml:"name"`       // [a-z][a-z0-9-]{1,31}
	Zone       string          `toml:"zone"`       // the RPZ zone
	Action     string          `toml:"action"`     // CNAME target, nxdomain or nodata
	TTL        uint32          `toml:"ttl"`        // of every record, seconds
	NS         []string        `toml:"ns"`         // name servers of the zone
	Hostmaster string          `toml:"hostmaster"` // of the SOA
	TestName   string          `toml:"test_name"`  // a domain in every edition
	Schedule   string          `toml:"schedule"`   // cron, UTC
	ValidFor   config.Duration `toml:"valid_for"`  // MANIFEST expires
	Settle     config.Duration `toml:"settle"`     // no wave may be delayed longer
	Keep       int             `toml:"keep"`       // at least so many editions
	Guards     Guards          `toml:"guards"`
}

// Guards hold back what adds.
type Guards struct {
	NeverBlock []string `toml:"never_block"`
	MaxGrowth  *Limit   `toml:"max_growth"` // default 50 and 2 %
	MaxShrink  *Limit   `toml:"max_shrink"` // default 50 and 10 %
}

// Limit is passed only beyond both numbers.
type Limit struct {
	Count   int     `toml:"count"`
	Percent float64 `toml:"percent"`
}

// loadConfig reads and checks the configuration. What may be left out has the
// value of the example.
func loadConfig(given string) (*Config, error) {
	path, err := config.Find(given, "vaern.toml")
	if err != nil {
		return nil, cli.Misuse(err, "run it in the authority's folder, name its vaern.toml with --config, or make a new authority with vaern init DIR")
	}
	c := &Config{
		Register: "./register.db", Editions: "./editions", SigningKey: "./keys/edition",
		EditionKeys: "./keys/edition.allowed_signers", Officers: "./officers",
		Quorum: Quorum{Add: 2, Withdraw: 1}, path: path,
	}
	if err := config.Load(path, c); err != nil {
		return nil, cli.Misuse(err, "")
	}
	for _, p := range []*string{&c.Register, &c.Editions, &c.EditionKeys, &c.Officers, &c.Metrics} {
		*p = config.Resolve(path, *p)
	}
	if !strings.HasPrefix(c.SigningKey, "agent:") {
		c.SigningKey = config.Resolve(path, c.SigningKey)
	}
	for _, other := range []string{path, c.Register, c.Editions, c.EditionKeys, c.Officers, c.SigningKey} {
		if c.Metrics != "" && filepath.Clean(c.Metrics) == filepath.Clean(other) {
			return nil, cli.Misuse(fmt.Errorf("%s: metrics is another file of the configuration", path), "it is written anew each minute: give it a name of its own")
		}
	}
	if err := c.check(); err != nil {
		return nil, cli.Misuse(fmt.Errorf("%s: %w", path, err), "")
	}
	return c, nil
}

var environment = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

func (c *Config) check() error {
	switch {
	case blocklist.CheckLine(c.Authority) != nil:
		return errors.New("authority is missing, or not one line of text")
	case !environment.MatchString(c.Environment):
		return errors.New("environment is missing or not of the form [a-z][a-z0-9-]*")
	case strings.Contains(c.Register, "://") || strings.Contains(c.Editions, "://"):
		return errors.New("register and editions must be paths")
	case c.Quorum.Add < 1 || c.Quorum.Withdraw < 1:
		return errors.New("quorum must be at least 1")
	case c.Quorum.Add < 2 && c.Environment == config.Production:
		return errors.New("quorum.add below 2 is refused in production: nobody adds alone")
	case len(c.Lists) == 0:
		return errors.New("there is no [[list]]")
	}
	seen := map[string]bool{}
	for i := range c.Lists {
		l := &c.Lists[i]
		if seen[l.Name] {
			return fmt.Errorf("list %q is there twice", l.Name)
		}
		seen[l.Name] = true
		l.defaults()
		for j, f := range l.Guards.NeverBlock {
			l.Guards.NeverBlock[j] = config.Resolve(c.path, f)
		}
		if err := l.check(); err != nil {
			return fmt.Errorf("list %q: %w", l.Name, err)
		}
	}
	return nil
}

func (l *ListConfig) defaults() {
	if l.TTL == 0 {
		l.TTL = 60
	}
	if l.Schedule == "" {
		l.Schedule = "*/15 * * * *"
	}
	for _, d := range []struct {
		p     *config.Duration
		value string
	}{{&l.ValidFor, "72h"}, {&l.Settle, "1h"}} {
		if d.p.Duration == 0 {
			_ = d.p.UnmarshalText([]byte(d.value))
		}
	}
	for _, name := range append([]*string{&l.Zone, &l.Hostmaster, &l.TestName}, pointers(l.NS)...) {
		*name = withDot(*name)
	}
	if l.Action != dnsfeed.ActionNXDomain && l.Action != dnsfeed.ActionNoData {
		l.Action = withDot(l.Action)
	}
	if l.Keep == 0 {
		l.Keep = 48
	}
}

// withDot ends a name: all names in a configuration are absolute.
func withDot(name string) string {
	if name == "" || strings.HasSuffix(name, ".") {
		return name
	}
	return name + "."
}

func pointers(s []string) []*string {
	var all []*string
	for i := range s {
		all = append(all, &s[i])
	}
	return all
}

func (l *ListConfig) check() error {
	if err := blocklist.CheckListName(l.Name); err != nil {
		return err
	}
	if err := l.zone().Validate(); err != nil {
		return err
	}
	if _, err := absolute(l.TestName); err != nil {
		return fmt.Errorf("test_name: %w", err)
	}
	if err := l.checkTimes(); err != nil {
		return fmt.Errorf("schedule: %w", err)
	}
	switch {
	case l.Keep < 1:
		return errors.New("keep is below 1")
	case l.ValidFor.Duration < time.Minute:
		return errors.New("valid_for is below a minute")
	}
	for _, limit := range []blocklist.Limit{l.maxGrowth(), l.maxShrink()} {
		if limit.Count < 0 || !(limit.Percent >= 0 && limit.Percent <= 100) { // not a number is neither
			return errors.New("a limit has a count below 0, or a percent that is not from 0 to 100")
		}
	}
	return nil
}

// checkTimes refuses a schedule that never comes, and one in a time zone: the
// hour that a zone skips or repeats in a year must not be one without a
// compile.
func (l *ListConfig) checkTimes() error {
	if strings.Contains(l.Schedule, "TZ=") {
		return errors.New("it is in UTC, without a time zone")
	}
	s, err := cron.ParseStandard(l.Schedule)
	if err != nil {
		return err
	}
	if s.Next(time.Unix(0, 0).UTC()).IsZero() {
		return errors.New("there is no such time")
	}
	return nil
}

func (l *ListConfig) maxGrowth() blocklist.Limit {
	return blocklist.Limit(*cmp.Or(l.Guards.MaxGrowth, &Limit{50, 2}))
}

func (l *ListConfig) maxShrink() blocklist.Limit {
	return blocklist.Limit(*cmp.Or(l.Guards.MaxShrink, &Limit{50, 10}))
}

func (l *ListConfig) zone() dnsfeed.Zone {
	return dnsfeed.Zone{Name: l.Zone, Action: l.Action, TTL: l.TTL, NS: l.NS, Hostmaster: l.Hostmaster}
}

// absolute reads a configured name, with its final dot.
func absolute(s string) (blocklist.Name, error) {
	return blocklist.ParseName(strings.TrimSuffix(s, "."))
}

// listNamed returns the list that a command means: the one named, or the only
// one.
func (c *Config) listNamed(name string) (*ListConfig, error) {
	if name == "" && len(c.Lists) == 1 {
		return &c.Lists[0], nil
	}
	var names []string
	for i := range c.Lists {
		if c.Lists[i].Name == name {
			return &c.Lists[i], nil
		}
		names = append(names, c.Lists[i].Name)
	}
	if name == "" {
		return nil, cli.Misuse(errors.New("there are several lists"), "say --list with one of: "+strings.Join(names, ", "))
	}
	return nil, cli.Misuse(fmt.Errorf("there is no list %q", name), "lists are: "+strings.Join(names, ", "))
}

func (c *Config) listDir(l *ListConfig) string { return filepath.Join(c.Editions, l.Name) }
