package dnsfeed

import (
	"sync"
	"time"

	"github.com/vaern/vaern/blocklist"
)

// Versions is one zone as it is served: the newest version, which everybody
// has in the end, and the way there from an earlier one (RFC 1995). It is safe
// for concurrent use. A new edition makes new Versions.
type Versions struct {
	newest  *Image
	earlier func(blocklist.Serial) (*Image, error)

	making turn // whoever has it makes a difference

	mu    sync.Mutex
	turns map[string]turn                  // by client
	made  map[blocklist.Serial]*difference // nil: the full zone is the answer
	size  int                              // octets of all of them
}

// turn is had by one at a time.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

// NewVersions returns the versions of a zone. The function opens the image of
// an edition that is kept, and returns nil for any other serial: it is called
// when a client has that serial, once for each, and must not trust the files
// more than the newest was trusted. It may be nil: then there are none.
func NewVersions(newest *Image, earlier func(blocklist.Serial) (*Image, error)) *Versions {
	return &Versions{
		newest: newest, earlier: earlier,
		making: newTurn(),
		turns:  make(map[string]turn),
		made:   make(map[blocklist.Serial]*difference),
	}
}

// Follow makes ready the difference from the version before, which most
// clients will ask for at once.
func (v *Versions) Follow(before *Image) {
	if before != nil && before.zone == v.newest.zone && v.newest.serial.After(before.serial) {
		v.make(before.serial, before)
	}
}

// patience is how long a client waits for a difference that is not made yet.
// After that the full zone is the answer, which is never wrong.
const patience = 5 * time.Second

// since returns the difference from a serial, or nil if the full zone is the
// answer: to a version that is not kept, or if that is shorter (IX2, IX5). If
// it has to be made first and that takes longer than the client waits, ok is
// false.
//
// One is made at a time, so that clients who go through all serials take one
// processor at most; and one for each client, so that those of the others come
// in between.
func (v *Versions) since(have blocklist.Serial, client string, wait time.Duration) (d *difference, ok bool) {
	if d, ok := v.find(have); ok || wait == 0 || v.earlier == nil {
		return d, ok
	}
	timeout := time.After(wait)
	for _, t := range []turn{v.turnOf(client), v.making} {
		select {
		case t <- struct{}{}:
			defer func() { <-t }()
		case <-timeout:
			return nil, false
		}
	}
	if d, ok := v.find(have); ok {
		return d, true
	}
	old, err := v.earlier(have)
	if err != nil || old == nil || old.serial != have {
		return nil, true // and try again the next time: the disk may be back by then
	}
	return v.make(have, old), true
}

func (v *Versions) turnOf(client string) turn {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.turns[client] == nil {
		v.turns[client] = newTurn()
	}
	return v.turns[client]
}

func (v *Versions) find(have blocklist.Serial) (d *difference, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	d, ok = v.made[have]
	return d, ok
}

// maxDifferences bounds what is kept of differences, in octets. What a client
// may ask for is bounded by the editions kept, not by memory.
const maxDifferences = 16 << 20

// make makes a difference and keeps it, if need be instead of others.
func (v *Versions) make(have blocklist.Serial, old *Image) *difference {
	var d *difference
	if guarded(func() (err error) { d, err = newDifference(old, v.newest); return err }) != nil {
		d = nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if d != nil {
		v.size += d.size
		for serial, other := range v.made {
			if v.size > maxDifferences && other != nil {
				v.size -= other.size
				delete(v.made, serial)
			}
		}
	}
	v.made[have] = d
	return d
}

// incremental answers an IXFR. Who has the newest version, or one that is yet
// to come, gets one SOA (RFC 1995, section 2), and so does over UDP whoever
// needs more than fits: it says that the client should come by TCP (section 4).
func (r *responder) incremental(v *Versions, client *member) outcome {
	have := blocklist.Serial(r.query.serial)
	current := have == v.newest.serial || have.After(v.newest.serial)
	var d *difference
	if !current {
		wait := patience
		if !r.tcp {
			wait = 0
		}
		d, _ = v.since(have, client.name, wait)
	}
	switch {
	case current:
	case r.tcp && d == nil:
		return r.transfer(v.newest, v.newest.messages, client)
	case r.tcp:
		return r.transfer(v.newest, d.messages, client)
	case d != nil && len(d.messages) == 1 && len(d.messages[0])+r.extra() <= r.room():
		out := r.transfer(v.newest, d.messages, client)
		return outcome{reply: r.ready(d.messages[0]), carried: out.transfer, client: client}
	}
	return outcome{reply: r.ready(v.newest.soa), client: client}
}

func (r *responder) transfer(image *Image, messages [][]byte, client *member) outcome {
	return outcome{
		transfer: &transfer{image: image, messages: messages, query: r.query, signer: r.signer, client: client},
		client:   client,
	}
}
