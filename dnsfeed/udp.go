package dnsfeed

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"time"
)

// strangerReplies is how many replies a second a socket sends to who has shown
// no credential. To send one takes longer than to read what it answers: so in a
// flood more of what clients ask is read, and who is sent something in another's
// name gets little.
const strangerReplies = 10_000

// ServeUDP answers datagrams until ctx ends, and closes pc. Each is answered
// before the next is read: a reply takes some microseconds, and what is too much
// of a flood is dropped by the kernel and not by us. Bind pc to one address, not to all, or
// replies may leave from another address than the one that was asked.
//
// It returns nil after ctx has ended, else why the socket is of no use.
func (s *Server) ServeUDP(ctx context.Context, pc net.PacketConn) error {
	defer pc.Close()
	defer context.AfterFunc(ctx, func() { _ = pc.Close() })()

	raw := make([]byte, 1<<16)
	var bad trouble
	strangers := allowance{each: strangerReplies}
	for {
		n, addr, err := pc.ReadFrom(raw)
		if err != nil {
			if s.retry(ctx, err, &bad) {
				continue
			}
			return unlessDone(ctx, err)
		}
		bad.over()
		began := s.clock()
		p := peer{addr: addrPort(addr), transport: overUDP}
		out := s.answer(raw[:n], p)
		s.logRefusal(out, p)
		if out.reply != nil && (out.client != nil || strangers.take(began)) {
			_, _ = pc.WriteTo(out.reply, addr) // a datagram may get lost
		}
		if out.carried != nil {
			s.audit(out.carried, p, began, int64(len(out.reply)), nil)
		}
	}
}

// allowance is so much in each second.
type allowance struct {
	each, left int
	second     time.Time // it began
}

func (a *allowance) take(now time.Time) bool {
	if age := now.Sub(a.second); age < 0 || age >= time.Second {
		a.second, a.left = now, a.each
	}
	a.left--
	return a.left >= 0
}

// addrPort returns where a packet or a connection comes from.
func addrPort(addr net.Addr) netip.AddrPort {
	if a, ok := addr.(interface{ AddrPort() netip.AddrPort }); ok {
		ap := a.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}

// unlessDone returns err unless ctx has ended, which is how servers stop.
func unlessDone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// logRefusal says at level debug that a request was refused, and tells who
// asked to hear of it. It never says what was asked: that could be a listed
// name.
func (s *Server) logRefusal(out outcome, p peer) {
	if out.reason != "" && s.Refused != nil {
		s.Refused(out.reason, p.transport)
	}
	if out.reason == "" || !s.Log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	isp := ""
	if out.client != nil {
		isp = out.client.name
	}
	s.Log.Debug("request refused",
		slog.String("reason", out.reason),
		slog.String("isp", isp),
		slog.String("transport", p.transport),
		slog.String("from", p.addr.String()))
}
