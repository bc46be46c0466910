package inbox

import (
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// synthetic is a CSV of n reports, which is made while it is read.
func synthetic(n int) io.Reader {
	r, w := io.Pipe()
	go func() {
		random := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // names for a test
		var b strings.Builder
		b.WriteString("unit,target,source_ref,site_type,country,received\n")
		for i := range n {
			fmt.Fprintf(&b, "url,https://www.site%09d.example/gallery/%d?p=1,HL-%07d,website,NL,2026-11-20\n", random.IntN(1_000_000_000), i, i)
			if b.Len() > 64<<10 {
				_, _ = io.WriteString(w, b.String())
				b.Reset()
			}
		}
		_, _ = io.WriteString(w, b.String())
		_ = w.Close()
	}()
	return r
}

// A report as it is read, checked and stored: multiply by a million for what
// INHOPE's members handle in a year.
func BenchmarkImport(b *testing.B) {
	box, err := OpenOrCreate(filepath.Join(b.TempDir(), "inbox.db"), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	defer box.Close()
	imp, err := box.Begin("hotline", FormatCSV)
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	_, err = Read(synthetic(b.N), Options{Format: FormatCSV}, func(l Line) error {
		if l.Err != nil {
			return l.Err
		}
		_, err := imp.Add(&l.Report)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := imp.Commit(); err != nil {
		b.Fatal(err)
	}
}
