package blocklist

import (
	"cmp"
	"fmt"
	"strings"
)

// Unit says how much one entry blocks.
type Unit uint8

// The three units, in the order in which files list them.
const (
	Domain Unit = iota // the name and everything below it
	Host               // exactly that name
	URL                // exactly that URL; never in DNS
)

var unitNames = [...]string{"domain", "host", "url"}

func (u Unit) String() string {
	if int(u) >= len(unitNames) {
		return fmt.Sprintf("unit(%d)", uint8(u))
	}
	return unitNames[u]
}

// MarshalText writes the unit as the word users know.
func (u Unit) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// ParseUnit reads "domain", "host" or "url".
func ParseUnit(s string) (Unit, error) {
	for u, name := range unitNames {
		if s == name {
			return Unit(u), nil //nolint:gosec // three elements
		}
	}
	return 0, reject(RuleSyntax, "unit is not domain, host or url")
}

// Target is what an entry blocks: a unit with a canonical name or URL. It
// prints as a redaction.
type Target struct {
	Unit Unit
	sealed
}

// ParseTarget brings text into the canonical form of its unit. The error is a
// [Rejection].
func ParseTarget(u Unit, text string) (Target, error) {
	if u == URL {
		canonical, err := parseURL(text)
		if err != nil {
			return Target{}, err
		}
		return Target{URL, seal(canonical)}, nil
	}
	n, err := ParseName(text)
	if err != nil {
		return Target{}, err
	}
	return Target{u, n.sealed}, nil
}

// Name returns the name of a domain or host target, or the host of a URL; the
// zero Name for a URL whose host is an IP address.
func (t Target) Name() Name {
	if t.Unit != URL {
		return Name{t.sealed}
	}
	n, err := ParseName(urlHost(t.Reveal()))
	if err != nil {
		return Name{}
	}
	return n
}

// BlockedBy returns the targets of which any, if it is listed, blocks the name
// or URL that t is: for a name itself as host and as domain, and each domain
// above it; for a URL itself, and what blocks its host in the DNS.
func (t Target) BlockedBy() []Target {
	var all []Target
	name := t.sealed
	if t.Unit == URL {
		all, name = append(all, t), t.Name().sealed
		if name.n == 0 {
			return all
		}
	}
	all = append(all, Target{Host, name}, Target{Domain, name})
	ancestors(name.Reveal(), func(above string) bool {
		all = append(all, Target{Domain, seal(above)})
		return true
	})
	return all
}

// Compare orders targets by unit, then by the octets of the text.
func (t Target) Compare(o Target) int {
	return cmp.Or(cmp.Compare(t.Unit, o.Unit), strings.Compare(t.Reveal(), o.Reveal()))
}

// RevealKey is unit and text as one string, to look a target up by.
func (t Target) RevealKey() string { return t.Unit.String() + " " + t.Reveal() }

// Format keeps the unit visible and the text sealed.
func (t Target) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "%s %s", t.Unit.String(), redacted)
}

// String returns the unit and a redaction.
func (t Target) String() string { return t.Unit.String() + " " + redacted }
