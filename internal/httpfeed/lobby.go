package httpfeed

import (
	"container/list"
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"sync"
)

// lobby knows all connections. Those that have not sent a request with a valid
// credential are guests and wait in a queue of limited length: if it is full,
// whoever comes pushes out the oldest of its own network, or the oldest of all
// if it is the first from there. So who floods the server with connections pushes
// out its own, and a client that asks as soon as it is connected gets through
// even if it is among them.
type lobby struct {
	mu     sync.Mutex
	conns  int
	guests list.List                   // of *conn, the oldest first
	near   map[netip.Prefix]*list.List // the same by network
	isps   map[string]int              // connections by ISP
	taken  int                         // by all of those
}

// conn is one connection. What is of the lobby is guarded by it.
type conn struct {
	net.Conn
	lobby   *lobby
	network netip.Prefix
	place   *list.Element // among the guests, or nil
	seat    *list.Element // among those of its network, or nil
	isp     string        // whose it is, once it has shown a credential
	gone    bool
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
		c := &conn{Conn: nc, lobby: d.lobby, network: networkOf(address(nc.RemoteAddr().String()))}
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
		queue := l.near[c.network]
		if queue == nil {
			queue = &l.guests
		}
		oldest, _ := queue.Front().Value.(*conn)
		l.remove(oldest)
		_ = oldest.Conn.Close() // wakes its goroutine, which ends
	}
	if l.conns >= limits.conns() {
		return false
	}
	l.conns++
	if l.near == nil {
		l.near = make(map[netip.Prefix]*list.List)
	}
	if l.near[c.network] == nil {
		l.near[c.network] = list.New()
	}
	c.place, c.seat = l.guests.PushBack(c), l.near[c.network].PushBack(c)
	return true
}

// networkOf is what is most likely one person's: an address of IPv4, or a
// network of 64 bits of IPv6, in which everybody has as many as they like.
func networkOf(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	network, _ := a.Prefix(bits) // fails without an address: none is one network
	return network
}

// promote makes a guest an ISP's connection, which nobody pushes out. It says no
// to an ISP that has its share already: no ISP, and no number of them, can shut
// out the others. One that was promoted stays so; a nil is not from this lobby,
// and may stay.
func (l *lobby) promote(c *conn, isp string, limits Limits) bool {
	if c == nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case c.isp != "":
		return true
	case c.gone || l.isps[isp] >= share(limits.conns(), l.taken): // pushed out meanwhile, or one too many
		return false
	}
	if l.isps == nil {
		l.isps = make(map[string]int)
	}
	l.isps[isp]++
	l.taken++
	c.isp = isp
	l.stand(c)
	return true
}

// stand takes a guest out of the queues.
func (l *lobby) stand(c *conn) {
	if c.place == nil {
		return
	}
	l.guests.Remove(c.place)
	queue := l.near[c.network]
	if queue.Remove(c.seat); queue.Len() == 0 {
		delete(l.near, c.network)
	}
	c.place, c.seat = nil, nil
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
		l.taken--
		if l.isps[c.isp]--; l.isps[c.isp] == 0 {
			delete(l.isps, c.isp)
		}
	}
	l.stand(c)
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
