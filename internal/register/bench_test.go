package register

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/vaern/vaern/blocklist"
)

// BenchmarkOpen replays a register whose one decision lists so many domains.
func BenchmarkOpen(b *testing.B) {
	for _, size := range []int{200_000, 1_000_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			w := founded(b, "production")
			d := blocklist.Decision{List: "csam", Basis: "benchmark"}
			for i := range size {
				d.Add = append(d.Add, entry(b, fmt.Sprintf("name-%d.example", i)))
			}
			w.decide(d, "anna", "bo")
			d.Add = nil
			_ = w.Close()
			var before, after runtime.MemStats
			for b.Loop() {
				runtime.GC()
				runtime.ReadMemStats(&before)
				r, err := Open(w.path, "production", w.clock)
				if err != nil {
					b.Fatal(err)
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
				if n := len(r.InForce("csam")); n != size {
					b.Fatalf("%d in force", n)
				}
				_ = r.Close()
			}
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "held-MB")
		})
	}
}
