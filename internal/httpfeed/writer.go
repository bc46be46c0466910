package httpfeed

import (
	"errors"
	"net/http"
	"time"
)

// errRevoked ends an answer to somebody who may no longer have it.
var errRevoked = errors.New("no longer allowed")

// writer counts what is sent, gives each write its own deadline, and stops when
// the ISP is revoked half-way.
type writer struct {
	http.ResponseWriter
	handler *Handler
	request *request
	status  int
	began   time.Time // when the first octet was sent
	octets  int64
	err     error // first failed write
}

// WriteHeader repairs what ServeContent does to headers of answers without
// content.
func (w *writer) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	w.status = status
	w.Header().Set("Cache-Control", cacheControl)
	if status == http.StatusPreconditionFailed {
		w.Header().Del("Content-Length")
		w.Header().Del("Content-Encoding")
	}
	w.began = w.handler.opt.Clock()
	w.extend()
	w.ResponseWriter.WriteHeader(status)
}

// Write sends p, of at most 32 KiB if it comes from io.Copy. A client that does
// not take it within Limits.Stall, or that is slower in all than Limits.MinRate,
// loses its connection. An answer that ends before its Content-Length makes
// net/http close the connection, so that nobody takes the part for the whole.
func (w *writer) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if err := w.allowed(); err != nil {
		w.err = err
		return 0, err
	}
	w.extend()
	n, err := w.ResponseWriter.Write(p)
	w.octets += int64(n)
	if err != nil && w.err == nil {
		w.err = err
	}
	return n, err
}

// allowed asks again if the view was changed since the request came.
func (w *writer) allowed() error {
	q, v := w.request, w.handler.view.Load()
	if q.isp == nil || q.edition == nil || v == q.view {
		return nil
	}
	if who, ok := v.ISPs.Authenticate(q.proof, q.from, w.handler.opt.Now()); !ok || who.Name != q.isp.Name || !who.MayFetch(q.list) {
		return errRevoked
	}
	q.view = v
	return nil
}

// extend moves the write deadline; without effect where there is no socket.
func (w *writer) extend() {
	limits := w.handler.opt.Limits
	deadline := w.handler.opt.Clock().Add(limits.stall())
	if last := w.began.Add(limits.stall() + limits.pace(w.octets)); last.Before(deadline) {
		deadline = last
	}
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(deadline)
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
