package httpfeed

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vaern/vaern/blocklist"
)

// A token in the path gives the zone and nothing else, and is in no log.
func TestTokenInThePath(t *testing.T) {
	w := newWorld(t, Options{Ack: func(string, string, blocklist.Serial) error { return nil }})
	zone := plainText(t, w.one, "rpz.zone")
	get := func(token, rest, header string) (int, []byte) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.server.URL+"/v1/t/"+token+rest, nil)
		if err != nil {
			t.Fatal(err)
		}
		if header != "" {
			req.Header.Set("Authorization", "Bearer "+header)
		}
		resp, err := (&http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var body bytes.Buffer
		_, _ = body.ReadFrom(resp.Body)
		if resp.StatusCode == 401 && seen(resp, body.Bytes()) == "" {
			t.Error("no answer")
		}
		return resp.StatusCode, body.Bytes()
	}
	its := w.tokens["nordnet"]
	serial := w.one.Serial.String()
	for _, c := range []struct {
		token, rest, header string
		status              int
	}{
		{its, "/csam/rpz.zone", "", 200},
		{its, "/csam/rpz.zone", its, 200},
		{its, "/csam/rpz.zone", "x", 401},
		{its, "/csam/rpz.zone", w.tokens["others"], 401},
		{"x", "/csam/rpz.zone", its, 401},
		{"x", "/csam/rpz.zone", "", 401},
		{"", "/csam/rpz.zone", "", 401},
		{w.tokens["revoked"], "/csam/rpz.zone", "", 401},
		{w.tokens["elsewhere"], "/csam/rpz.zone", "", 401},
		{w.tokens["others"], "/csam/rpz.zone", "", 404},
		{w.tokens["others"], "/other/rpz.zone", "", 200},
		{its, "/other/rpz.zone", "", 404},
		{its, "/nothing/rpz.zone", "", 404},
		{its, "/csam/rpz.zone.gz", "", 404},
		{its, "/csam/domains.txt", "", 404},
		{its, "/csam/MANIFEST", "", 404},
		{its, "/csam/" + serial + "/rpz.zone", "", 404},
		{its, "/csam/changes?from=" + serial, "", 404},
		{its, "/csam/ack", "", 404},
		{its, "/csam", "", 404},
		{its, "/", "", 404},
		{its, "", "", 404},
		{its, "/t/" + its + "/csam/rpz.zone", "", 404},
	} {
		status, body := get(c.token, c.rest, c.header)
		if status != c.status || status == 200 && strings.HasPrefix(c.rest, "/csam") && !bytes.Equal(body, zone) {
			t.Errorf("%.60s: status %d, %d octets, want %d", c.rest, status, len(body), c.status)
		}
	}
	// It is gone from the request too, whoever may print that.
	r := httptest.NewRequest(http.MethodGet, "/v1/t/"+its+"/csam/rpz.zone?x=1", nil)
	if p, path, ok := credentials(r); len(p.Tokens) != 1 || p.Tokens[0] != its || path != "csam/rpz.zone" || !ok {
		t.Errorf("taken apart: %q, %v", path, ok)
	}
	if text := fmt.Sprintf("%+v %v %q", r, r.URL, r.RequestURI); strings.Contains(text, its) {
		t.Error("the token is still in the request")
	}
	w.server.Close()
	for name, token := range w.tokens {
		if strings.Contains(w.log.String(), token) {
			t.Errorf("the token of %s is in the log", name)
		}
	}
	if n := strings.Count(w.log.String(), `"file":"rpz.zone"`); n != 3 {
		t.Errorf("%d lines about the zone, want 3", n)
	}
}

// A panic ends one answer. What it says, and what was asked for, is in no log.
func TestPanicGivesNothingAway(t *testing.T) {
	w := newWorld(t, Options{Ack: func(string, string, blocklist.Serial) error { panic("bad.example") }})
	its := w.tokens["nordnet"]
	for range 2 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL+"/v1/csam/ack", strings.NewReader(`{"serial":`+w.one.Serial.String()+`}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+its)
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = resp.Body.Close()
			t.Errorf("status %d", resp.StatusCode)
		}
	}
	if resp, _ := w.get("/v1/csam/MANIFEST"); resp.StatusCode != 200 {
		t.Errorf("afterwards: status %d", resp.StatusCode)
	}
	w.server.Close()
	log := w.log.String()
	if strings.Count(log, "ended by a panic") != 2 || strings.Contains(log, "example") || strings.Contains(log, its) {
		t.Errorf("log: %s", log)
	}
}
