package dnsfeed

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"runtime"
)

// alpn is the protocol of DNS over TLS (RFC 9103, section 7.1; RFC 7858).
const alpn = "dot"

// ServeTLS answers connections over TLS as [Server.ServeTCP] does over TCP
// (zone transfer over TLS, RFC 9103). certificate is asked at each handshake,
// and returns the server's certificate; it must be safe for concurrent use.
//
// A client may show a certificate. It proves that it holds the key of it, and
// is known by the [Pin] of the key; who signed it, what name is in it and how
// long it is valid are not looked at.
func (s *Server) ServeTLS(ctx context.Context, ln net.Listener, certificate func() *tls.Certificate) error {
	return s.serve(ctx, ln, newSecurity(&tls.Config{
		MinVersion: tls.VersionTLS13, // section 7.2
		NextProtos: []string{alpn},
		ClientAuth: tls.RequestClientCert,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return certificate(), nil
		},
		GetConfigForClient: requireALPN,
		// A resumed connection would bring its certificate from the ticket:
		// so each proves anew that it has the key.
		SessionTicketsDisabled: true,
		// Full records from the first: a transfer is long.
		DynamicRecordSizingDisabled: true,
	}))
}

// security makes TLS of connections.
type security struct {
	config *tls.Config
	// computing is had by as many handshakes as compute at once: half of the
	// processors. A hello costs who sends it nothing, and the server half a
	// millisecond; however many there are, requests do not stand behind them.
	computing turn
}

func newSecurity(config *tls.Config) *security {
	return &security{config: config, computing: make(turn, max(1, runtime.GOMAXPROCS(0)/2))}
}

// shaking is a connection in its handshake, which has the turn to compute but
// while it waits for the client.
type shaking struct {
	net.Conn
	computing turn
	has, done bool
}

func (c *shaking) Read(b []byte) (int, error) {
	if c.done {
		return c.Conn.Read(b)
	}
	c.yield()
	n, err := c.Conn.Read(b)
	c.computing <- struct{}{}
	c.has = true
	return n, err
}

func (c *shaking) finish() {
	c.yield()
	c.done = true
}

func (c *shaking) yield() {
	if c.has {
		<-c.computing
	}
	c.has = false
}

var errALPN = errors.New("no ALPN")

// requireALPN refuses a client that offers no protocol at all. TLS by itself
// refuses only one that offers others (RFC 7301, section 3.2), and for zone
// transfer "dot" MUST be selected in the handshake (RFC 9103, section 7.1);
// what is not offered can not be. It costs nobody a transfer: those who send no
// ALPN, like Unbound, have no credential to send either.
func requireALPN(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if len(hello.SupportedProtos) == 0 {
		return nil, errALPN
	}
	return nil, nil
}

// handshake makes TLS of a connection, in the time that a guest has. What went
// wrong is not logged in the client's words.
func (s *Server) handshake(ctx context.Context, c *conn, over *security) (*tls.Conn, bool) {
	if c.SetDeadline(c.since.Add(s.Limits.guest())) != nil || ctx.Err() != nil {
		return nil, false
	}
	under := &shaking{Conn: c.Conn, computing: over.computing}
	defer under.finish()
	secured := tls.Server(under, over.config)
	if err := secured.HandshakeContext(ctx); err != nil {
		s.logRefusal(outcome{reason: "TLS handshake"}, peer{addr: addrPort(c.RemoteAddr()), transport: overTLS})
		return nil, false
	}
	return secured, true
}

// pinOf returns the pin of the client's certificate, or nil if it showed none.
func pinOf(c *tls.Conn) *Pin {
	certs := c.ConnectionState().PeerCertificates
	if len(certs) == 0 {
		return nil
	}
	pin := PinOf(certs[0])
	return &pin
}
