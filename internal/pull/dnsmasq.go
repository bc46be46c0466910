package pull

import "github.com/vaern/vaern/blocklist"

// dnsmasq writes lines for "conf-file=" (dnsmasq(8)). Address answers for the name
// and all below it, from version 2.86 on with the addresses of one kind only;
// local keeps every other question about them from being sent on. There is no line
// that blocks a name alone: host-record would hand the name out to who asks for
// the stop address backwards, and let other types through.
func (b *lines) dnsmasq(set *blocklist.Set, stop string) {
	b.without(len(set.Rows(blocklist.Host)), "hosts left out, because dnsmasq can not block a name without those below it")
	b.without(len(set.Rows(blocklist.URL)), "URLs left out, because DNS can not block one")
	for _, row := range set.Rows(blocklist.Domain) {
		name := row.Target.Reveal()
		b.line("address=/", name, "/", stop)
		b.line("local=/", name, "/")
	}
}
