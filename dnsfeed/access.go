package dnsfeed

import (
	"errors"
	"fmt"
	"net/netip"
)

// Client is what the DNS side needs to know of an ISP. While a key is being
// rotated, an ISP has two Clients of the same name, one for each key.
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
}

// member is a Client in the form that serving needs.
type member struct {
	name      string
	key       *wireKey
	zones     map[string]bool // by name on the wire
	addresses []netip.Prefix
}

// NewAccess makes the table. It refuses invalid keys and two with one name.
func NewAccess(clients []Client) (*Access, error) {
	a := &Access{byKey: make(map[string]*member, len(clients))}
	for _, c := range clients {
		m, err := newMember(c)
		if err != nil {
			return nil, fmt.Errorf("read client %s: %w", c.Name, err)
		}
		if a.byKey[m.key.name] != nil {
			return nil, fmt.Errorf("read client %s: key name %s is taken; each key needs its own", c.Name, c.Key.Name)
		}
		a.byKey[m.key.name] = m
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
	m := &member{name: c.Name, key: key, zones: make(map[string]bool, len(c.Zones))}
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

// still says whether m, admitted by an earlier table, may still have a zone:
// nobody took its key, the zone or the address from it.
func (a *Access) still(m *member, zone string, from netip.Addr) bool {
	now := a.find([]byte(m.key.name))
	return now != nil && string(now.key.secret) == string(m.key.secret) && now.key.algorithm == m.key.algorithm &&
		now.may(zone, from)
}

// may says whether the member may have the zone, asking from that address.
func (m *member) may(zone string, from netip.Addr) bool {
	return m.zones[zone] && m.at(from)
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
