package blocklist

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var label63 = strings.Repeat("a", 63)

func TestParseName(t *testing.T) {
	long := strings.Repeat(label63+".", 3) + strings.Repeat("b", 61) // 253 octets
	for _, c := range []struct{ in, want string }{
		{"bad.example", "bad.example"},
		{"BAD.Example", "bad.example"},
		{"a-b.bad.example", "a-b.bad.example"},
		{"1.bad.example", "1.bad.example"},
		{"bad.1example", "bad.1example"},
		{"example", "example"},
		{long, long},
		{label63 + ".test", label63 + ".test"},
		{"bücher.example", "xn--bcher-kva.example"},
		{"BÜCHER.example", "xn--bcher-kva.example"},
		{"bu\u0308cher.example", "xn--bcher-kva.example"}, // not composed
		{"xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"XN--BCHER-KVA.example", "xn--bcher-kva.example"},
		{"faß.example", "xn--fa-hia.example"}, // non-transitional
		{"例え.テスト", "xn--r8jz45g.xn--zckzah"},
		{"例え。テスト", "xn--r8jz45g.xn--zckzah"},   // ideographic full stop, as a Japanese keyboard types it
		{"bad．example", "bad.example"},         // full width full stop
		{"bad｡example", "bad.example"},         // half width ideographic full stop
		{"www。bad．example", "www.bad.example"}, // ... which part labels like dots
		{"ｂａｄ.ＥＸＡＭＰＬＥ", "bad.example"},         // full width
		{"a--b.example", "a--b.example"},       // not in places 3 and 4
		{"rr3---a.example", "rr3---a.example"},
		{"क्\u200dष.example", "xn--11b2ezcw70k.example"}, // joiner in its context
		{"0xg.0xample", "0xg.0xample"},                   // hexadecimal it is not
		{"rpz-ip.example", "rpz-ip.example"},             // no trigger, in this place
		{"пример.испытание", "xn--e1afmkfd.xn--80akhbyknj4f"},
		{"مثال.إختبار", "xn--mgbh0fb.xn--kgbechtv"},
	} {
		n, err := ParseName(c.in)
		if err != nil || n.Reveal() != c.want {
			t.Errorf("%q gives %q, %v, want %q", c.in, n.Reveal(), err, c.want)
		}
	}
}

// rejections lists names with the rule and the reason that they deserve.
var rejections = map[Rule]map[string][]string{
	RuleSyntax: {
		"empty name":      {""},
		"not valid UTF-8": {"b\xffd.example", "bad.example\xc0\xae", "\xed\xa0\x80.example"},
		"a final dot":     {"bad.example.", "bad.example。", "xn--bcher-kva.example.", "example."},
		"empty label":     {".bad.example", "bad..example", "..", "bad.example..", "。", "xn--bcher-kva..example", "bad.。example"},
		"label begins or ends with a hyphen": {
			"-bad.example", "bad-.example", "bad.-example", "bad.example-", "-", "a.-.b", "bad-", "bad--.example", "rpz-",
		},
		"control character in a name": {
			"bad.example\n", "\tbad.example", "bad\x00.example", "\x00", "bad\x7f.example", "bad\u0085.example", "bad.example\r",
		},
		"space in a name": {"bad example", " bad.example", "bad.example ", "bad\u00a0example", "bad\u3000.example", "bad.example\u2028"},
		"a wildcard is not a name; a domain includes all below it": {
			"*.bad.example", "*", "www.*.example", "bad*.example", "bad.*", "＊.bad.example",
		},
		"underscore, which a host name cannot hold": {"_bad.example", "bad_.example", "b_d.example", "_dmarc.bad.example"},
		"a port is no part of a name": {
			"bad.example:80", "bad:8080", "bücher.example:443", "bad.example：80", "cafe:80", "localhost:0",
		},
		"a URL is not a name":         {"http://bad.example/", "http://user@bad.example:80/%20", "//://"},
		"a path is no part of a name": {"bad.example/x", "bad.example/", "/", "bad.example?q", "bad.example#x", "bad／x.example"},
		"credentials or a mail address, not a name": {
			"user@bad.example", "user:word@bad.example", "@bad.example", "bad@", "lawful.example:80@bad.example", "user＠bad.example",
		},
		"percent-encoding in a name": {
			"ex%61mple.test", "bad%00.example", "bad%2eexample", "%", "bad.example%", "%62%61%64.example", "bad％2e.example",
		},
		"character that a host name cannot hold": {
			"bad,example", "bad\\.example", "\"bad.example\"", "bad.example;", "<bad.example>", "bad|example", "bad.example:x",
			"[bad.example]", "bad'.example", "bad~.example", "(bad).example", "bad.exam+ple", "[2001:db8::x]", "xn--ls8h=.example", "bad.example:",
		},
		"a name below rpz-* is a trigger of policy zones": {
			"32.1.2.0.192.rpz-ip", "bad.example.rpz-nsdname", "RPZ-ip", "bad.example.rpz-passthru",
		},
	},
	RuleRoot: {"the root cannot be blocked": {"."}},
	RuleTooLong: {
		"label longer than 63 octets": {
			label63 + "a.example", "bad." + label63 + "a", strings.ToUpper(label63) + "a.example", "ü." + label63 + "a.example",
			strings.Repeat("ü", 63) + "ä.example",
		},
		"longer than 253 octets": {
			strings.Repeat(label63+".", 3) + strings.Repeat("b", 62), strings.Repeat("a.", 123) + "example.b",
			strings.Repeat(label63+".", 3) + "xn--bcher-kva" + strings.Repeat(".b", 25),
		},
		"longer than 1024 octets": {strings.Repeat("a.", 1000) + "example", strings.Repeat("\xff", 1025)},
	},
	RuleIPLiteral: {
		"a name whose last label is a number is an IP address": {
			"192.0.2.1", "192.0.2", "127.1", "1", "0", "0x7f.1", "0X7F.0.0.1", "0x", "0177.0.0.1", "017700000001", "2130706433",
			"0x7f000001", "bad.example.1", "bad.0x1f", "１９２.0.2.1", "192。0。2。1", "１２７．１", "192.0.2.1.", "999.999.999.999",
			"xn--bcher-kva.1", "①.example.②", "1.2.3.4.5",
		},
		"an IP address is not a name": {
			"2001:db8::1", "[2001:db8::1]", "::ffff:192.0.2.1", "[::ffff:192.0.2.1]", "fe80::1%eth0", "::", "2001:DB8::A",
			"[2001:db8::1]:443", "192.0.2.1:80", "192.0.2.0/24", "2001:db8::/32", "1:2:3:4:5:6:7:8",
		},
	},
	RuleIDNA: {
		"invisible character in a name": {
			"bad\u00ad.example", "b\u200bad.example", "\ufeffbad.example", "bad.example\u2060", "b\u034fad.example",
			"a\u202eb.example", "a\u200eb.example", "a\u2066b.example", "bad\ufe0f.example", "b\u180ead.example", "\U000e0101.example", "b\u3164d.example",
		},
		"a letter that programs map to different names": {"FA\u1e9e.example"},
		"punycode of nothing":                           {"xn--.example", "XN--", "bad.xn--"},
		"hyphen at an end of a label, or a reserved label with \"--\" in places 3 and 4": {"-ü.example", "ü-.example", "ab--cd.example", "ab--ü.example", "r3---a.example", "zz--11.example"},
		"punycode with letters that are not ASCII":                                       {"xn--BÜCHER-kva.example", "ｘｎ－－bücher-kva.example", "bad。xn--ü-kva"},
		"letters of both directions in one label (RFC 5893, section 2)":                  {"aא.example", "xn--a-0hc.example", "אa1.example"},
		"joiner out of place, or a label that begins with a combining mark": {
			"a\u200db.example", "a\u200cb.example", "\u0308bad.example",
		},
		"maps to a character that a host name cannot hold": {"\u2100.example", "bad\u207d.example"},
		"a character that IDNA does not allow, or punycode that does not decode": {
			"xn--a.example", "xn--bcher-kva-.example", "xn--example-.example", "\ufffd.example", "\ue000.x", "xn--99zzzzzz99.example",
			"xn--bad-.example", "xn--" + label63 + ".example", "\u2488bad.example", "\u2024bad.example", "xn--ba-1na.exаmple.xn--a",
		},
	},
}

func TestParseNameRejects(t *testing.T) {
	for rule, reasons := range rejections {
		for reason, names := range reasons {
			for _, in := range names {
				n, err := ParseName(in)
				var r *Rejection
				switch {
				case !errors.As(err, &r):
					t.Errorf("%q is accepted as %q (%v)", in, n.Reveal(), err)
				case r.Rule != rule || r.Reason != reason:
					t.Errorf("%q is rejected by %q, want %s: %s", in, r, rule, reason)
				case !n.IsZero():
					t.Errorf("%q is rejected, and a name is returned", in)
				}
			}
		}
	}
}

// The reason of a rejection is a constant of the code, so that it cannot hold
// a name: nobody but reject makes a Rejection, and it gets a literal.
func TestReasonsAreConstants(t *testing.T) {
	known := map[string]bool{}
	for _, file := range []string{"name.go", "idna.go", "url.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CompositeLit:
				if name, ok := n.Type.(*ast.Ident); ok && name.Name == "Rejection" {
					t.Errorf("%s makes a Rejection without reject", file)
				}
			case *ast.CallExpr:
				if name, ok := n.Fun.(*ast.Ident); ok && name.Name == "reject" {
					literal, ok := n.Args[1].(*ast.BasicLit)
					if !ok {
						t.Errorf("%s: the reason of a rejection is not a literal", file)
						return true
					}
					reason, _ := strconv.Unquote(literal.Value)
					known[reason] = true
				}
			}
			return true
		})
	}
	// Each is in a table of what deserves it. No input is known for the last,
	// which keeps the library honest.
	tried := map[string]bool{"punycode that does not round-trip": true}
	for _, table := range []map[Rule]map[string][]string{rejections, urlRejections} {
		for _, reasons := range table {
			for reason := range reasons {
				tried[reason] = true
			}
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(known)), slices.Sorted(maps.Keys(tried))); diff != "" {
		t.Errorf("reasons in the code -, in the tables +:\n%s", diff)
	}
}

// What UTS #46 drops without a trace would be dropped silently: whatever of
// Unicode it is, it must be rejected.
func TestNothingIsDropped(t *testing.T) {
	dropped := 0
	for r := rune(utf8.RuneSelf); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		with := "ba" + string(r) + "d.example"
		if ascii, err := idnaProfile.ToASCII(with); err != nil || ascii != "bad.example" {
			continue
		}
		dropped++
		var rejection *Rejection
		if _, err := ParseName(with); !errors.As(err, &rejection) || rejection.Reason != "invisible character in a name" {
			t.Errorf("%U in a name: %v", r, err)
		}
	}
	if dropped < 200 {
		t.Errorf("only %d characters are dropped", dropped)
	}
}

// The quick way gives what the thorough way gives, and takes every name that
// is plain.
func TestPlainName(t *testing.T) {
	for _, s := range []string{
		"bad.example", "a", "a.b", "a-b.c-d", "1.bad.example", "bad.e1", label63 + "." + label63, "rpz", "rpz.example", "0-1.x",
		strings.Repeat("a.", 126) + "b",
	} {
		if canonical, err := canonicalName(s); !isPlain(s) || canonical != s {
			t.Errorf("%q: plain is %v, %q, %v", s, isPlain(s), canonical, err)
		}
		s := strings.ToUpper(s)
		if upper, err := ParseName(s); isPlain(s) || err != nil || upper.Reveal() != strings.ToLower(s) {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, reasons := range rejections {
		for _, names := range reasons {
			for _, s := range names {
				if isPlain(s) {
					t.Errorf("%q is plain", s)
				}
			}
		}
	}
}

// nameForm is the canonical form, but for its whole length.
var nameForm = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// canonical checks what every accepted name must be.
func canonical(t interface{ Fatalf(string, ...any) }, in string) {
	n, err := ParseName(in)
	if thorough, errThorough := canonicalName(in); n.Reveal() != thorough || (err == nil) != (errThorough == nil) {
		t.Fatalf("%q gives %q, %v, and on the thorough way %q, %v", in, n.Reveal(), err, thorough, errThorough)
	}
	if err != nil {
		var r *Rejection
		if !errors.As(err, &r) || r.Rule == "" || r.Reason == "" || !n.IsZero() {
			t.Fatalf("%q is rejected by %T: %v", in, err, err)
		}
		return
	}
	text := n.Reveal()
	again, err := ParseName(text)
	if err != nil || again.Reveal() != text {
		t.Fatalf("%q gives %q, which gives %q, %v", in, text, again.Reveal(), err)
	}
	if !nameForm.MatchString(text) || len(text) > 253 {
		t.Fatalf("%q gives %q", in, text)
	}
	// What a reader sees in Unicode means the same name.
	unicode, err := idnaProfile.ToUnicode(text)
	if err != nil && strings.Contains(text, "--") {
		t.Fatalf("%q has no Unicode form: %v", text, err)
	}
	if back, err := ParseName(unicode); err == nil && back.Reveal() != text {
		t.Fatalf("%q is %q in Unicode, which is %q", text, unicode, back.Reveal())
	}
}

func TestParseNameIsIdempotent(t *testing.T) {
	piece := rapid.OneOf(
		rapid.SampledFrom([]string{".", "-", "--", "xn--", "a", "Ü", "ß", "א", "ς", "。", "0x", "1", "\u200d", "example", "kva", "İ", "ǆ"}),
		rapid.StringN(0, 5, 20),
	)
	rapid.Check(t, func(t *rapid.T) {
		canonical(t, strings.Join(rapid.SliceOfN(piece, 1, 8).Draw(t, "pieces"), ""))
	})
}

// Two names are one exactly if their texts are, whatever they were made from.
func TestNamesDiffer(t *testing.T) {
	spelling := rapid.SampledFrom([]string{
		"bad", "BAD", "ｂａｄ", "bäd", "BÄD", "ba\u0308d", "xn--bd-via", "XN--BD-VIA", "baß", "bass", "BASS", "xn--ba-via", "b-d", "ｂ-d",
	})
	dot := rapid.SampledFrom([]string{".", "。", "．", "｡"})
	rapid.Check(t, func(t *rapid.T) {
		draw := func() Name {
			s := spelling.Draw(t, "label") + dot.Draw(t, "dot") + spelling.Draw(t, "last")
			n, err := ParseName(s)
			if err != nil {
				t.Fatalf("%q: %v", s, err)
			}
			return n
		}
		a, b := draw(), draw()
		shownA, _ := idnaProfile.ToUnicode(a.Reveal())
		shownB, _ := idnaProfile.ToUnicode(b.Reveal())
		same := a.Reveal() == b.Reveal()
		if (a.Compare(b) == 0) != same || (shownA == shownB) != same || a.Compare(b) != -b.Compare(a) {
			t.Fatalf("%q and %q compare as %d", a.Reveal(), b.Reveal(), a.Compare(b))
		}
	})
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"bad.example", "BÜCHER.example", "xn--bcher-kva.example", "a。b", "a--b.example", "क्\u200dष.example"} {
		f.Add(s)
	}
	for _, reasons := range rejections {
		for _, names := range reasons {
			for _, s := range names {
				f.Add(s)
			}
		}
	}
	f.Fuzz(func(t *testing.T, s string) { canonical(t, s) })
}

func TestIsBelow(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"www.bad.example", "bad.example", true},
		{"a.b.bad.example", "bad.example", true},
		{"bad.example", "bad.example", false},
		{"example", "bad.example", false},
		{"notbad.example", "bad.example", false},
	} {
		if got := isBelow(c.a, c.b); got != c.want {
			t.Errorf("%s below %s is %v", c.a, c.b, got)
		}
	}
	if n := name(t, "a.b.example").Labels(); n != 3 {
		t.Errorf("a.b.example has %d labels", n)
	}
}

func BenchmarkParseOneName(b *testing.B) {
	for what, s := range map[string]string{
		"plain": "bad-name1.example", "upper": "BAD-NAME1.example", "punycode": "xn--bcher-kva.example", "unicode": "bücher.example",
	} {
		b.Run(what, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseName(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
