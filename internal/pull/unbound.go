package pull

import "github.com/vaern/vaern/blocklist"

// recordTTL is how long, in seconds, others may remember that a name is blocked:
// Unbound's own default is an hour, by which a withdrawal would come late.
const recordTTL = "60"

// unbound writes clauses for "include:" (unbound.conf(5)). A domain is a zone of
// type redirect, which answers for the name and all below it. A host is one of
// type transparent: the name has what local-data says and no record of another
// type, and names below it are resolved as ever. It is not typetransparent, which
// would let the other types through.
func (b *lines) unbound(set *blocklist.Set, stop, kind string) {
	b.without(len(set.Rows(blocklist.URL)), "URLs left out, because DNS can not block one")
	b.line("server:")
	for _, z := range []struct {
		unit blocklist.Unit
		kind string
	}{{blocklist.Domain, "redirect"}, {blocklist.Host, "transparent"}} {
		for _, row := range set.Rows(z.unit) {
			name := row.Target.Reveal()
			b.line(`local-zone: "`, name, `." `, z.kind)
			b.line(`local-data: "`, name, `. `, recordTTL, ` IN `, kind, ` `, stop, `"`)
		}
	}
}
