package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/durable"
)

// certificate is the server's certificate for one kind of listener. It follows
// its files: connections that are open keep the one they began with.
type certificate struct {
	what string // for the log
	pair keyPair
	log  *slog.Logger
	seen look
	now  atomic.Pointer[tls.Certificate]
}

// loadCertificate reads both files.
func loadCertificate(what string, pair keyPair, log *slog.Logger) (*certificate, error) {
	c := &certificate{what: what, pair: pair, log: log}
	c.seen.due(pair.stamp())
	loaded, err := pair.load(what)
	if err != nil {
		return nil, err
	}
	c.now.Store(loaded)
	return c, nil
}

func (k keyPair) load(what string) (*tls.Certificate, error) {
	const most = 1 << 20 // octets
	cert, err := durable.ReadRegular(k.Cert, most)
	key, keyErr := durable.ReadRegular(k.Key, most)
	var loaded tls.Certificate
	if err = errors.Join(err, keyErr); err == nil {
		loaded, err = tls.X509KeyPair(cert, key)
	}
	if err != nil {
		return nil, cli.Misuse(fmt.Errorf("read %s: %w", what, err), "cert and key are PEM files that belong together")
	}
	return &loaded, nil
}

func (k keyPair) stamp() stamps {
	s := stamps{}
	s.add(k.Cert)
	s.add(k.Key)
	return s
}

// refresh reads the files again if they changed. While they do not fit each
// other, as between the replacing of the one and of the other, the old pair
// goes on.
func (c *certificate) refresh() {
	said := c.seen.failed
	if !c.seen.due(c.pair.stamp()) {
		return
	}
	loaded, err := c.pair.load(c.what)
	if err != nil {
		if c.seen.failed = err.Error(); c.seen.failed != said {
			c.log.Error("certificate not read, the old one goes on", "of", c.what, "error", err, "hint", cli.HintOf(err))
		}
		return
	}
	c.seen.failed = ""
	c.now.Store(loaded)
	c.log.Info("certificate read", "of", c.what, "expires", loaded.Leaf.NotAfter)
}

// current returns the certificate for the next handshake.
func (c *certificate) current() *tls.Certificate { return c.now.Load() }
