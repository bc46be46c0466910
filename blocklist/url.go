package blocklist

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/nlnwa/whatwg-url/url"
)

// maxURL bounds a URL in octets, before and after canonicalisation.
const maxURL = 2048

// urlParser escapes "^" in a path, as browsers do, the URL Standard since March
// 2025 (https://url.spec.whatwg.org/#path-percent-encode-set), and the library
// not yet: "/^" and "/%5E" are one request.
var urlParser = url.NewParser(url.WithPathPercentEncodeSet(url.PathPercentEncodeSet.Set('^')))

// parseURL returns the serialisation of an http or https URL by the URL
// Standard (https://url.spec.whatwg.org/), as browsers send it: dot segments
// resolved, the default port dropped, an IP address in its one spelling. The
// fragment is dropped, because it never leaves the browser and no filter sees
// it. Any other port is kept: it is part of what was decided.
//
// What a browser would repair silently is rejected where the repair could
// widen or move the block: credentials, spaces and control characters, a
// backslash, missing or additional slashes, percent-encoding in the host, a
// host that is no name by [ParseName], port 0. The error is a [Rejection].
func parseURL(s string) (string, error) {
	switch {
	case len(s) > maxURL:
		return "", reject(RuleTooLong, "URL longer than 2048 octets")
	case !utf8.ValidString(s):
		return "", reject(RuleSyntax, "not valid UTF-8")
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' }):
		return "", reject(RuleSyntax, "space, control character or backslash in a URL")
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if scheme = strings.ToLower(scheme); !ok || scheme != "http" && scheme != "https" {
		return "", reject(RuleSyntax, "URL does not begin with http:// or https://")
	}
	host, port, err := writtenHost(rest)
	if err != nil {
		return "", err
	}
	if n, err := strconv.ParseUint(port, 10, 16); port != "" && (err != nil || n == 0) {
		return "", reject(RuleSyntax, "port of the URL is not 1 to 65535")
	}
	u, err := urlParser.Parse(s)
	if err != nil {
		return "", checkHost(host, "") // with good slashes and port, it is the host
	}
	if err := checkHost(host, u.Hostname()); err != nil {
		return "", err
	}
	canonical := u.Href(true)
	if len(canonical) > maxURL {
		return "", reject(RuleTooLong, "URL longer than 2048 octets")
	}
	return canonical, nil
}

// writtenHost cuts host and port, as they are written, out of what follows
// "://".
func writtenHost(rest string) (host, port string, err error) {
	authority := rest
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority = rest[:end]
	}
	switch {
	case strings.Contains(authority, "@"):
		return "", "", reject(RuleSyntax, "credentials in a URL")
	case strings.Contains(authority, "%"):
		return "", "", reject(RuleSyntax, "percent-encoding in the host of a URL")
	case strings.HasPrefix(authority, "[") != strings.Contains(authority, "]"):
		return "", "", reject(RuleSyntax, "unpaired bracket in the host of a URL")
	}
	end := strings.LastIndexByte(authority, ']') + 1 // of an IPv6 address, or 0
	tail, port, _ := strings.Cut(authority[end:], ":")
	if host = authority[:end] + tail; host == "" {
		return "", "", reject(RuleSyntax, "URL without a host")
	}
	return host, port, nil
}

// checkHost holds the host that the parser found, "" if it found none, against
// the one written. A name must be what [ParseName] makes of it. An address is
// judged here too, because the parser reads more than the standard does: two
// brackets for one, and numbers with a sign.
func checkHost(written, found string) error {
	if inner, ok := strings.CutPrefix(written, "["); ok {
		want, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		if got, _ := netip.ParseAddr(strings.Trim(found, "[]")); err != nil || got != want {
			return reject(RuleSyntax, "host of the URL is not an address")
		}
		return nil
	}
	n, err := ParseName(written)
	var r *Rejection
	switch {
	case errors.As(err, &r) && r.Rule == RuleIPLiteral:
		number, err := mapName(written)
		if got, _ := netip.ParseAddr(found); err != nil || strings.Trim(number, "0123456789abcdefx.") != "" || !got.Is4() {
			return reject(RuleSyntax, "host of the URL is not an address")
		}
	case err != nil:
		return err
	case n.Reveal() != found:
		return reject(RuleSyntax, "host of the URL is read in different ways")
	}
	return nil
}

// urlHost returns the host of a canonical URL.
func urlHost(canonical string) string {
	_, rest, _ := strings.Cut(canonical, "://")
	host, _, _ := writtenHost(rest)
	return host
}
