package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/vaern/vaern/blocklist"
)

// head is what a file of the format begins with, before its entries.
var heads = map[string]string{
	"csv": "unit,target,note\n", "jsonl": "", "plain": "", "hosts": "", "adblock": "[Adblock Plus 2.0]\n",
	"rpz": "$ORIGIN z.test.\n@ SOA a. b. 1 2 3 4 5\n", "italian": "1;2\n",
}

var formats = strings.Split(Formats, ", ")

// everyColumn makes a JSON key that is not ours unused, and no error.
func everyColumn() map[string]string {
	m := map[string]string{}
	for _, c := range blocklist.EntryColumns {
		m[c] = c
	}
	return m
}

// counts is how the lines of a file are accounted for.
type counts struct{ entries, rejections, comments, empty, structure int }

// account reads a file, its head included, and checks that every line behind
// the head is told, or says nothing; and that no message repeats a line.
func account(t interface{ Fatalf(string, ...any) }, body []byte, format string) (c counts) {
	o := Options{Format: format}
	if format == "jsonl" {
		o.Columns = everyColumn()
	}
	told, domains := map[int]int{}, 0
	_, err := Read(io.MultiReader(strings.NewReader(heads[format]), bytes.NewReader(body)), o, func(l Line) {
		told[l.N]++
		var r *blocklist.Rejection
		switch {
		case l.Err != nil && !errors.As(l.Err, &r):
			t.Fatalf("line %d: %T is no rejection", l.N, l.Err)
		case l.Err != nil && strings.Contains(l.Err.Error(), "canary"):
			t.Fatalf("line %d is told: %v", l.N, l.Err)
		case l.Err == nil && l.ID == 0 && l.Entry.Target.IsZero():
			t.Fatalf("line %d says nothing", l.N)
		case l.Err != nil:
			c.rejections++
		default:
			c.entries++
			if l.Entry.Target.Unit == blocklist.Domain {
				domains++
			}
		}
	})
	if err != nil {
		if strings.Contains(err.Error(), "canary") {
			t.Fatalf("a line is told: %v", err)
		}
		switch mark := append([]byte(heads[format]), body...); {
		case bytes.HasPrefix(mark, []byte("\xff\xfe")), bytes.HasPrefix(mark, []byte("\xfe\xff")):
			return c // UTF-16
		case format != "jsonl" || !strings.Contains(err.Error(), "no object"):
			t.Fatalf("%s: %v", format, err)
		}
	}
	n := strings.Count(heads[format], "\n")
	if n == 0 {
		body = bytes.TrimPrefix(body, []byte("\ufeff"))
	}
	seconds := 0
	for line := range bytes.SplitSeq(body, []byte("\n")) {
		n++
		times := told[n]
		delete(told, n)
		text := strings.Trim(strings.TrimSuffix(string(line), "\r"), " \t")
		several := format == "hosts" || format == "italian"
		switch {
		case times == 1, times > 1 && several:
		case times > 1:
			t.Fatalf("%s: line %d is told %d times: %q", format, n, times, line)
		case text == "":
			c.empty++
		case remark(format, text):
			c.comments++
		case format == "rpz" && structural(text):
			c.structure++
		case format == "rpz":
			seconds++
		default:
			t.Fatalf("%s: line %d is dropped: %q", format, n, line)
		}
	}
	// A domain has two lines in a zone, and is told by the number of the first.
	if seconds != domains && format == "rpz" {
		t.Fatalf("rpz: %d lines are dropped, for %d domains: %q", seconds, domains, body)
	}
	c.structure += seconds
	if len(told) > 0 {
		t.Fatalf("%s: lines %v are told that do not exist", format, told)
	}
	return c
}

// remark says in the simplest way what may be a comment.
func remark(format, text string) bool {
	switch format {
	case "adblock":
		return text[0] == '!' || text[0] == '#' || strings.HasPrefix(strings.ToLower(text), "[adblock")
	case "rpz":
		return text[0] == ';'
	case "italian":
		return text[0] == '#' || text == "url;domain;ip-url;ip"
	}
	return text[0] == '#'
}

// structural says whether a line can be a part of a policy zone that is no
// entry: $ORIGIN, $TTL, SOA, NS, or a piece of a record in parentheses.
func structural(text string) bool {
	text = strings.ToUpper(text)
	return strings.HasPrefix(text, "$") || strings.ContainsAny(text, "()") || slices.ContainsFunc(words(text), func(w string) bool { return w == "NS" || w == "SOA" })
}

func TestEveryLineIsAccountedFor(t *testing.T) {
	piece := rapid.SampledFrom([]string{
		"canary.example", "canary", ".", ",", ";", `"`, `""`, " ", "\t", "#", "\r", "\x00", "\xff", "domain", "host", "url", "http://", "0.0.0.0 ", "E12",
		"192.0.2.1 ", "::", "domain,canary.example,x", "ü", "\u00a0", "\ufeff", "*", "@", strings.Repeat("x", 3000),
		"||", "^", "@@", "!", "$", "/", `{"unit":"host","target":"canary.example"}`, "{", "}", ":", `\`, ";canary.example;;",
		" CNAME ", " IN ", "canary.example CNAME .", "*.canary.example CNAME .", "$INCLUDE ", "rpz-passthru.",
	})
	line := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(piece, 0, 6).Draw(t, "pieces"), "")
	})
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(line, 0, 12).Draw(t, "lines"), rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "end"))
		for _, format := range formats {
			account(t, []byte(text), format)
		}
	})
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"domain,a.example,\"x\n", "a.example\r\nb", "0.0.0.0 a.example b.example\n", "\ufeff\n#\n", strings.Repeat("a", maxLine+1) + "\nb",
		`{"unit":"url","target":"http://a.example/\u0041"}`, "||a.example^\n@@||b.a.example^\n", ";a.example;;\nhttp://a.example/x;a.example;http://192.0.2.1/;192.0.2.1",
		"a CNAME .\n*.a CNAME .\nb (\n TXT ; x\n \"y\\\"\" )\n$ORIGIN c.test.\n", "unit,target\nhost,a.example",
	} {
		for format := range len(formats) + 1 {
			f.Add([]byte(s), format)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, format int) {
		format = int(uint(format) % uint(len(formats)+1))
		// However the format is found, and whatever the first line is, only
		// that it does not panic, and tells lines by numbers that exist.
		o := Options{}
		if format < len(formats) {
			o.Format = formats[format]
		}
		last := bytes.Count(data, []byte("\n")) + 1
		_, _ = Read(bytes.NewReader(data), o, func(l Line) {
			if l.N < 1 || l.N > last {
				t.Errorf("line %d of %d", l.N, last)
			}
		})
		if o.Format != "" && (o.Format != "rpz" || !bytes.ContainsAny(data, "()$")) {
			account(t, data, o.Format)
		}
	})
}

// A file that breaks off is a failed source, not a short one.
func TestReadFails(t *testing.T) {
	broken := errors.New("broken")
	for _, text := range []string{"", "a.example\n", "a.example\nb.exa", "# x\n", "a.example\n" + strings.Repeat("b", maxLine+10), "a.example\n" + strings.Repeat("b", 2*lookAhead)} {
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
	row := map[string]string{
		"csv": "domain,n%d.example,x\n", "jsonl": `{"unit":"domain","target":"n%d.example","note":"x"}` + "\n", "plain": "n%d.example\n", "hosts": "0.0.0.0 n%d.example\n",
		"adblock": "||n%d.example^\n", "rpz": "n%[1]d.example CNAME .\n*.n%[1]d.example CNAME .\n", "italian": "http://n%[1]d.example/;n%[1]d.example;;\n",
	}
	for _, format := range formats {
		var text bytes.Buffer
		text.WriteString(heads[format])
		for i := range 100_000 {
			fmt.Fprintf(&text, row[format], i)
		}
		b.Run(format, func(b *testing.B) {
			for b.Loop() {
				if _, err := Read(bytes.NewReader(text.Bytes()), Options{}, func(l Line) {
					if l.Err != nil {
						b.Fatal(l.Err)
					}
				}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(100_000*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
	b.Run("ParseTarget", func(b *testing.B) { // what plain costs beyond it is the reading
		names := make([]string, 100_000)
		for i := range names {
			names[i] = fmt.Sprintf("n%d.example", i)
		}
		for b.Loop() {
			for _, name := range names {
				if _, err := blocklist.ParseTarget(blocklist.Domain, name); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(100_000*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	})
}
