package blocklist

import (
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
)

// TestParseURL goes through testdata/urls.json: inputs with what is expected,
// a canonical form or a rule.
func TestParseURL(t *testing.T) {
	data, err := os.ReadFile("testdata/urls.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct{ Input, Want, Rule string }
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		got, err := ParseTarget(URL, v.Input)
		var r *Rejection
		switch {
		case v.Rule == "" && (err != nil || got.Reveal() != v.Want):
			t.Errorf("%q gives %q, %v, want %q", v.Input, got.Reveal(), err, v.Want)
		case v.Rule != "" && (!errors.As(err, &r) || string(r.Rule) != v.Rule):
			t.Errorf("%q gives %q, %v, want rule %s", v.Input, got.Reveal(), err, v.Rule)
		}
		canonicalURL(t, v.Input)
	}
	if len(vectors) < 40 {
		t.Errorf("only %d vectors", len(vectors))
	}
}

func TestParseURLBounds(t *testing.T) {
	base := "http://bad.example/"
	for in, ok := range map[string]bool{
		base + strings.Repeat("a", maxURL-len(base)):      true,
		base + strings.Repeat("a", maxURL-len(base)+1):    false,
		base + strings.Repeat("ä", 700):                   false, // longer once it is escaped
		base + "\xff":                                     false,
		"http://bad.example":                              true,
		base + strings.Repeat("../", 500) + "x":           true,
		"http://" + strings.Repeat("a.", 127) + "example": false,
	} {
		if _, err := parseURL(in); (err == nil) != ok {
			t.Errorf("%.40q of %d octets: %v", in, len(in), err)
		}
	}
}

// urlRejections lists URLs with the rule and the reason that they deserve,
// beside those of [rejections], which a host can have.
var urlRejections = map[Rule]map[string][]string{
	RuleTooLong: {"URL longer than 2048 octets": {"http://bad.example/" + strings.Repeat("a", maxURL), "http://bad.example/" + strings.Repeat("ä", 700)}},
	RuleSyntax: {
		"not valid UTF-8": {"http://bad.example/\xff"},
		"space, control character or backslash in a URL": {"http://bad.example/a b", "http:\\\\bad.example", "http://bad.\texample/", "http://bad.example/\n"},
		"URL does not begin with http:// or https://":    {"", "bad.example", "http:/bad.example", "http:bad.example", "//bad.example", "ftp://bad.example/", "httpſ://bad.example/"},
		"credentials in a URL":                           {"http://user:word@bad.example/", "http://@bad.example/", "http://%40@bad.example"},
		"percent-encoding in the host of a URL":          {"http://b%61d.example/", "http://bad.example%2f/", "http://bad.example:%38/"},
		"URL without a host":                             {"http://", "http:///bad.example", "http://:80/", "http://?bad.example", "http://#"},
		"port of the URL is not 1 to 65535":              {"http://bad.example:0/", "http://bad.example:65536/", "http://bad.example:x/", "http://[::1]:-1/", "http://bad.example:+1/", "http://bad.example:1:1/", "http://2001:db8::1/", "http://bad.example:８０/"},
		"host of the URL is not an address":              {"http://[::1]]/", "http://[[::1]]/", "http://[::1]x/", "http://[]/", "http://256.1.1.1/", "http://bad.example.1/", "http://1.2.0x-3.4/", "http://1.2.3.4.5/", "http://[::1.2.3.+4]/"},
		"unpaired bracket in the host of a URL":          {"http://[::1/", "http://[/", "http://]/", "http://::1]/"},
		"host of the URL is read in different ways":      {"http://0x-1/", "http://bad.0x-1/"},
		"character that a host name cannot hold":         {"http://bad.example,/"},
		"a final dot":                                    {"http://bad.example./"},
		"underscore, which a host name cannot hold":      {"http://b_d.example/"},
	},
	RuleIDNA: {"invisible character in a name": {"http://b\u00adad.example/"}},
}

func TestParseURLRejects(t *testing.T) {
	for rule, reasons := range urlRejections {
		for reason, urls := range reasons {
			for _, in := range urls {
				got, err := ParseTarget(URL, in)
				var r *Rejection
				switch {
				case !errors.As(err, &r):
					t.Errorf("%q is accepted as %q (%v)", in, got.Reveal(), err)
				case r.Rule != rule || r.Reason != reason:
					t.Errorf("%q is rejected by %q, want %s: %s", in, r, rule, reason)
				case !got.IsZero():
					t.Errorf("%q is rejected, and a target is returned", in)
				}
			}
		}
	}
}

// Two spellings are one URL exactly if browsers send the same request for
// both.
func TestURLsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, same := range [][]string{
		{"http://bad.example", "HTTP://BAD.example:80/", "http://bad.example:/#x", "http://ｂａｄ.example/./", "http://bad。example/x/.."},
		{"https://bad.example/", "https://bad.example:443/"},
		{"http://bad.example:443/", "http://bad.example:0443"},
		{"http://bad.example/?", "http://bad.example?#"}, // the empty query is sent
		{"http://bad.example/~a"},
		{"http://bad.example/%7Ea", "http://bad.example/x/%2E%2e/%7Ea"},
		{"http://bad.example/%7ea"}, // a server may tell them apart
		{"http://bad.example/^", "http://bad.example/%5E"},
		{"http://bad.example/?^"},
		{"http://bad.example/?%5E"},
		{"http://bad.example/ä", "http://bad.example/%C3%A4"},
		{"http://bad.example/a\u0308"}, // a path is not normalised
		{"http://bad.example//"},
		{"http://bad.example/A"},
		{"http://bad.example/a"},
		{"http://www.bad.example/"},
		{"http://127.0.0.1/", "http://127.1/", "http://2130706433/", "http://0x7f.0.0.01./", "http://１２７。1"},
		{"http://[::1]/", "http://[0::0:1]:80/", "http://[::0.0.0.1]"},
		{"http://[::ffff:127.0.0.1]/", "http://[::FFFF:7f00:1]/"},
	} {
		first := target(t, "url "+same[0]).Reveal()
		for _, in := range same {
			if got := target(t, "url "+in).Reveal(); got != first {
				t.Errorf("%q gives %q, want %q", in, got, first)
			}
		}
		if seen[first] {
			t.Errorf("%q is like one before it", first)
		}
		seen[first] = true
	}
}

// canonicalURL checks what every accepted URL must be.
func canonicalURL(t *testing.T, in string) {
	t.Helper()
	u, err := ParseTarget(URL, in)
	if err != nil {
		var r *Rejection
		if !errors.As(err, &r) {
			t.Fatalf("%q is rejected by %T", in, err)
		}
		return
	}
	text := u.Reveal()
	again, err := ParseTarget(URL, text)
	if err != nil || again.Reveal() != text {
		t.Fatalf("%q gives %q, which gives %q, %v", in, text, again.Reveal(), err)
	}
	scheme, rest, ok := strings.Cut(text, "://")
	host, _, slash := strings.Cut(rest, "/")
	if !ok || !slash || scheme != "http" && scheme != "https" || len(text) > maxURL || strings.Contains(host, "@") || strings.Contains(text, "#") {
		t.Fatalf("%q gives %q", in, text)
	}
	for i := range len(text) {
		if text[i] <= ' ' || text[i] >= 0x7f || text[i] == '"' {
			t.Fatalf("%q gives %q", in, text)
		}
	}
	_, isIP := netip.ParseAddr(strings.Trim(urlHost(text), "[]"))
	if n := u.Name(); n.IsZero() != (isIP == nil) || !n.IsZero() && n.Reveal() != urlHost(text) {
		t.Fatalf("%q has the host %q, and the name %q", in, urlHost(text), n.Reveal())
	}
}

func FuzzURL(f *testing.F) {
	for _, s := range []string{
		"http://bad.example/", "https://BÜCHER.example:8443/a/../b?c=d#e", "http://[2001:db8::1]:80/%zz", "http://u:p@x.example/", "http:\\\\x.example",
		"http://0x7f.1./?'^#x", "http://xn--bcher-kva.example/%2e/%2E%2e/..", "http://bad。example:080?", "http://[::ffff:1.2.3.4]/{}|",
	} {
		f.Add(s)
	}
	for _, reasons := range urlRejections {
		for _, urls := range reasons {
			for _, s := range urls {
				f.Add(s)
			}
		}
	}
	f.Fuzz(func(t *testing.T, s string) { canonicalURL(t, s) })
}

// A URL never becomes a name of DNS: neither its rows nor its coverage.
func TestURLIsNotInDNS(t *testing.T) {
	u := target(t, "url http://bad.example/")
	s := NewSet([]Row{{Target: u}})
	if len(s.Rows(Domain))+len(s.Rows(Host)) != 0 || s.Covers(target(t, "host bad.example")) || !s.Covers(u) {
		t.Error("a URL blocks a name")
	}
	if _, err := ParseTarget(Domain, "http://bad.example/"); err == nil {
		t.Error("a URL is taken for a name")
	}
}
