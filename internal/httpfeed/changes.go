package httpfeed

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

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
	c, err := q.handler.changes.get(q.Context(), q.isp.Name, from.Edition, q.edition.Edition)
	switch {
	case errors.Is(err, errBusy):
		busy(q.w, "too many ask for changes: ask again, or take the whole edition\n")
		return nil
	case err != nil:
		return q.takeTheWhole(err)
	}
	defer q.handler.changes.release(c)
	if c.text == nil {
		return q.takeTheWhole(nil)
	}
	return q.serve(textType(""), c.tag, bytes.NewReader(c.text), len(c.text))
}

// takeTheWhole says that there is no difference to be had. The error is for our
// log, unless it says what is no fault of ours: the edition is no longer kept.
func (q *request) takeTheWhole(err error) error {
	q.w.Header().Set("Vaern-Serial", q.edition.Serial.String())
	plain(q.w, http.StatusNotFound, "no changes from that serial: take the whole edition\n")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// changes are the text of one answer, or nil if it is too long.
type changes struct {
	text    []byte
	tag     string
	holders int // who are sending it; guarded by the cache
}

// changesCache remembers the last answers, for all ISPs ask for the same few. All
// that is in memory is in it, also while it is being sent.
type changesCache struct {
	making turn // whoever has it makes one
	turns  turns

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
	// long as the texts of the whole, and half of what is remembered.
	minChanges = 1 << 20
	// waitForChanges is how long a client waits for changes that are not made yet.
	waitForChanges = 5 * time.Second
)

var errBusy = errors.New("no room, or not in time")

func newChangesCache() *changesCache {
	return &changesCache{making: newTurn(), all: make(map[changesKey]*changes)}
}

// get returns the changes between two editions of a list, until release. One is
// made at a time, so that who goes through all serials takes one processor at
// most, and one for each ISP. The error is errBusy if that takes too long.
func (c *changesCache) get(ctx context.Context, isp string, from, to *blocklist.Edition) (*changes, error) {
	key := changesKey{to.List, from.Serial, to.Serial}
	if found := c.find(key); found != nil {
		return found, nil
	}
	ctx, cancel := context.WithTimeout(ctx, waitForChanges)
	defer cancel()
	for _, t := range []turn{c.turns.of(isp), c.making} {
		pass, err := t.take(ctx)
		if err != nil {
			return nil, errBusy
		}
		defer pass()
	}
	if found := c.find(key); found != nil { // somebody else was asking for it
		return found, nil
	}
	made := &changes{}
	text := limited{left: longest(to)}
	switch err := blocklist.WriteChanges(&text, from, to); {
	case err == nil:
		made.text, made.tag = bytes.Clone(text.Bytes()), etag(sha256.Sum256(text.Bytes()))
	case !errors.Is(err, errTooLong): // which is worth remembering too
		return nil, fmt.Errorf("make changes: %w", err)
	}
	if !c.keep(key, made) {
		return nil, errBusy
	}
	return made, nil
}

// longest returns how long changes may be, in octets.
func longest(to *blocklist.Edition) int {
	var whole int64
	for _, name := range []string{"domains.txt", "hosts.txt", "urls.txt"} {
		f, _ := to.File(name)
		whole += f.Size
	}
	return int(min(max(minChanges, whole), maxCached/2))
}

// find returns an answer that is remembered, until release, or nil.
func (c *changesCache) find(key changesKey) *changes {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := c.all[key]
	if found != nil {
		found.holders++
		c.use(key)
	}
	return found
}

// release says that an answer was sent.
func (c *changesCache) release(sent *changes) {
	c.mu.Lock()
	defer c.mu.Unlock()
	sent.holders--
}

// use moves a key to the end of those used; c.mu is held.
func (c *changesCache) use(key changesKey) {
	if i := slices.Index(c.recent, key); i >= 0 {
		c.recent = slices.Delete(c.recent, i, i+1)
	}
	c.recent = append(c.recent, key)
}

// keep remembers an answer, until release for certain, and forgets the longest
// unused ones beyond the bound. It says no if those that are being sent leave no
// room: clients that hardly read do not have more and more of them in memory.
func (c *changesCache) keep(key changesKey, made *changes) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.size+made.cost() > maxCached {
		i := slices.IndexFunc(c.recent, func(k changesKey) bool { return c.all[k].holders == 0 })
		if i < 0 {
			return false
		}
		oldest := c.recent[i]
		c.recent = slices.Delete(c.recent, i, i+1)
		c.size -= c.all[oldest].cost()
		delete(c.all, oldest)
	}
	made.holders++
	c.all[key] = made
	c.use(key)
	c.size += made.cost()
	return true
}

// cost is what is counted of an answer: many short ones are bounded too.
func (c *changes) cost() int { return len(c.text) + 1<<10 }

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
