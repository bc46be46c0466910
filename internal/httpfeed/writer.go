package httpfeed

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// errRevoked ends an answer to somebody who may no longer have it.
var errRevoked = errors.New("no longer allowed")

// writer counts what is sent, gives writes their deadlines, and stops when the
// ISP is revoked half-way.
type writer struct {
	http.ResponseWriter
	handler  *Handler
	request  *request
	status   int
	began    time.Time // when the answer did
	extended time.Time // when the write deadline was moved; at first by net/http
	octets   int64
	err      error // first failed write
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

// Write sends p. A client that does not take it within Limits.Stall, or that is
// slower in all than Limits.MinRate, loses its connection. An answer that ends
// before its Content-Length makes net/http close the connection, so that nobody
// takes the part for the whole.
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

// pieces are the buffers of ReadFrom.
var pieces = sync.Pool{New: func() any { return new([pieceSize]byte) }}

const pieceSize = 64 << 10 // some full records of TLS

// ReadFrom is what io.Copy does, with buffers that are used again.
func (w *writer) ReadFrom(r io.Reader) (int64, error) {
	piece, _ := pieces.Get().(*[pieceSize]byte)
	defer pieces.Put(piece)
	return io.CopyBuffer(struct{ io.Writer }{w}, r, piece[:])
}

// extend moves the write deadline, but not for every little piece; without
// effect where there is no socket.
func (w *writer) extend() {
	limits, now := w.handler.opt.Limits, w.handler.opt.Clock()
	if now.Sub(w.extended) < limits.stall()/16 {
		return
	}
	w.extended = now
	deadline := now.Add(limits.stall())
	if last := w.began.Add(limits.stall() + limits.pace(w.octets)); last.Before(deadline) {
		deadline = last
	}
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(deadline)
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
