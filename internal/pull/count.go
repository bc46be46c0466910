package pull

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/vaern/vaern/blocklist"
)

// counter counts the lines that are written to it, or those with a word in them.
type counter struct {
	word []byte
	line []byte // the beginning of one that has not ended yet
	n    int
	open bool // the last line has no end
}

func (c *counter) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		i := bytes.IndexByte(rest, '\n')
		if c.open = i < 0; c.open {
			c.line = append(c.line, rest...)
			break
		}
		if c.line = append(c.line, rest[:i]...); bytes.Contains(c.line, c.word) {
			c.n++
		}
		c.line, rest = c.line[:0], rest[i+1:]
	}
	return len(p), nil
}

// counts says how many lines a text of the edition must have, and which count.
// Of a text that is not known there is nothing to say.
func counts(m *blocklist.Manifest, name string) (c *counter, want int) {
	switch name {
	case "domains.txt":
		return &counter{}, m.Domains
	case "hosts.txt":
		return &counter{}, m.Hosts
	case "urls.txt":
		return &counter{}, m.URLs
	case entriesName:
		return &counter{}, 1 + m.Domains + m.Hosts + m.URLs
	case "rpz.zone": // name and *.name for a domain
		return &counter{word: []byte(" CNAME ")}, 2*m.Domains + m.Hosts
	}
	return nil, 0
}

var errCount = errors.New("has not the lines that MANIFEST counts")

func (c *counter) check(name string, want int) error {
	if c != nil && (c.n != want || c.open) {
		return fmt.Errorf("%s %w", name, errCount)
	}
	return nil
}
