package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/dnsfeed"
	"github.com/vaern/vaern/internal/httpfeed"
	"github.com/vaern/vaern/internal/isp"
)

// drain is how long running answers may take after a stop was asked for.
const drain = 5 * time.Second

func newServe(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Serve editions to ISPs",
		Long: `Serve editions to ISPs until SIGTERM or SIGINT. New editions, changes of ISPs and
new certificates of the server take effect within a second. An edition that is not signed by an edition key, is
of another environment, or is not a successor of the one being served, is
refused and logged, and the one being served goes on. So does one that expires.

The log goes to stderr, one JSON object a line. The line with the message "ready"
says on which addresses the server answers.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return serve(cmd.Context(), p) },
	}
}

// server is one running vaernd.
type server struct {
	settings *settings
	log      *slog.Logger
	feed     *feed
	ledger   *ledger
	reports  *isp.Reports
	dns      *dnsfeed.Server
	handler  *httpfeed.Handler
	http     *http.Server
	admin    *http.Server
	dnsCert  *certificate // nil: not over TLS
	httpCert *certificate // nil: in the clear
}

func serve(ctx context.Context, p *program) error {
	s, err := p.load()
	if err != nil {
		return err
	}
	if _, err := blocklist.LoadKeys(s.EditionKeys); err != nil {
		return cli.Misuse(err, "edition_keys names the file that vaern init made: keys/edition.allowed_signers")
	}
	log := slog.New(slog.NewJSONHandler(p.stderr, nil))
	v := &server{settings: s, log: log}
	if v.ledger, err = openLedger(s.State, s.now); err != nil {
		log.Error("ledger begins anew", "error", err)
	}
	if v.reports, err = isp.OpenReports(s.State); err != nil {
		log.Error("reports of ISPs not all read", "error", err)
	}
	v.feed = newFeed(s, log)
	v.dns = &dnsfeed.Server{Log: log, Now: realNow}
	measured := newMetrics(v.feed, v.ledger, v.dns)
	v.dns.Refused = measured.refuse
	v.dns.Transferred = func(t dnsfeed.Transfer) {
		measured.transferred(t)
		if list := v.feed.listOf(t.Zone); list != "" && t.Complete() {
			v.ledger.noteTransfer(t, list)
		}
	}
	handler := httpfeed.New(httpfeed.Options{
		Log: log, Now: s.now, Clock: realNow,
		Served: func(isp, list string, serial blocklist.Serial, from netip.Addr) {
			v.ledger.note(receipt{ISP: isp, List: list, Serial: serial, By: byHTTP, Address: from})
		},
		Answered: measured.answered, Ack: v.ack, Alarm: v.alarm,
	})
	measured.observe(handler)
	v.handler, v.http = handler, httpfeed.NewServer(handler)
	v.admin = newAdmin(v.feed, v.ledger, v.reports, measured, log)
	v.feed.dns, v.feed.http, v.feed.notifier = v.dns, handler, s.notifier(log)
	v.feed.notifier.Observe = measured.notified

	if len(s.DNS.TLSListen) > 0 {
		if v.dnsCert, err = loadCertificate("dns.tls", s.DNS.TLS, log); err != nil {
			return err
		}
	}
	if s.HTTP.TLS.Cert != "" {
		if v.httpCert, err = loadCertificate("http.tls", s.HTTP.TLS, log); err != nil {
			return err
		}
		v.http.TLSConfig = httpfeed.TLS(v.httpCert.current, s.tlsVersion())
	}
	sockets, err := v.listen(ctx)
	if err != nil {
		return err
	}
	watch, err := v.feed.start()
	if err != nil {
		return errors.Join(err, sockets.close())
	}
	return v.run(ctx, sockets, watch)
}

// sockets are what the server answers on.
type sockets struct {
	tcp, tls    []net.Listener
	udp         []net.PacketConn
	http, admin net.Listener
}

func (s *sockets) close() (err error) {
	for _, l := range slices.Concat(s.tcp, s.tls, []net.Listener{s.http, s.admin}) {
		if l != nil {
			err = errors.Join(err, l.Close())
		}
	}
	for _, l := range s.udp {
		err = errors.Join(err, l.Close())
	}
	return err
}

// listen takes all addresses before anything is served.
func (v *server) listen(ctx context.Context) (s *sockets, err error) {
	s = &sockets{}
	defer func() {
		if err != nil {
			_ = s.close()
		}
	}()
	for _, address := range v.settings.DNS.Listen {
		tcp, udp, err := listenDNS(ctx, address)
		if err != nil {
			return s, fmt.Errorf("listen for DNS: %w", err)
		}
		s.tcp, s.udp = append(s.tcp, tcp), append(s.udp, udp)
	}
	var lc net.ListenConfig
	for _, address := range v.settings.DNS.TLSListen {
		l, err := lc.Listen(ctx, "tcp", address)
		if err != nil {
			return s, fmt.Errorf("listen for DNS over TLS: %w", err)
		}
		s.tls = append(s.tls, l)
	}
	if v.settings.HTTP.Listen != "" {
		if s.http, err = lc.Listen(ctx, "tcp", v.settings.HTTP.Listen); err != nil {
			return s, fmt.Errorf("listen for HTTP: %w", err)
		}
	}
	if v.settings.Admin != "" {
		if s.admin, err = lc.Listen(ctx, "tcp", v.settings.Admin); err != nil {
			return s, fmt.Errorf("listen for admin: %w", err)
		}
	}
	return s, nil
}

// listenDNS takes the same port for TCP and UDP. Of a port that the kernel chose
// for TCP, UDP may be taken: then another one is tried.
func listenDNS(ctx context.Context, address string) (net.Listener, net.PacketConn, error) {
	var lc net.ListenConfig
	for try := 0; ; try++ {
		tcp, err := lc.Listen(ctx, "tcp", address)
		if err != nil {
			return nil, nil, err
		}
		udp, err := lc.ListenPacket(ctx, "udp", tcp.Addr().String())
		if err == nil {
			return tcp, udp, nil
		}
		err = errors.Join(err, tcp.Close())
		if _, port, _ := net.SplitHostPort(address); port != "0" || try == 10 {
			return nil, nil, err
		}
	}
}

// run serves until ctx ends, which is done, or a socket is of no more use,
// which is a failure.
func (v *server) run(ctx context.Context, s *sockets, watch func(context.Context)) error {
	ctx, stop := context.WithCancelCause(ctx)
	var all sync.WaitGroup
	part := func(what string, f func() error) {
		all.Go(func() {
			if err := f(); err != nil && !errors.Is(err, http.ErrServerClosed) {
				stop(fmt.Errorf("serve %s: %w", what, err))
			}
		})
	}
	for i := range s.tcp {
		part("dns", func() error { return v.dns.ServeTCP(ctx, s.tcp[i]) })
		part("dns", func() error { return v.dns.ServeUDP(ctx, s.udp[i]) })
	}
	for _, l := range s.tls {
		part("dns over tls", func() error { return v.dns.ServeTLS(ctx, l, v.dnsCert.current) })
	}
	if s.http != nil {
		part("http", func() error { return serveHTTP(v.http, v.handler.Listen(s.http)) })
	}
	part("admin", func() error { return serveHTTP(v.admin, s.admin) })
	all.Go(func() { watch(ctx) })
	all.Go(func() { v.feed.notifier.Run(ctx) })
	all.Go(func() { v.ledger.keep(ctx, v.log) })
	for _, c := range []*certificate{v.dnsCert, v.httpCert} {
		if c != nil {
			all.Go(func() { every(ctx, pollEvery, c.refresh) })
		}
	}
	v.log.Info("ready", s.addresses()...)

	<-ctx.Done()
	v.log.Info("stopping")
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	for _, h := range []*http.Server{v.http, v.admin} {
		if h.Shutdown(patience) != nil {
			_ = h.Close()
		}
	}
	all.Wait()
	v.ledger.write(v.log) // with the last transfer
	stop(nil)
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func serveHTTP(h *http.Server, l net.Listener) error {
	switch {
	case l == nil:
		return nil
	case h.TLSConfig != nil:
		return h.ServeTLS(l, "", "")
	}
	return h.Serve(l)
}

// addresses are those really bound, for the log: a port 0 was chosen by now.
func (s *sockets) addresses() (attrs []any) {
	bound := func(all []net.Listener) []string {
		addrs := []string{}
		for _, l := range all {
			addrs = append(addrs, l.Addr().String())
		}
		return addrs
	}
	attrs = append(attrs, "version", version, "dns", bound(s.tcp), "dns_tls", bound(s.tls))
	if s.http != nil {
		attrs = append(attrs, "http", s.http.Addr().String())
	}
	if s.admin != nil {
		attrs = append(attrs, "admin", s.admin.Addr().String())
	}
	return attrs
}
