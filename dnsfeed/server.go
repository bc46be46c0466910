package dnsfeed

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Server answers ISPs on any number of sockets. Set the fields before the
// first Serve call; Now and Log are required. Until SetAccess and SetZones
// have been called, all is refused. Its methods are safe for concurrent use.
type Server struct {
	Log *slog.Logger
	// Now is the time that TSIG is about; a test may hand in its own.
	Now func() time.Time
	// Clock is the real time, for the deadlines of sockets and for durations.
	// If nil, Now is that as well.
	Clock  func() time.Time
	Limits Limits
	// Transferred, if not nil, is told of every transfer when it has ended.
	Transferred func(Transfer)
	// Refused, if not nil, is told of every request that is refused: why, in
	// constant words, and over what: udp, tcp or tls.
	Refused func(reason, transport string)

	access  atomic.Pointer[Access]
	zones   atomic.Pointer[Snapshot]
	lobby   lobby
	running quota
}

// SetAccess replaces the table of clients. A running transfer of a client
// that lost its access ends with its next batch.
func (s *Server) SetAccess(a *Access) { s.access.Store(a) }

// SetZones replaces what is served. Running transfers finish with what they
// began.
func (s *Server) SetZones(z *Snapshot) { s.zones.Store(z) }

func (s *Server) clock() time.Time {
	if s.Clock != nil {
		return s.Clock()
	}
	return s.Now()
}

// Limits protect the server from its clients. A zero field means the default.
type Limits struct {
	Conns        int           // connections at once, 8192, or three quarters of the descriptors that the process may have
	Guests       int           // of them not yet authenticated, 2048; one more and the oldest is closed, of its network if there is one
	Members      int           // of them one client's, 2048, and no more than are left for all others
	Idle         time.Duration // until a request is there completely, 30 s
	Guest        time.Duration // from the connection to the first authenticated request, 10 s
	Transfers    int           // running at once for one client, 2048, and no more than are left for all others; one more gets SERVFAIL
	AllTransfers int           // running at once, 4096
	Stall        time.Duration // until a batch of 16 messages is taken, 20 s
	MinRate      int           // of a transfer as a whole, 64 KiB/s
	Drain        time.Duration // for transfers to finish when the server stops, 5 s
}

func (l Limits) conns() int           { return either(l.Conns, min(8192, descriptors()*3/4)) }
func (l Limits) guests() int          { return either(l.Guests, 2048) }
func (l Limits) members() int         { return either(l.Members, 2048) }
func (l Limits) transfers() int       { return either(l.Transfers, 2048) }
func (l Limits) allTransfers() int    { return either(l.AllTransfers, 4096) }
func (l Limits) idle() time.Duration  { return either(l.Idle, 30*time.Second) }
func (l Limits) guest() time.Duration { return either(l.Guest, 10*time.Second) }
func (l Limits) stall() time.Duration { return either(l.Stall, 20*time.Second) }
func (l Limits) drain() time.Duration { return either(l.Drain, 5*time.Second) }

// pace returns how long so many octets may take.
func (l Limits) pace(octets int) time.Duration {
	return time.Duration(octets) * time.Second / time.Duration(either(l.MinRate, 64<<10))
}

func either[T int | time.Duration](value, standard T) T {
	if value > 0 {
		return value
	}
	return standard
}

// descriptors returns how many the process may have. They are for editions and
// other servers too, so connections alone must not use them up.
var descriptors = sync.OnceValue(func() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 1024
	}
	return int(min(limit.Cur, 1<<20)) //nolint:gosec // bounded
})

// trouble is what a socket had lately.
type trouble struct {
	wait time.Duration // before the next try
	said time.Time     // in the log
}

// over notes that the socket is well.
func (t *trouble) over() { t.wait = 0 }

// retry waits after an error of a socket, longer each time up to a second,
// and says whether to go on. Out of descriptors (EMFILE) or memory, the next
// try may work; a closed socket never does. A socket that fails and works by
// turns is in the log once a minute.
func (s *Server) retry(ctx context.Context, err error, t *trouble) bool {
	if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
		return false
	}
	if now := s.clock(); t.said.IsZero() || now.Sub(t.said) >= time.Minute {
		t.said = now
		s.Log.Warn("socket failed, trying again", slog.Any("error", err))
	}
	t.wait = min(max(2*t.wait, 5*time.Millisecond), time.Second)
	select {
	case <-ctx.Done():
		return false
	case <-time.After(t.wait):
		return true
	}
}
