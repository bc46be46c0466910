package httpfeed

import (
	"bytes"
	"net/http"
	"strconv"
	"testing"
)

// HT2: a range of edition N is never answered from N+1: neither by the tag that
// N had, in any encoding, nor by its serial.
func TestHT2RangeAcrossAPublish(t *testing.T) {
	w := newWorld(t, Options{})
	half := map[string][2]string{} // tag and encoding of what was begun, by path
	var begun []string
	for _, path := range []string{"domains.txt", "domains.txt.zst", "domains.txt.gz", "rpz.zone", "MANIFEST"} {
		for _, accept := range []string{"identity", "gzip", "zstd"} {
			resp, body := w.get("/v1/csam/"+path, "Accept-Encoding: "+accept, "Range: bytes=0-99")
			if resp.StatusCode != http.StatusPartialContent || len(body) != 100 {
				t.Fatalf("%s: status %d", path, resp.StatusCode)
			}
			key := path + " " + accept
			half[key] = [2]string{resp.Header.Get("Etag"), path}
			begun = append(begun, key)
		}
	}
	one := w.one
	two := w.csam.publish(4000, "second")
	w.lists = map[string]*List{"csam": NewList(two, one)}
	w.set()
	for _, key := range begun {
		path, accept, _ := bytes.Cut([]byte(key), []byte(" "))
		tag := half[key][0]
		encoding := "Accept-Encoding: " + string(accept)
		whole, want := w.get("/v1/csam/"+string(path), encoding)
		for what, headers := range map[string][]string{
			"If-Range": {encoding, "Range: bytes=100-", "If-Range: " + tag},
		} {
			resp, body := w.get("/v1/csam/"+string(path), headers...)
			if resp.StatusCode != 200 || !bytes.Equal(body, want) || resp.Header.Get("Etag") != whole.Header.Get("Etag") ||
				resp.Header.Get("Vaern-Serial") != two.Serial.String() || resp.Header.Get("Content-Range") != "" {
				t.Errorf("%s by %s: status %d, %d octets of edition %s", key, what, resp.StatusCode, len(body), resp.Header.Get("Vaern-Serial"))
			}
		}
		if resp, _ := w.get("/v1/csam/"+string(path), encoding, "Range: bytes=100-", "If-Match: "+tag); resp.StatusCode != http.StatusPreconditionFailed {
			t.Errorf("%s by If-Match: status %d", key, resp.StatusCode)
		}
		// Under its serial, it goes on.
		resp, body := w.get("/v1/csam/"+one.Serial.String()+"/"+string(path), encoding, "Range: bytes=100-", "If-Range: "+tag)
		if resp.StatusCode != http.StatusPartialContent || resp.Header.Get("Etag") != tag || resp.Header.Get("Vaern-Serial") != one.Serial.String() {
			t.Errorf("%s under its serial: status %d, edition %s, %d octets", key, resp.StatusCode, resp.Header.Get("Vaern-Serial"), len(body))
		}
	}
}

// HT2: nor is it by a client that only says where to go on, as far as the server
// knows what it has.
func TestHT2BlindRangeAcrossAPublish(t *testing.T) {
	w := newWorld(t, Options{})
	const path = "/v1/csam/domains.txt.zst"
	blind := func() (int, string) {
		t.Helper()
		resp, body := w.get(path, "Range: bytes=100-199")
		if (resp.StatusCode == 206) != (len(body) == 100) {
			t.Errorf("status %d with %d octets", resp.StatusCode, len(body))
		}
		return resp.StatusCode, resp.Header.Get("Vaern-Serial")
	}
	if status, _ := blind(); status != 206 {
		t.Errorf("nothing is known of the client: status %d", status)
	}
	w.get(path, "Range: bytes=0-99")
	if status, _ := blind(); status != 206 {
		t.Errorf("of the same edition: status %d", status)
	}
	two := w.csam.publish(4000, "second")
	w.lists = map[string]*List{"csam": NewList(two, w.one)}
	w.set()
	w.do(http.MethodHead, path)
	w.get("/v1/csam/domains.txt", "Accept-Encoding: zstd")
	w.get("/v1/csam/"+two.Serial.String()+"/domains.txt.zst", "Range: bytes=0-99")
	if status, serial := blind(); status != 200 || serial != two.Serial.String() {
		t.Errorf("with the beginning of the edition before: status %d of %s", status, serial)
	}
	if status, _ := blind(); status != 206 {
		t.Errorf("after the whole of the new one: status %d", status)
	}
	var b begun
	for i := range 3 * maxBegun {
		b.goesOn(part{isp: strconv.Itoa(i)}, http.Header{}, "x")
	}
	if len(b.tag) > maxBegun {
		t.Errorf("%d beginnings are remembered", len(b.tag))
	}
}
