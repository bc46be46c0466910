package httpfeed

import (
	"log/slog"
	"net/http"
	"time"
)

// NewServer returns an http.Server for h that does not wait for strangers: a
// header within 10 s and 16 KiB, a body (which nobody reads) within 30 s, an
// idle connection for 60 s. Answers are bounded write by write, see [Options].
func NewServer(h *Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:                      h,
		ReadHeaderTimeout:            10 * time.Second,
		ReadTimeout:                  30 * time.Second,
		WriteTimeout:                 h.opt.Stall, // until the first write sets its own
		IdleTimeout:                  60 * time.Second,
		MaxHeaderBytes:               16 << 10,
		DisableGeneralOptionsHandler: true, // OPTIONS * is answered like anything else
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}
