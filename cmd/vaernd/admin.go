package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/vaern/vaern/blocklist"
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

// ispStatus is about one ISP and one list; Served, At and By are null if it got
// nothing since the server started.
type ispStatus struct {
	Name   string            `json:"name"`
	List   string            `json:"list"`
	Served *blocklist.Serial `json:"served"`
	At     *time.Time        `json:"at"`
	By     *string           `json:"by"`
}

// newAdmin returns the server for the people who run this machine. It listens
// on loopback and asks for no credential; it tells no name that is listed.
func newAdmin(f *feed, l *ledger, log *slog.Logger) *http.Server {
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
		_ = json.NewEncoder(w).Encode(f.status(l))
	})
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

func (f *feed) status(l *ledger) statusJSON {
	s := statusJSON{Lists: []listStatus{}, ISPs: []ispStatus{}}
	for _, list := range f.all() {
		e := list.edition
		s.Lists = append(s.Lists, listStatus{e.List, e.Serial, e.Zone, e.Created, e.Expires, list.expired(f.settings.now())})
	}
	for _, i := range f.table().ISPs {
		for _, list := range i.Lists {
			if !i.Revoked.IsZero() {
				continue
			}
			one := ispStatus{Name: i.Name, List: list}
			if r, ok := l.last(i.Name, list); ok {
				one.Served, one.At, one.By = &r.serial, &r.at, &r.by
			}
			s.ISPs = append(s.ISPs, one)
		}
	}
	return s
}
