package httpfeed

import (
	"bytes"
	"crypto/tls"
	"log"
	"log/slog"
	"net"
	"net/http"
)

// NewServer returns an http.Server for h that does not wait for strangers: see
// [Limits]. Its listener is to be from [Handler.Listen].
func NewServer(h *Handler) *http.Server {
	limits := h.opt.Limits
	return &http.Server{
		Handler:                      h,
		ReadHeaderTimeout:            limits.request(),
		ReadTimeout:                  limits.body(),
		WriteTimeout:                 limits.stall(), // until the first write sets its own
		IdleTimeout:                  limits.idle(),
		MaxHeaderBytes:               limits.header(),
		DisableGeneralOptionsHandler: true, // OPTIONS * is answered like anything else
		ConnContext:                  withConnection,
		ErrorLog:                     log.New(errorLog{h.opt.Log}, "", 0),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          limits.streams(),
			MaxReceiveBufferPerConnection: 64 << 10, // the least there is; bodies are short
			MaxReceiveBufferPerStream:     16 << 10,
			MaxReadFrameSize:              16 << 10, // the least there is: a frame is read whole, a stranger's too
			WriteByteTimeout:              limits.stall(),
		},
	}
}

// Listen returns a listener that keeps within the limits of connections.
func (h *Handler) Listen(l net.Listener) net.Listener {
	return &doorway{l, &h.lobby, h.opt.Limits}
}

// Connections returns how many connections there are, and how many of them have
// shown no valid credential.
func (h *Handler) Connections() (all, guests int) { return h.lobby.count() }

// TLS returns the configuration of a server that speaks TLS from a version on
// (tls.VersionTLS13, tls.VersionTLS12). certificate is asked at each handshake
// for the server's certificate; it must be safe for concurrent use.
//
// A client may show a certificate. It proves that it holds the key of it, and is
// known by that key (see [github.com/vaern/vaern/dnsfeed.Pin]); who signed it,
// what name is in it and how long it is valid are not looked at.
func TLS(certificate func() *tls.Certificate, from uint16) *tls.Config {
	return &tls.Config{
		MinVersion: from,
		ClientAuth: tls.RequestClientCert,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return certificate(), nil
		},
		// A resumed connection would bring its certificate from the ticket: so
		// each proves anew that it has the key.
		SessionTicketsDisabled: true,
		// Full records from the first: most of what is sent is long.
		DynamicRecordSizingDisabled: true,
	}
}

// errorLog takes what net/http has to say. All but a listener that fails is
// about one connection of anybody, in words that may be theirs.
type errorLog struct{ log *slog.Logger }

func (e errorLog) Write(p []byte) (int, error) {
	if bytes.HasPrefix(p, []byte("http: Accept error")) {
		e.log.Warn("socket failed, trying again", "error", string(bytes.TrimSpace(p)))
	}
	return len(p), nil
}
