package httpfeed

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/vaern/vaern/internal/peers"
)

// Chromium, which knows gzip and zstd by itself, gets every file in every
// encoding to its last octet.
func TestChromiumGetsEverything(t *testing.T) {
	w := newWorld(t, Options{})
	base := "https://" + w.serveTLS(tls.VersionTLS13) + "/v1/csam/"
	c := peers.StartChromium(t)
	bearer := "Bearer " + w.tokens["nordnet"]
	c.Headers(map[string]string{"Authorization": bearer})
	c.Visit(base + "MANIFEST")
	for _, f := range every() {
		headers := map[string]string{"Authorization": bearer}
		if f[1] != "" { // else its own, which has both
			headers["Accept-Encoding"] = f[1]
		}
		c.Headers(headers)
		var got struct {
			Status int
			Coding string
			Sum    string
		}
		c.Evaluate(fmt.Sprintf(`(async () => {
			const r = await fetch(%q, {cache: "no-store"});
			const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", await r.arrayBuffer()));
			return {Status: r.status, Coding: r.headers.get("Content-Encoding") || "",
				Sum: Array.from(sum, b => b.toString(16).padStart(2, "0")).join("")};
		})()`, base+f[0]), &got)
		coding, octets := f[1], []byte(nil)
		switch coding { // it unpacks what came encoded
		case "identity", "gzip", "zstd":
			octets = plainText(t, w.one, f[0])
		default:
			octets = w.octets(f[0], coding)
		}
		if coding == "identity" {
			coding = ""
		}
		want := sha256.Sum256(octets)
		if got.Status != 200 || got.Coding != coding || got.Sum != hex.EncodeToString(want[:]) {
			t.Errorf("%s %s: %+v", f[0], f[1], got)
		}
	}
}
