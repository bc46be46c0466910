package dnsfeed

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"
)

// ServeTCP answers connections until ctx ends, and closes ln. Then idle
// connections are closed at once, and running transfers have Limits.Drain to
// finish.
//
// It returns nil after ctx has ended, else why the socket is of no use.
func (s *Server) ServeTCP(ctx context.Context, ln net.Listener) error {
	return s.serve(ctx, ln, nil)
}

// serve answers connections, over TLS if over is not nil.
func (s *Server) serve(ctx context.Context, ln net.Listener, over *security) error {
	defer ln.Close()
	defer context.AfterFunc(ctx, func() { _ = ln.Close() })()

	ours := newGroup()
	defer func() { ours.stop(s.Limits.drain()) }()
	var bad trouble
	for {
		nc, err := ln.Accept()
		if err != nil {
			if s.retry(ctx, err, &bad) {
				continue
			}
			return unlessDone(ctx, err)
		}
		bad.over()
		limitUnsent(nc)
		c := &conn{Conn: nc, stream: nc, since: s.clock(), network: networkOf(addrPort(nc.RemoteAddr()).Addr())}
		if !s.lobby.enter(c, s.Limits) {
			_ = c.Close()
			continue
		}
		ours.run(c, func() {
			defer s.lobby.leave(c)
			s.serveConn(ctx, c, over)
		})
	}
}

// serveConn answers the requests on one connection, one after the other in
// their order (RFC 7766, section 6.2.1.1 allows several at once).
func (s *Server) serveConn(ctx context.Context, c *conn, over *security) {
	p := peer{addr: addrPort(c.RemoteAddr()), transport: overTCP}
	defer c.Close()
	// A fault in a mapped image (the disk fails) becomes a panic, and no
	// panic of one connection ends the others. What it says is not logged: it
	// might hold octets of the list.
	debug.SetPanicOnFault(true)
	defer func() {
		if recover() != nil {
			s.Log.Error("connection ended by a panic", slog.String("from", p.addr.String()))
		}
	}()
	if over != nil {
		secured, ok := s.handshake(ctx, c, over)
		if !ok {
			return
		}
		p.transport, p.pin, c.stream = overTLS, pinOf(secured), secured
		defer secured.Close() // says so to the client
	}

	in := bufio.NewReaderSize(c.stream, 1024)
	guest := true
	var raw []byte
	for {
		deadline := s.clock().Add(s.Limits.idle())
		if last := c.since.Add(s.Limits.guest()); guest && last.Before(deadline) {
			deadline = last
		}
		if c.SetReadDeadline(deadline) != nil || ctx.Err() != nil {
			return
		}
		var err error
		if raw, err = readMessage(in, raw); err != nil {
			return
		}
		out := s.answer(raw, p)
		s.logRefusal(out, p)
		if guest && out.client != nil {
			if !s.lobby.promote(c, out.client.name, s.Limits) {
				return
			}
			guest = false
		}
		if !s.respond(c, out, p) {
			return
		}
		if cap(raw) > readStep {
			raw = nil
		}
	}
}

// respond carries out an outcome and says whether the connection can go on.
func (s *Server) respond(c *conn, out outcome, p peer) bool {
	if out.transfer != nil {
		release, ok := s.running.take(out.client.name, s.Limits)
		if ok {
			defer release()
			return s.run(c, out.transfer, p)
		}
		out = outcome{reply: out.transfer.busy(s.Now()), client: out.client, reason: "too many transfers"}
		s.logRefusal(out, p)
	}
	if out.reply == nil {
		return true
	}
	if c.SetWriteDeadline(s.clock().Add(s.Limits.stall())) != nil {
		return false
	}
	b := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(out.reply)), uint16(len(out.reply))) //nolint:gosec // at most maxMessage
	_, err := c.stream.Write(append(b, out.reply...))
	return err == nil
}

// run runs a transfer and says whether the connection can go on.
func (s *Server) run(c *conn, t *transfer, p peer) bool {
	began := s.clock()
	sent, err := s.send(c, t, p)
	s.audit(t, p, began, sent, err)
	if err != nil {
		abandon(c.Conn)
	}
	return err == nil
}

// maxUnsent is how many octets of a connection wait in the kernel to be sent. What
// it takes by itself is up to 4 MiB for each client that does not read, and all
// that it has for 2000 of them; one that reads is not slower for it.
const maxUnsent = 256 << 10

// limitUnsent holds the kernel to maxUnsent, where it knows how.
func limitUnsent(c net.Conn) {
	const notSentLowat = 25 // TCP_NOTSENT_LOWAT of Linux, see tcp(7)
	if tcp, ok := c.(*net.TCPConn); ok && runtime.GOOS == "linux" {
		if raw, err := tcp.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) {
				_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, notSentLowat, maxUnsent) //nolint:gosec // a descriptor
			})
		}
	}
}

// abandon closes a connection and drops what the kernel still holds for a
// client that does not read, rather than keep megabytes of it for minutes.
func abandon(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// readStep is how many octets of a message are made room for at once, and how
// many a connection keeps that waits for the next one.
const readStep = 4096

// readMessage reads one message with its length prefix (RFC 1035, section
// 4.2.2) into raw, which grows as octets come and not as they are announced.
func readMessage(in *bufio.Reader, raw []byte) ([]byte, error) {
	var prefix [2]byte
	if _, err := io.ReadFull(in, prefix[:]); err != nil {
		return nil, err
	}
	raw = raw[:0]
	for rest := int(binary.BigEndian.Uint16(prefix[:])); rest > 0; {
		n, have := min(rest, readStep), len(raw)
		raw = append(raw, make([]byte, n)...)
		if _, err := io.ReadFull(in, raw[have:]); err != nil {
			return nil, err
		}
		rest -= n
	}
	return raw, nil
}

// group is the connections of one listener, for stopping.
type group struct {
	done sync.WaitGroup
	mu   sync.Mutex
	all  map[*conn]struct{}
}

func newGroup() *group { return &group{all: make(map[*conn]struct{})} }

func (g *group) run(c *conn, serve func()) {
	g.mu.Lock()
	g.all[c] = struct{}{}
	g.mu.Unlock()
	g.done.Go(func() {
		serve()
		g.mu.Lock()
		delete(g.all, c)
		g.mu.Unlock()
	})
}

// stop wakes all that wait for a request, and after a while closes all that
// are left. The context has ended before, so nobody sets a later deadline.
func (g *group) stop(drain time.Duration) {
	g.each(func(c *conn) { _ = c.SetReadDeadline(time.Unix(1, 0)) })
	timer := time.AfterFunc(drain, func() { g.each(func(c *conn) { _ = c.Close() }) })
	defer timer.Stop()
	g.done.Wait()
}

func (g *group) each(do func(*conn)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.all {
		do(c)
	}
}
