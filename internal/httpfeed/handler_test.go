package httpfeed

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vaern/vaern/internal/isp"
)

func tagOf(data []byte) string { return fmt.Sprintf("%q", fmt.Sprintf("%x", sha256.Sum256(data))[:32]) }

// HT1: each encoding has a strong tag of its own, Vary says so, and HEAD has the
// fields of GET. HT3: nothing may be cached.
func TestHT1HT3EveryFormOfAText(t *testing.T) {
	w := newWorld(t, Options{})
	serial := w.one.Serial.String()
	for _, c := range []struct {
		path, accept          string
		want                  []byte
		encoding, contentType string
	}{
		{"MANIFEST", "zstd, gzip", stored(t, w.one, "MANIFEST"), "", "text/plain; charset=utf-8"},
		{"MANIFEST.sig", "", stored(t, w.one, "MANIFEST.sig"), "", "text/plain; charset=utf-8"},
		{"domains.txt", "", plainText(t, w.one, "domains.txt"), "", "text/plain; charset=utf-8"},
		{"domains.txt", "gzip", stored(t, w.one, "domains.txt.gz"), "gzip", "text/plain; charset=utf-8"},
		{"domains.txt", "gzip, deflate, br, zstd", stored(t, w.one, "domains.txt.zst"), "zstd", "text/plain; charset=utf-8"},
		{"domains.txt.gz", "", stored(t, w.one, "domains.txt.gz"), "", "application/gzip"},
		{"domains.txt.zst", "gzip", stored(t, w.one, "domains.txt.zst"), "", "application/zstd"},
		{"hosts.txt", "", nil, "", "text/plain; charset=utf-8"},
		{"rpz.zone", "", plainText(t, w.one, "rpz.zone"), "", "text/dns; charset=utf-8"},
		{"entries.csv", "gzip;q=0", plainText(t, w.one, "entries.csv"), "", "text/csv; charset=utf-8; header=present"},
	} {
		for _, dir := range []string{"/v1/csam/", "/v1/csam/" + serial + "/"} {
			resp, body := w.get(dir+c.path, "Accept-Encoding: "+c.accept)
			if resp.StatusCode != 200 || !bytes.Equal(body, c.want) {
				t.Errorf("%s%s (%s): status %d, %d octets, want %d", dir, c.path, c.accept, resp.StatusCode, len(body), len(c.want))
				continue
			}
			want := map[string]string{
				"Content-Encoding": c.encoding, "Content-Type": c.contentType, "Vaern-Serial": serial,
				"Etag": tagOf(c.want), "Cache-Control": "private, no-store", "Content-Length": fmt.Sprint(len(c.want)),
			}
			head, nothing := w.do(http.MethodHead, dir+c.path, "Accept-Encoding: "+c.accept)
			for key, value := range want {
				if resp.Header.Get(key) != value || head.Header.Get(key) != value {
					t.Errorf("%s (%s): %s is %q, in HEAD %q, want %q", c.path, c.accept, key, resp.Header.Get(key), head.Header.Get(key), value)
				}
			}
			if len(nothing) > 0 {
				t.Errorf("%s: HEAD has a body", c.path)
			}
			if head, _ := w.do(http.MethodHead, dir+c.path, "Range: bytes=0-9"); head.StatusCode != 200 {
				t.Errorf("%s: HEAD with a range: status %d", c.path, head.StatusCode)
			}
			negotiated := !strings.HasPrefix(c.path, "MANIFEST") && !strings.HasSuffix(c.path, "gz") && !strings.HasSuffix(c.path, "zst")
			if (resp.Header.Get("Vary") == "Accept-Encoding") != negotiated {
				t.Errorf("%s: Vary is %q", c.path, resp.Header.Get("Vary"))
			}
		}
	}
}

// HT2: If-Range is strong, and what is not certain is answered with the whole.
func TestHT2ConditionsAndRanges(t *testing.T) {
	w := newWorld(t, Options{})
	text, zst := plainText(t, w.one, "domains.txt"), stored(t, w.one, "domains.txt.zst")
	end := text[len(text)-10:]
	for what, c := range map[string]struct {
		path    string
		headers []string
		status  int
		body    []byte
	}{
		"same tag":             {"domains.txt", []string{"If-None-Match: " + tagOf(text)}, 304, nil},
		"one of two tags":      {"domains.txt", []string{`If-None-Match: "x", ` + tagOf(text)}, 304, nil},
		"tag of another form":  {"domains.txt", []string{"If-None-Match: " + tagOf(zst)}, 200, text},
		"same tag, encoded":    {"domains.txt", []string{"Accept-Encoding: zstd", "If-None-Match: " + tagOf(zst)}, 304, nil},
		"manifest":             {"MANIFEST", []string{"If-None-Match: " + tagOf(stored(t, w.one, "MANIFEST"))}, 304, nil},
		"if-match fails":       {"domains.txt", []string{"Accept-Encoding: zstd", `If-Match: "x"`}, 412, []byte{}},
		"range":                {"domains.txt.zst", []string{"Range: bytes=10-19"}, 206, zst[10:20]},
		"range, encoded":       {"domains.txt", []string{"Accept-Encoding: zstd", "Range: bytes=10-19"}, 206, zst[10:20]},
		"range of plain":       {"domains.txt", []string{"Range: bytes=70000-70009"}, 206, text[70000:70010]},
		"end of plain":         {"domains.txt", []string{"Range: bytes=-10"}, 206, end},
		"range beyond":         {"domains.txt.zst", []string{"Range: bytes=9999999-"}, 416, nil},
		"several ranges":       {"domains.txt", []string{"Range: bytes=0-1,5-6"}, 200, text},
		"several fields":       {"domains.txt", []string{"Range: bytes=0-1", "Range: bytes=5-6"}, 200, text},
		"if-range holds":       {"domains.txt.zst", []string{"Range: bytes=10-19", "If-Range: " + tagOf(zst)}, 206, zst[10:20]},
		"HT2 other edition":    {"domains.txt.zst", []string{"Range: bytes=10-19", `If-Range: "00000000000000000000000000000000"`}, 200, zst},
		"weak if-range":        {"domains.txt.zst", []string{"Range: bytes=10-19", "If-Range: W/" + tagOf(zst)}, 200, zst},
		"if-range of encoding": {"domains.txt", []string{"Range: bytes=10-19", "If-Range: " + tagOf(zst)}, 200, text},
		"no encoding left":     {"domains.txt", []string{"Accept-Encoding: identity;q=0, br"}, 406, nil},
	} {
		resp, body := w.get("/v1/csam/"+c.path, c.headers...)
		if resp.StatusCode != c.status || c.body != nil && !bytes.Equal(body, c.body) {
			t.Errorf("%s: status %d with %d octets, want %d with %d", what, resp.StatusCode, len(body), c.status, len(c.body))
		}
		if got := resp.Header.Get("Cache-Control"); got != "private, no-store" {
			t.Errorf("%s: Cache-Control is %q", what, got)
		}
		if got := resp.Header.Get("Vaern-Serial"); got != w.one.Serial.String() && c.status != 406 {
			t.Errorf("%s: Vaern-Serial is %q", what, got)
		}
	}
}

func TestKeptEditionIsServedUnderItsSerial(t *testing.T) {
	w := newWorld(t, Options{})
	two := w.csam.publish(10, "second")
	w.lists = map[string]*List{"csam": NewList(two, w.one)}
	w.set()
	for path, want := range map[string][]byte{
		"/v1/csam/MANIFEST":    two.Bytes(),
		"/v1/csam/domains.txt": plainText(t, two, "domains.txt"),
		"/v1/csam/" + w.one.Serial.String() + "/domains.txt":   plainText(t, w.one, "domains.txt"),
		"/v1/csam/" + w.one.Serial.String() + "/MANIFEST":      w.one.Bytes(),
		"/v1/csam/" + w.one.Serial.String() + "/MANIFEST.sig":  w.one.Signature,
		"/v1/csam/" + two.Serial.String() + "/domains.txt.zst": stored(t, two, "domains.txt.zst"),
	} {
		if resp, body := w.get(path); resp.StatusCode != 200 || !bytes.Equal(body, want) {
			t.Errorf("%s: status %d, %d octets, want %d", path, resp.StatusCode, len(body), len(want))
		}
	}
	if err := os.RemoveAll(w.one.Dir); err != nil { // no longer kept
		t.Fatal(err)
	}
	for _, file := range []string{"domains.txt", "domains.txt.gz"} {
		resp, body := w.get("/v1/csam/" + w.one.Serial.String() + "/" + file)
		absent, nothing := w.get("/v1/csam/1/domains.txt")
		resp.Header.Del("Date")
		absent.Header.Del("Date")
		if resp.StatusCode != 404 || fmt.Sprint(resp.Header, string(body)) != fmt.Sprint(absent.Header, string(nothing)) {
			t.Errorf("%s: an edition that is gone is answered unlike one that never was: %v", file, resp.Header)
		}
	}
	if strings.Contains(w.log.String(), `"level":"ERROR"`) {
		t.Error("an edition that is no longer kept is no error")
	}
}

// raw sends one request as written and returns the answer without its date.
func (w *world) raw(request string) string {
	w.t.Helper()
	c, err := net.Dial("tcp", w.server.Listener.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		w.t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		w.t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		w.t.Fatal(err)
	}
	return regexp.MustCompile(`Date: [^\r]*\r\n`).ReplaceAllString(string(answer), "")
}

var (
	methods = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"}
	paths   = []string{
		"/v1", "/v1/", "/v1/csam", "/v1/csam/", "/v1/csam/MANIFEST", "/v1/csam/domains.txt", "/v1/csam/zone.image",
		"/v1/csam/1795435200/domains.txt", "/v1/csam/1795435200/zone.image", "/v1/csam/1/domains.txt", "/v1/csam/0/domains.txt",
		"/v1/csam/../csam/MANIFEST", "/v1//csam/MANIFEST", "/v1/csam//MANIFEST", "/v1/csam/1795435200/../MANIFEST",
		"/v1/%63sam/nothing", "/v1/csam/%2e%2e/latest", "/v1/csam/latest", "/v1/csam/.lock", "/v1/csam/1795435200/x/domains.txt",
		"/v1/other/MANIFEST", "/v1/other/domains.txt", "/v1/nothing/MANIFEST", "/v1/t",
		"/v1/other/changes?from=1", "/v1/other/ack", "/v1/nothing/alarm", "/v1/csam/acks", "/v1/csam/changes/", "/v1/csam/ack/1",
		"/v1/csam/bad.example", "/v1/" + strings.Repeat("x", 5000), "/", "/healthz", "/metrics", "/v1x", "//v1/csam/MANIFEST", "/x/../v1/csam/MANIFEST",
	}
	// What a stranger may try in addition.
	strange = []string{
		"/v1/t/x/csam/rpz.zone", "/v1/t/x", "/v1/t/", "/v1/t//csam/rpz.zone", "/v1/csam/changes?from=1795435200", "/v1/csam/changes", "/v1/csam/ack", "/v1/csam/alarm",
		"http://feed.police.example/v1/csam/MANIFEST", "/v1/csam/MANIFEST?token=x",
	}
)

func exists(path string) bool {
	return slices.Contains([]string{"/v1/csam/MANIFEST", "/v1/csam/domains.txt", "/v1/csam/1795435200/domains.txt"}, path)
}

// HT6: without a credential nothing is told.
func TestHT6WithoutCredentialEverythingLooksAlike(t *testing.T) {
	w := newWorld(t, Options{})
	credentials := map[string]string{
		"none":             "",
		"empty":            "Authorization: \r\n",
		"no token":         "Authorization: Bearer\r\n",
		"garbage":          "Authorization: \x80\xff,;=\r\n",
		"wrong":            "Authorization: Bearer vaern_" + strings.Repeat("A", 43) + "\r\n",
		"wrong scheme":     "Authorization: Basic " + w.tokens["nordnet"] + "\r\n",
		"cut":              "Authorization: Bearer " + w.tokens["nordnet"][:40] + "\r\n",
		"twice":            strings.Repeat("Authorization: Bearer "+w.tokens["nordnet"]+"\r\n", 2),
		"revoked":          "Authorization: Bearer " + w.tokens["revoked"] + "\r\n",
		"wrong address":    "Authorization: Bearer " + w.tokens["elsewhere"] + "\r\n",
		"forged address":   "X-Forwarded-For: 198.51.100.1\r\nAuthorization: Bearer " + w.tokens["elsewhere"] + "\r\n",
		"stored hash":      "Authorization: Bearer " + fmt.Sprintf("%x", sha256.Sum256([]byte(w.tokens["nordnet"]))) + "\r\n",
		"conditional, HT6": "If-None-Match: *\r\nRange: bytes=0-1\r\nAccept-Encoding: identity;q=0\r\n",
	}
	want := "HTTP/1.1 401 Unauthorized\r\nCache-Control: private, no-store\r\nConnection: close\r\nContent-Length: 20\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\nWww-Authenticate: Bearer realm=\"vaern\"\r\nX-Content-Type-Options: nosniff\r\n\r\n"
	for what, header := range credentials {
		for _, path := range slices.Concat(paths, strange) {
			for _, method := range methods {
				for _, version := range []string{"1.1", "1.0"} {
					body := "no valid credential\n"
					if method == "HEAD" {
						body = ""
					}
					got := w.raw(method + " " + path + " HTTP/" + version + "\r\nHost: feed.police.example\r\nContent-Length: 0\r\n" + header + "\r\n")
					if got != strings.Replace(want, "1.1", version, 1)+body {
						t.Fatalf("%s, %s %.60s, HTTP/%s: got\n%s", what, method, path, version, got)
					}
				}
			}
		}
	}
	long := "POST /v1/csam/ack HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n"
	if got := w.raw(long); got != want+"no valid credential\n" {
		t.Errorf("with a long body: got\n%s", got)
	}
	log := w.log.String()
	for _, leak := range []string{"csam", "domains", "example", "BREW", "vaern_", w.tokens["nordnet"], w.tokens["elsewhere"]} {
		if strings.Contains(log, leak) {
			t.Errorf("%q of a stranger's request is in the log", leak)
		}
	}
	if n, want := strings.Count(log, "http request"), 2*len(credentials)*(len(paths)+len(strange))*len(methods)+1; n != want {
		t.Errorf("%d lines of log for %d requests", n, want)
	}
}

// HT6: what is not there and what is not theirs look alike.
func TestHT6AbsentAndForeignLookAlike(t *testing.T) {
	w := newWorld(t, Options{})
	auth := "Connection: close\r\nAuthorization: bearer  " + w.tokens["nordnet"] + "\r\n\r\n"
	want := "HTTP/1.1 404 Not Found\r\nCache-Control: private, no-store\r\nContent-Length: 10\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
	for _, path := range paths {
		for _, method := range methods {
			got := w.raw(method + " " + path + " HTTP/1.1\r\nHost: feed.police.example\r\n" + auth)
			body := "not found\n"
			if method == "HEAD" {
				body = ""
			}
			status, _, _ := strings.Cut(got, "\r\n")
			switch read := method == "GET" || method == "HEAD"; {
			case !exists(path) && got != want+body:
				t.Errorf("%s %.60s: got\n%s", method, path, got)
			case exists(path) && read && status != "HTTP/1.1 200 OK":
				t.Errorf("%s %s: %s", method, path, status)
			case exists(path) && !read && (status != "HTTP/1.1 405 Method Not Allowed" || !strings.Contains(got, "\r\nAllow: GET, HEAD\r\n")):
				t.Errorf("%s %s: got\n%s", method, path, got)
			}
		}
	}
	if log := w.log.String(); strings.Contains(log, "example") || strings.Contains(log, "nothing") || strings.Contains(log, `"list":"other"`) {
		t.Error("a path that means nothing is in the log")
	}
	for _, path := range []string{"/", "/healthz", "/v1x", "/v2/csam/MANIFEST", "*"} {
		if got := w.raw("OPTIONS " + path + " HTTP/1.1\r\nHost: x\r\n" + auth); !strings.HasPrefix(got, "HTTP/1.1 404 ") {
			t.Errorf("%s: got\n%s", path, got)
		}
	}
}

func TestAuditLine(t *testing.T) {
	w := newWorld(t, Options{})
	_, body := w.get("/v1/csam/domains.txt.gz")
	w.server.Close() // waits for the handler
	line := w.log.String()
	for _, want := range []string{
		`"isp":"nordnet"`, `"list":"csam"`, `"serial":` + w.one.Serial.String(), `"file":"domains.txt.gz"`,
		fmt.Sprintf(`"bytes":%d`, len(body)), `"status":200`, `"complete":true`, `"duration":`, `"from":"127.0.0.1"`,
	} {
		if strings.Count(line, want) != 1 {
			t.Errorf("%s is not once in %s", want, line)
		}
	}
	if strings.Contains(line, w.tokens["nordnet"]) || strings.Count(line, "\n") != 1 {
		t.Errorf("log: %s", line)
	}
}

func TestServedIsReported(t *testing.T) {
	w := newWorld(t, Options{})
	tag := tagOf(plainText(t, w.one, "domains.txt"))
	w.get("/v1/csam/MANIFEST")
	w.get("/v1/csam/nothing")
	w.get("/v1/other/domains.txt")
	w.get("/v1/csam/domains.txt", "Accept-Encoding: identity;q=0")
	w.do(http.MethodHead, "/v1/csam/domains.txt")
	w.get("/v1/csam/domains.txt", "If-None-Match: "+tag)
	w.get("/v1/csam/domains.txt.gz")
	w.server.Close()
	close(w.served)
	var got []string
	for s := range w.served {
		got = append(got, s)
	}
	if want := "nordnet csam " + w.one.Serial.String() + " 127.0.0.1"; !slices.Equal(got, []string{want, want}) {
		t.Errorf("got %v, want twice %s", got, want)
	}
}

func TestDamagedTextIsCutShort(t *testing.T) {
	w := newWorld(t, Options{})
	// The same size, another text: what a disk or a thief may do after the
	// edition was opened.
	other := newMaker(t, "csam").publish(5000, "thief")
	name := filepath.Join(w.one.Dir, "domains.txt.zst")
	if err := os.WriteFile(name, stored(t, other, "domains.txt.zst"), 0o600); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.server.URL+"/v1/csam/domains.txt", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.tokens["nordnet"])
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("a text that is not what MANIFEST says arrived as if whole")
	}
	if err := os.Truncate(name, 100); err != nil {
		t.Fatal(err)
	}
	if resp, _ := w.get("/v1/csam/domains.txt.zst"); resp.StatusCode != 404 {
		t.Errorf("a file cut short: status %d", resp.StatusCode)
	}
	w.server.Close()
	if n := strings.Count(w.log.String(), `"level":"ERROR"`); n != 2 {
		t.Errorf("%d errors in the log, want 2:\n%s", n, w.log.String())
	}
	if strings.Contains(w.log.String(), ".example") {
		t.Error("a listed name is in the log")
	}
}

func TestRevocationStopsARunningAnswer(t *testing.T) {
	w := newWorld(t, Options{})
	w.lists = map[string]*List{"csam": NewList(w.csam.publish(40_000, "big"))}
	w.set()
	c := w.begin("/v1/csam/domains.txt")
	if _, err := io.ReadFull(c, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if _, err := isp.Revoke(w.isps, "nordnet", now); err != nil {
		t.Fatal(err)
	}
	w.set()
	rest, _ := io.ReadAll(c)
	if size, _ := w.lists["csam"].latest.File("domains.txt"); int64(len(rest)) >= size.Size-1000 {
		t.Errorf("all %d octets came after the ISP was revoked", len(rest))
	}
	if resp, _ := w.get("/v1/csam/MANIFEST"); resp.StatusCode != 401 {
		t.Errorf("status %d after revocation", resp.StatusCode)
	}
}

// begin asks for path over a connection with a small buffer and reads nothing.
func (w *world) begin(path string) net.Conn {
	w.t.Helper()
	c, err := net.Dial("tcp", w.server.Listener.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	if err := c.(*net.TCPConn).SetReadBuffer(32 << 10); err != nil {
		w.t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		w.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", path, w.tokens["nordnet"]); err != nil {
		w.t.Fatal(err)
	}
	return c
}

func TestStalledClientIsDroppedAndSlowOneIsNot(t *testing.T) {
	w := newWorld(t, Options{Limits: Limits{Stall: 300 * time.Millisecond, Answers: 2}})
	w.lists = map[string]*List{"csam": NewList(w.csam.publish(40_000, "big"))}
	w.set()
	stalled := w.begin("/v1/csam/domains.txt")
	if _, err := io.ReadFull(stalled, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if resp, _ := w.get("/v1/csam/domains.txt.gz"); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("beyond the quota: status %d", resp.StatusCode)
	}
	deadline := time.Now().Add(10 * time.Second)
	for !strings.Contains(w.log.String(), `"complete":false`) {
		if time.Now().After(deadline) {
			t.Fatal("the stalled client holds its place for ever")
		}
		time.Sleep(20 * time.Millisecond)
	}
	// Slow: much longer in all than the stall limit, but never standing still.
	slow := w.begin("/v1/csam/domains.txt")
	start, total := time.Now(), 0
	buf := make([]byte, 8<<10)
	for {
		n, err := slow.Read(buf)
		total += n
		if err != nil {
			t.Fatalf("after %d octets: %v", total, err)
		}
		if want, _ := w.lists["csam"].latest.File("domains.txt"); int64(total) >= want.Size {
			break
		}
		if time.Since(start) < time.Second {
			time.Sleep(10 * time.Millisecond)
		}
	}
	if time.Since(start) < 600*time.Millisecond {
		t.Error("not slow enough to show anything")
	}
}
