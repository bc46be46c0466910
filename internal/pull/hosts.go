package pull

import "github.com/vaern/vaern/blocklist"

// hosts writes lines of hosts(5): a name has an address, and nothing is said of
// names below it.
func (b *lines) hosts(set *blocklist.Set, stop string) {
	b.without(len(set.Rows(blocklist.Domain)), "domains blocked without the names below them, which a hosts file can not say")
	b.without(len(set.Rows(blocklist.URL)), "URLs left out, because DNS can not block one")
	for _, unit := range []blocklist.Unit{blocklist.Domain, blocklist.Host} {
		for _, row := range set.Rows(unit) {
			b.line(stop, " ", row.Target.Reveal())
		}
	}
}
