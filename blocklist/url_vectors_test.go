package blocklist

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// urlVector is an element of urltestdata.json of the web platform tests; the
// strings between the elements are comments.
type urlVector struct {
	Input    string
	Base     *string
	Failure  bool
	Href     string
	Hostname string
	Port     string
}

var (
	anyHTTP    = regexp.MustCompile(`(?i)^[\x00- ]*https?:`)
	withSlash  = regexp.MustCompile(`(?i)^[\x00- ]*https?://`)
	authority  = regexp.MustCompile(`^[^:/]*:[/\\]*([^/\\?#]*)`)
	unprinting = regexp.MustCompile(`[\x00- \x7f\\]`)
)

// What becomes of a vector. The first three agree with the standard. The
// others are all that we reject and it repairs or accepts: what a pattern of
// the input explains, the rule and the start of the reason that go with it.
const (
	agreeHref    = "accepted, and ours is the href it says"
	agreeFailure = "a failure, and rejected"
	agreeScheme  = "not http or https, and rejected"
)

var urlDeviations = []struct {
	name     string
	explains func(urlVector) bool
	reason   string
}{
	{
		// A browser drops tabs and line ends and what surrounds a URL, and
		// turns a backslash into a slash. Filters do not, or not alike: the
		// block could go to another URL than the one that was typed.
		"space, control character or backslash",
		func(v urlVector) bool { return unprinting.MatchString(v.Input) },
		"syntax: space, control character or backslash in a URL",
	},
	{
		// "http:host" and "http:/host" are absolute only without a base of the
		// same scheme; in a page they are relative.
		"no // after the scheme",
		func(v urlVector) bool { return !withSlash.MatchString(v.Input) },
		"syntax: URL does not begin with http:// or https://",
	},
	{
		// "http://lawful.example@bad.example/" is made to be misread.
		"@ in the authority",
		func(v urlVector) bool { return strings.Contains(authority.FindStringSubmatch(v.Input)[1], "@") },
		"syntax: credentials in a URL",
	},
	{
		"percent-encoding in the host", // nobody writes a host so who means well
		func(v urlVector) bool { return strings.Contains(authority.FindStringSubmatch(v.Input)[1], "%") },
		"syntax: percent-encoding in the host of a URL",
	},
	{
		"port 0", // reserved (RFC 6335, section 6): nobody answers there
		func(v urlVector) bool { return v.Port == "0" },
		"syntax: port of the URL is not 1 to 65535",
	},
	{
		// UTS #46 would drop it: see TestNothingIsDropped.
		"invisible character in the host",
		func(v urlVector) bool { return strings.ContainsFunc(v.Input, isInvisible) },
		"idna: invisible character in a name",
	},
	{
		// The standard leaves lengths, empty labels and odd characters to the
		// resolver.
		"host that is no name of DNS",
		func(v urlVector) bool { return !nameForm.MatchString(v.Hostname) },
		"",
	},
}

// classifyURL says what becomes of a vector, and fails for what must not be.
func classifyURL(t *testing.T, v urlVector) string {
	t.Helper()
	canonicalURL(t, v.Input)
	u, err := ParseTarget(URL, v.Input)
	want, _, _ := strings.Cut(v.Href, "#")
	switch {
	case err == nil && !v.Failure && u.Reveal() == want && urlHost(want) == v.Hostname:
		return agreeHref
	case err == nil:
		t.Errorf("%+q gives %q with the host %q; failure is %v, want %q", v.Input, u.Reveal(), urlHost(u.Reveal()), v.Failure, want)
		return "not explained"
	case v.Failure:
		return agreeFailure
	case !anyHTTP.MatchString(v.Input):
		return agreeScheme
	}
	for _, d := range urlDeviations {
		if d.explains(v) {
			var r *Rejection
			if !errors.As(err, &r) || d.reason != "" && err.Error() != d.reason {
				t.Errorf("%+q has %s, and is rejected by %q", v.Input, d.name, err)
			}
			return d.name
		}
	}
	t.Errorf("%+q is rejected by %q, and nothing explains it", v.Input, err)
	return "not explained"
}

// TestURLVectors holds the canonical form against the web platform tests: all
// vectors without a base, and those whose input is absolute so that the base
// makes no difference.
func TestURLVectors(t *testing.T) {
	check := func(data []byte, want map[string]int) {
		t.Helper()
		var all []json.RawMessage
		if err := json.Unmarshal(data, &all); err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for _, raw := range all {
			var v urlVector
			if raw[0] == '"' {
				continue
			}
			if err := json.Unmarshal(raw, &v); err != nil {
				t.Fatal(err)
			}
			if v.Base == nil || withSlash.MatchString(v.Input) {
				got[classifyURL(t, v)]++
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("want - got +:\n%s", diff)
		}
	}
	check([]byte(urlSample), map[string]int{
		agreeHref: 3, agreeFailure: 5, agreeScheme: 1, "space, control character or backslash": 2, "no // after the scheme": 1,
		"@ in the authority": 2, "percent-encoding in the host": 1, "port 0": 1, "invisible character in the host": 1, "host that is no name of DNS": 2,
	})
	if data, ok := vectors(t, "urltestdata.json"); ok {
		check(data, map[string]int{
			agreeHref: 100, agreeFailure: 260, agreeScheme: 178, "space, control character or backslash": 20, "no // after the scheme": 12,
			"@ in the authority": 19, "percent-encoding in the host": 4, "port 0": 2, "invisible character in the host": 1, "host that is no name of DNS": 4,
		})
	}
}

// urlSample has each kind of vector, with URLs of our own.
const urlSample = `["a comment",
{"input": "HTTP://bad.example:80/a/../b?q#f", "base": null, "href": "http://bad.example/b?q#f", "hostname": "bad.example"},
{"input": "https://bücher.example:8443", "base": "http://x.example/", "href": "https://xn--bcher-kva.example:8443/", "hostname": "xn--bcher-kva.example", "port": "8443"},
{"input": "http://0x7f.1/", "base": null, "href": "http://127.0.0.1/", "hostname": "127.0.0.1"},
{"input": "http://", "base": null, "failure": true},
{"input": "http://bad.example:65536/", "base": null, "failure": true},
{"input": "http://bad.example.1/", "base": null, "failure": true},
{"input": "http://[[::1]]/", "base": null, "failure": true},
{"input": "bad.example", "base": null, "failure": true},
{"input": "x", "base": "http://bad.example/", "href": "http://bad.example/x", "hostname": "bad.example"},
{"input": "ftp://bad.example/", "base": null, "href": "ftp://bad.example/", "hostname": "bad.example"},
{"input": " http://bad.example/", "base": null, "href": "http://bad.example/", "hostname": "bad.example"},
{"input": "http:\\\\bad.example", "base": null, "href": "http://bad.example/", "hostname": "bad.example"},
{"input": "http:bad.example", "base": null, "href": "http://bad.example/", "hostname": "bad.example"},
{"input": "http://@bad.example/", "base": null, "href": "http://bad.example/", "hostname": "bad.example"},
{"input": "http://lawful.example:80@bad.example/", "base": null, "href": "http://lawful.example:80@bad.example/", "hostname": "bad.example"},
{"input": "http://b%61d.example/", "base": null, "href": "http://bad.example/", "hostname": "bad.example"},
{"input": "http://bad.example:0/", "base": null, "href": "http://bad.example:0/", "hostname": "bad.example", "port": "0"},
{"input": "http://b\u00adad.example/", "base": null, "href": "http://bad.example/", "hostname": "bad.example"},
{"input": "http://b_d.example/", "base": null, "href": "http://b_d.example/", "hostname": "b_d.example"},
{"input": "http://bad.example./", "base": null, "href": "http://bad.example./", "hostname": "bad.example."}
]`
