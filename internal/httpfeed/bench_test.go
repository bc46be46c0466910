package httpfeed

import (
	"io"
	"log/slog"
	"net/http"
	"testing"
)

// nowhere is a client that takes everything at once.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header { return n.header }

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

func (nowhere) WriteHeader(int) {}

// BenchmarkAnswer measures what an answer costs beside net/http and TLS.
func BenchmarkAnswer(b *testing.B) {
	w := newWorld(b, Options{})
	w.feed.opt.Log = slog.New(slog.NewJSONHandler(io.Discard, nil))
	for name, c := range map[string]struct{ path, key, value string }{
		"full":         {path: "domains.txt.gz"},
		"not modified": {"domains.txt.gz", "If-None-Match", tagOf(stored(b, w.one, "domains.txt.gz"))},
		"MANIFEST":     {path: "MANIFEST"},
		"plain":        {path: "domains.txt"},
	} {
		b.Run(name, func(b *testing.B) {
			r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "/v1/csam/"+c.path, nil)
			if err != nil {
				b.Fatal(err)
			}
			r.RemoteAddr = "127.0.0.1:1234"
			r.Header.Set("Authorization", "Bearer "+w.tokens["nordnet"])
			if c.key != "" {
				r.Header.Set(c.key, c.value)
			}
			b.ReportAllocs()
			for b.Loop() {
				w.feed.ServeHTTP(nowhere{http.Header{}}, r)
			}
		})
	}
}
