package dnsfeed

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Of a flood so many are answered in a second, and every client that shows its
// key; afterwards strangers are answered again.
func TestUDPFloodIsNotAnswered(t *testing.T) {
	now := time.Now()
	ts := startServer(t, func(s *Server) { s.Clock = func() time.Time { return now } })
	stranger := ask(ispOne.Zones[0], dns.TypeSOA)
	client, _ := signed(stranger, signing{key: ispOne.Key})
	wrong, _ := signed(stranger, signing{key: Key{Name: "nobody.key.example.", Algorithm: "hmac-sha256.", Secret: make([]byte, 32)}})
	for _, flood := range [][]byte{stranger, wrong, make([]byte, 20)} {
		pc := &scripted{}
		for range strangerReplies + 500 {
			pc.come = append(pc.come, flood)
		}
		pc.come = append(pc.come, client, client)
		if err := ts.ServeUDP(context.Background(), pc); !errors.Is(err, net.ErrClosed) {
			t.Fatal(err)
		}
		if pc.sent != strangerReplies+2 {
			t.Errorf("%d replies, want %d and two to the client", pc.sent, strangerReplies)
		}
	}
	a := allowance{each: 1}
	for i, want := range []bool{true, false, true, false} {
		if i == 2 {
			now = now.Add(time.Second)
		}
		if a.take(now) != want {
			t.Errorf("take %d: %v", i, !want)
		}
	}
}

// scripted is a socket to which datagrams come, and which counts those sent.
type scripted struct {
	net.PacketConn
	come [][]byte
	sent int
}

func (s *scripted) Close() error { return nil }

func (s *scripted) ReadFrom(b []byte) (int, net.Addr, error) {
	if len(s.come) == 0 {
		return 0, nil, net.ErrClosed
	}
	n := copy(b, s.come[0])
	s.come = s.come[1:]
	return n, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 53}, nil
}

func (s *scripted) WriteTo(b []byte, _ net.Addr) (int, error) { s.sent++; return len(b), nil }
