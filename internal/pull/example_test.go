package pull_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/pull"
	"github.com/vaern/vaern/internal/sshsig"
)

func Example() {
	dir, err := os.MkdirTemp("", "pull")
	must(err)
	defer os.RemoveAll(dir)
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	editions, keys := publish(dir, now)
	server := httptest.NewServer(feed(editions))
	defer server.Close()

	// What a provider configures. It begins with an empty state.
	url, err := pull.ParseURL(server.URL + "/v1/csam")
	must(err)
	client := &pull.Client{
		URL: url, HTTP: pull.NewHTTP(nil, nil), Token: "of the provider", Keys: keys, Environment: "test",
		State: filepath.Join(dir, "state"), Now: func() time.Time { return now },
		Installs: []pull.Install{{
			Format: pull.Dnsmasq, Stop: netip.MustParseAddr("192.0.2.99"), To: filepath.Join(dir, "blocked.conf"),
			UID: -1, GID: -1, Check: []string{"grep", "-q", "^address=", pull.File},
		}},
		Reload: []string{"true"},
	}
	must(os.Mkdir(client.State, 0o700))
	unlock, err := pull.Lock(client.State)
	must(err)
	defer unlock()

	for range 2 {
		out, err := client.Run(context.Background())
		must(err)
		fmt.Println("edition", out.Serial, "unchanged:", out.Unchanged, "acknowledged:", out.Acknowledged)
	}
	text, err := os.ReadFile(client.Installs[0].To)
	must(err)
	fmt.Print(string(text))

	// Three days later nothing newer has come. What is installed stays.
	now = now.Add(72 * time.Hour)
	_, err = client.Run(context.Background())
	var refusal *pull.Refusal
	fmt.Println("refused:", errors.As(err, &refusal), err)
	// Output:
	// acknowledged {"serial":1795435200}
	// edition 1795435200 unchanged: false acknowledged: true
	// edition 1795435200 unchanged: true acknowledged: true
	// # vaern: list csam, edition 1795435200, of 2026-11-23 12:00 UTC
	// # Made by vaern-pull. What is changed here is lost with the next edition.
	// address=/bad.example/192.0.2.99
	// local=/bad.example/
	// refused: true edition 1795435200 expired at 2026-11-26T12:00:00Z
}

// feed serves the latest edition in a directory, as vaernd does to who has a
// credential.
func feed(editions string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/csam/MANIFEST", func(w http.ResponseWriter, r *http.Request) {
		serial, err := blocklist.Latest(editions)
		must(err)
		http.ServeFile(w, r, filepath.Join(editions, serial.String(), "MANIFEST"))
	})
	mux.Handle("GET /v1/csam/", http.StripPrefix("/v1/csam/", http.FileServer(http.Dir(editions))))
	mux.HandleFunc("POST /v1/csam/ack", func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(body)
		fmt.Println("acknowledged", string(body))
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

// publish makes an edition with one domain, and the keys to verify it with.
func publish(dir string, now time.Time) (editions string, keys *sshsig.AllowedSigners) {
	private, public, err := sshsig.GenerateEd25519("edition key")
	must(err)
	signer, err := ssh.ParsePrivateKey(private)
	must(err)
	key, _, err := sshsig.ParsePublicKey(public)
	must(err)
	keys, err = sshsig.NewAllowedSigners([]sshsig.Key{{
		Principal: blocklist.EditionPrincipal, Public: key, Namespaces: []string{blocklist.EditionNamespace},
	}})
	must(err)
	target, err := blocklist.ParseTarget(blocklist.Domain, "bad.example")
	must(err)
	editions, err = blocklist.MakeListDir(dir, "csam")
	must(err)
	_, err = blocklist.Publish(blocklist.Publication{
		Dir: editions, Keys: keys,
		Manifest: blocklist.Manifest{
			Authority: "Example National Police", Environment: "test", List: "csam", Zone: "csam.rpz.police.example.",
			Serial: blocklist.Serial(0).Next(now), Created: now, Expires: now.Add(72 * time.Hour), Settle: time.Hour,
			Register: blocklist.RegisterHead{Records: 12, Hash: blocklist.Digest([]byte("the last record"))},
		},
		Sign: func(text []byte) ([]byte, error) { return sshsig.Sign(signer, blocklist.EditionNamespace, text) },
	}, blocklist.NewSet([]blocklist.Row{{Target: target, Added: "2026-11-23"}}))
	must(err)
	return editions, keys
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
