package blocklist

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestPublicSuffix(t *testing.T) {
	for _, c := range []struct {
		name      string
		is, above bool // is a suffix; has one below it
	}{
		{"com", true, true},
		{"uk", true, true},
		{"co.uk", true, true}, // private ones
		{"example.co.uk", false, false},
		{"www.example.co.uk", false, false},
		{"github.io", true, false}, // private part
		{"example.github.io", false, false},
		{"jp", true, true},
		{"kawasaki.jp", false, true},       // *.kawasaki.jp
		{"any.kawasaki.jp", true, false},   // the wildcard
		{"city.kawasaki.jp", false, false}, // its exception
		{"x.city.kawasaki.jp", false, false},
		{"x.any.kawasaki.jp", false, false},
		{"www.ck", false, false},
		{"any.ck", true, false},
		{"xn--55qx5d.cn", true, false},
		{"amazonaws.com", false, true},
		{"bad.example", false, false},
	} {
		s := publicSuffixes()
		if is, above := s.is(c.name), s.isAbove(c.name); is != c.is || above != c.above {
			t.Errorf("%s: is %v, above %v, want %v, %v", c.name, is, above, c.is, c.above)
		}
	}
}

// TestSuffixVectors goes through the list's own test, where it lies beside
// the project: who has no registrable part is a suffix, and what is
// registrable is none.
func TestSuffixVectors(t *testing.T) {
	data, err := os.ReadFile("../../shared/data/vectors/test_psl.txt")
	if err != nil {
		return // the table above stands alone
	}
	form := regexp.MustCompile(`(?m)^checkPublicSuffix\('([^']+)', (?:null|'([^']+)')\);`)
	tried := 0
	for _, m := range form.FindAllStringSubmatch(string(data), -1) {
		if strings.HasPrefix(m[1], ".") {
			continue
		}
		text := name(t, m[1]).Reveal()
		suffix := !strings.Contains(text, ".") || publicSuffixes().is(text)
		if suffix != (m[2] == "") {
			t.Errorf("%s: is a suffix: %v", m[1], suffix)
		}
		if m[2] != "" && publicSuffixes().is(name(t, m[2]).Reveal()) {
			t.Errorf("%s, which can be registered, is a suffix", m[2])
		}
		tried++
	}
	if tried < 50 {
		t.Errorf("only %d vectors", tried)
	}
}
