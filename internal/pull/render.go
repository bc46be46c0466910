package pull

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"strconv"

	"github.com/vaern/vaern/blocklist"
)

// Format is a configuration of a resolver that has no policy zones. What is
// written depends on the edition and on the stop address alone.
type Format string

// The formats.
const (
	Unbound Format = "unbound"
	Dnsmasq Format = "dnsmasq"
	Hosts   Format = "hosts"
)

// ParseFormat reads the word of a configuration.
func ParseFormat(word string) (Format, error) {
	switch f := Format(word); f {
	case Unbound, Dnsmasq, Hosts:
		return f, nil
	}
	return "", fmt.Errorf("format %q: want unbound, dnsmasq or hosts", word)
}

// write renders a set. Names are letters, digits, hyphens and dots, which was
// checked when the set was read, so nothing in them means anything to a resolver.
func (f Format) write(w io.Writer, m *blocklist.Manifest, set *blocklist.Set, stop netip.Addr) error {
	b := &lines{w: bufio.NewWriterSize(w, 64<<10)}
	b.line("# vaern: list ", m.List, ", edition ", m.Serial.String(), ", of ", m.Created.Format("2006-01-02 15:04 MST"))
	b.line("# Made by vaern-pull. What is changed here is lost with the next edition.")
	switch f {
	case Unbound:
		b.unbound(set, stop.String(), addressType(stop))
	case Dnsmasq:
		b.dnsmasq(set, stop.String())
	case Hosts:
		b.hosts(set, stop.String())
	}
	return b.w.Flush() // bufio keeps the first error
}

// addressType is the type of record that holds an address.
func addressType(a netip.Addr) string {
	if a.Is4() {
		return "A"
	}
	return "AAAA"
}

type lines struct{ w *bufio.Writer }

func (b *lines) line(parts ...string) {
	for _, p := range parts {
		_, _ = b.w.WriteString(p)
	}
	_ = b.w.WriteByte('\n')
}

// without says in the header what a format can not say, if there is any of it.
func (b *lines) without(n int, what string) {
	if n > 0 {
		b.line("# ", what, ": ", strconv.Itoa(n))
	}
}
