package httpfeed

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vaern/vaern/blocklist"
)

// heard collects what ISPs say.
type heard struct {
	mu   sync.Mutex
	all  []string
	fail error
}

func (h *heard) options() Options {
	say := func(words ...any) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.all = append(h.all, strings.TrimSpace(fmt.Sprintln(words...)))
		return h.fail
	}
	return Options{
		Ack: func(isp, list string, serial blocklist.Serial) error { return say("ack", isp, list, serial) },
		Alarm: func(isp, list string, serial blocklist.Serial, reason string) error {
			return say("alarm", isp, list, serial, reason)
		},
	}
}

func (h *heard) take() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := strings.Join(h.all, "\n")
	h.all = nil
	return all
}

// post says something as an ISP.
func (w *world) post(isp, path, body string) (int, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.server.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.tokens[isp])
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	_, _ = text.ReadFrom(resp.Body)
	if got := resp.Header.Get("Cache-Control"); got != "private, no-store" {
		w.t.Errorf("Cache-Control is %q", got)
	}
	return resp.StatusCode, text.String()
}

func TestReports(t *testing.T) {
	h := &heard{}
	w := newWorld(t, h.options())
	two := w.csam.publish(10, "second")
	w.lists["csam"] = NewList(two, w.one)
	w.set()
	old, now, next := w.one.Serial.String(), two.Serial.String(), fmt.Sprint(uint32(two.Serial)+1)
	for _, c := range []struct {
		path, body string
		status     int
		heard      string
	}{
		{"ack", `{"serial":` + now + `}`, 204, "ack nordnet csam " + now},
		{"ack", " {\n\"serial\" : " + old + " }\n", 204, "ack nordnet csam " + old},
		{"alarm", `{"serial":` + now + `,"reason":"growth"}`, 204, "alarm nordnet csam " + now + " growth"},
		{"alarm", `{"reason":"","serial":` + old + `}`, 204, "alarm nordnet csam " + old},

		{"ack", `{"serial":` + next + `}`, 404, ""}, // not there yet
		{"ack", `{"serial":1}`, 404, ""},
		{"alarm", `{"serial":1,"reason":"x"}`, 404, ""},

		{"ack", ``, 400, ""},
		{"ack", `{}`, 400, ""},
		{"ack", `[]`, 400, ""},
		{"ack", now, 400, ""},
		{"ack", `{"serial":"` + now + `"}`, 400, ""},
		{"ack", `{"serial":null}`, 400, ""},
		{"ack", `{"serial":0}`, 400, ""},
		{"ack", `{"serial":` + now + `.0}`, 400, ""},
		{"ack", `{"serial":1e9}`, 400, ""},
		{"ack", `{"serial":-1}`, 400, ""},
		{"ack", `{"serial":4294967296}`, 400, ""},
		{"ack", `{"Serial":` + now + `}`, 400, ""},
		{"ack", `{"serial":` + now + `,"serial":` + now + `}`, 400, ""},
		{"ack", `{"serial":` + now + `,"more":1}`, 400, ""},
		{"ack", `{"serial":` + now + `,"reason":"x"}`, 400, ""},
		{"ack", `{"serial":` + now + `} {}`, 400, ""},
		{"ack", `{"serial":` + now, 400, ""},
		{"ack", `{"serial":` + now + `}` + strings.Repeat(" ", 1024), 400, ""},
		{"alarm", `{"serial":` + now + `}`, 400, ""},
		{"alarm", `{"reason":"x"}`, 400, ""},
		{"alarm", `{"serial":` + now + `,"reason":1}`, 400, ""},
		{"alarm", `{"serial":` + now + `,"reason":"x","reason":"y"}`, 400, ""},
		{"alarm", `{"serial":` + now + `,"reason":"` + strings.Repeat("x", 1024) + `"}`, 400, ""},
	} {
		status, body := w.post("nordnet", "/v1/csam/"+c.path, c.body)
		if got := h.take(); status != c.status || got != c.heard || (status == 204) != (body == "") {
			t.Errorf("%s %.60q: status %d, %q, heard %q", c.path, c.body, status, body, got)
		}
	}
	for _, path := range []string{"/v1/other/ack", "/v1/other/alarm", "/v1/nothing/ack", "/v1/csam/MANIFEST"} {
		want := 404
		if path == "/v1/csam/MANIFEST" {
			want = 405
		}
		if status, _ := w.post("nordnet", path, `{"serial":`+now+`,"reason":"x"}`); status != want || h.take() != "" {
			t.Errorf("%s: status %d", path, status)
		}
	}
	for _, path := range []string{"ack", "alarm"} {
		resp, _ := w.get("/v1/csam/" + path)
		if resp.StatusCode != 405 || resp.Header.Get("Allow") != "POST" {
			t.Errorf("GET %s: status %d", path, resp.StatusCode)
		}
		if status, _ := w.post("elsewhere", "/v1/csam/"+path, `{"serial":`+now+`,"reason":"x"}`); status != 401 || h.take() != "" {
			t.Errorf("%s from a wrong address: status %d", path, status)
		}
	}
	h.fail = errors.New("disk is full")
	if status, _ := w.post("nordnet", "/v1/csam/ack", `{"serial":`+now+`}`); status != 503 {
		t.Errorf("what is not kept: status %d", status)
	}
	w.server.Close()
	if !strings.Contains(w.log.String(), "disk is full") || strings.Contains(w.log.String(), "growth") {
		t.Error("the log lacks why, or has the ISP's words")
	}
}

// Where nobody listens the path is absent.
func TestNoReports(t *testing.T) {
	w := newWorld(t, Options{})
	for _, path := range []string{"ack", "alarm"} {
		if status, _ := w.post("nordnet", "/v1/csam/"+path, `{"serial":1,"reason":"x"}`); status != 404 {
			t.Errorf("%s: status %d", path, status)
		}
	}
}

// An ISP that says much at once is one in the queue for the disk.
func TestReportsTakeTurns(t *testing.T) {
	entered, leave := make(chan string, 10), make(chan struct{})
	w := newWorld(t, Options{Alarm: func(isp, _ string, _ blocklist.Serial, _ string) error {
		entered <- isp
		<-leave
		return nil
	}})
	w.add("sudnet", "csam")
	w.set()
	var all sync.WaitGroup
	say := func(isp string) {
		all.Go(func() {
			if status, _ := w.post(isp, "/v1/csam/alarm", fmt.Sprintf(`{"serial":%v,"reason":"x"}`, w.one.Serial)); status != http.StatusNoContent {
				t.Errorf("%s: status %d", isp, status)
			}
		})
	}
	for range 3 {
		say("nordnet")
	}
	if first := <-entered; first != "nordnet" {
		t.Fatal(first)
	}
	say("sudnet")
	select {
	case second := <-entered:
		if second != "sudnet" {
			t.Errorf("%s again, while others wait", second)
		}
	case <-time.After(20 * time.Second):
		t.Error("another ISP is not heard")
	}
	close(leave)
	all.Wait()
}
