package httpfeed

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync"

	"github.com/vaern/vaern/blocklist"
)

const changesName = "changes"

// fromKey is the one key of the query of a path of changes.
const fromKey = "from="

// sendChanges answers with what changed from a kept edition to the one that
// this ISP is due. What is asked for and can not be had is a 404 that tells the
// serial to take as a whole.
func (q *request) sendChanges() error {
	text, ok := strings.CutPrefix(q.URL.RawQuery, fromKey)
	serial, err := blocklist.ParseSerial(text)
	if !ok || err != nil {
		plain(q.w, http.StatusBadRequest, "want changes?from=SERIAL\n")
		return nil
	}
	from := q.view.Lists[q.list].kept[serial]
	if from == nil {
		return q.takeTheWhole(nil)
	}
	c, err := q.handler.changes.get(q.Context(), from.Edition, q.edition.Edition)
	if err != nil {
		return q.takeTheWhole(err)
	}
	return q.serve(textType(""), c.tag, bytes.NewReader(c.text), len(c.text))
}

// takeTheWhole says that there is no difference to be had. The error is for our
// log, unless it says what is no fault of ours: the edition is no longer kept,
// the difference too long, or the client gone.
func (q *request) takeTheWhole(err error) error {
	q.w.Header().Set("Vaern-Serial", q.edition.Serial.String())
	plain(q.w, http.StatusNotFound, "no changes from that serial: take the whole edition\n")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errTooLong) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// changes are the text of one answer.
type changes struct {
	text []byte
	tag  string
}

// changesCache remembers the last answers, for all ISPs ask for the same few. It
// computes one at a time, so that many who ask cost no more than one.
type changesCache struct {
	computing chan struct{} // has one in it while somebody computes

	mu     sync.Mutex
	all    map[changesKey]*changes
	recent []changesKey // the last used at the end
	size   int
}

type changesKey struct {
	list     string
	from, to blocklist.Serial
}

const (
	maxCached = 32 << 20 // octets of all that is remembered
	// minChanges is what changes may be long in any case; else they may be as
	// long as the texts of the whole.
	minChanges = 1 << 20
)

func newChangesCache() *changesCache {
	return &changesCache{computing: make(chan struct{}, 1), all: make(map[changesKey]*changes)}
}

// get returns the changes between two editions of a list.
func (c *changesCache) get(ctx context.Context, from, to *blocklist.Edition) (*changes, error) {
	key := changesKey{to.List, from.Serial, to.Serial}
	if found := c.find(key); found != nil {
		return found, nil
	}
	select {
	case c.computing <- struct{}{}:
		defer func() { <-c.computing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if found := c.find(key); found != nil { // somebody else was asking for it
		return found, nil
	}
	text := limited{left: longest(to)}
	if err := blocklist.WriteChanges(&text, from, to); err != nil {
		return nil, fmt.Errorf("make changes: %w", err)
	}
	made := &changes{text.Bytes(), etag(sha256.Sum256(text.Bytes()))}
	c.keep(key, made)
	return made, nil
}

// longest returns how long changes may be, in octets.
func longest(to *blocklist.Edition) int {
	var whole int64
	for _, name := range []string{"domains.txt", "hosts.txt", "urls.txt"} {
		f, _ := to.File(name)
		whole += f.Size
	}
	return int(max(minChanges, whole))
}

func (c *changesCache) find(key changesKey) *changes {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := c.all[key]
	if found != nil {
		c.use(key)
	}
	return found
}

// use moves a key to the end of those used; c.mu is held.
func (c *changesCache) use(key changesKey) {
	for i, k := range c.recent {
		if k == key {
			c.recent = append(append(c.recent[:i:i], c.recent[i+1:]...), key)
			return
		}
	}
	c.recent = append(c.recent, key)
}

// keep remembers an answer, and forgets the longest unused ones beyond the
// bound. An answer longer than that is computed each time.
func (c *changesCache) keep(key changesKey, made *changes) {
	const overhead = 1 << 10 // so that many short ones are bounded too
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(made.text) > maxCached/2 {
		return
	}
	c.all[key] = made
	c.use(key)
	c.size += len(made.text) + overhead
	for c.size > maxCached {
		oldest := c.recent[0]
		c.recent = c.recent[1:]
		c.size -= len(c.all[oldest].text) + overhead
		delete(c.all, oldest)
	}
}

// limited is a buffer that fails when it is too long.
type limited struct {
	bytes.Buffer
	left int
}

var errTooLong = errors.New("longer than the whole")

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, errTooLong
	}
	return l.Buffer.Write(p)
}
