package dnsfeed

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/vaern/vaern/blocklist"
)

// testZone is the zone of the contract's example.
func testZone() Zone {
	return Zone{
		Name:       "csam.rpz.police.example.",
		Action:     "stop.police.example.",
		TTL:        60,
		NS:         []string{"ns1.police.example.", "ns2.police.example."},
		Hostmaster: "hostmaster.police.example.",
	}
}

// testSet makes a set of domains; names that begin with "=" are hosts.
func testSet(t testing.TB, names ...string) *blocklist.Set {
	t.Helper()
	rows := make([]blocklist.Row, len(names))
	for i, name := range names {
		unit := blocklist.Domain
		if text, ok := strings.CutPrefix(name, "="); ok {
			unit, name = blocklist.Host, text
		}
		target, err := blocklist.ParseTarget(unit, name)
		if err != nil {
			t.Fatal(err)
		}
		rows[i] = blocklist.Row{Target: target}
	}
	return blocklist.NewSet(rows)
}

// manyNames is a synthetic list: n names of the mixed lengths and depths that
// real lists have.
func manyNames(n int) []string {
	tops := []string{"example", "test", "invalid", "co.example"}
	names := make([]string, n)
	for i := range names {
		h := uint64(i+1) * 0x9e3779b97f4a7c15 //nolint:gosec // a hash
		label := fmt.Sprintf("%011x", h>>20)[:5+h%7]
		names[i] = fmt.Sprintf("%s%d.%s", label, i, tops[h%4])
		if h%10 == 0 {
			names[i] = "www." + names[i]
		}
	}
	return names
}

// benchSet is a set of 1,000,000 domains, or the list in the file that
// VAERN_BENCH_LIST names.
func benchSet(b *testing.B) *blocklist.Set {
	b.Helper()
	path := os.Getenv("VAERN_BENCH_LIST")
	if path == "" {
		return testSet(b, manyNames(1_000_000)...)
	}
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	var names []string
	for s := bufio.NewScanner(f); s.Scan(); {
		names = append(names, s.Text())
	}
	return testSet(b, names...)
}

func BenchmarkWriteRPZ(b *testing.B) {
	set := benchSet(b)
	for b.Loop() {
		if err := testZone().WriteRPZ(io.Discard, 1, set); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWriteImage(b *testing.B) {
	set := benchSet(b)
	var size counter
	for b.Loop() {
		size = 0
		if err := testZone().WriteImage(&size, 1, set); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(size)/float64(2*len(set.Rows(blocklist.Domain))), "B/record")
}

func BenchmarkOpenImage(b *testing.B) {
	var buf bytes.Buffer
	if err := testZone().WriteImage(&buf, 1, benchSet(b)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := OpenImage(buf.Bytes(), nil); err != nil {
			b.Fatal(err)
		}
	}
}

// counter counts what is written.
type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

func TestZoneValidate(t *testing.T) {
	long := strings.Repeat(strings.Repeat("a", 49)+".", 5)
	cases := map[string]func(*Zone){
		"name: ":           func(z *Zone) { z.Name = "csam.rpz.police.example" },
		"lower-case":       func(z *Zone) { z.Name = "Csam.rpz.police.example." },
		"leaves no room":   func(z *Zone) { z.Name = long + "aa." },
		"no room for":      func(z *Zone) { z.Name = "." },
		"nxdomain":         func(z *Zone) { z.Action = "stop." },
		"full name":        func(z *Zone) { z.Action = "page.rpz-drop." },
		"inside the zone":  func(z *Zone) { z.Action = "stop." + z.Name },
		"at least one":     func(z *Zone) { z.NS = nil },
		"twice":            func(z *Zone) { z.NS[1] = z.NS[0] },
		"no addresses":     func(z *Zone) { z.NS[1] = "ns." + z.Name },
		"hostmaster: name": func(z *Zone) { z.Hostmaster = "hostmaster@police.example" },
		"ttl: 0 seconds":   func(z *Zone) { z.TTL = 0 },
		"ttl: 301 seconds": func(z *Zone) { z.TTL = 301 },
	}
	for want, spoil := range cases {
		z := testZone()
		spoil(&z)
		if err := z.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
		if err := z.WriteRPZ(io.Discard, 1, testSet(t)); err == nil {
			t.Errorf("%s: WriteRPZ wrote it", want)
		}
		if err := z.WriteImage(io.Discard, 1, testSet(t)); err == nil {
			t.Errorf("%s: WriteImage wrote it", want)
		}
	}
	for _, action := range []string{"stop.police.example.", ActionNXDomain, ActionNoData} {
		z := testZone()
		z.Action = action
		if err := z.Validate(); err != nil {
			t.Errorf("action %s: %v", action, err)
		}
	}
}
