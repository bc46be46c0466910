package source

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// goodLines are valid lines of each format, for the hostile ones to be made
// from.
var goodLines = map[string][]string{
	"csv":     {"domain,canary.example,x", `host,"www.canary.example","a ""b"", c"`, "url,http://canary.example/a?b=c,", "# a remark"},
	"jsonl":   {`{"unit":"domain","target":"canary.example"}`, `{"unit":"url","target":"http://canary.example/\u0061","note":"\"x\" ü"}`, "# a remark"},
	"plain":   {"canary.example", "http://canary.example/a#b", "canary.example # x", "E12", "bücher.canary.example", "# a remark"},
	"hosts":   {"0.0.0.0 canary.example", "127.0.0.1\twww.canary.example b.example # x", ":: canary.example", "127.0.0.1 localhost", "# a remark"},
	"adblock": {"||canary.example^", "||a.example^$third-party", "@@||www.canary.example^", "example##.canary", "! remark", "[Adblock Plus 2.0]", "!#if x", "!#endif"},
	"rpz":     {"canary.example CNAME .", "*.canary.example CNAME .", "canary.example.z.test. 60 IN CNAME stop.test.", " IN CNAME .", "$TTL 60", "a.example TXT \"x;y\"", "; remark", "$ORIGIN z.test."},
	"italian": {"http://canary.example/;canary.example;;", "http://canary.example/a;canary.example;http://192.0.2.1/;192.0.2.1", ";canary.example;;", ";;;192.0.2.1", "# a remark"},
}

// pieces are put into lines: what ends, splits, hides or turns text in some
// program.
var pieces = []string{
	"", " ", "\t", "\r", "\x00", "\x0b", "\x0c", "\x1b[2J", "\x7f", "\xff", "\xc0\xaf", "\xed\xa0\x80", "\u0085", "\u00a0", "\u00ad", "\u200b", "\u200d", "\u200e",
	"\u2028", "\u2029", "\u202e", "\u2066", "\u3000", "\u3002", "\uff0e", "\ufeff", "\ufffd", "\U000e0041", "\U0001f600", "İ", "ß", "ẞ", "ſ", "K", "а", "ֿא", "xn--", "--",
	".", "..", ",", ";", ":", `"`, `""`, "'", `\`, `\u0000`, `\ud800`, "#", "##", "@@", "||", "^", "$", "*", "*.", "/", "//", "://", "@", "%2e", "?", "!", "!#if ", "!+", "[", "]", "{", "}", "|",
	"0.0.0.0", "::", "0x7f.1", "1,", "E1", "CNAME", "rpz-passthru.", ".rpz-ip", "$INCLUDE /etc/passwd", "$GENERATE 1-9", "IN", "TXT", "http://", "unit", "target",
}

// hostile makes a line: a valid one, a mutated one, or octets.
func hostile(r *rand.Rand, good []string) []byte {
	line := []byte(good[r.IntN(len(good))])
	switch r.IntN(10) {
	case 0:
		return line
	case 1:
		line = line[:0]
		for range r.IntN(40) {
			line = append(line, byte(r.Uint32()))
		}
	}
	for range 1 + r.IntN(3) {
		at := r.IntN(len(line) + 1)
		switch r.IntN(6) {
		case 0: // cut
			line = line[:at]
		case 1: // another octet
			if at < len(line) {
				line[at] = byte(r.Uint32())
			}
		case 2: // two lines in one
			line = append(line, good[r.IntN(len(good))]...)
		case 3: // far too much of something
			if r.IntN(200) == 0 {
				line = append(line, bytes.Repeat([]byte("a"), r.IntN(maxLine*2))...)
			}
		default:
			line = append(line[:at:at], append([]byte(pieces[r.IntN(len(pieces))]), line[at:]...)...)
		}
	}
	return bytes.ReplaceAll(line, []byte("\n"), nil)
}

// A million lines that somebody made to do harm: each is an entry, a
// rejection, or says nothing, and no message repeats one.
func TestHostileLines(t *testing.T) {
	total, each := 1_000_000, 100
	if testing.Short() {
		total = 100_000
	}
	var sum counts
	r := rand.New(rand.NewPCG(2012, 3))
	for n := 0; n < total; {
		for _, format := range formats {
			lines := make([][]byte, each)
			for i := range lines {
				lines[i] = hostile(r, goodLines[format])
				if format == "rpz" && bytes.ContainsAny(lines[i], "()") { // a record of several lines: TestRPZ counts those
					lines[i] = bytes.Trim(lines[i], "()")
					lines[i] = bytes.ReplaceAll(bytes.ReplaceAll(lines[i], []byte("("), nil), []byte(")"), nil)
				}
			}
			end := []string{"\n", "\r\n"}[r.IntN(2)]
			c := account(t, bytes.Join(lines, []byte(end)), format)
			sum.entries += c.entries
			sum.rejections += c.rejections
			sum.comments += c.comments
			sum.empty += c.empty
			sum.structure += c.structure
			n += each
		}
	}
	t.Logf("%+v", sum)
	if sum.entries < total/20 || sum.rejections < total/4 {
		t.Errorf("too few of a kind: %+v", sum)
	}
}
