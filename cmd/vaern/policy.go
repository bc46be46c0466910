package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/dnsfeed"
	"github.com/vaern/vaern/internal/register"
)

// policy is what a list's additions are held against now.
type policy struct {
	*blocklist.Policy
	// unprotected says what is wrong with the never-block files; additions
	// wait until it is mended.
	unprotected string
	digest      string // of quorum, guards and never-block files
	files       []register.FileNames
	fileState   string // digest of the never-block files: what an override is bound to
}

// loadPolicy reads the never-block files. last is what they held when the
// list was last published.
func (c *Config) loadPolicy(l *ListConfig, last register.Reservation) (*policy, error) {
	p := &policy{Policy: &blocklist.Policy{
		Protected: blocklist.NewProtected(),
		MaxText:   l.zone().MaxText,
		MaxGrowth: l.maxGrowth(),
	}}
	own := append([]string{l.Zone}, l.NS...)
	if l.Action != dnsfeed.ActionNXDomain && l.Action != dnsfeed.ActionNoData {
		own = append(own, l.Action)
	}
	for _, text := range own {
		name, err := absolute(text)
		if err != nil {
			return nil, cli.Misuse(fmt.Errorf("list %s: %q: %w", l.Name, text, err), "zone, ns and action are names of hosts")
		}
		p.Own = append(p.Own, name)
		if text == l.Action {
			p.StopHost = name
		}
	}
	hash := sha256.New()
	fmt.Fprintf(hash, "%v %v %v %v %v %s", c.Quorum, l.maxGrowth(), l.maxShrink(), l.zone(), p.Own, l.TestName)
	c.readNeverBlock(p, l, last)
	fmt.Fprintf(hash, " %s", p.fileState)
	p.digest = hex.EncodeToString(hash.Sum(nil))
	return p, p.checkTestName(l)
}

// checkTestName holds the one name that no decision lists against the guards.
// It may lie below a protected name, which will be the authority's own.
func (p *policy) checkTestName(l *ListConfig) error {
	test, err := testTarget(l)
	if err != nil {
		return err
	}
	for _, f := range p.CheckTarget(test) {
		switch {
		case f.Rule == blocklist.RuleNeverBlock && p.IsBelowProtected(test.Name()):
		case f.Rule == blocklist.RuleNeverBlock: // a newer file; withdrawals do not wait for somebody to mend it
			p.unprotected = "the test name " + f.Reason
		default:
			return cli.Misuse(fmt.Errorf("list %s: test_name: %v", l.Name, f), "give a name of the authority's own that serves nothing else")
		}
	}
	return nil
}

func testTarget(l *ListConfig) (blocklist.Target, error) {
	name, err := absolute(l.TestName)
	if err != nil {
		return blocklist.Target{}, err
	}
	return blocklist.ParseTarget(blocklist.Domain, name.Reveal())
}
