package dnsfeed

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

const opcodeNotify = 4 << 11 // in place, as query.opcode

// notifyMessage is a NOTIFY on its way (RFC 1996, section 3): the question says
// which zone changed, and nothing says how. The answer section could hold the
// new SOA as a hint (section 3.7), which would show the serial to everybody on
// the way; without it a secondary asks for the SOA, as it does anyway.
type notifyMessage struct {
	id   uint16
	zone string // on the wire
	key  *wireKey
	mac  []byte
	raw  []byte
}

func newNotify(zone string, key *wireKey, at time.Time) *notifyMessage {
	m := &notifyMessage{zone: zone, key: key}
	b := make([]byte, headerLen, headerLen+len(zone)+4+maxTSIG)
	_, _ = rand.Read(b[:2]) // never fails
	m.id = binary.BigEndian.Uint16(b)
	binary.BigEndian.PutUint16(b[2:], opcodeNotify|flagAA)
	b[5] = 1 // QDCOUNT
	b = append(b, zone...)
	b = append(b, 0, typeSOA, 0, classIN)
	signer := newSigner(key, nil)
	b = signer.sign(b, m.id, uint64(at.Unix()), 0, nil, b) //nolint:gosec // after 1970
	b[11]++                                                // ARCOUNT
	m.raw, m.mac = b, signer.prior
	return m
}

// NotifyState says how far the telling of one serial to one secondary is.
type NotifyState string

// The states of a notice.
const (
	NotifyPending      NotifyState = "pending"      // no answer yet, more tries follow at once
	NotifyAcknowledged NotifyState = "acknowledged" // the secondary has heard
	NotifyRefused      NotifyState = "refused"      // it does not want to, see Error
	NotifyUnanswered   NotifyState = "no answer"    // from now on it is told now and then
)

// notifyOutcome is what one message came to.
type notifyOutcome struct {
	state NotifyState // any but pending
	words string      // why, if not acknowledged; constant ones
	final bool        // nothing that is more to be believed can come
}

// judge reads what came from the secondary's address. What is no answer to this
// message is ignored, ok is false (RFC 1996, section 3.6: ID and name match;
// an error may come without the name).
//
// Only a signed answer is believed. One that is not, or not rightly, is kept
// as the reason in case nothing better comes, and the waiting goes on (RFC
// 8945, section 5.4): who does not know our key can not sign that.
func (m *notifyMessage) judge(raw []byte, now time.Time) (o notifyOutcome, ok bool) {
	q, v := readReply(raw)
	if v != readable || q.id != m.id || q.opcode != opcodeNotify {
		return o, false
	}
	rcode := int(raw[3] & 0xf)
	if q.name == nil && rcode == 0 || q.name != nil && (string(q.name) != m.zone || q.qtype != typeSOA || q.class != classIN) {
		return o, false
	}
	signed := false
	if q.signed && string(q.tsig.name) == m.key.name {
		q.tsig.prior = m.mac
		code, v := q.tsig.check(m.key, raw, now)
		signed = v == readable && code == 0
	}
	switch code := q.tsig.code; {
	case rcode != 0:
		return notifyOutcome{state: NotifyRefused, words: rcodeWords(rcode, code), final: signed}, true
	case !signed || code != 0:
		return notifyOutcome{state: NotifyUnanswered, words: "answer not signed by the key"}, true
	}
	return notifyOutcome{state: NotifyAcknowledged, final: true}, true
}

// rcodeWords names what a secondary says no with.
func rcodeWords(rcode int, tsigCode uint16) string {
	if rcode == rcodeNotAuth {
		switch tsigCode {
		case tsigBadSig:
			return "NOTAUTH: BADSIG"
		case tsigBadKey:
			return "NOTAUTH: BADKEY"
		case tsigBadTime:
			return "NOTAUTH: BADTIME"
		case tsigBadTrunc:
			return "NOTAUTH: BADTRUNC"
		}
	}
	if words, ok := map[int]string{
		rcodeFormErr: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", rcodeRefused: "REFUSED", rcodeNotAuth: "NOTAUTH",
	}[rcode]; ok {
		return words
	}
	return "an error"
}

// dialUDP connects a socket of its own, so that each message leaves from a port
// that nobody can know beforehand, and the kernel passes on only what comes
// from the very address that it went to.
func dialUDP(ctx context.Context, from netip.Addr, to netip.AddrPort) (net.Conn, error) {
	var d net.Dialer
	if from.IsValid() {
		d.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	c, err := d.DialContext(ctx, "udp", to.String())
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	return c, nil
}

// exchange sends the message and waits until ctx ends for an answer.
func (m *notifyMessage) exchange(ctx context.Context, c net.Conn, now func() time.Time) notifyOutcome {
	defer context.AfterFunc(ctx, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })()
	if _, err := c.Write(m.raw); err != nil {
		return notifyOutcome{state: NotifyUnanswered, words: "not sent"}
	}
	best := notifyOutcome{state: NotifyUnanswered, words: "no answer"}
	for buf := make([]byte, ednsSize); ; {
		n, err := c.Read(buf)
		switch {
		case errors.Is(err, syscall.ECONNREFUSED): // by ICMP
			best.words = "nobody listens there"
			return best
		case err != nil:
			return best
		}
		o, ok := m.judge(buf[:n], now())
		if ok && o.final {
			return o
		}
		if ok && best.state != NotifyRefused {
			best = o
		}
	}
}
