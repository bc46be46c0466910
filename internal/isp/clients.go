package isp

import (
	"time"

	"github.com/vaern/vaern/dnsfeed"
)

// key is the TSIG key as the DNS side wants it.
func (k *Keys) key() dnsfeed.Key {
	return dnsfeed.Key{Name: k.TSIG.Name + ".", Algorithm: k.TSIG.Algorithm + ".", Secret: k.TSIG.Secret}
}

// Clients returns who is known at a moment as the DNS side wants it: one
// client for each TSIG key, so two for an ISP that is rotating its credentials
// (see [Table.NextEnd]). zones has the zone of each list that is served; an
// ISP's other lists are left out until they are served too.
func (t *Table) Clients(zones map[string]string, now time.Time) []dnsfeed.Client {
	var all []dnsfeed.Client
	for n := range t.ISPs {
		i := &t.ISPs[n]
		var its []string
		for _, list := range i.Lists {
			if zone, ok := zones[list]; ok {
				its = append(its, zone)
			}
		}
		for _, k := range i.InForce(now) {
			all = append(all, dnsfeed.Client{
				Name: i.Name, Key: k.key(), Pin: dnsfeed.Pin(k.CertSHA256), TLSOnly: i.TLSOnly,
				Zones: its, Addresses: i.Addresses,
			})
		}
	}
	return all
}
