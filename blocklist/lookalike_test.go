package blocklist

import (
	"strings"
	"testing"
	"unicode"
)

func TestSuspicious(t *testing.T) {
	for reason, names := range map[string][]string{
		"": {
			"bad.example", "www.bad.example", "www2.bad.example", "www-2.bad.example", "www", "ww.bad.example", "bad.www.example",
			"bücher.example", "www.bücher.example", "例え.テスト", "漢字かなカナ-abc.example", "漢字ㄅㄆabc.example", "한국漢字abc.example",
			"пример.испытание", "παράδειγμα.δοκιμή", "مثال.إختبار", "дом2.example", "мама.example", "२०१.example", "१८.example", "क्\u200dष.example",
			"сор.испытание", // an ordinary word, below a top-level domain in its script
			"1-2.bücher.example", "ラーメン.example", "a·l·l.example",
		},
		"begins with www and a letter: a dot may be missing":                                   {"wwwbad.example", "wwwbücher.example", "wwww.bad.example"},
		"www below a top-level domain: a label may be missing":                                 {"www.example", "WWW.test"},
		"begins with www twice":                                                                {"www.www.bad.example"},
		"a label mixes Cyrillic and Latin":                                                     {"bаd.example", "www.lаwful.example", "а1z.example", "bad.exаmple"},
		"a label mixes Greek and Latin":                                                        {"bαd.example", "ο-k.example"},
		"a label mixes Cyrillic and Greek":                                                     {"дα.example"},
		"a label mixes Devanagari and Kannada":                                                 {"२೨.example"},
		"a label mixes Bopomofo and Hiragana":                                                  {"ㄅか.example"},
		"a label mixes Hangul and Katakana":                                                    {"한カ.example"},
		"a label mixes Cyrillic and Han":                                                       {"漢д.example"},
		"a label in Cyrillic that looks like Latin":                                            {"сосо.example", "асе-1.example", "www.рау.example", "һоре.бр.xn--j1amh.example"},
		"a label in Greek that looks like Latin":                                               {"ορα.example", "νικα.испытание"},
		"a label mixes digits of several systems":                                              {"२2.example", "3२.bad.example"},
		"a label mixes Cyrillic and Latin; begins with www and a letter: a dot may be missing": {"wwwbad.bаd.example"},
	} {
		for _, s := range names {
			var reasons []string
			for _, f := range suspicious(name(t, s)) {
				if !f.Flag || f.Rule != RuleLookalike && f.Rule != RuleGlued {
					t.Errorf("%s: %v refuses", s, f)
				}
				reasons = append(reasons, f.Reason)
			}
			if got := strings.Join(reasons, "; "); got != reason {
				t.Errorf("%s: %q, want %q", s, got, reason)
			}
		}
	}
}

// The tables that the flags rest on.
func TestScriptTables(t *testing.T) {
	for script, letters := range likeLatin {
		for _, r := range letters {
			if !unicode.Is(unicode.Scripts[script], r) || !unicode.IsLower(r) {
				t.Errorf("%c is no small %s letter", r, script)
			}
		}
	}
	for _, set := range together {
		for _, script := range set {
			if unicode.Scripts[script] == nil {
				t.Errorf("there is no script %s", script)
			}
		}
	}
	// zeroOf counts in tens from the start of each range.
	for _, r := range unicode.Nd.R16 {
		if (r.Hi-r.Lo)%10 != 9 || r.Stride != 1 {
			t.Errorf("%U to %U are not whole systems of digits", r.Lo, r.Hi)
		}
	}
	for _, r := range unicode.Nd.R32 {
		if (r.Hi-r.Lo)%10 != 9 || r.Stride != 1 {
			t.Errorf("%U to %U are not whole systems of digits", r.Lo, r.Hi)
		}
	}
}

func BenchmarkSuspicious(b *testing.B) {
	for what, s := range map[string]string{"plain": "bad-name1.example", "unicode": "bücher.example", "www": "www.bad.example"} {
		n := name(b, s)
		b.Run(what, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				suspicious(n)
			}
		})
	}
}
