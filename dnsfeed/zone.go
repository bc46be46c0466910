package dnsfeed

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/vaern/vaern/blocklist"
)

// Actions that are not a host.
const (
	ActionNXDomain = "nxdomain" // the resolver says that the name does not exist
	ActionNoData   = "nodata"   // the resolver says that the name has no such record
)

// Timers of the SOA in seconds (RFC 1035, section 3.3.13). Past expire a
// resolver drops the zone and blocking ends silently, so it is two weeks.
const (
	soaRefresh = 300
	soaRetry   = 60
	soaExpire  = 14 * 24 * 3600
	soaMinimum = 60
)

// maxTTL keeps a withdrawn name from staying blocked in caches, in seconds.
const maxTTL = 300

// Zone is how one list looks in the DNS: everything but the names. It comes
// from the configuration of the authority.
type Zone struct {
	Name       string   // the zone, lower case with the final dot
	Action     string   // host of the STOP page with the final dot, or nxdomain, or nodata
	TTL        uint32   // of every record, 1 to 300 seconds
	NS         []string // name servers outside the zone; the first is also the SOA's MNAME
	Hostmaster string   // SOA RNAME: a mailbox as a name, hostmaster.police.example.
}

// Validate says what is wrong with the configuration, or nil.
func (z Zone) Validate() error {
	_, err := z.wire()
	return err
}

// MaxText returns the greatest length, in octets of canonical text without
// the final dot, of a name of that unit for which the zone has room. The
// longest owner of a domain is *.name.zone, of a host name.zone; with the
// root it takes at most 255 octets on the wire (RFC 1035, section 2.3.4). One
// octet more and secondaries refuse the whole zone. The zone must be valid. A
// URL is never in the zone and has no limit here.
func (z Zone) MaxText(u blocklist.Unit) int {
	// On the wire a text of n octets takes n+1 (a length for each dot and one
	// more), and the zone len(Name)+1 with the root.
	room := maxName - (len(z.Name) + 1) - 1
	switch u {
	case blocklist.Domain:
		return room - len("*.")
	case blocklist.Host:
		return room
	default:
		return int(^uint(0) >> 1)
	}
}

// ImageName is the file of an edition that holds its zone image.
const ImageName = "zone.image"

// Files returns the two files of an edition that the DNS side makes. They
// depend on z, the serial and the set, and on nothing else.
func (z Zone) Files() []blocklist.File {
	return []blocklist.File{
		{Name: "rpz.zone", Text: true, Write: func(w io.Writer, s blocklist.Serial, set *blocklist.Set) error {
			return z.WriteRPZ(w, s, set)
		}},
		{Name: ImageName, Write: func(w io.Writer, s blocklist.Serial, set *blocklist.Set) error {
			return z.WriteImage(w, s, set)
		}},
	}
}

// errNoRoom is the one thing that can be wrong with a set here; it does not
// say which name, the compiler's guard does so by entry id.
var errNoRoom = errors.New("a name leaves no room for the zone: compare its length with Zone.MaxText")

// target returns where the CNAMEs point, in text.
func (z Zone) target() string {
	switch z.Action {
	case ActionNXDomain:
		return "."
	case ActionNoData:
		return "*."
	}
	return z.Action
}

// wireZone is a Zone in wire form.
type wireZone struct {
	name, target, hostmaster string
	ns                       []string
	ttl                      uint32
}

func (z Zone) wire() (w wireZone, err error) {
	fail := func(key string, err error) (wireZone, error) {
		return wireZone{}, fmt.Errorf("check zone: %s: %w", key, err)
	}
	if w.name, err = wireName(z.Name); err != nil {
		return fail("name", err)
	}
	if w.name == "\x00" || z.MaxText(blocklist.Domain) < 1 {
		return fail("name", fmt.Errorf("%q leaves no room for names below it", z.Name))
	}
	if w.target, err = z.wireTarget(); err != nil {
		return fail("action", err)
	}
	if len(z.NS) == 0 {
		return fail("ns", errors.New("a zone needs at least one name server"))
	}
	for i, host := range z.NS {
		wire, err := z.outside(host)
		if err != nil {
			return fail("ns", err)
		}
		if slices.Contains(z.NS[:i], host) {
			return fail("ns", fmt.Errorf("%q stands twice", host))
		}
		w.ns = append(w.ns, wire)
	}
	if w.hostmaster, err = wireName(z.Hostmaster); err != nil {
		return fail("hostmaster", err)
	}
	// Its first label is the mailbox, the rest a host, and name servers check that (RFC 1035, section 3.3.13).
	if _, host, _ := strings.Cut(z.Hostmaster, "."); host == "" || strings.Contains(host, "_") {
		return fail("hostmaster", fmt.Errorf("%q: want a mailbox as a name, hostmaster.police.example", z.Hostmaster))
	}
	if z.TTL < 1 || z.TTL > maxTTL {
		return fail("ttl", fmt.Errorf("%d seconds: want 1 to %d, so that a withdrawal soon reaches everyone", z.TTL, maxTTL))
	}
	w.ttl = z.TTL
	return w, nil
}

// wireTarget allows the two RPZ actions and one fixed host, no rpz-*. name
// that a resolver would take for a different action.
func (z Zone) wireTarget() (string, error) {
	switch z.Action {
	case ActionNXDomain:
		return "\x00", nil
	case ActionNoData:
		return "\x01*\x00", nil
	}
	labels := strings.Split(strings.TrimSuffix(z.Action, "."), ".")
	if len(labels) < 2 || strings.HasPrefix(labels[len(labels)-1], "rpz-") {
		return "", fmt.Errorf("%q: want the full name of a host with the final dot, nxdomain or nodata", z.Action)
	}
	return z.outside(z.Action)
}

// outside encodes a host that must not lie in the zone: the zone holds no
// addresses, so such a host could never be found.
func (z Zone) outside(host string) (string, error) {
	if host == z.Name || strings.HasSuffix(host, "."+z.Name) {
		return "", fmt.Errorf("%q lies inside the zone, which holds no addresses", host)
	}
	if host == "." {
		return "", errors.New("the root is not a host")
	}
	return wireName(host)
}
