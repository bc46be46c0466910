package httpfeed

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
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
	w := newWorld(t, Options{Limits: Limits{Conns: 4}})
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

// HTTP/2: the server reads a frame whole before it looks at it, so a stranger must
// not send long ones.
func TestFramesAreShort(t *testing.T) {
	w := newWorld(t, Options{})
	c, err := tls.Dial("tcp", w.serveTLS(tls.VersionTLS13), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}) //nolint:gosec,noctx // a test
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	settings := []byte{0, 0, 0, 4, 0, 0, 0, 0, 0} // RFC 9113, section 6.5
	long := []byte{0, 0x40, 1, 0, 0, 0, 0, 0, 1}  // DATA of 16,385 octets, of which none come
	if _, err := c.Write(slices.Concat([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), settings, long)); err != nil {
		t.Fatal(err)
	}
	const goAway, frameSizeError = 7, 6
	for {
		var head [9]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			t.Fatalf("the server waits for the frame: %v", err)
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(c, payload); err != nil {
			t.Fatal(err)
		}
		if head[3] == goAway {
			if payload[7] != frameSizeError {
				t.Errorf("error %d", payload[7])
			}
			return
		}
	}
}

// However many ISPs take all answers and connections they can get, the next one
// has some.
func TestEachISPLeavesRoom(t *testing.T) {
	q, l, limits := &quota{}, &lobby{}, Limits{Answers: 100, Conns: 100}
	for i := range 5 {
		name, answers, conns := fmt.Sprint("greedy ", i), 0, 0
		for ; ; answers++ {
			if _, ok := q.take(name, limits); !ok {
				break
			}
		}
		for ; ; conns++ {
			c := &conn{Conn: nobody{}, lobby: l}
			if !l.enter(c, limits) {
				t.Fatalf("no room for a guest beside %d greedy ISPs", i)
			}
			if !l.promote(c, name, limits) {
				l.leave(c)
				break
			}
		}
		if answers == 0 || conns == 0 {
			t.Errorf("ISP %d has %d answers, %d connections", i, answers, conns)
		}
	}
}

// nobody is a connection that only closes.
type nobody struct{ net.Conn }

func (nobody) Close() error { return nil }

// Who floods pushes out his own, and who comes from elsewhere stays.
func TestGuestsPushOutTheirOwn(t *testing.T) {
	l, limits := &lobby{}, Limits{Guests: 3}
	come := func(from string) *conn {
		c := &conn{Conn: nobody{}, lobby: l, network: networkOf(netip.MustParseAddr(from))}
		if !l.enter(c, limits) {
			t.Fatal("no room for a guest")
		}
		return c
	}
	first := come("192.0.2.1")
	for i := range 10 {
		come(fmt.Sprint("2001:db8::", i))
	}
	if first.gone || l.guests.Len() != 3 {
		t.Errorf("%d guests, the first is gone: %v", l.guests.Len(), first.gone)
	}
	if come("198.51.100.1"); !first.gone {
		t.Error("the oldest did not make room for one from elsewhere")
	}
	for l.guests.Len() > 0 {
		l.leave(l.guests.Front().Value.(*conn))
	}
	if len(l.near) != 0 || l.conns != 0 {
		t.Errorf("left over: %v", l.near)
	}
}

// Who asks for the ends of texts, each of which has to be unpacked up to there,
// has one unpacked at a time, and another ISP does not wait for it.
func TestEndsOfTextsTakeTurns(t *testing.T) {
	w := newWorld(t, Options{})
	w.add("sudnet", "csam")
	w.set()
	end := func(isp string) chan int {
		status := make(chan int, 1)
		go func() {
			resp, body := w.get("/v1/csam/domains.txt", "Accept-Encoding: identity", "Range: bytes=-1", "Authorization: Bearer "+w.tokens[isp])
			if string(body) != "\n" {
				t.Errorf("%s gets %q", isp, body)
			}
			status <- resp.StatusCode
		}()
		return status
	}
	turn := w.feed.skips.of("nordnet")
	turn <- struct{}{} // as while one is being unpacked
	waiting := end("nordnet")
	if status := <-end("sudnet"); status != http.StatusPartialContent {
		t.Errorf("another ISP: status %d", status)
	}
	select {
	case status := <-waiting:
		t.Errorf("two at once: status %d", status)
	case <-time.After(100 * time.Millisecond):
		<-turn
		if status := <-waiting; status != http.StatusPartialContent {
			t.Errorf("status %d", status)
		}
	}
}
