package source

import "strings"

// plain is one name or URL a line.
type plain struct{ o Options }

func (p plain) line(n int, text string, each func(Line)) {
	each(one(n, strings.TrimSpace(stripComment(text)), p.o))
}
