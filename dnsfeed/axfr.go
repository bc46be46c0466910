package dnsfeed

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"time"

	"github.com/vaern/vaern/blocklist"
)

// How many messages go to the kernel, or into TLS, in one call. For TLS they are
// put together in memory, which each transfer has until its client took them.
const (
	batch    = 16
	batchTLS = 4
)

// transfer is an answer of many messages on its way to one client: the full
// zone (RFC 5936), or a difference (RFC 1995).
type transfer struct {
	image    *Image   // what the client has afterwards
	messages [][]byte // those of the image, or of a difference that ends there
	query    *query
	signer   *signer // nil: a certificate is what the client is known by
	client   *member
	access   *Access // by which the client was admitted
}

// errRevoked ends a transfer whose client may no longer have the zone (TS9).
var errRevoked = errors.New("access revoked")

// send runs a transfer. The messages go from the image to the socket as they
// are; made here are the ID, the first question and OPT, and each TSIG.
//
// Two limits keep a slow reader from staying: each batch has to be taken
// within Limits.Stall, and the whole within that and the time it takes at
// Limits.MinRate. After an error the connection is of no use.
func (s *Server) send(c *conn, t *transfer, p peer) (sent int64, err error) {
	image := t.image
	defer runtime.KeepAlive(image) // its pages, see MapImage

	began := s.clock()
	batch, write := c.writer()
	scratch := make([]byte, 0, len(t.query.question)+ednsLen+batch*(2+headerLen+t.signer.size()))
	parts := make([][]byte, 0, 3*batch)
	access, end := t.access, began
	for i := 0; i < len(t.messages); i += batch {
		if now := s.access.Load(); now != access {
			if access = now; !access.still(t.client, t.key(), image.wire, p) {
				return sent, errRevoked
			}
		}
		scratch, parts = scratch[:0], parts[:0]
		for j := i; j < min(i+batch, len(t.messages)); j++ {
			scratch, parts = t.frame(scratch, parts, j, s.Now())
		}
		size := 0
		for _, p := range parts {
			size += len(p)
		}
		end = end.Add(s.Limits.pace(size))
		deadline := s.clock().Add(s.Limits.stall())
		if total := end.Add(s.Limits.stall()); total.Before(deadline) {
			deadline = total
		}
		if err := c.SetWriteDeadline(deadline); err != nil {
			return sent, err
		}
		n, err := write(parts)
		sent += n
		if err != nil {
			return sent, err
		}
		runtime.Gosched() // to who waits for a first message, while readers are fast
	}
	return sent, nil
}

// writer returns what writes the parts of a batch of messages, and how many
// messages that should be. Over TCP the kernel takes them from where they are;
// for TLS they are put together first, or each part would be a record of its
// own.
func (c *conn) writer() (messages int, write func(parts [][]byte) (int64, error)) {
	if c.stream == c.Conn {
		return batch, func(parts [][]byte) (int64, error) {
			buffers := net.Buffers(parts)
			return buffers.WriteTo(c.Conn)
		}
	}
	var whole []byte
	return batchTLS, func(parts [][]byte) (int64, error) {
		whole = whole[:0]
		for _, p := range parts {
			whole = append(whole, p...)
		}
		n, err := c.stream.Write(whole)
		return int64(n), err
	}
}

// key returns what the request was signed with, or nil.
func (t *transfer) key() *wireKey {
	if t.signer == nil {
		return nil
	}
	return t.signer.key
}

// busy is the reply when there is no room for one more transfer (XT6).
func (t *transfer) busy(now time.Time) []byte {
	r := responder{query: t.query, now: now, tcp: true, signer: t.signer}
	return r.finish(r.start(0, rcodeServFail), 0)
}

// frame adds message i to the parts to be written. What is made for it goes
// into scratch, which has room for a batch and so never moves.
func (t *transfer) frame(scratch []byte, parts [][]byte, i int, now time.Time) ([]byte, [][]byte) {
	q, msg := t.query, t.messages[i]
	start := len(scratch)
	scratch = append(scratch, 0, 0) // the length, below
	scratch = append(scratch, msg[:headerLen]...)
	head := scratch[start+2:]
	binary.BigEndian.PutUint16(head, q.id)
	head[2] |= byte(q.desired >> 8)

	body, tail := msg[headerLen:], len(scratch)
	if i == 0 { // the client's own question, and the OPT once (RFC 5936, section 2.2.5)
		scratch = append(scratch, q.question...)
		head, body, tail = scratch[start+2:], body[len(q.question):], len(scratch)
		if q.edns {
			scratch = appendOPT(scratch, 0)
			head[11]++
		}
	}
	opt := scratch[tail:]
	if t.signer != nil {
		scratch = t.signer.sign(scratch, q.id, uint64(now.Unix()), 0, nil, head, body, opt) //nolint:gosec // after 1970
		scratch[start+2+11]++                                                               // ARCOUNT
	}
	size := len(scratch) - start - 2 + len(body)
	binary.BigEndian.PutUint16(scratch[start:], uint16(size)) //nolint:gosec // AX3: maxMessage, OPT and maxTSIG
	return scratch, append(parts, scratch[start:tail], body, scratch[tail:])
}

// kind says what was asked and what was the answer, for the log.
func (t *transfer) kind() string {
	switch {
	case t.query.qtype == typeAXFR:
		return "axfr"
	case &t.messages[0] == &t.image.messages[0]:
		return "ixfr as axfr"
	}
	return "ixfr"
}

// Transfer is a zone transfer that has ended.
type Transfer struct {
	Client    string // the ISP's name
	Zone      string
	Serial    blocklist.Serial // that the client has afterwards, if it is complete
	Type      string           // axfr, ixfr, or ixfr as axfr if the whole zone was the answer
	Transport string           // udp, tcp or tls
	From      netip.AddrPort
	Octets    int64
	Duration  time.Duration
	Result    string // complete, revoked, too slow, stopped or connection lost
}

// Complete says whether the client has the zone now, as far as the network
// tells.
func (t Transfer) Complete() bool { return t.Result == complete }

const complete = "complete"

// audit logs one line for a transfer, which holds no name but the zone's, and
// tells who asked to hear of it.
func (s *Server) audit(t *transfer, p peer, began time.Time, sent int64, err error) {
	done := Transfer{
		Client: t.client.name, Zone: t.image.zone, Serial: t.image.serial, Type: t.kind(), Transport: p.transport,
		From: p.addr, Octets: sent, Duration: s.clock().Sub(began), Result: transferResult(err),
	}
	s.Log.Info("zone transfer",
		slog.String("isp", done.Client),
		slog.String("zone", done.Zone),
		slog.Uint64("serial", uint64(done.Serial)),
		slog.String("type", done.Type),
		slog.String("transport", done.Transport),
		slog.String("from", done.From.String()),
		slog.Int64("bytes", done.Octets),
		slog.Duration("duration", done.Duration),
		slog.String("result", done.Result),
	)
	if s.Transferred != nil {
		s.Transferred(done)
	}
}

func transferResult(err error) string {
	switch {
	case err == nil:
		return complete
	case errors.Is(err, errRevoked):
		return "revoked"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "too slow"
	case errors.Is(err, net.ErrClosed):
		return "stopped"
	default:
		return "connection lost"
	}
}
