package httpfeed

import "time"

// Limits protect the server from its clients. A zero field means the default.
// Of connections and answers one ISP has no more than are left for all others.
type Limits struct {
	Header  int           // octets of a request's header, 16 KiB
	Conns   int           // connections at once, 8192
	Guests  int           // of them not yet authenticated, 2048; one more and the oldest is closed, of its network if there is one
	Streams int           // of one connection (HTTP/2), 128
	Answers int           // at once, 4096
	Request time.Duration // until a header is there completely, and before it the TLS handshake, 10 s
	Body    time.Duration // until the body is there too, 30 s
	Idle    time.Duration // between requests, 60 s
	Stall   time.Duration // until a client takes 64 KiB, 20 s
	MinRate int           // of an answer as a whole, octets a second, 64 KiB
}

func (l Limits) header() int            { return either(l.Header, 16<<10) }
func (l Limits) conns() int             { return either(l.Conns, 8192) }
func (l Limits) guests() int            { return either(l.Guests, 2048) }
func (l Limits) streams() int           { return either(l.Streams, 128) }
func (l Limits) answers() int           { return either(l.Answers, 4096) }
func (l Limits) request() time.Duration { return either(l.Request, 10*time.Second) }
func (l Limits) body() time.Duration    { return either(l.Body, 30*time.Second) }
func (l Limits) idle() time.Duration    { return either(l.Idle, time.Minute) }
func (l Limits) stall() time.Duration   { return either(l.Stall, 20*time.Second) }

// pace returns how long so many octets may take.
func (l Limits) pace(octets int64) time.Duration {
	return time.Duration(octets) * time.Second / time.Duration(either(l.MinRate, 64<<10))
}

func either[T int | time.Duration](value, standard T) T {
	if value > 0 {
		return value
	}
	return standard
}

// maxReport bounds the body of a POST, in octets.
const maxReport = 1 << 10
