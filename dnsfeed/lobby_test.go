package dnsfeed

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
)

// No client takes all connections: beyond its share it is sent away, and
// another one still comes in.
func TestLobbyLimitsEachClient(t *testing.T) {
	l, limits := &lobby{}, Limits{Conns: 8, Guests: 8, Members: 2}
	come := func(client string) bool {
		near, far := net.Pipe()
		t.Cleanup(func() { _, _ = near.Close(), far.Close() })
		c := &conn{Conn: near}
		if !l.enter(c, limits) {
			t.Fatal("no room for a guest")
		}
		if l.promote(c, client, limits) {
			return true
		}
		l.leave(c)
		return false
	}
	first, second, third := come("greedy"), come("greedy"), come("greedy")
	if !first || !second || third {
		t.Error("the share of a client is not 2")
	}
	if !come("good") {
		t.Error("another client has no room")
	}
	for c := range l.conns {
		l.leave(c)
		l.leave(c) // twice does no harm
	}
	if len(l.members) != 0 || len(l.conns) != 0 || l.guests.Len() != 0 || len(l.near) != 0 || l.taken != 0 {
		t.Errorf("left over: %v", l)
	}
	if !come("greedy") {
		t.Error("a share is not given back")
	}
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	pushed := &conn{Conn: near}
	if !l.enter(pushed, limits) {
		t.Fatal("no room")
	}
	l.leave(pushed) // as when a newer guest pushes it out
	if l.promote(pushed, "late", limits) {
		t.Error("a connection that is gone became a member")
	}
}

// However many clients take all they can get, the next one finds room, and so
// do guests.
func TestLobbySharesAmongClients(t *testing.T) {
	l, limits := &lobby{}, Limits{Conns: 100, Guests: 10, Members: 90}
	for i := range 5 {
		client, n := fmt.Sprint("greedy ", i), 0
		for ; ; n++ {
			c := &conn{Conn: &nowhere{}}
			if !l.enter(c, limits) {
				t.Fatalf("no room for a guest beside %d greedy clients", i)
			}
			if !l.promote(c, client, limits) {
				l.leave(c)
				break
			}
		}
		if n == 0 {
			t.Errorf("client %d has no room", i)
		}
	}
	if rest := 100 - l.taken; rest < 3 {
		t.Errorf("room for %d more", rest)
	}
}

// nowhere is a connection that can only be closed.
type nowhere struct {
	net.Conn
	closed bool
}

func (c *nowhere) Close() error { c.closed = true; return nil }

// Who floods the lobby pushes out its own; of a full lobby of many networks the
// oldest goes.
func TestLobbyPushesOutTheFloodersOwn(t *testing.T) {
	l, limits := &lobby{}, Limits{Conns: 20, Guests: 4}
	come := func(addr string) *conn {
		c := &conn{Conn: &nowhere{}, network: networkOf(netip.MustParseAddr(addr))}
		if !l.enter(c, limits) {
			t.Fatal("no room for a guest")
		}
		return c
	}
	in := func(c *conn) bool {
		_, ok := l.conns[c]
		if closed := c.Conn.(*nowhere).closed; ok == closed {
			t.Errorf("in the lobby: %v, closed: %v", ok, closed)
		}
		return ok
	}
	good := come("192.0.2.1")
	var flood []*conn
	for i := range 100 {
		flood = append(flood, come(fmt.Sprintf("2001:db8::%x", i+1)))
	}
	if !in(good) || in(flood[96]) || !in(flood[97]) || !in(flood[99]) {
		t.Error("a flood pushes out others, or not its own oldest")
	}
	other := come("2001:db8:0:1::1")
	if in(good) || !in(other) || !in(flood[97]) {
		t.Error("who is the first of a network does not push out the oldest of all")
	}
	if l.guests.Len() != 4 || len(l.near) != 2 {
		t.Errorf("%d guests of %d networks", l.guests.Len(), len(l.near))
	}
}
