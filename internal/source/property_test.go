package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/vaern/vaern/blocklist"
)

// header is the first line of every csv of these tests.
const header = "unit,target,note\n"

// account reads data and checks that every line that says something is
// accounted for, in order, and that no message repeats a line.
func account(t interface{ Fatalf(string, ...any) }, data []byte, o Options) {
	lines := dataLines(data)
	if o.Format == "csv" && len(lines) > 0 {
		lines = lines[1:]
	}
	seen := map[int]int{}
	last := 0
	_, err := Read(bytes.NewReader(data), o, func(l Line) {
		seen[l.N]++
		if l.N < last {
			t.Fatalf("line %d comes after line %d", l.N, last)
		}
		last = l.N
		var r *blocklist.Rejection
		if l.Err != nil && !errors.As(l.Err, &r) {
			t.Fatalf("line %d: %T is no rejection", l.N, l.Err)
		}
		if l.Err != nil && strings.Contains(l.Err.Error(), "canary") {
			t.Fatalf("line %d is told: %v", l.N, l.Err)
		}
		if l.Err == nil && l.ID == 0 && l.Entry.Target.IsZero() {
			t.Fatalf("line %d says nothing", l.N)
		}
	})
	if err != nil {
		if len(seen) > 0 {
			t.Fatalf("after %d lines: %v", len(seen), err)
		}
		if strings.Contains(err.Error(), "canary") {
			t.Fatalf("a line is told: %v", err)
		}
		return
	}
	for _, n := range lines {
		if seen[n] == 0 || seen[n] > 1 && o.Format != "hosts" {
			t.Fatalf("line %d is told %d times of %q", n, seen[n], data)
		}
		delete(seen, n)
	}
	if len(seen) > 0 {
		t.Fatalf("lines %v say nothing, and are told of %q", seen, data)
	}
}

// dataLines numbers the lines that are neither empty nor a comment, in the
// simplest way.
func dataLines(data []byte) (numbers []int) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	for i, line := range bytes.Split(data, []byte("\n")) {
		if line = bytes.TrimSpace(line); len(line) > 0 && (line[0] != '#' || len(line) >= maxLine) {
			numbers = append(numbers, i+1)
		}
	}
	return numbers
}

func TestEveryLineIsAccountedFor(t *testing.T) {
	piece := rapid.SampledFrom([]string{
		"canary.example", "canary", ".", ",", ";", `"`, `""`, " ", "\t", "#", "\r", "\x00", "\xff", "domain", "host", "url", "http://", "0.0.0.0 ", "E12",
		"192.0.2.1 ", "::", "domain,canary.example,x", "ü", "\u00a0", "\ufeff", "*", "@", strings.Repeat("x", 3000),
	})
	line := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(piece, 0, 6).Draw(t, "pieces"), "")
	})
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(line, 0, 12).Draw(t, "lines"), rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "end"))
		account(t, []byte(header+text), Options{Format: "csv"})
		account(t, []byte(text), Options{Format: "csv"})
		account(t, []byte("a.example\n"+text), Options{Format: "plain"})
		account(t, []byte("0.0.0.0 a.example\n"+text), Options{Format: "hosts"})
		account(t, []byte(text), Options{Format: "plain", Unit: "host"})
	})
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{
		header + "domain,a.example,\"x\n", "a.example\r\nb", "0.0.0.0 a.example b.example\n", "\ufeff\n#\n", strings.Repeat("a", maxLine+1) + "\nb",
	} {
		for format := range 4 {
			f.Add([]byte(s), format)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, format int) {
		formats := []string{"csv", "plain", "hosts", ""}
		o := Options{Format: formats[uint(format)%4]}
		if o.Format == "" { // only that it does not panic; the count depends on what is found
			_, _ = Read(bytes.NewReader(data), o, func(Line) {})
			return
		}
		account(t, data, o)
	})
}

// A file that breaks off is a failed source, not a short one.
func TestReadFails(t *testing.T) {
	broken := errors.New("broken")
	for _, text := range []string{"", "a.example\n", "a.example\nb.exa", "# x\n", "a.example\n" + strings.Repeat("b", maxLine+10)} {
		for format := range 2 {
			r := io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken))
			_, err := Read(r, Options{Format: []string{"", "plain"}[format]}, func(l Line) {
				if l.N > 1 {
					t.Errorf("%.20q: line %d, cut short, is taken", text, l.N)
				}
			})
			if !errors.Is(err, broken) {
				t.Errorf("%.20q: %v", text, err)
			}
		}
	}
}

func BenchmarkRead(b *testing.B) {
	var text bytes.Buffer
	text.WriteString(header)
	for i := range 100_000 {
		fmt.Fprintf(&text, "domain,n%d.example,x\n", i)
	}
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		if _, err := Read(bytes.NewReader(text.Bytes()), Options{}, func(Line) {}); err != nil {
			b.Fatal(err)
		}
	}
}
