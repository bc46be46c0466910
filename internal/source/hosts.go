package source

import (
	"net/netip"
	"strings"

	"github.com/vaern/vaern/blocklist"
)

// hosts is the format of hosts(5): an address that leads nowhere, then names.
type hosts struct {
	lineByLine
	o Options
}

// ownNames are what hosts files begin with: names of the machine itself.
var ownNames = map[string]bool{
	"localhost": true, "localhost.localdomain": true, "local": true, "broadcasthost": true,
	"localhost4": true, "localhost4.localdomain4": true, "localhost6": true, "localhost6.localdomain6": true,
	"ip6-localhost": true, "ip6-loopback": true, "ip6-localnet": true, "ip6-mcastprefix": true,
	"ip6-allnodes": true, "ip6-allrouters": true, "ip6-allhosts": true,
}

func (h hosts) line(n int, text string, each func(Line)) error {
	said := words(stripComment(text))
	addr, err := netip.ParseAddr(said[0])
	switch {
	case err != nil || !addr.IsUnspecified() && !addr.IsLoopback():
		each(reject(n, "a hosts line begins with 0.0.0.0, 127.0.0.1, :: or ::1"))
		return nil
	case len(said) == 1:
		each(reject(n, "a hosts line without a name"))
		return nil
	}
	unit := blocklist.Domain
	if h.o.Unit == "host" {
		unit = blocklist.Host
	}
	for _, name := range said[1:] {
		switch {
		case ownNames[strings.ToLower(name)]:
			each(reject(n, "a name of the machine itself"))
		case strings.Contains(name, "://"):
			each(reject(n, "a URL in a hosts line"))
		default:
			each(lineOf(n, unit, name, h.o.Unit != ""))
		}
	}
	return nil
}
