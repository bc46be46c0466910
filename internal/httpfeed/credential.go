package httpfeed

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/vaern/vaern/dnsfeed"
	"github.com/vaern/vaern/internal/isp"
)

// prefix is what every path begins with.
const prefix = "/v1/"

// pathToken is what follows the prefix in a path with a token in it. No list
// has a name of one letter.
const pathToken = "t/"

// credentials takes out of a request what shows who sends it, and returns it
// with the path behind the prefix; byToken says that a token was in the path,
// from which it is gone afterwards: nothing that prints the request can show it.
func credentials(r *http.Request) (p isp.Proof, path string, byToken bool) {
	if fields := r.Header.Values("Authorization"); len(fields) > 0 {
		p.Tokens = append(p.Tokens, bearer(fields))
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		p.Cert = isp.Digest(dnsfeed.PinOf(r.TLS.PeerCertificates[0]))
	}
	path, ok := strings.CutPrefix(r.URL.Path, prefix)
	if !ok {
		return p, "", false
	}
	rest, byToken := strings.CutPrefix(path, pathToken)
	if byToken {
		var token string
		token, path, _ = strings.Cut(rest, "/")
		p.Tokens = append(p.Tokens, token)
		r.RequestURI = prefix + pathToken + "-"
		r.URL = &url.URL{Path: r.RequestURI, RawQuery: r.URL.RawQuery}
	}
	return p, path, byToken
}

// bearer returns the token of the Authorization fields (RFC 6750, section 2.1),
// or "", which is nobody's.
func bearer(fields []string) string {
	if len(fields) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(fields[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// remote returns the address of the peer. There is no header to override it:
// address limits and a proxy in front do not go together.
func remote(r *http.Request) netip.Addr { return address(r.RemoteAddr) }

// address takes the address out of ADDRESS:PORT.
func address(text string) netip.Addr {
	a, _ := netip.ParseAddrPort(text)
	return a.Addr().Unmap()
}
