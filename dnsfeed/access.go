package dnsfeed

import (
	"errors"
	"fmt"
	"net/netip"
)

// Client is what the DNS side needs to know of an ISP. While a key is being
// rotated, an ISP has two Clients of the same name, one for each key; the
// certificate of both may be the same.
type Client struct {
	Name      string         // of the ISP, for the log
	Key       Key            // with which its requests are signed
	Pin       Pin            // of its certificate, by which it is known over TLS as well; zero: none
	TLSOnly   bool           // refused on UDP and TCP
	Zones     []string       // that it may have; lower case with the final dot
	Addresses []netip.Prefix // it asks from; none: from anywhere
}

// Access is the table of all clients. It is immutable and safe for concurrent
// use; a change makes a new one.
type Access struct {
	byKey map[string]*member // by key name on the wire
	byPin map[Pin]*member
}

// member is a Client in the form that serving needs.
type member struct {
	name      string
	key       *wireKey
	tlsOnly   bool
	zones     map[string]bool // by name on the wire
	addresses []netip.Prefix
}

// peer is where requests come from, and what the transport knows of who sends
// them.
type peer struct {
	addr      netip.AddrPort
	transport string // overUDP, overTCP or overTLS
	pin       *Pin   // of the certificate that it holds the key of; nil: none
}

const (
	overUDP = "udp"
	overTCP = "tcp"
	overTLS = "tls"
)

// NewAccess makes the table. It refuses invalid keys, two with one name, and
// two clients of different names with one certificate.
func NewAccess(clients []Client) (*Access, error) {
	a := &Access{byKey: make(map[string]*member, len(clients)), byPin: make(map[Pin]*member)}
	for _, c := range clients {
		m, err := newMember(c)
		if err != nil {
			return nil, fmt.Errorf("read client %s: %w", c.Name, err)
		}
		if a.byKey[m.key.name] != nil {
			return nil, fmt.Errorf("read client %s: key name %s is taken; each key needs its own", c.Name, c.Key.Name)
		}
		a.byKey[m.key.name] = m
		if c.Pin == (Pin{}) {
			continue
		}
		if o := a.byPin[c.Pin]; o == nil {
			a.byPin[c.Pin] = m
		} else if o.name != c.Name {
			return nil, fmt.Errorf("read client %s: its certificate is that of %s; each needs its own", c.Name, o.name)
		}
	}
	return a, nil
}

func newMember(c Client) (*member, error) {
	if c.Name == "" {
		return nil, errors.New("a client needs a name")
	}
	key, err := c.Key.wire()
	if err != nil {
		return nil, err
	}
	m := &member{name: c.Name, key: key, tlsOnly: c.TLSOnly, zones: make(map[string]bool, len(c.Zones))}
	for _, zone := range c.Zones {
		wire, err := wireName(zone)
		if err != nil {
			return nil, fmt.Errorf("zone: %w", err)
		}
		m.zones[wire] = true
	}
	for _, p := range c.Addresses {
		if !p.IsValid() {
			return nil, errors.New("invalid address prefix")
		}
		m.addresses = append(m.addresses, p.Masked())
	}
	return m, nil
}

// find returns who has the key of that name, or nil.
func (a *Access) find(name []byte) *member {
	if a == nil {
		return nil
	}
	return a.byKey[string(name)]
}

// admit returns who sent a request: the holder of the key that signed it (nil:
// it is not signed), or else of the certificate it came with (XT2), or nil. A
// key and a certificate of two clients are nobody's. A certificate that belongs
// to no client says nothing about who sends it.
func (a *Access) admit(key *wireKey, p peer) *member {
	if a == nil {
		return nil
	}
	var byPin *member
	if p.pin != nil {
		byPin = a.byPin[*p.pin]
	}
	if key == nil {
		return byPin
	}
	byKey := a.byKey[key.name]
	if byKey == nil || !byKey.key.equal(key) || byPin != nil && byPin.name != byKey.name {
		return nil
	}
	return byKey
}

// still says whether a client that was admitted by an earlier table, with that
// key if any, would be admitted again and may have the zone: nobody took its
// key, its certificate, the zone or the address from it.
func (a *Access) still(m *member, key *wireKey, zone string, p peer) bool {
	now := a.admit(key, p)
	return now != nil && now.name == m.name && now.may(zone, p)
}

// may says whether the member may have the zone, asking from there.
func (m *member) may(zone string, p peer) bool {
	return m.zones[zone] && m.at(p.addr.Addr()) && (p.transport == overTLS || !m.tlsOnly)
}

func (m *member) at(from netip.Addr) bool {
	from = from.Unmap().WithZone("")
	for _, p := range m.addresses {
		if p.Contains(from) {
			return true
		}
	}
	return len(m.addresses) == 0
}
