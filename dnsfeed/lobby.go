package dnsfeed

import (
	"container/list"
	"net"
	"sync"
	"time"
)

// lobby knows all connections. Those that have not sent a request with a valid
// credential are guests and wait in a queue of limited length: whoever floods the server
// with connections pushes out the oldest, mostly its own, and a client that
// asks as soon as it is connected gets through.
type lobby struct {
	mu      sync.Mutex
	conns   map[*conn]struct{}
	guests  list.List      // of *conn, the oldest first
	members map[string]int // connections by client
}

// conn is one connection. Closing it, or moving its deadlines, never waits for
// the client, which writing to stream may.
type conn struct {
	net.Conn
	stream net.Conn      // what messages go over: TLS, or the connection itself
	since  time.Time     // when it was accepted
	place  *list.Element // among the guests, or nil; guarded by the lobby
	client string        // whose it is, once it is a member's; guarded by the lobby
}

// enter admits a connection as a guest, or says that there is no room.
func (l *lobby) enter(c *conn, limits Limits) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns == nil {
		l.conns = make(map[*conn]struct{})
	}
	if l.guests.Len() >= limits.guests() || len(l.conns) >= limits.conns() && l.guests.Len() > 0 {
		oldest, _ := l.guests.Front().Value.(*conn)
		l.remove(oldest)
		_ = oldest.Close() // wakes its goroutine, which ends
	}
	if len(l.conns) >= limits.conns() {
		return false
	}
	l.conns[c] = struct{}{}
	c.place = l.guests.PushBack(c)
	return true
}

// promote makes a guest a member, whom nobody pushes out. It says no to a
// client that has its share of connections already: no client can shut out
// the others.
func (l *lobby) promote(c *conn, client string, limits Limits) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.place == nil || l.members[client] >= limits.members() {
		return false // pushed out meanwhile, or one too many
	}
	if l.members == nil {
		l.members = make(map[string]int)
	}
	l.members[client]++
	c.client = client
	l.guests.Remove(c.place)
	c.place = nil
	return true
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
		if l.members[c.client]--; l.members[c.client] == 0 {
			delete(l.members, c.client)
		}
		c.client = ""
	}
	if c.place != nil {
		l.guests.Remove(c.place)
		c.place = nil
	}
}
