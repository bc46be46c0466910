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
	} {
		f.Add(s)
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
