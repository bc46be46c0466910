package httpfeed

import (
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/isp"
)

// Options say how a [Handler] works. Log and Now are needed.
type Options struct {
	Log *slog.Logger
	// Now is the time that credentials are about.
	Now func() time.Time
	// Clock is the real time, for the deadlines of sockets and for durations.
	// If nil, Now is that as well.
	Clock func() time.Time
	// Served, if not nil, hears of every text that an ISP got, or had already.
	Served func(isp, list string, serial blocklist.Serial, from netip.Addr)
	// Answered, if not nil, hears of every request.
	Answered func(Answer)
	// Ack and Alarm take what an ISP says of an edition that is kept; it is told
	// that it was heard if they return no error. If nil, nobody listens, and the
	// path is absent.
	Ack   func(isp, list string, serial blocklist.Serial) error
	Alarm func(isp, list string, serial blocklist.Serial, reason string) error

	Limits Limits
}

// Answer is what became of a request.
type Answer struct {
	ISP      string // empty: a stranger
	Status   int
	Octets   int64 // of the body
	Complete bool
}

// Handler answers requests. It is safe for concurrent use.
type Handler struct {
	opt     Options
	view    atomic.Pointer[View]
	quota   quota
	lobby   lobby
	changes *changesCache
	reports turns
	skips   turns
	begun   begun
}

// New returns a handler that serves nothing to nobody until [Handler.Set].
func New(opt Options) *Handler {
	if opt.Clock == nil {
		opt.Clock = opt.Now
	}
	h := &Handler{opt: opt, changes: newChangesCache()}
	h.Set(&View{ISPs: &isp.Table{}})
	return h
}

// Set makes v what is served from now on.
func (h *Handler) Set(v *View) { h.view.Store(v) }

// request is one request and what became of it.
type request struct {
	*http.Request
	w        *writer
	handler  *Handler
	view     *View
	proof    isp.Proof
	from     netip.Addr
	path     string   // behind the prefix, without a token
	byToken  bool     // a token was in the path
	isp      *isp.ISP // nil: not authenticated
	list     string   // names are noted only once they were found to be ours:
	edition  *edition // what a stranger or a typing error puts in a path
	file     string   // does not get into the log
	bySerial bool     // a serial was in the path
}

// resource is what a path means.
type resource struct {
	methods []string
	answer  func(*request) error
}

var (
	read = []string{http.MethodGet, http.MethodHead}
	tell = []string{http.MethodPost}
)

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := h.opt.Clock()
	q := &request{Request: r, handler: h, view: h.view.Load(), from: remote(r)}
	q.proof, q.path, q.byToken = credentials(r)
	q.w = &writer{ResponseWriter: w, handler: h, request: q, extended: start}
	defer func() {
		if recover() == nil {
			return
		}
		// What it says is not logged: it might hold octets of the list.
		h.opt.Log.Error("http request ended by a panic", "from", q.from)
		panic(http.ErrAbortHandler)
	}()
	q.isp, _ = q.view.ISPs.Authenticate(q.proof, q.from, h.opt.Now())
	h.answer(q)
	h.audit(q, h.opt.Clock().Sub(start))
}

// audit writes one line about a finished request. Strangers' are for who looks
// for them: they could fill a disk.
func (h *Handler) audit(q *request, took time.Duration) {
	attrs := []any{"from", q.from, "method", method(q.Method), "status", q.w.status}
	level, a := slog.LevelDebug, Answer{Status: q.w.status, Octets: q.w.octets, Complete: q.w.err == nil}
	if q.isp != nil {
		level, a.ISP = slog.LevelInfo, q.isp.Name
		attrs = append(attrs, "isp", q.isp.Name)
	}
	if q.edition != nil {
		attrs = append(attrs, "list", q.list, "serial", q.edition.Serial, "file", q.file)
	}
	h.opt.Log.Log(q.Context(), level, "http request", append(attrs, "bytes", a.Octets, "complete", a.Complete, "duration", took)...)
	if h.opt.Answered != nil {
		h.opt.Answered(a)
	}
}

// method keeps words that a stranger made up out of the log.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}

// answer decides in the order that gives nothing away: who asks, whether it is
// there and theirs, whether it can be done, whether there is room.
func (h *Handler) answer(q *request) {
	if q.isp == nil {
		// Connection: close for all, because net/http adds it for some: a
		// request with a long body, for one.
		q.w.Header().Set("Connection", "close")
		q.w.Header().Set("WWW-Authenticate", `Bearer realm="vaern"`)
		plain(q.w, http.StatusUnauthorized, "no valid credential\n")
		return
	}
	what, ok := q.find()
	if !ok {
		plain(q.w, http.StatusNotFound, "not found\n")
		return
	}
	if !slices.Contains(what.methods, q.Method) {
		allow := strings.Join(what.methods, ", ")
		q.w.Header().Set("Allow", allow)
		plain(q.w, http.StatusMethodNotAllowed, "only "+allow+"\n")
		return
	}
	if !h.lobby.promote(connection(q.Context()), q.isp.Name, h.opt.Limits) {
		q.w.Header().Set("Connection", "close")
		busy(q.w, "too many connections\n")
		return
	}
	release, ok := h.quota.take(q.isp.Name, h.opt.Limits)
	if !ok {
		busy(q.w, "too many requests at a time\n")
		return
	}
	defer release()
	if err := what.answer(q); err != nil {
		h.opt.Log.Error("answer request", "isp", q.isp.Name, "list", q.list, "serial", q.edition.Serial, "file", q.file, "error", err)
	}
	h.noteServed(q)
}

// find looks up what the path means, and whether it is this ISP's.
func (q *request) find() (resource, bool) {
	list, rest, _ := strings.Cut(q.path, "/")
	l := q.view.Lists[list]
	if l == nil || !q.isp.MayFetch(list) {
		return resource{}, false
	}
	if q.byToken && rest != zoneName {
		return resource{}, false
	}
	e, name, what := l.latest, rest, resource{}
	switch opt := &q.handler.opt; {
	case rest == changesName:
		what = resource{read, (*request).sendChanges}
	case rest == ackName && opt.Ack != nil:
		what = resource{tell, (*request).takeAck}
	case rest == alarmName && opt.Alarm != nil:
		what = resource{tell, (*request).takeAlarm}
	default:
		if e, name = l.find(rest); e == nil || !e.serves(name) {
			return resource{}, false
		}
		what = resource{read, (*request).send}
	}
	q.list, q.edition, q.file, q.bySerial = list, e, name, name != rest
	return what, true
}

// noteServed reports a text that arrived, as far as the network tells, or that
// the ISP had already.
func (h *Handler) noteServed(q *request) {
	got := q.w.status == http.StatusOK || q.w.status == http.StatusPartialContent || q.w.status == http.StatusNotModified
	text := q.file != manifestName && q.file != signatureName
	if h.opt.Served != nil && got && text && q.Method == http.MethodGet && q.w.err == nil {
		h.opt.Served(q.isp.Name, q.list, q.edition.Serial, q.from)
	}
}

// plain sends one of the fixed short answers.
func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.Header().Set("Cache-Control", cacheControl)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

// busy says that there is no room just now.
func busy(w http.ResponseWriter, text string) {
	w.Header().Set("Retry-After", "5")
	plain(w, http.StatusServiceUnavailable, text)
}
