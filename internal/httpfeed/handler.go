package httpfeed

import (
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/isp"
)

// Options say how a [Handler] works. Log and Now are needed; what is zero of
// the rest has the value written behind it.
type Options struct {
	Log *slog.Logger
	// Now is the time that credentials are about.
	Now func() time.Time
	// Clock is the real time, for the deadlines of sockets and for durations.
	// If nil, Now is that as well.
	Clock func() time.Time
	// Served, if not nil, hears of every text that an ISP got, or had already.
	Served func(isp, list string, serial blocklist.Serial, from netip.Addr)

	Stall     time.Duration // 30 s: how long one write of at most 32 KiB may take
	MaxAll    int           // 256: answers at a time
	MaxPerISP int           // 16: answers at a time to one ISP
}

// Handler answers requests. It is safe for concurrent use.
type Handler struct {
	opt   Options
	view  atomic.Pointer[View]
	quota quota
}

// New returns a handler that serves nothing to nobody until [Handler.Set].
func New(opt Options) *Handler {
	if opt.Clock == nil {
		opt.Clock = opt.Now
	}
	if opt.Stall == 0 {
		opt.Stall = 30 * time.Second
	}
	if opt.MaxAll == 0 {
		opt.MaxAll = 256
	}
	if opt.MaxPerISP == 0 {
		opt.MaxPerISP = 16
	}
	h := &Handler{opt: opt, quota: newQuota(opt.MaxAll, opt.MaxPerISP)}
	h.Set(&View{ISPs: &isp.Table{}})
	return h
}

// Set makes v what is served from now on.
func (h *Handler) Set(v *View) { h.view.Store(v) }

// request is one request below /v1 and what became of it.
type request struct {
	*http.Request
	w       *writer
	view    *View
	token   string
	from    netip.Addr
	isp     *isp.ISP // nil: not authenticated
	list    string   // names are noted only once they were found to be ours:
	edition *edition // what a stranger or a typing error puts in a path
	file    string   // does not get into the log
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/v1" && !strings.HasPrefix(r.URL.Path, "/v1/") {
		plain(w, http.StatusNotFound, "not found\n")
		return
	}
	start := h.opt.Clock()
	q := &request{Request: r, view: h.view.Load(), token: bearer(r), from: remote(r)}
	q.w = &writer{ResponseWriter: w, handler: h, request: q}
	q.isp, _ = q.view.ISPs.Authenticate(q.token, q.from, h.opt.Now())
	h.answer(q)
	h.audit(q, h.opt.Clock().Sub(start))
}

// audit writes one line about a finished request.
func (h *Handler) audit(q *request, took time.Duration) {
	attrs := []any{"from", q.from, "method", method(q.Method), "status", q.w.status}
	if q.isp != nil {
		attrs = append(attrs, "isp", q.isp.Name)
	}
	if q.edition != nil {
		attrs = append(attrs, "list", q.list, "serial", q.edition.Serial, "file", q.file)
	}
	h.opt.Log.Info("http request", append(attrs, "bytes", q.w.bytes, "complete", q.w.err == nil, "duration", took)...)
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
	if !q.find() {
		plain(q.w, http.StatusNotFound, "not found\n")
		return
	}
	if q.Method != http.MethodGet && q.Method != http.MethodHead {
		q.w.Header().Set("Allow", "GET, HEAD")
		plain(q.w, http.StatusMethodNotAllowed, "read only\n")
		return
	}
	release, ok := h.quota.take(q.isp.Name)
	if !ok {
		q.w.Header().Set("Retry-After", "5")
		plain(q.w, http.StatusServiceUnavailable, "too many requests at a time\n")
		return
	}
	defer release()
	if err := q.send(); err != nil {
		h.opt.Log.Error("send file", "list", q.list, "serial", q.edition.Serial, "file", q.file, "error", err)
	}
	h.noteServed(q)
}

// find looks up what the path means and whether it is this ISP's.
func (q *request) find() bool {
	list, rest, _ := strings.Cut(strings.TrimPrefix(q.URL.Path, "/v1/"), "/")
	l := q.view.Lists[list]
	if l == nil || !q.isp.MayFetch(list) {
		return false
	}
	e, name := l.find(rest)
	if e == nil || !e.serves(name) {
		return false
	}
	q.list, q.edition, q.file = list, e, name
	return true
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

// bearer returns the token of the request, or "" (RFC 6750, section 2.1).
func bearer(r *http.Request) string {
	fields := r.Header.Values("Authorization")
	if len(fields) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(fields[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// remote returns the address of the peer. There is no header to override it:
// address limits and a proxy in front do not go together.
func remote(r *http.Request) netip.Addr {
	a, _ := netip.ParseAddrPort(r.RemoteAddr)
	return a.Addr().Unmap()
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
