package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/dnsfeed"
	"github.com/vaern/vaern/internal/isp"
)

// statusJSON is what /status and "vaernd status --json" say.
type statusJSON struct {
	Lists []listStatus `json:"lists"`
	ISPs  []ispStatus  `json:"isps"`
}

type listStatus struct {
	Name    string           `json:"name"`
	Serial  blocklist.Serial `json:"serial"`
	Zone    string           `json:"zone"`
	Created time.Time        `json:"created"`
	Expires time.Time        `json:"expires"`
	Expired bool             `json:"expired"`
}

// ispStatus is about one ISP and one list; what is about the last time that it
// got one is null if it never did.
type ispStatus struct {
	Name      string            `json:"name"`
	List      string            `json:"list"`
	Served    *blocklist.Serial `json:"served"`
	At        *time.Time        `json:"at"`
	By        *string           `json:"by"`        // dns or http
	Transfer  *string           `json:"transfer"`  // axfr, ixfr or ixfr as axfr; null by http
	Transport *string           `json:"transport"` // udp, tcp or tls; null by http
	Address   *netip.Addr       `json:"address"`
	Lag       *int64            `json:"lag"` // seconds for which there has been a newer edition; 0: it has the newest
	Notify    []notifyStatus    `json:"notify"`
	Acked     *blocklist.Serial `json:"acked"` // the newest that the ISP said it has in force
	AckedAt   *time.Time        `json:"acked_at"`
	Alarm     *isp.Alarm        `json:"alarm"` // what it said last is wrong
}

// notifyStatus says how far one secondary was told.
type notifyStatus struct {
	To     netip.AddrPort      `json:"to"`
	State  dnsfeed.NotifyState `json:"state"` // pending, acknowledged, refused or no answer
	Serial blocklist.Serial    `json:"serial"`
	Tries  int                 `json:"tries"`
	At     *time.Time          `json:"at"` // of the last message; null: none was sent yet
	Error  string              `json:"error,omitempty"`
}

// newAdmin returns the server for the people who run this machine. It listens
// on loopback and asks for no credential; it tells no name that is listed.
func newAdmin(f *feed, l *ledger, r *isp.Reports, m *metrics, log *slog.Logger) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if reasons := f.unready(); len(reasons) > 0 {
			http.Error(w, strings.Join(reasons, "\n"), http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(f.status(l, r))
	})
	mux.Handle("GET /metrics", m.handler(log))
	return &http.Server{
		Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: 30 * time.Second,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// unready says why a load balancer should prefer another server.
func (f *feed) unready() (reasons []string) {
	all := f.all()
	if len(all) == 0 {
		reasons = append(reasons, "no list is served")
	}
	for _, l := range all {
		if l.expired(f.settings.now()) {
			reasons = append(reasons, fmt.Sprintf("list %s: edition %v expired at %s", l.edition.List, l.edition.Serial, l.edition.Expires.Format(time.RFC3339)))
		}
	}
	return reasons
}

func (f *feed) status(l *ledger, r *isp.Reports) statusJSON {
	s := statusJSON{Lists: []listStatus{}, ISPs: []ispStatus{}}
	for _, list := range f.all() {
		e := list.edition
		s.Lists = append(s.Lists, listStatus{e.List, e.Serial, e.Zone, e.Created, e.Expires, list.expired(f.settings.now())})
	}
	told := f.notifier.Told()
	for _, i := range f.table().ISPs {
		if !i.Revoked.IsZero() {
			continue
		}
		for _, list := range i.Lists {
			one := f.ispStatus(l, told, i.Name, list)
			one.addReports(r.Last(i.Name, list))
			s.ISPs = append(s.ISPs, one)
		}
	}
	return s
}

func (i *ispStatus) addReports(ack *isp.Ack, alarm *isp.Alarm) {
	if ack != nil {
		i.Acked, i.AckedAt = &ack.Serial, &ack.At
	}
	i.Alarm = alarm
}

func (f *feed) ispStatus(l *ledger, told []dnsfeed.Told, isp, list string) ispStatus {
	one := ispStatus{Name: isp, List: list, Notify: []notifyStatus{}}
	served := f.list(list)
	if r, ok := l.last(isp, list); ok {
		one.Served, one.At, one.By, one.Address = &r.Serial, &r.At, &r.By, &r.Address
		if r.By == byDNS {
			one.Transfer, one.Transport = &r.Transfer, &r.Transport
		}
		if served != nil {
			lag := int64(served.lag(r.Serial, f.settings.now()) / time.Second)
			one.Lag = &lag
		}
	}
	for _, t := range told {
		if served == nil || t.Client != isp || t.Zone != served.edition.Zone {
			continue
		}
		n := notifyStatus{To: t.To, State: t.State, Serial: t.Serial, Tries: t.Tries, Error: t.Error}
		if !t.At.IsZero() {
			at := t.At.UTC().Truncate(time.Second)
			n.At = &at
		}
		one.Notify = append(one.Notify, n)
	}
	return one
}
