package httpfeed

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vaern/vaern/blocklist"
)

func TestChanges(t *testing.T) {
	w := newWorld(t, Options{})
	one := w.one // 5000 names, first.example
	two := w.csam.publish(4999, "second")
	three := w.csam.publish(5000, "first")
	w.lists["csam"] = NewList(three, two, one)
	w.set()
	head := func(from, to *blocklist.Edition) string {
		return fmt.Sprintf("# from %v\n# to %v\n", from.Serial, to.Serial)
	}
	for _, c := range []struct {
		from *blocklist.Edition
		want string
	}{
		{two, "+ domain first.example\n+ domain name-004999.example\n- domain second.example\n"},
		{one, ""},
		{three, ""},
	} {
		want := head(c.from, three) + c.want
		path := "/v1/csam/changes?from=" + c.from.Serial.String()
		for range 2 { // the second time it is remembered
			resp, body := w.get(path, "Accept-Encoding: zstd")
			if resp.StatusCode != 200 || string(body) != want || resp.Header.Get("Vaern-Serial") != three.Serial.String() ||
				resp.Header.Get("Etag") != tagOf(body) || resp.Header.Get("Content-Encoding") != "" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("from %v: status %d, %v, %q", c.from.Serial, resp.StatusCode, resp.Header, body)
			}
		}
		if resp, _ := w.get(path, "If-None-Match: "+tagOf([]byte(want))); resp.StatusCode != http.StatusNotModified {
			t.Errorf("with the tag: status %d", resp.StatusCode)
		}
		if resp, body := w.do(http.MethodHead, path); resp.StatusCode != 200 || len(body) > 0 || resp.ContentLength != int64(len(want)) {
			t.Errorf("HEAD: status %d, length %d", resp.StatusCode, resp.ContentLength)
		}
		if resp, body := w.get(path, "Range: bytes=2-5"); resp.StatusCode != 206 || string(body) != "from" {
			t.Errorf("range: status %d, %q", resp.StatusCode, body)
		}
	}
	w.lists["csam"] = NewList(two, one)
	w.set()
	if _, body := w.get("/v1/csam/changes?from=" + one.Serial.String()); !strings.HasPrefix(string(body), head(one, two)+"- domain first.example\n") {
		t.Errorf("to the second: %q", body)
	}
	for query, want := range map[string]int{
		"from=" + three.Serial.String(): 404, // not published
		"from=1":                        404,
		"from=4294967295":               404,
		"from=0":                        400,
		"from=01":                       400,
		"from=-1":                       400,
		"from=4294967296":               400,
		"from=x":                        400,
		"from=":                         400,
		"":                              400,
		"FROM=" + one.Serial.String():   400,
		"from=" + one.Serial.String() + "&from=" + one.Serial.String(): 400,
	} {
		resp, body := w.get("/v1/csam/changes?" + query)
		if resp.StatusCode != want || want == 404 && (resp.Header.Get("Vaern-Serial") != two.Serial.String() || !strings.Contains(string(body), "take the whole")) {
			t.Errorf("%q: status %d, %v, %q", query, resp.StatusCode, resp.Header, body)
		}
	}
	w.server.Close()
	if log := w.log.String(); strings.Contains(log, ".example") || strings.Contains(log, "ERROR") {
		t.Error("a name or an error is in the log")
	}
}

// An edition that is no longer kept, or is damaged, is no longer a place to
// begin from.
func TestChangesOfWhatIsGone(t *testing.T) {
	w := newWorld(t, Options{})
	one, two := w.one, w.csam.publish(4999, "second")
	w.lists["csam"] = NewList(two, one)
	w.set()
	path := "/v1/csam/changes?from=" + one.Serial.String()
	text := filepath.Join(one.Dir, "domains.txt.zst")
	good := stored(t, one, "domains.txt.zst")
	if err := os.WriteFile(text, stored(t, two, "domains.txt.zst"), 0o600); err != nil {
		t.Fatal(err)
	}
	if resp, _ := w.get(path); resp.StatusCode != 404 {
		t.Errorf("another text: status %d", resp.StatusCode)
	}
	if n := strings.Count(w.log.String(), `"level":"ERROR"`); n != 1 || strings.Contains(w.log.String(), ".example") {
		t.Errorf("%d errors in the log", n)
	}
	if err := os.RemoveAll(one.Dir); err != nil {
		t.Fatal(err)
	}
	if resp, _ := w.get(path); resp.StatusCode != 404 {
		t.Errorf("gone: status %d", resp.StatusCode)
	}
	if n := strings.Count(w.log.String(), `"level":"ERROR"`); n != 1 {
		t.Errorf("%d errors in the log: that an edition is gone is none", n)
	}
	if err := os.MkdirAll(one.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(text, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if resp, _ := w.get(path); resp.StatusCode != 200 {
		t.Errorf("as it was: status %d", resp.StatusCode)
	}
}

// Many who ask at once cost one computation, and what is remembered is bounded.
func TestChangesAreRemembered(t *testing.T) {
	w := newWorld(t, Options{})
	one, two := w.one, w.csam.publish(4999, "second")
	c := newChangesCache()
	var wg sync.WaitGroup
	got := make([]*changes, 20)
	for i := range got {
		wg.Go(func() { got[i], _ = c.get(t.Context(), "nordnet", one, two) })
	}
	wg.Wait()
	for _, g := range got {
		if g == nil || g != got[0] {
			t.Fatal("computed more than once")
		}
	}
	key := func(i int) changesKey { return changesKey{"csam", blocklist.Serial(i), 9} } //nolint:gosec // small
	megabyte := bytes.Repeat([]byte{'x'}, 1<<20)
	for i := range 100 {
		made := &changes{text: megabyte}
		if !c.keep(key(i), made) {
			t.Fatal("nobody holds one, and there is no room")
		}
		c.release(made)
		c.release(c.find(key(0)))
	}
	if c.size > maxCached || len(c.all) > 32 || len(c.all) != len(c.recent) {
		t.Errorf("%d octets, %d answers, %d keys", c.size, len(c.all), len(c.recent))
	}
	if c.find(key(0)) == nil || c.find(key(99)) == nil || c.find(key(50)) != nil {
		t.Error("the wrong ones were forgotten")
	}
	short := limited{left: 3}
	if _, err := short.Write([]byte("abc")); err != nil {
		t.Error(err)
	}
	if _, err := short.Write([]byte("d")); err == nil {
		t.Error("longer than allowed")
	}
}

// What is being sent is in memory, so it counts: who hardly reads what he asks
// for makes no room by that for more.
func TestChangesBeingSentAreBounded(t *testing.T) {
	c := newChangesCache()
	key := func(i int) changesKey { return changesKey{"csam", blocklist.Serial(i), 9} } //nolint:gosec // small
	text := make([]byte, 1<<20)
	var held []*changes
	for i := range 100 {
		made := &changes{text: text}
		if !c.keep(key(i), made) {
			break
		}
		held = append(held, made)
	}
	if len(held) != 31 || c.size > maxCached {
		t.Fatalf("%d of 1 MiB are held at once, %d octets", len(held), c.size)
	}
	c.release(held[7])
	if !c.keep(key(1000), &changes{text: text}) || c.find(key(7)) != nil || c.find(key(8)) == nil {
		t.Error("the one that nobody holds did not make room")
	}
}

// An ISP that asks for everything there is at once is one in the queue.
func TestChangesTakeTurns(t *testing.T) {
	w := newWorld(t, Options{})
	all := []*blocklist.Edition{w.one}
	for i := range 6 {
		all = append(all, w.csam.publish(4990-i, "next"))
	}
	last := all[len(all)-1]
	c := newChangesCache()
	c.making <- struct{}{}
	made := make(chan string, len(all))
	ask := func(isp string, from *blocklist.Edition) {
		go func() {
			if _, err := c.get(context.Background(), isp, from, last); err != nil {
				isp = err.Error()
			}
			made <- isp
		}()
	}
	for _, from := range all[1 : len(all)-1] {
		ask("greedy", from)
	}
	eventually(t, "the greedy one waits", func() bool { return len(c.turns.of("greedy")) == 1 })
	time.Sleep(20 * time.Millisecond) // time for more of it, if it were let
	ask("good", all[0])
	eventually(t, "the good one waits", func() bool { return len(c.turns.of("good")) == 1 })
	<-c.making
	// It may be on its way from its own turn to that of all; without turns all of
	// the greedy one's come before it.
	if early := []string{<-made, <-made, <-made}; !slices.Contains(early, "good") {
		t.Errorf("made for %v, while another one waits", early)
	}
}

// That changes are longer than the whole is found out once.
func TestTooLongChangesAreRemembered(t *testing.T) {
	m := newMaker(t, "csam")
	one, two := m.publish(1, "first"), m.publish(60_000, "second")
	c := newChangesCache()
	first, err := c.get(t.Context(), "nordnet", one, two)
	if err != nil || first.text != nil {
		t.Fatalf("%d octets, %v", len(first.text), err)
	}
	if again, err := c.get(t.Context(), "nordnet", one, two); err != nil || again != first {
		t.Errorf("made again, %v", err)
	}
}
