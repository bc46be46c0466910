package dnsfeed

import (
	"fmt"
	"io"
	"strconv"

	"github.com/vaern/vaern/blocklist"
)

// flushAt is how many octets the writers gather before they write.
const flushAt = 256 << 10

// WriteRPZ writes the set as an RPZ master file (RFC 1035, section 5): SOA
// and NS at the apex and nothing else there, then for a domain the name and
// *.name, for a host the name, each with one CNAME. URLs are left out. The
// order is that of the set. No name stands in an error.
func (z Zone) WriteRPZ(w io.Writer, serial blocklist.Serial, set *blocklist.Set) error {
	if err := z.Validate(); err != nil {
		return err
	}
	b := z.appendApex(make([]byte, 0, flushAt+4*maxName), serial)
	tail := " CNAME " + z.target() + "\n"
	for _, unit := range []blocklist.Unit{blocklist.Domain, blocklist.Host} {
		longest := z.MaxText(unit)
		for _, row := range set.Rows(unit) {
			name := row.Target.Reveal()
			if len(name) > longest {
				return fmt.Errorf("write RPZ zone: %w", errNoRoom)
			}
			b = append(b, name...)
			b = append(b, tail...)
			if unit == blocklist.Domain {
				b = append(b, "*."...)
				b = append(b, name...)
				b = append(b, tail...)
			}
			if len(b) >= flushAt {
				if _, err := w.Write(b); err != nil {
					return fmt.Errorf("write RPZ zone: %w", err)
				}
				b = b[:0]
			}
		}
	}
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("write RPZ zone: %w", err)
	}
	return nil
}

// appendApex writes what stands before the names. The SOA comes first: Knot
// Resolver learns from it what the origin is.
func (z Zone) appendApex(b []byte, serial blocklist.Serial) []byte {
	b = fmt.Appendf(b, "$ORIGIN %s\n$TTL %d\n", z.Name, z.TTL)
	b = fmt.Appendf(b, "@ SOA %s %s ", z.NS[0], z.Hostmaster)
	for _, n := range []uint32{uint32(serial), soaRefresh, soaRetry, soaExpire} {
		b = append(strconv.AppendUint(b, uint64(n), 10), ' ')
	}
	b = append(strconv.AppendUint(b, soaMinimum, 10), '\n')
	for _, host := range z.NS {
		b = fmt.Appendf(b, "@ NS %s\n", host)
	}
	return b
}
