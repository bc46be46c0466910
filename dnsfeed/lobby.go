package dnsfeed

import (
	"container/list"
	"net"
	"net/netip"
	"sync"
	"time"
)

// lobby knows all connections. Those that have not sent a request with a valid
// credential are guests and wait in a queue of limited length: if it is full,
// whoever comes pushes out the oldest of its own network, or the oldest of all
// if it is the first from there. So who floods the server with connections
// pushes out its own, and a client that asks as soon as it is connected gets
// through even if it is among them.
type lobby struct {
	mu      sync.Mutex
	conns   map[*conn]struct{}
	guests  list.List                   // of *conn, the oldest first
	near    map[netip.Prefix]*list.List // the same by network
	members map[string]int              // connections by client
	taken   int                         // by all of those
}

// conn is one connection. Closing it, or moving its deadlines, never waits for
// the client, which writing to stream may.
type conn struct {
	net.Conn
	stream net.Conn  // what messages go over: TLS, or the connection itself
	since  time.Time // when it was accepted

	// Guarded by the lobby.
	place   *list.Element // among the guests, or nil
	seat    *list.Element // among those of its network, or nil
	network netip.Prefix
	client  string // whose it is, once it is a member's
}

// enter admits a connection as a guest, or says that there is no room.
func (l *lobby) enter(c *conn, limits Limits) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns == nil {
		l.conns = make(map[*conn]struct{})
	}
	if l.guests.Len() >= limits.guests() || len(l.conns) >= limits.conns() && l.guests.Len() > 0 {
		queue := l.near[c.network]
		if queue == nil {
			queue = &l.guests
		}
		oldest, _ := queue.Front().Value.(*conn)
		l.remove(oldest)
		_ = oldest.Close() // wakes its goroutine, which ends
	}
	if len(l.conns) >= limits.conns() {
		return false
	}
	if l.near == nil {
		l.near = make(map[netip.Prefix]*list.List)
	}
	if l.near[c.network] == nil {
		l.near[c.network] = list.New()
	}
	l.conns[c] = struct{}{}
	c.place, c.seat = l.guests.PushBack(c), l.near[c.network].PushBack(c)
	return true
}

// networkOf is what is most likely one person's: an address of IPv4, or a
// network of 64 bits of IPv6, in which everybody has as many as they like.
func networkOf(addr netip.Addr) netip.Prefix {
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	network, _ := addr.Prefix(bits) // fails without an address: none is one network
	return network
}

// promote makes a guest a member, whom nobody pushes out. It says no to a
// client that has its share of connections already: no client, and no number
// of them, can shut out the others.
func (l *lobby) promote(c *conn, client string, limits Limits) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.place == nil || l.members[client] >= min(limits.members(), share(limits.conns(), l.taken)) {
		return false // pushed out meanwhile, or one too many
	}
	if l.members == nil {
		l.members = make(map[string]int)
	}
	l.members[client]++
	l.taken++
	c.client = client
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

// Connections returns how many connections there are now, and how many of them
// have not shown a valid credential.
func (s *Server) Connections() (all, guests int) {
	s.lobby.mu.Lock()
	defer s.lobby.mu.Unlock()
	return len(s.lobby.conns), s.lobby.guests.Len()
}

func (l *lobby) leave(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(c)
}

func (l *lobby) remove(c *conn) {
	delete(l.conns, c)
	if c.client != "" {
		l.taken--
		if l.members[c.client]--; l.members[c.client] == 0 {
			delete(l.members, c.client)
		}
		c.client = ""
	}
	l.stand(c)
}
