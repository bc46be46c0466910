package httpfeed

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"
)

// begun remembers of which edition each client was sent the beginning of a file
// last, as far as it asked for it without a serial. "curl -C -" says where to go
// on and not in what: after a publish it would put the end of one edition to the
// beginning of another.
type begun struct {
	mu  sync.Mutex
	tag map[part]string
}

// part is a beginning that a client may have.
type part struct {
	isp                string
	from               netip.Addr
	list, file, coding string
}

// maxBegun bounds how many beginnings are remembered; beyond it all are
// forgotten, and a client is believed that it knows what it has.
const maxBegun = 16 << 10

// goesOn says whether a Range may be answered from what has that tag: it begins
// at the beginning, it says itself in what to go on (If-Range, If-Match), or
// what the client has is not known to be of something else.
func (b *begun) goesOn(p part, h http.Header, tag string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	blind := h.Get("Range") != "" && h.Get("If-Range") == "" && h.Get("If-Match") == "" && !strings.HasPrefix(h.Get("Range"), "bytes=0-")
	if last, known := b.tag[p]; blind && (!known || last == tag) {
		return true
	}
	if b.tag == nil || len(b.tag) >= maxBegun {
		b.tag = make(map[part]string)
	}
	b.tag[p] = tag // also if it gets the whole instead
	return !blind
}
