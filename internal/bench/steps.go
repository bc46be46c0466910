package main

import (
	"fmt"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/dnsfeed"
	"github.com/vaern/vaern/internal/register"
	"github.com/vaern/vaern/internal/sshsig"
)

// steps takes a change of a hundred names through the packages that compile
// calls, one after the other, and prints how long each took. Compile itself
// reads register and edition at the same time.
func (b *bench) steps() error {
	b.change()
	fmt.Printf("\nthe steps of such a change, one after the other, wall\n")
	began := time.Now()
	step := func(what string) {
		fmt.Printf("  %-44s %7.3f s\n", what, time.Since(began).Seconds())
		began = time.Now()
	}
	reg, err := register.Open(b.path("authority/register.db"), "bench", time.Now)
	must(err)
	defer reg.Close()
	step("register: read, hash, verify, replay")
	keys, err := blocklist.LoadKeys(b.path("authority/keys/edition.allowed_signers"))
	must(err)
	dir := b.path("authority/editions/csam")
	old, err := blocklist.OpenLatest(dir, keys)
	must(err)
	step("last edition: signature, sums of all files")
	before, err := old.Set()
	must(err)
	step("last edition: rows")
	test, err := blocklist.ParseTarget(blocklist.Domain, "blocktest.police.example")
	must(err)
	now := time.Now().UTC().Truncate(time.Second)
	build := &blocklist.Build{
		List: "csam", Policy: &blocklist.Policy{Protected: blocklist.NewProtected(), MaxGrowth: blocklist.Limit{Count: b.n}},
		Entries: reg.InForce("csam"), Standing: []blocklist.Row{{Target: test, Category: blocklist.StandingCategory}},
		Today: now.Format(time.DateOnly), Previous: before, Created: old.Created, Now: now,
		Withdrawn:  func(t blocklist.Target) bool { return reg.WasListed("csam", t) },
		Overridden: reg.Overridden,
	}
	outcome := build.Run()
	step("set and guards")
	signer, closer, err := sshsig.LoadSigner(b.path("authority/keys/edition"), nil)
	must(err)
	defer closer.Close()
	m := *old.Manifest
	m.Serial, m.Created, m.Expires, m.Files = old.Serial.Next(now), now, now.Add(72*time.Hour), nil
	zone := dnsfeed.Zone{
		Name: m.Zone, Action: "stop.police.example.", TTL: 60,
		NS: []string{"ns1.police.example."}, Hostmaster: "hostmaster.police.example.",
	}
	_, err = blocklist.Publish(blocklist.Publication{
		Dir: dir, Old: old, Manifest: m, Files: zone.Files(), Keys: keys,
		Sign: func(text []byte) ([]byte, error) { return sshsig.Sign(signer, blocklist.EditionNamespace, text) },
	}, outcome.Set)
	step("edition: write, fsync, sign, verify, switch")
	return err
}
