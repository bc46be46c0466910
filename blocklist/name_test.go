package blocklist

import (
	"errors"
	"os"
	"strings"
	"testing"

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
		{"例え。テスト", "xn--r8jz45g.xn--zckzah"}, // ideographic full stop
		{"ｂａｄ.example", "bad.example"},       // full width
		{"пример.испытание", "xn--e1afmkfd.xn--80akhbyknj4f"},
		{"مثال.إختبار", "xn--mgbh0fb.xn--kgbechtv"},
		{"bad\u00ad.example", "bad.example"}, // soft hyphen is ignored
	} {
		n, err := ParseName(c.in)
		if err != nil || n.Reveal() != c.want {
			t.Errorf("%q gives %q, %v, want %q", c.in, n.Reveal(), err, c.want)
		}
	}
}

func TestParseNameRejects(t *testing.T) {
	for rule, names := range map[Rule][]string{
		RuleSyntax: {
			"", "bad.example.", ".bad.example", "bad..example", "..", "-bad.example", "bad-.example",
			"bad.example:80", "bad example", " bad.example", "bad.example\n", "bad\x00.example", "bad\x7f.example",
			"*.bad.example", "*", "_bad.example", "bad_.example", "bad.example/x", "bad@example", "bad,example",
			"b\xffd.example", "bad\\.example", "\"bad.example\"", "bad.example。",
		},
		RuleRoot: {"."},
		RuleTooLong: {
			label63 + "a.example", strings.Repeat(label63+".", 3) + strings.Repeat("b", 62), strings.Repeat("a.", 1000) + "example",
		},
		RuleIPLiteral: {
			"192.0.2.1", "192.0.2", "1", "0x7f.1", "0X7F.0.0.1", "0x", "017700000001", "bad.example.1", "bad.0x1f",
			"2001:db8::1", "[2001:db8::1]", "::ffff:192.0.2.1", "fe80::1%eth0", "::", "１９２.0.2.1", "192。0。2。1",
		},
		RuleIDNA: {
			"xn--a.example", "xn--.example", "xn--bcher-kva-.example", "xn--example-.example",
			"ab--cd.example",             // reserved, and not an encoding we know
			"a\u202eb.example",           // right-to-left override
			"aא.example",                 // bidi rule: mixed directions in one label
			"a\u200db.example",           // joiner without its context
			"\u0308bad.example",          // begins with a combining mark
			"xn--ls8h=.example",          // not LDH
			"\ufffd.example", "\ue000.x", // disallowed
		},
	} {
		for _, in := range names {
			n, err := ParseName(in)
			var r *Rejection
			switch {
			case !errors.As(err, &r):
				t.Errorf("%q is accepted as %q (%v)", in, n.Reveal(), err)
			case r.Rule != rule && !(in == "xn--ls8h=.example" && r.Rule == RuleSyntax) && !(in == "bad.example。" && r.Rule == RuleIDNA):
				t.Errorf("%q is rejected by %s, want %s", in, r.Rule, rule)
			case !n.IsZero():
				t.Errorf("%q is rejected, and a name is returned", in)
			}
		}
	}
}

// canonical checks what every accepted name must be.
func canonical(t interface{ Fatalf(string, ...any) }, in string) {
	n, err := ParseName(in)
	if err != nil {
		var r *Rejection
		if !errors.As(err, &r) {
			t.Fatalf("%q is rejected by %T", in, err)
		}
		return
	}
	text := n.Reveal()
	again, err := ParseName(text)
	if err != nil || again.Reveal() != text {
		t.Fatalf("%q gives %q, which gives %q, %v", in, text, again.Reveal(), err)
	}
	if len(text) > maxNameText || strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" {
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

func FuzzName(f *testing.F) {
	for _, s := range []string{"bad.example", "BÜCHER.example", "xn--bcher-kva.example", "a。b", "\xff", "1.2.3.4", "xn--a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { canonical(t, s) })
}

// TestIDNAVectors runs the conformance test of Unicode, where it lies beside
// the project, for what matters here: every accepted input is canonical, and
// whoever is accepted has the form that the vectors say.
func TestIDNAVectors(t *testing.T) {
	data, err := os.ReadFile("../../shared/data/vectors/IdnaTestV2.txt")
	if err != nil {
		return // the table above stands alone
	}
	accepted := 0
	for _, line := range strings.Split(string(data), "\n") {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Split(line, ";")
		if len(f) < 7 || strings.Contains(line, `\`) {
			continue
		}
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		want := f[3] // toAsciiN, else toUnicode, else the source
		for _, or := range []string{f[1], f[0]} {
			if want == "" {
				want = or
			}
		}
		n, err := ParseName(f[0])
		if err != nil {
			continue
		}
		accepted++
		canonical(t, f[0])
		if n.Reveal() != want {
			t.Errorf("%q gives %q, want %q", f[0], n.Reveal(), want)
		}
		if status := f[4]; status != "" && status != "[]" {
			t.Errorf("%q is accepted, the vectors say %s", f[0], status)
		}
	}
	if accepted < 100 {
		t.Errorf("only %d vectors were accepted", accepted)
	}
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
		if got := name(t, c.a).IsBelow(name(t, c.b)); got != c.want {
			t.Errorf("%s below %s is %v", c.a, c.b, got)
		}
	}
	if n := name(t, "a.b.example").Labels(); n != 3 {
		t.Errorf("a.b.example has %d labels", n)
	}
}
