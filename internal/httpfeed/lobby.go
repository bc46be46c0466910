package httpfeed

import (
	"container/list"
	"context"
	"crypto/tls"
	"net"
	"sync"
)

// lobby knows all connections. Those that have not sent a request with a valid
// credential are guests and wait in a queue of limited length: whoever floods
// the server with connections pushes out the oldest, mostly its own, and a
// client that asks as soon as it is connected gets through.
type lobby struct {
	mu     sync.Mutex
	conns  int
	guests list.List      // of *conn, the oldest first
	isps   map[string]int // connections by ISP
}

// conn is one connection. What is of the lobby is guarded by it.
type conn struct {
	net.Conn
	lobby *lobby
	place *list.Element // among the guests, or nil
	isp   string        // whose it is, once it has shown a credential
	gone  bool
}

// Close closes the connection and leaves the lobby.
func (c *conn) Close() error {
	c.lobby.leave(c)
	return c.Conn.Close()
}

// doorway is a listener whose connections are in a lobby.
type doorway struct {
	net.Listener
	lobby  *lobby
	limits Limits
}

func (d *doorway) Accept() (net.Conn, error) {
	for {
		nc, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &conn{Conn: nc, lobby: d.lobby}
		if d.lobby.enter(c, d.limits) {
			return c, nil
		}
		_ = nc.Close()
	}
}

// enter admits a connection as a guest, or says that there is no room.
func (l *lobby) enter(c *conn, limits Limits) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.guests.Len() >= limits.guests() || l.conns >= limits.conns() && l.guests.Len() > 0 {
		oldest, _ := l.guests.Front().Value.(*conn)
		l.remove(oldest)
		_ = oldest.Conn.Close() // wakes its goroutine, which ends
	}
	if l.conns >= limits.conns() {
		return false
	}
	l.conns++
	c.place = l.guests.PushBack(c)
	return true
}

// promote makes a guest an ISP's connection, which nobody pushes out. It says no
// to an ISP that has its share already: no ISP can shut out the others. One that
// was promoted stays so; a nil is not from this lobby, and may stay.
func (l *lobby) promote(c *conn, isp string, limits Limits) bool {
	if c == nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case c.isp != "":
		return true
	case c.gone || l.isps[isp] >= limits.ispConns(): // pushed out meanwhile, or one too many
		return false
	}
	if l.isps == nil {
		l.isps = make(map[string]int)
	}
	l.isps[isp]++
	c.isp = isp
	l.guests.Remove(c.place)
	c.place = nil
	return true
}

func (l *lobby) leave(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(c)
}

func (l *lobby) remove(c *conn) {
	if c.gone {
		return
	}
	c.gone = true
	l.conns--
	if c.isp != "" {
		if l.isps[c.isp]--; l.isps[c.isp] == 0 {
			delete(l.isps, c.isp)
		}
	}
	if c.place != nil {
		l.guests.Remove(c.place)
		c.place = nil
	}
}

// count returns how many connections there are, and how many of them are guests.
func (l *lobby) count() (all, guests int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conns, l.guests.Len()
}

// connKey is under which the context of a request has its connection.
type connKey struct{}

func withConnection(ctx context.Context, c net.Conn) context.Context {
	if secured, ok := c.(*tls.Conn); ok {
		c = secured.NetConn()
	}
	return context.WithValue(ctx, connKey{}, c)
}

// connection returns the connection that a request came by, or nil.
func connection(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}
