package httpfeed

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vaern/vaern/internal/isp"
)

// eventually waits for what the server does in its own time.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in 20 s: %s", what)
		}
	}
}

// dial opens a connection that says nothing.
func (w *world) dial() net.Conn {
	w.t.Helper()
	c, err := net.Dial("tcp", w.server.Listener.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// closed says whether the server has closed a connection by now, or does so
// while somebody waits for it.
func closed(c net.Conn) bool {
	_, err := io.Copy(io.Discard, c)
	return err == nil || !strings.Contains(err.Error(), "timeout")
}

// A stranger who opens many connections pushes out his own, and nobody who has
// shown a credential.
func TestGuestsArePushedOut(t *testing.T) {
	w := newWorld(t, Options{Limits: Limits{Guests: 3, Conns: 6, Request: time.Minute}})
	member := w.dial()
	keep := bufio.NewReader(member)
	get := func() {
		t.Helper()
		if _, err := fmt.Fprintf(member, "GET /v1/csam/MANIFEST HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", w.tokens["nordnet"]); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(keep, nil)
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("the member gets %v, %v", resp, err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
	}
	get()
	var guests []net.Conn
	for n := range 10 {
		guests = append(guests, w.dial())
		eventually(t, "the connection is known", func() bool {
			all, strangers := w.feed.Connections()
			return all == 1+min(n+1, 3) && strangers == min(n+1, 3)
		})
	}
	for i, g := range guests[:7] {
		if !closed(g) {
			t.Errorf("guest %d is still there", i)
		}
	}
	get()
	for _, g := range guests {
		_ = g.Close()
	}
	eventually(t, "all strangers have left", func() bool { all, strangers := w.feed.Connections(); return all == 1 && strangers == 0 })
	_ = member.Close()
	eventually(t, "all have left", func() bool { all, _ := w.feed.Connections(); return all == 0 })
}

// One ISP's connections leave room for the others'.
func TestConnectionsOfOneISP(t *testing.T) {
	w := newWorld(t, Options{Limits: Limits{ISPConns: 2, Conns: 4}})
	open := func(isp string) (status string, c net.Conn) {
		t.Helper()
		c = w.dial()
		_, _ = fmt.Fprintf(c, "GET /v1/csam/MANIFEST HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", w.tokens[isp])
		status, _ = bufio.NewReader(c).ReadString('\n')
		return strings.TrimSpace(status), c
	}
	_, first := open("nordnet")
	_, _ = open("nordnet")
	status, third := open("nordnet")
	if !strings.Contains(status, "503") || !closed(third) {
		t.Errorf("a third connection: %s", status)
	}
	if status, _ := open("others"); !strings.Contains(status, "404") {
		t.Errorf("another ISP: %s", status)
	}
	_ = first.Close()
	eventually(t, "there is room again", func() bool {
		status, c := open("nordnet")
		_ = c.Close()
		return strings.Contains(status, "200")
	})
}

// What a stranger may send before he is heard, and how long he may take.
func TestRequestsAreBounded(t *testing.T) {
	w := newWorld(t, Options{Limits: Limits{Request: 300 * time.Millisecond, Body: 400 * time.Millisecond, Idle: 300 * time.Millisecond, Header: 2048}})
	long := w.dial()
	_, _ = io.WriteString(long, "GET /v1 HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", 10_000)+"\r\n\r\n")
	if got, _ := bufio.NewReader(long).ReadString('\n'); !strings.HasPrefix(got, "HTTP/1.1 431 ") {
		t.Errorf("a long header: %q", got)
	}
	began := time.Now()
	for what, text := range map[string]string{
		"nothing":    "",
		"half":       "GET /v1 HTTP/1.1\r\nHost: x\r\n",
		"no request": "\r\n",
		"a body that does not come": "POST /v1/csam/ack HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nAuthorization: Bearer " +
			w.tokens["nordnet"] + "\r\n\r\n{",
		"idle": "GET /v1/csam/MANIFEST HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + w.tokens["nordnet"] + "\r\n\r\n",
	} {
		c := w.dial()
		_, _ = io.WriteString(c, text)
		if !closed(c) {
			t.Errorf("%s: the connection stays", what)
		}
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("that took %v", took)
	}
	address := w.serveTLS(tls.VersionTLS13)
	c, err := net.Dial("tcp", address) // and no handshake
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if !closed(c) {
		t.Error("no handshake: the connection stays")
	}
}

// Who takes an answer slower than Limits.MinRate is cut, though he never stands
// still.
func TestSlowReaderIsCut(t *testing.T) {
	w := newWorld(t, Options{Limits: Limits{Stall: 500 * time.Millisecond, MinRate: 4 << 20}})
	w.lists["csam"] = NewList(w.csam.publish(60_000, "big"))
	w.set()
	size, _ := w.lists["csam"].latest.File("domains.txt")
	slow := w.begin("/v1/csam/domains.txt")
	buf, total := make([]byte, 4<<10), int64(0)
	for {
		n, err := slow.Read(buf)
		if total += int64(n); err != nil {
			break
		}
		time.Sleep(10 * time.Millisecond) // 400 KB a second
	}
	if total >= size.Size {
		t.Error("a slow reader got all of it")
	}
	eventually(t, "the answer has ended", func() bool { return strings.Contains(w.log.String(), `"complete":false`) })
	fast := w.begin("/v1/csam/domains.txt")
	_ = fast.SetDeadline(time.Now().Add(20 * time.Second))
	if n, err := io.CopyN(io.Discard, fast, size.Size); err != nil {
		t.Errorf("a fast one got %d: %v", n, err)
	}
}

// HTTP/2: a stream that nobody reads ends, and there are only so many of them.
func TestStreamsAreBounded(t *testing.T) {
	w := newWorld(t, Options{Limits: Limits{Stall: 700 * time.Millisecond, Streams: 2}})
	w.lists["csam"] = NewList(w.csam.publish(400_000, "big")) // more than flow control lets through
	cert := w.addCert(isp.ISP{Name: "cert", Lists: []string{"csam"}})
	address := w.serveTLS(tls.VersionTLS13)
	c := client(t, true, cert)
	for range 6 {
		resp, err := c.Get("https://" + address + "/v1/csam/domains.txt") //nolint:noctx // a test
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
	}
	if all, _ := w.feed.Connections(); all != 3 {
		t.Errorf("6 streams, 2 in a connection: %d connections", all)
	}
	eventually(t, "all streams are cut", func() bool { return strings.Count(w.log.String(), `"complete":false`) == 6 })
}
