package source

import (
	"strings"

	"github.com/vaern/vaern/blocklist"
)

// plain is one name or URL a line.
type plain struct {
	lineByLine
	o Options
}

func (p plain) line(n int, text string, each func(Line)) error {
	each(one(n, trim(stripComment(text)), p.o))
	return nil
}

// one makes the Line for a bare name, URL or id.
func one(n int, text string, o Options) Line {
	if strings.HasPrefix(text, "E") {
		if id, err := blocklist.ParseEntryID(text); err == nil {
			return Line{N: n, ID: id}
		}
	}
	unit := blocklist.Domain
	switch {
	case strings.Contains(text, "://"):
		unit = blocklist.URL
	case o.Unit == "host":
		unit = blocklist.Host
	}
	return lineOf(n, unit, text, o.Unit != "" || unit == blocklist.URL)
}

// lineOf makes the Line for a target about which nothing else is said.
func lineOf(n int, unit blocklist.Unit, text string, given bool) Line {
	target, err := blocklist.ParseTarget(unit, text)
	return Line{N: n, Entry: blocklist.Entry{Target: target}, UnitGiven: given, Err: err}
}
