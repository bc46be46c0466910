package blocklist_test

import (
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/sshsig"
)

func Example() {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	signer, keys := editionKey()
	editions, err := os.MkdirTemp("", "editions")
	must(err)
	defer os.RemoveAll(editions)
	dir, err := blocklist.MakeListDir(editions, "csam")
	must(err)

	// What must never be blocked, and what officers decided.
	protected := blocklist.NewProtected()
	_, err = protected.Read(strings.NewReader("lawful.example\n"))
	must(err)
	listed := func(id blocklist.EntryID, unit blocklist.Unit, text string) blocklist.Listed {
		target, err := blocklist.ParseTarget(unit, text)
		must(err)
		return blocklist.Listed{ID: id, Decision: 1, Target: target, Category: "malware"}
	}
	build := &blocklist.Build{
		Policy: &blocklist.Policy{Protected: protected, MaxGrowth: blocklist.Limit{Count: 50, Percent: 2}},
		Entries: []blocklist.Listed{
			listed(1, blocklist.Domain, "BAD.example"),
			listed(2, blocklist.Host, "www.bad.example"), // below E1
			listed(3, blocklist.URL, "http://shop.example/stolen"),
		},
		Today:      "2026-11-23",
		Now:        now,
		Withdrawn:  func(blocklist.Target) bool { return true },
		Overridden: func(blocklist.Rule, string, string) bool { return false },
	}

	// The first edition.
	publication := blocklist.Publication{
		Dir: dir,
		Manifest: blocklist.Manifest{
			Authority: "Example National Police", Environment: "test", List: "csam", Zone: "csam.rpz.police.example.",
			Serial: blocklist.Serial(0).Next(now), Created: now, Expires: now.Add(72 * time.Hour), Settle: time.Hour,
			Register: blocklist.RegisterHead{Records: 12, Hash: blocklist.Digest([]byte("the last record"))},
		},
		Keys: keys,
		Sign: func(manifest []byte) ([]byte, error) {
			return sshsig.Sign(signer, blocklist.EditionNamespace, manifest)
		},
	}
	first, err := blocklist.Publish(publication, build.Run().Set)
	must(err)
	fmt.Println("edition", first.Serial, "has", first.Domains, "domain,", first.Hosts, "hosts,", first.URLs, "URL")

	// E1 is withdrawn, and somebody adds what must not be blocked.
	build.Previous, err = first.Set()
	must(err)
	build.Created = first.Created
	build.Entries = append(build.Entries[1:], listed(4, blocklist.Domain, "lawful.example"))
	outcome := build.Run()
	for _, refused := range outcome.Refused {
		fmt.Println("refused:", refused.ID, refused.Rule, refused.Reason)
	}

	// The withdrawal is published all the same, and E2 is back.
	publication.Old = first
	publication.Manifest.Serial = first.Serial.Next(now)
	_, err = blocklist.Publish(publication, outcome.Set)
	must(err)

	// A reader opens, checks, and holds it against what it has.
	second, err := blocklist.OpenLatest(dir, keys)
	must(err)
	must(second.CheckContents())
	must(blocklist.CheckSuccessor(first.Manifest, second.Manifest, now))
	set, err := second.Set()
	must(err)
	for _, row := range set.Rows(blocklist.Host) {
		fmt.Println("printed:", row.Target, "revealed:", row.Target.Reveal())
	}
	fmt.Println("the first after it:", blocklist.CheckSuccessor(second.Manifest, first.Manifest, now))
	// Output:
	// edition 1795435200 has 1 domain, 0 hosts, 1 URL
	// refused: E4 never-block is a protected name
	// printed: host [listed] revealed: www.bad.example
	// the first after it: edition 1795435200 is not after 1795435201
}

// editionKey makes a key, and the allowed_signers that readers have.
func editionKey() (ssh.Signer, *sshsig.AllowedSigners) {
	private, public, err := sshsig.GenerateEd25519("edition key")
	must(err)
	signer, err := ssh.ParsePrivateKey(private)
	must(err)
	pub, _, err := sshsig.ParsePublicKey(public)
	must(err)
	keys, err := sshsig.NewAllowedSigners([]sshsig.Key{{
		Principal: blocklist.EditionPrincipal, Public: pub, Namespaces: []string{blocklist.EditionNamespace},
	}})
	must(err)
	return signer, keys
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
