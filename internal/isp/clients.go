package isp

import "github.com/vaern/vaern/dnsfeed"

// key is the ISP's TSIG key as the DNS side wants it.
func (i *ISP) key() dnsfeed.Key {
	return dnsfeed.Key{Name: i.TSIG.Name + ".", Algorithm: i.TSIG.Algorithm + ".", Secret: i.TSIG.Secret}
}

// Clients returns the ISPs in force as the DNS side wants them. zones has the
// zone of each list that is served; an ISP's other lists are left out until
// they are served too.
func (t *Table) Clients(zones map[string]string) []dnsfeed.Client {
	var all []dnsfeed.Client
	for n := range t.ISPs {
		i := &t.ISPs[n]
		if !i.Revoked.IsZero() {
			continue
		}
		c := dnsfeed.Client{Name: i.Name, Key: i.key(), Addresses: i.Addresses}
		for _, list := range i.Lists {
			if zone, ok := zones[list]; ok {
				c.Zones = append(c.Zones, zone)
			}
		}
		all = append(all, c)
	}
	return all
}
