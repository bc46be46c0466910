package main

import (
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/vaern/vaern/dnsfeed"
)

// notifier makes what tells secondaries of new serials, from the addresses at
// which the server answers: that is where they know their primary.
func (s *settings) notifier(log *slog.Logger) *dnsfeed.Notifier {
	var from []netip.Addr
	for _, listen := range slices.Concat(s.DNS.Listen, s.DNS.TLSListen) {
		if a, err := netip.ParseAddrPort(listen); err == nil { // as it was checked
			from = append(from, a.Addr().Unmap())
		}
	}
	return dnsfeed.NewNotifier(log, realNow, from...)
}

// notices are what all secondaries of all ISPs are to be told now; f.mu is
// held. An ISP that rotates its key has two, and may have given its secondary
// the new one or not yet.
func (f *feed) notices(zones map[string]string, now time.Time) (all []dnsfeed.Notice) {
	keys := make(map[string][]dnsfeed.Key)
	for _, c := range f.isps.Clients(zones, now) { // the newest key first
		keys[c.Name] = append(keys[c.Name], c.Key)
	}
	for _, i := range f.isps.ISPs {
		for _, list := range i.Lists {
			l := f.lists[list]
			if l == nil || len(keys[i.Name]) == 0 {
				continue
			}
			for _, to := range i.Notify {
				all = append(all, dnsfeed.Notice{
					Client: i.Name, To: to, Zone: l.edition.Zone, Serial: l.edition.Serial, Keys: keys[i.Name],
				})
			}
		}
	}
	return all
}
