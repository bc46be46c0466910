package blocklist

import (
	"strings"
	"unicode/utf8"

	"github.com/nlnwa/whatwg-url/url"
)

// maxURL bounds a URL in octets, before and after canonicalisation.
const maxURL = 2048

var urlParser = url.NewParser()

// parseURL returns the WHATWG serialisation of an http or https URL without
// its fragment, which no filter on the way ever sees. What a browser would
// repair silently is rejected where the repair could widen or move the block:
// credentials, spaces and control characters, a backslash, a host that is not
// a valid name. An explicit port is kept: it is part of what was decided.
func parseURL(s string) (string, error) {
	switch {
	case len(s) > maxURL:
		return "", reject(RuleTooLong, "URL longer than 2048 octets")
	case !utf8.ValidString(s):
		return "", reject(RuleSyntax, "not valid UTF-8")
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' }):
		return "", reject(RuleSyntax, "space, control character or backslash in a URL")
	}
	u, err := urlParser.Parse(s)
	if err != nil {
		return "", reject(RuleSyntax, "not a URL")
	}
	switch {
	case u.Scheme() != "http" && u.Scheme() != "https":
		return "", reject(RuleSyntax, "URL scheme is not http or https")
	case u.Username() != "" || u.Password() != "":
		return "", reject(RuleSyntax, "credentials in a URL")
	}
	if host := u.Hostname(); !isIPHost(host) {
		n, err := ParseName(host)
		if err != nil {
			return "", err
		}
		if n.Reveal() != host {
			return "", reject(RuleSyntax, "URL host is not in canonical form")
		}
	}
	canonical := u.Href(true)
	if len(canonical) > maxURL {
		return "", reject(RuleTooLong, "URL longer than 2048 octets")
	}
	return canonical, nil
}

// isIPHost tells a serialised WHATWG host that is an address from a name: an
// IPv6 address is in brackets, and a name never ends in a number.
func isIPHost(host string) bool {
	return strings.HasPrefix(host, "[") || isNumber(host[strings.LastIndexByte(host, '.')+1:])
}

// urlHost returns the host of a canonical URL.
func urlHost(canonical string) string {
	_, rest, _ := strings.Cut(canonical, "://")
	host, _, _ := strings.Cut(rest, "/")
	if strings.HasPrefix(host, "[") {
		return host[:strings.IndexByte(host, ']')+1]
	}
	host, _, _ = strings.Cut(host, ":")
	return host
}
