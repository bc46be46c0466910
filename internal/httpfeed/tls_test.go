package httpfeed

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vaern/vaern/dnsfeed"
	"github.com/vaern/vaern/internal/isp"
)

// newCertificate makes a self-signed one that is good until then. Of an ISP's
// the dates do not count.
func newCertificate(t testing.TB, until time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: until, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// addCert makes an ISP that is known by a certificate as well, one long expired
// unless it is good until another time.
func (w *world) addCert(want isp.ISP, until ...time.Time) tls.Certificate {
	w.t.Helper()
	cert := newCertificate(w.t, append(until, time.Unix(1, 0))[0])
	want.CertSHA256 = isp.Digest(dnsfeed.PinOf(cert.Leaf))
	_, c, err := isp.Add(w.isps, want, now)
	if err != nil {
		w.t.Fatal(err)
	}
	w.tokens[want.Name] = c.Token
	w.set()
	return cert
}

// serveTLS serves the world over TLS from a version on.
func (w *world) serveTLS(from uint16) (address string) {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	cert := newCertificate(w.t, time.Now().Add(time.Hour)) // else no client would resume
	server := NewServer(w.feed)
	server.TLSConfig = TLS(func() *tls.Certificate { return &cert }, from)
	done := make(chan error, 1)
	go func() { done <- server.ServeTLS(w.feed.Listen(smallBuffers{l}), "", "") }()
	w.t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return l.Addr().String()
}

// client is one that shows a certificate, if any, and speaks HTTP/2 or not.
func client(t *testing.T, two bool, certs ...tls.Certificate) *http.Client {
	t.Helper()
	transport := &http.Transport{
		DisableCompression: true, ForceAttemptHTTP2: two,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: certs, ClientSessionCache: tls.NewLRUClientSessionCache(10)}, //nolint:gosec // loopback
	}
	if !two {
		transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

// ask returns the answer to a request with a token, if any.
func ask(t *testing.T, c *http.Client, method, url, token string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, body
}

// Every pair of a certificate and a token, over HTTP/1.1 and HTTP/2. All that is
// refused looks alike.
func TestCertificateAndToken(t *testing.T) {
	w := newWorld(t, Options{})
	certs := map[string][]tls.Certificate{"none": nil, "stranger": {newCertificate(t, time.Unix(1, 0))}}
	for _, i := range []isp.ISP{
		{Name: "cert", Lists: []string{"csam"}},
		{Name: "cert-other", Lists: []string{"other"}},
		{Name: "cert-far", Lists: []string{"csam"}},
		{Name: "cert-gone", Lists: []string{"csam"}},
	} {
		if i.Name == "cert-far" {
			prefix, err := isp.ParseAddress("198.51.100.0/24")
			if err != nil {
				t.Fatal(err)
			}
			i.Addresses = append(i.Addresses, prefix)
		}
		certs[i.Name] = []tls.Certificate{w.addCert(i)}
	}
	if _, err := isp.Revoke(w.isps, "cert-gone", now); err != nil {
		t.Fatal(err)
	}
	w.set()
	lists := map[string]string{"cert": "csam", "cert-other": "other", "nordnet": "csam", "others": "other"} // of who is let in
	address := w.serveTLS(tls.VersionTLS13)
	tokens := map[string]string{"none": "", "wrong": "vaern_x"}
	for name, token := range w.tokens {
		tokens[name] = token
	}
	for _, two := range []bool{false, true} {
		refusals := map[string]bool{}
		for cert, shown := range certs {
			c := client(t, two, shown...)
			for name, token := range tokens {
				who := name // if it is let in
				if name == "none" {
					who = cert
				}
				byCert := lists[cert] != "" || cert == "cert-far"
				if byCert && who != cert {
					who = ""
				}
				for _, list := range []string{"csam", "other"} {
					want := 401
					if its := lists[who]; its == list {
						want = 200
					} else if its != "" {
						want = 404
					}
					resp, body := ask(t, c, http.MethodGet, "https://"+address+"/v1/"+list+"/domains.txt", token)
					if resp.StatusCode != want || resp.ProtoMajor == 2 != two {
						t.Errorf("%s: certificate of %s, token of %s, list %s: status %d, want %d", resp.Proto, cert, name, list, resp.StatusCode, want)
					}
					if resp.StatusCode == 401 {
						refusals[seen(resp, body)] = true
					}
				}
			}
		}
		if len(refusals) != 1 {
			t.Errorf("refusals are told apart: %v", refusals)
		}
	}
}

// seen is all of an answer but its date.
func seen(resp *http.Response, body []byte) string {
	h := resp.Header.Clone()
	h.Del("Date")
	return fmt.Sprint(resp.Proto, resp.StatusCode, h, resp.ContentLength, string(body))
}

// HTTP/2: a stranger learns nothing either.
func TestHT6OverHTTP2(t *testing.T) {
	w := newWorld(t, Options{})
	address := w.serveTLS(tls.VersionTLS13)
	c := client(t, true)
	answers := map[string][]string{}
	for _, path := range slices.Concat(paths, strange) {
		for _, method := range methods {
			if strings.HasPrefix(path, "http:") {
				continue
			}
			for _, token := range []string{"", "x", w.tokens["revoked"], w.tokens["elsewhere"]} {
				resp, body := ask(t, c, method, "https://"+address+path, token)
				if method == http.MethodHead {
					body = []byte("no valid credential\n")
				}
				what := seen(resp, body)
				answers[what] = append(answers[what], method+" "+path)
			}
		}
	}
	if len(answers) != 1 {
		t.Errorf("strangers get %d kinds of answers: %v", len(answers), answers)
	}
}

// A certificate is looked up at every request: an open connection of an ISP that
// is revoked is of no more use, and nothing of it is resumed.
func TestRevokedCertificateOnAnOpenConnection(t *testing.T) {
	for _, two := range []bool{false, true} {
		w := newWorld(t, Options{})
		cert := w.addCert(isp.ISP{Name: "cert", Lists: []string{"csam"}}, time.Now().Add(time.Hour)) // one expired is not resumed
		address := w.serveTLS(tls.VersionTLS13)
		c := client(t, two, cert)
		url := "https://" + address + "/v1/csam/MANIFEST"
		for range 3 {
			resp, _ := ask(t, c, http.MethodGet, url, "")
			if resp.StatusCode != 200 || resp.TLS.DidResume {
				t.Fatalf("status %d, resumed %v", resp.StatusCode, resp.TLS.DidResume)
			}
			c.CloseIdleConnections()
		}
		if resp, _ := ask(t, c, http.MethodGet, url, ""); resp.StatusCode != 200 {
			t.Fatalf("status %d", resp.StatusCode)
		}
		eventually(t, "there is one connection, and no guest", func() bool { all, guests := w.feed.Connections(); return all == 1 && guests == 0 })
		if _, err := isp.Revoke(w.isps, "cert", now); err != nil {
			t.Fatal(err)
		}
		w.set()
		if resp, _ := ask(t, c, http.MethodGet, url, ""); resp.StatusCode != 401 {
			t.Errorf("HTTP/2 %v: after the revocation status %d", two, resp.StatusCode)
		}
	}
}

// An answer under way ends when the certificate that it went by is gone.
func TestRevokedCertificateStopsARunningAnswer(t *testing.T) {
	for _, two := range []bool{false, true} {
		w := newWorld(t, Options{})
		w.lists["csam"] = NewList(w.csam.publish(400_000, "big")) // more than HTTP/2 lets through unread
		cert := w.addCert(isp.ISP{Name: "cert", Lists: []string{"csam"}})
		address := w.serveTLS(tls.VersionTLS13)
		resp, err := client(t, two, cert).Get("https://" + address + "/v1/csam/domains.txt") //nolint:noctx // a test
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.ReadFull(resp.Body, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		if _, err := isp.Revoke(w.isps, "cert", now); err != nil {
			t.Fatal(err)
		}
		w.set()
		if n, err := io.Copy(io.Discard, resp.Body); err == nil {
			t.Errorf("HTTP/2 %v: all came: %d octets", two, n)
		}
	}
}

func TestVersionsOfTLS(t *testing.T) {
	w := newWorld(t, Options{})
	for _, c := range []struct {
		from, max uint16
		ok        bool
	}{
		{tls.VersionTLS13, tls.VersionTLS13, true},
		{tls.VersionTLS13, tls.VersionTLS12, false},
		{tls.VersionTLS12, tls.VersionTLS12, true},
		{tls.VersionTLS12, tls.VersionTLS11, false},
		{tls.VersionTLS12, tls.VersionTLS13, true},
	} {
		config := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: c.max} //nolint:gosec // old versions are the point
		conn, err := tls.Dial("tcp", w.serveTLS(c.from), config)
		if err == nil {
			_ = conn.Close()
		}
		if (err == nil) != c.ok {
			t.Errorf("from %x, a client of %x: %v", c.from, c.max, err)
		}
	}
}
