package source

import (
	"net/netip"
	"strings"

	"github.com/vaern/vaern/blocklist"
)

// hosts is the format of hosts(5): an address that leads nowhere, then names.
type hosts struct{ o Options }

func (h hosts) line(n int, text string, each func(Line)) {
	words := strings.Fields(stripComment(text))
	addr, err := netip.ParseAddr(words[0])
	if err != nil || !addr.IsUnspecified() && !addr.IsLoopback() {
		each(Line{N: n, Err: &blocklist.Rejection{Rule: blocklist.RuleSyntax, Reason: "a hosts line begins with 0.0.0.0, 127.0.0.1 or ::"}})
		return
	}
	if len(words) == 1 {
		each(Line{N: n, Err: &blocklist.Rejection{Rule: blocklist.RuleSyntax, Reason: "a hosts line without a name"}})
	}
	for _, name := range words[1:] {
		each(one(n, name, h.o))
	}
}
