package main

import (
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/vaern/vaern/dnsfeed"
	"github.com/vaern/vaern/internal/httpfeed"
)

// metrics are what Prometheus may know: ISPs, lists, counts, and reasons in
// constant words. Never a name that is listed, a name that was asked, or an
// address; and of strangers only how many there were, so that nobody can make
// more series.
type metrics struct {
	registry *prometheus.Registry

	transfers     *prometheus.CounterVec
	transferBytes *prometheus.CounterVec
	transferTime  *prometheus.HistogramVec
	refused       *prometheus.CounterVec
	notify        *prometheus.CounterVec
	answers       *prometheus.CounterVec
	answerBytes   *prometheus.CounterVec
}

func newMetrics(f *feed, l *ledger, dns *dnsfeed.Server) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		registry:      prometheus.NewRegistry(),
		transfers:     counter("vaern_dns_transfers_total", "Zone transfers that ended.", "isp", "type", "transport", "result"),
		transferBytes: counter("vaern_dns_transfer_bytes_total", "Octets of zone transfers, those that did not complete too.", "isp", "type", "transport"),
		transferTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "vaern_dns_transfer_duration_seconds", Help: "How long complete zone transfers took.",
			Buckets: []float64{.001, .005, .025, .1, .5, 2, 10, 60, 300},
		}, []string{"type", "transport"}),
		refused:     counter("vaern_dns_refused_total", "DNS requests that were refused, by anybody.", "reason", "transport"),
		notify:      counter("vaern_notify_messages_total", "NOTIFY messages sent, by what came of them.", "isp", "result"),
		answers:     counter("vaern_http_answers_total", "HTTP requests answered; those of strangers have no isp.", "isp", "status"),
		answerBytes: counter("vaern_http_answer_bytes_total", "Octets of bodies sent over HTTP.", "isp"),
	}
	m.registry.MustRegister(
		m.transfers, m.transferBytes, m.transferTime, m.refused, m.notify, m.answers, m.answerBytes, &gauges{f, l, dns},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

func (m *metrics) transferred(t dnsfeed.Transfer) {
	m.transfers.WithLabelValues(t.Client, t.Type, t.Transport, t.Result).Inc()
	m.transferBytes.WithLabelValues(t.Client, t.Type, t.Transport).Add(float64(t.Octets))
	if t.Complete() {
		m.transferTime.WithLabelValues(t.Type, t.Transport).Observe(t.Duration.Seconds())
	}
}

func (m *metrics) refuse(reason, transport string) {
	m.refused.WithLabelValues(reason, transport).Inc()
}

func (m *metrics) notified(isp string, result dnsfeed.NotifyState) {
	m.notify.WithLabelValues(isp, string(result)).Inc()
}

// answered counts an answer over HTTP. Strangers choose neither ISP nor status.
func (m *metrics) answered(a httpfeed.Answer) {
	m.answers.WithLabelValues(a.ISP, strconv.Itoa(a.Status)).Inc()
	m.answerBytes.WithLabelValues(a.ISP).Add(float64(a.Octets))
}

// observe measures the connections of h from now on.
func (m *metrics) observe(h *httpfeed.Handler) {
	for name, g := range map[string]struct {
		help string
		is   func(all, guests int) int
	}{
		"vaern_http_connections":       {"HTTP connections open.", func(all, _ int) int { return all }},
		"vaern_http_guest_connections": {"HTTP connections open that have shown no valid credential.", func(_, guests int) int { return guests }},
	} {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: g.help}, func() float64 {
			return float64(g.is(h.Connections()))
		}))
	}
}

func (m *metrics) handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)})
}

// gauges are computed when they are asked for.
type gauges struct {
	feed   *feed
	ledger *ledger
	dns    *dnsfeed.Server
}

func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	connections = gauge("vaern_dns_connections", "DNS connections open, over TCP and TLS.")
	guests      = gauge("vaern_dns_guest_connections", "DNS connections open that have shown no valid credential.")
	serials     = gauge("vaern_edition_serial", "Serial of the edition served.", "list")
	ages        = gauge("vaern_edition_age_seconds", "Time since the edition served was made.", "list")
	expiries    = gauge("vaern_edition_expires_in_seconds", "Time until the edition served expires; negative afterwards.", "list")
	records     = gauge("vaern_edition_records", "Records in a transfer of the edition served.", "list")
	ispSerials  = gauge("vaern_isp_served_serial", "Serial that the ISP got last.", "isp", "list")
	ispLags     = gauge("vaern_isp_lag_seconds", "Time since an edition was made that the ISP has not got; 0 if it got the one served.", "isp", "list")
)

// Describe implements prometheus.Collector.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{connections, guests, serials, ages, expiries, records, ispSerials, ispLags} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	set := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	all, strangers := g.dns.Connections()
	set(connections, float64(all))
	set(guests, float64(strangers))
	now := g.feed.settings.now()
	for _, l := range g.feed.all() {
		e := l.edition
		set(serials, float64(e.Serial), e.List)
		set(ages, now.Sub(e.Created).Seconds(), e.List)
		set(expiries, e.Expires.Sub(now).Seconds(), e.List)
		set(records, float64(l.image.Records()), e.List)
	}
	for _, i := range g.feed.table().ISPs {
		for _, list := range i.Lists {
			r, ok := g.ledger.last(i.Name, list)
			l := g.feed.list(list)
			if !ok || l == nil || !i.Revoked.IsZero() {
				continue
			}
			set(ispSerials, float64(r.Serial), i.Name, list)
			set(ispLags, l.lag(r.Serial, now).Round(time.Second).Seconds(), i.Name, list)
		}
	}
}
