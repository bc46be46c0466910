package dnsfeed

import (
	"net"
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
	if len(l.members) != 0 || len(l.conns) != 0 || l.guests.Len() != 0 {
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
