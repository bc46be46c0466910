package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/sshsig"
)

// The ideas of the conformance suite of The Update Framework, one by one, in the
// words of this wire: MANIFEST is its timestamp, snapshot and targets in one, and
// edition_keys its root, which is not fetched. What is about delegations, thresholds
// and root has no counterpart.
func TestTUF(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		idea string // with the tests of the suite that have it
		test func(t *testing.T)
	}{
		{"rollback: an older MANIFEST, rightly signed (test_new_timestamp_version_rollback)", trick{
			status: 3, says: "is not after",
			offer: func(_ *authority, p *provider, one, two *blocklist.Edition) *blocklist.Edition {
				p.feed.offer(two)
				p.pull(0)
				p.rebase()
				return one
			},
		}.holds},
		{"rollback: one that was seen, and not installed (test_snapshot_rollback)", trick{
			status: 3, says: "is not after",
			offer: func(a *authority, p *provider, one, two *blocklist.Edition) *blocklist.Edition {
				p.feed.offer(two)
				p.feed.lie(body("rpz.zone.zst", func(b []byte) []byte { return b[1:] }))
				p.pull(3)
				return a.follows(a.publish(one.Created.Add(time.Minute), "domain worse.example"), one)
			},
		}.holds},
		{"rollback: the list of an older edition under a new MANIFEST (test_targets_rollback)", trick{
			status: 3, says: "size or sum",
			offer: func(_ *authority, _ *provider, one, two *blocklist.Edition) *blocklist.Edition {
				copyFile(t, one, two, "rpz.zone.zst")
				return two
			},
		}.holds},
		{"equal version, other content (test_timestamp_eq_versions_check)", trick{
			status: 3, says: "is not after",
			offer: func(a *authority, _ *provider, one, _ *blocklist.Edition) *blocklist.Edition {
				return a.publish(one.Created, "domain worse.example")
			},
		}.holds},
		{"freeze: what is installed is offered on, past its time (test_timestamp_expired)", testFreeze},
		{"freeze: an expired edition, newer than what is installed (test_snapshot_expired, test_targets_expired)", trick{
			status: 3, says: "expired at",
			offer: func(a *authority, _ *provider, one, two *blocklist.Edition) *blocklist.Edition {
				return a.resign(two, editLine("expires", stamp(time.Now().Add(-time.Second))))
			},
		}.holds},
		{"expired on record, and something newer comes (test_expired_metadata)", testExpiredOnRecord},
		{"fast-forward: half a circle ahead is not after (RFC 1982)", trick{
			status: 3, says: "is not after",
			offer: func(a *authority, _ *provider, one, two *blocklist.Edition) *blocklist.Edition {
				return a.resign(two, editLine("serial", fmt.Sprint(uint32(one.Serial)+1<<31)))
			},
		}.holds},
		{"fast-forward and recovery: who had the key skipped ahead; the record is removed by hand (test_new_timestamp_fast_forward_recovery)", testFastForward},
		{"mix-and-match: MANIFEST of one, signature of another edition", trick{
			status: 3, says: "signature",
			offer: func(_ *authority, _ *provider, one, two *blocklist.Edition) *blocklist.Edition {
				copyFile(t, one, two, "MANIFEST.sig")
				return two
			},
		}.holds},
		{"mix-and-match: an edition is taken up between two answers (test_new_snapshot_version_mismatch)", testPublishInBetween},
		{"mix-and-match: another list's edition", trick{status: 3, says: "list", offer: resigned(editLine("list", "other"))}.holds},
		{"wrong signature: not signed (test_unsigned_metadata)", trick{
			status: 3, lie: body("MANIFEST.sig", func([]byte) []byte { return nil }),
		}.holds},
		{"wrong signature: by a key that is not trusted (test_root_has_keys_but_not_snapshot)", trick{
			status: 3, says: "allowed signers",
			offer: func(_ *authority, _ *provider, _, two *blocklist.Edition) *blocklist.Edition {
				return newAuthority(t).resign(two, func(s string) string { return s })
			},
		}.holds},
		{"wrong signature: by a trusted key, for another purpose (role confusion)", trick{
			status: 3, says: "namespace",
			offer: func(a *authority, _ *provider, _, two *blocklist.Edition) *blocklist.Edition {
				a.namespace = blocklist.HoldNamespace
				defer func() { a.namespace = blocklist.EditionNamespace }()
				return a.resign(two, func(s string) string { return s })
			},
		}.holds},
		{"wrong signature: of another MANIFEST that says nearly the same (test_metadata_bytes_match)", trick{
			status: 3, says: "signature", lie: body("MANIFEST", func(b []byte) []byte {
				return []byte(strings.Replace(string(b), "# settle: 1h\n", "# settle: 2h\n", 1))
			}),
		}.holds},
		{"key rotation: old and new key, then the new one alone (test_key_rotations)", testKeyRotation},
		{"key rotation: the old key after that", trick{
			status: 3, says: "allowed signers",
			offer: func(_ *authority, p *provider, _, two *blocklist.Edition) *blocklist.Edition {
				p.keys(newAuthority(t).allowed())
				return two
			},
		}.holds},
		{"endless data: MANIFEST", trick{status: 3, says: "longer than it may be", serve: endless}.holds},
		{"endless data: a list (test_max_root_rotations, download length)", trick{
			status: 3, says: "longer than it may be", lie: func(name string, a *answer) {
				if name == "rpz.zone.zst" {
					a.body, a.length = append(a.body, make([]byte, 1<<20)...), -1
				}
			},
		}.holds},
		{"slow retrieval: a few octets a second", trick{status: 1, slow: true, says: "it took too long", serve: trickle}.holds},
		{"substituted file (test_repository_substitutes_target_file)", trick{
			status: 3, says: "size or sum", lie: body("rpz.zone.zst", func(b []byte) []byte {
				b[len(b)/2] ^= 1
				return b
			}),
		}.holds},
		{"names in MANIFEST that leave the directory (test_quoting_issues)", trick{
			status: 3, says: "not a file's size",
			offer: func(a *authority, _ *provider, _, two *blocklist.Edition) *blocklist.Edition {
				return a.resign(two, func(s string) string { return strings.ReplaceAll(s, " rpz.zone.zst", " ../zone") })
			},
		}.holds},
		{"an unknown key in MANIFEST is kept and not read (test_unrecognized_fields)", testUnknownKey},
	} {
		t.Run(c.idea, func(t *testing.T) {
			t.Parallel()
			c.test(t)
		})
	}
}

// rebase makes what is installed now what a trick compares with. It is for tricks
// that install something themselves.
func (p *provider) rebase() { p.rebased = true }

func copyFile(t testing.TB, from, to *blocklist.Edition, name string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(from.Dir, name))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(to.Dir, name), data, 0o600))
}

func testFreeze(t *testing.T) {
	a, p, one, two := installedWith(t, "")
	later := a.follows(a.publish(two.Created.Add(50*time.Hour), "domain bad.example"), two)
	p.pull(0) // unchanged
	p.now = func() time.Time { return one.Expires }
	for range 2 {
		p.pull(3)
		if !strings.Contains(p.said.String(), "expired at") {
			t.Error(p.said.String())
		}
	}
	if p.read("zone") != plain(t, one, "rpz.zone") {
		t.Error("what was installed is gone")
	}
	p.feed.offer(later)
	p.pull(0)
}

func testExpiredOnRecord(t *testing.T) {
	a, p, one, _ := installedWith(t, "")
	p.now = func() time.Time { return one.Expires.Add(time.Hour) }
	next := a.follows(a.publish(one.Expires, "domain worse.example"), one)
	p.feed.offer(next)
	p.pull(0)
	if p.read("zone") != plain(t, next, "rpz.zone") {
		t.Error("not installed")
	}
}

func testFastForward(t *testing.T) {
	a, p, one, two := installedWith(t, "")
	p.feed.offer(a.resign(a.publish(two.Created, "domain worse.example"), func(s string) string {
		s = editLine("serial", fmt.Sprint(uint32(one.Serial)+1<<31-1))(s)
		return editLine("previous", one.Serial.String())(s)
	}))
	p.feed.mu.Lock()
	p.feed.kept[fmt.Sprint(uint32(one.Serial)+1<<31-1)] = p.feed.due
	p.feed.mu.Unlock()
	p.pull(0) // only who has the edition key can do this
	p.keys(a.allowed())
	p.feed.offer(two)
	p.pull(3) // loud, at every run
	// The authority has a new key, and says that the serial begins anew.
	b := newAuthority(t)
	p.keys(b.allowed())
	p.feed.offer(b.resign(two, func(s string) string { return s }))
	p.pull(3) // a new key alone does not let a lower serial in
	must(t, os.Remove(p.file("state/record.json")))
	p.pull(0)
	if p.read("zone") != plain(t, two, "rpz.zone") {
		t.Error("not installed")
	}
}

func testPublishInBetween(t *testing.T) {
	_, p, one, two := installedWith(t, "")
	p.feed.lie(func(name string, _ *answer) {
		if name == "MANIFEST" { // that of one is on its way
			p.feed.due = two
			p.feed.kept[two.Serial.String()] = two
		}
	})
	must(t, os.Remove(p.file("zone"))) // so that all of the edition is fetched again
	p.pull(0)
	if p.read("zone") != plain(t, one, "rpz.zone") {
		t.Error("not what the MANIFEST that came was of")
	}
	p.pull(0)
	if p.read("zone") != plain(t, two, "rpz.zone") {
		t.Error("the next edition was not installed")
	}
}

func testKeyRotation(t *testing.T) {
	a, p, _, two := installedWith(t, "")
	b := newAuthority(t)
	both, err := sshsig.NewAllowedSigners([]sshsig.Key{a.key, b.key})
	must(t, err)
	p.keys(both)
	two = b.resign(two, func(s string) string { return s })
	p.feed.offer(two)
	p.pull(0)
	p.keys(b.allowed())
	p.pull(0) // unchanged
	three := b.follows(b.publish(time.Now().Add(-time.Minute), "domain bad.example"), two)
	p.feed.offer(three)
	p.pull(0)
	if p.read("zone") != plain(t, three, "rpz.zone") {
		t.Error("not installed")
	}
}

func testUnknownKey(t *testing.T) {
	a, p, _, two := installedWith(t, "")
	p.feed.offer(a.resign(two, func(s string) string {
		return strings.Replace(s, "# domains: ", "# mirror: https://mirror.example/\n# domains: ", 1)
	}))
	p.pull(0)
}

func endless(w http.ResponseWriter, _ *http.Request) {
	for {
		if _, err := w.Write([]byte(strings.Repeat("# vaern edition 1\n", 1000))); err != nil {
			return
		}
	}
}

func trickle(w http.ResponseWriter, r *http.Request) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		_, _ = w.Write([]byte("#"))
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}
