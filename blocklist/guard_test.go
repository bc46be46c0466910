package blocklist

import (
	"errors"
	"strings"
	"testing"
)

func protected(t testing.TB, text string) *Protected {
	t.Helper()
	p := NewProtected()
	if _, err := p.Read(strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProtected(t *testing.T) {
	p := protected(t, "\ufeff# names\r\nlawful.example\r\n2,shop.test\n\n  www.bank.test  \nBÜCHER.test")
	if p.Len() != 4 {
		t.Errorf("%d names", p.Len())
	}
	for text, want := range map[string]string{
		"lawful.example":        "is",
		"www.lawful.example":    "is below",
		"a.b.lawful.example":    "is below",
		"example":               "is above",
		"unlawful.example":      "",
		"shop.test":             "is",
		"bank.test":             "is above",
		"www.bank.test":         "is",
		"mail.bank.test":        "",
		"xn--bcher-kva.test":    "is",
		"lawful.example.test":   "",
		"x.www.bank.test":       "is below",
		"bad.invalid":           "",
		"www.shop.test.invalid": "",
	} {
		relation := ""
		for _, f := range (&Policy{Protected: p}).CheckTarget(target(t, "host "+text)) {
			if f.Rule == RuleNeverBlock {
				relation = strings.TrimSuffix(f.Reason, " a protected name")
			}
		}
		if relation != want {
			t.Errorf("%s %q a protected name, want %q", relation, text, want)
		}
	}
}

func TestProtectedRefusesWhatItCannotRead(t *testing.T) {
	for text, line := range map[string]string{
		"a.test\nb_.test\n":                     "line 2",
		"x,b.test":                              "line 1",
		"a.test # comment":                      "line 1",
		"a.test\n\n1,b.test,c":                  "line 3",
		"192.0.2.1":                             "line 1",
		"a.test\n" + strings.Repeat("a", 1<<17): "too long",
		"\x00\x01":                              "line 1",
	} {
		if _, err := NewProtected().Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), line) {
			t.Errorf("%.20q: %v, want %s", text, err, line)
		}
	}
	if _, err := NewProtected().Read(failingReader{}); err == nil {
		t.Error("a file that breaks off is read")
	}
}

type failingReader struct{}

func (failingReader) Read(p []byte) (int, error) { return copy(p, "a.test\n"), errors.New("broken") }

func TestCheckTarget(t *testing.T) {
	p := &Policy{
		Protected: protected(t, "www.lawful.test\nshared.example\n"),
		Own:       []Name{name(t, "stop.police.example"), name(t, "ns1.police.example"), name(t, "csam.rpz.police.example")},
		MaxText:   func(u Unit) int { return map[Unit]int{Domain: 30, Host: 32}[u] },
	}
	d32 := strings.Repeat("a", 24) + ".example" // 32 octets
	for target_, want := range map[string]string{
		"domain bad.example":                 "",
		"host bad.example":                   "",
		"domain www.bad.example":             "",
		"domain bad":                         "single-label",
		"host bad":                           "single-label",
		"host com":                           "single-label public-suffix",
		"domain co.uk":                       "public-suffix",
		"host co.uk":                         "public-suffix",
		"domain github.io":                   "public-suffix",
		"domain x.github.io":                 "",
		"domain kawasaki.jp":                 "public-suffix", // above *.kawasaki.jp
		"host kawasaki.jp":                   "",
		"domain any.kawasaki.jp":             "public-suffix",
		"domain city.kawasaki.jp":            "",
		"domain www.lawful.test":             "never-block",
		"host www.lawful.test":               "never-block",
		"domain lawful.test":                 "never-block",
		"host lawful.test":                   "never-block",
		"domain x.www.lawful.test":           "never-block",
		"host x.www.lawful.test":             "never-block",
		"domain mail.lawful.test":            "",
		"domain stop.police.example":         "own-name",
		"host stop.police.example":           "own-name",
		"domain police.example":              "own-name",
		"host rpz.police.example":            "own-name",
		"domain x.stop.police.example":       "",
		"domain " + d32:                      "too-long",
		"host " + d32:                        "",
		"host a" + d32:                       "too-long",
		"url http://" + "a" + d32 + "/":      "",
		"url http://bad.example/":            "",
		"url http://www.lawful.test/x":       "flag never-block",
		"url http://user.shared.example/":    "flag never-block",
		"url http://lawful.test/":            "",
		"url http://github.io/x":             "flag public-suffix",
		"url http://x.github.io/":            "",
		"url http://stop.police.example/":    "",
		"url http://192.0.2.1/":              "",
		"url http://[2001:db8::1]/":          "",
		"domain " + strings.Repeat("b", 30):  "single-label",
		"host xn--mgbh0fb.xn--kgbechtv":      "",
		"domain " + strings.Repeat("c.", 12): "",
	} {
		target_ = strings.TrimSuffix(target_, ".")
		found := p.CheckTarget(target(t, target_))
		var rules []string
		for _, f := range found {
			text, _, _ := strings.Cut(f.String(), ":")
			rules = append(rules, text)
			if strings.Contains(f.String(), "lawful") || strings.Contains(f.String(), "police") {
				t.Errorf("%s: the finding tells the name: %v", target_, f)
			}
		}
		if got := strings.Join(rules, " "); got != want {
			t.Errorf("%s: %q, want %q", target_, got, want)
		}
		if refuses := want != "" && !strings.HasPrefix(want, "flag"); Refuses(found) != refuses {
			t.Errorf("%s: refuses is %v", target_, !refuses)
		}
	}
}

func TestLimitExceeded(t *testing.T) {
	for _, c := range []struct {
		limit    Limit
		n, total int
		want     bool
	}{
		{Limit{50, 2}, 0, 0, false},
		{Limit{50, 2}, 50, 0, false}, // the count allows it
		{Limit{50, 2}, 51, 0, true},
		{Limit{50, 2}, 51, 2500, true}, // 2 % is 50
		{Limit{50, 2}, 50, 2500, false},
		{Limit{50, 2}, 51, 2549, true}, // 50.98
		{Limit{50, 2}, 51, 2550, false},
		{Limit{50, 2}, 200, 10000, false}, // the share allows it
		{Limit{50, 2}, 201, 10000, true},
		{Limit{0, 0}, 0, 10, false},
		{Limit{0, 0}, 1, 1000000, true},
		{Limit{0, 100}, 10, 10, false},
		{Limit{0, 100}, 11, 10, true},
		{Limit{0, 0.57}, 57, 10000, false}, // 56.99999999999999 in floating point
		{Limit{0, 0.57}, 58, 10000, true},
		{Limit{0, 0.1}, 1000, 1000000, false},
		{Limit{0, 0.1}, 1001, 1000000, true},
	} {
		if got := c.limit.Exceeded(c.n, c.total); got != c.want {
			t.Errorf("%v with %d of %d: exceeded is %v", c.limit, c.n, c.total, got)
		}
	}
}
