package pull

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/vaern/vaern/blocklist"
)

// ParseURL reads the URL of a list: https, or http to this machine alone, whose
// last part is the name of the list. Nothing of it stands in an error, because
// people put passwords there.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Host == "":
		return nil, errors.New("not a URL")
	case u.User != nil, u.RawQuery != "", u.Fragment != "", u.ForceQuery:
		return nil, advise(errors.New("has a user, a query or a fragment"), "secrets belong in token_file, not in a URL")
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return nil, advise(errors.New("not https"), "http:// is for this machine alone, where nobody is on the way")
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	if err := blocklist.CheckListName(path.Base(u.Path)); err != nil {
		return nil, advise(fmt.Errorf("its last part is not a list: %w", err), "write it as https://HOST/v1/LIST")
	}
	return u, nil
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// NewHTTP returns an HTTP client that trusts roots, or those of the system if
// nil, shows cert if it is not nil, and goes nowhere but where it is sent: a
// redirect is an answer like any other.
func NewHTTP(roots *x509.CertPool, cert *tls.Certificate) *http.Client {
	t := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	if cert != nil {
		t.Certificates = []tls.Certificate{*cert}
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment, // which leaves loopback out
			TLSClientConfig:        t,
			DisableCompression:     true,
			MaxResponseHeaderBytes: 16 << 10,
			MaxIdleConns:           1,
			IdleConnTimeout:        30 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// request asks for what is below the list's URL. The error of a bad answer says
// its status, and nothing of its body.
func (c *Client) request(ctx context.Context, method, name string, body []byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.URL.JoinPath(name).String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		r.Header.Set("Authorization", "Bearer "+c.Token)
	}
	r.Header.Set("User-Agent", "vaern-pull")
	resp, err := c.HTTP.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", c.URL.Host, c.reason(err))
	}
	if want := map[string]int{http.MethodGet: http.StatusOK, http.MethodPost: http.StatusNoContent}[method]; resp.StatusCode != want {
		_ = resp.Body.Close()
		return nil, answered(c.URL.Host, resp.StatusCode)
	}
	return resp, nil
}

// maxReason bounds what an error repeats, in octets.
const maxReason = 300

// reason says why there is no answer, on one line. An error of net/http may hold
// what the other side sent, a header line or the names of a certificate, whoever
// that is: it is not printed as it is.
func (c *Client) reason(err error) error {
	if e := (*url.Error)(nil); errors.As(err, &e) {
		err = e.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("it took too long")
	}
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, err.Error())
	text = text[:min(len(text), maxReason)]
	return errors.New(nameless(text, []string{c.URL.Hostname(), "net/http", "HTTP/1.x"}))
}

func answered(host string, status int) error {
	err := fmt.Errorf("%s answered %d %s", host, status, http.StatusText(status))
	switch {
	case status == http.StatusUnauthorized:
		return advise(err, "the server does not know this credential, or not from this address: is it revoked or rotated?")
	case status == http.StatusNotFound:
		return advise(err, "is the list of the url one of those that you were given?")
	case status >= 300 && status < 400:
		return advise(err, "redirects are not followed: give the url that it leads to, if the authority says so")
	}
	return err
}

// errLong is how a download ends that brings more than it may.
var errLong = errors.New("is longer than it may be")

// fetch writes a file of the list to w, and returns its length: at most limit
// octets, and not slower than the limits allow.
func (c *Client) fetch(ctx context.Context, name string, limit int64, w io.Writer) (int64, error) {
	slowest := c.Limits.Patience + time.Duration(limit/c.Limits.Rate)*time.Second
	ctx, cancel := context.WithTimeout(ctx, slowest)
	defer cancel()
	resp, err := c.request(ctx, http.MethodGet, name, nil)
	if err != nil {
		return 0, fmt.Errorf("fetch %s: %w", name, err)
	}
	defer resp.Body.Close()
	if resp.ContentLength > limit {
		return 0, refusef("fetch %s: it %w", name, errLong)
	}
	// net/http makes an error of a body that is shorter than Content-Length.
	out := &faithful{w: w}
	n, err := io.Copy(out, io.LimitReader(resp.Body, limit+1))
	switch {
	case out.err != nil:
		return n, fmt.Errorf("keep %s: %w", name, out.err)
	case err != nil:
		return n, fmt.Errorf("fetch %s: %w", name, c.reason(err))
	case n > limit:
		return n, refusef("fetch %s: it %w", name, errLong)
	}
	return n, nil
}

// fetchShort returns a file of the list that is short.
func (c *Client) fetchShort(ctx context.Context, name string, limit int64) ([]byte, error) {
	var b bytes.Buffer
	_, err := c.fetch(ctx, name, limit, &b)
	return b.Bytes(), err
}

// post reports something to the server.
func (c *Client) post(ctx context.Context, name string, report any) error {
	ctx, cancel := context.WithTimeout(ctx, c.Limits.Patience)
	defer cancel()
	body, err := json.Marshal(report)
	if err != nil {
		return err
	}
	resp, err := c.request(ctx, http.MethodPost, name, body)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
