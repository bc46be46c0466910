package register

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/peers"
	"github.com/vaern/vaern/internal/sshsig"
)

func TestQuorumIsReachedExactly(t *testing.T) {
	for _, quorum := range []int{1, 2, 3, 4} {
		w := founded(t, "test")
		names := []string{"anna", "bo", "carl", "dora"}
		w.hire("carl", "anna", "bo")
		w.hire("dora", "carl", "bo")
		id := w.draft(w.adding("a.example"))
		for i, name := range names[:quorum] {
			w.status(id, Draft)
			w.listed()
			d, err := w.Approve(id, name, w.sign(id, name), func(*Decision) int { return quorum })
			if err != nil || d.Valid() != i+1 || d.Quorum != quorum {
				t.Fatalf("quorum %d, approval %d: %+v, %v", quorum, i+1, d, err)
			}
		}
		w.status(id, Approved)
		w.listed("a.example")
		_, err := w.Approve(id, "dora", w.sign(id, "dora"), needs)
		w.refused(err, "approved already")
	}
}

// In production two add, whatever the configuration says; one may take away.
func TestProductionAddsWithTwo(t *testing.T) {
	one := func(*Decision) int { return 0 }
	w := founded(t, "production")
	for _, d := range []blocklist.Decision{
		w.adding("a.example"),
		changing(w.officer("carl", "carl", blocklist.Hotline)),
		{List: "csam", Basis: "raid", Overrides: []blocklist.Override{{Rule: blocklist.RuleGrowth, For: "D1", Digest: blocklist.Digest(nil)}}},
	} {
		id := w.draft(d)
		for _, name := range []string{"anna", "bo"} {
			w.status(id, Draft)
			if _, err := w.Approve(id, name, w.sign(id, name), one); err != nil {
				t.Fatal(err)
			}
		}
		w.status(id, Approved)
	}
	w.decide(w.withdrawing(1), "anna")
	w.listed()
	w = founded(t, "test")
	id := w.draft(w.adding("a.example"))
	if _, err := w.Approve(id, "anna", w.sign(id, "anna"), one); err != nil {
		t.Fatal(err)
	}
	w.listed("a.example")
}

func TestApprovalsThatDoNotCount(t *testing.T) {
	w := founded(t, "production")
	w.hire("carl", "anna", "bo")
	w.decide(changing(w.officer("henk", "henk", blocklist.Hotline)), "anna", "bo")
	w.tick(time.Minute)
	w.decide(revoking("carl", w.now), "bo")
	id := w.draft(w.adding("a.example"))
	w.approve(id, "anna")
	other := w.draft(w.adding("a.example"))
	text, err := w.Text(id)
	if err != nil {
		t.Fatal(err)
	}
	swap := func(old, new string) []byte {
		changed := bytes.Replace(text, []byte(old), []byte(new), 1)
		if bytes.Equal(changed, text) {
			t.Fatalf("%q is not in the text", old)
		}
		return w.signText(changed, "bo", blocklist.DecisionNamespace)
	}
	for _, c := range []struct {
		name, officer string
		signature     []byte
		why           string
	}{
		{"same officer twice", "anna", w.sign(id, "anna"), "approved D4 already"},
		{"somebody else's name", "bo", w.sign(id, "anna"), "not made with the key"},
		{"hotline", "henk", w.sign(id, "henk"), "only police"},
		{"unknown officer", "dora", w.sign(id, "dora"), "no active officer"},
		{"unknown key", "bo", w.sign(id, "dora"), "not made with the key"},
		{"revoked officer", "carl", w.sign(id, "carl"), "no active officer"},
		{"revoked key, other name", "bo", w.sign(id, "carl"), "not made with the key"},
		{"another register's text", "bo", swap(w.ID, "00"+w.ID[2:]), "does not fit"},
		{"another environment's text", "bo", swap("production", "test"), "does not fit"},
		{"another list's text", "bo", swap("csam", "malware"), "does not fit"},
		{"another decision", "bo", w.sign(other, "bo"), "does not fit"},
		{"changed text", "bo", swap("a.example", "b.example"), "does not fit"},
		{"text without its end", "bo", w.signText(text[:len(text)-1], "bo", blocklist.DecisionNamespace), "does not fit"},
		{"wrong namespace", "bo", w.signText(text, "bo", "vaern-edition"), "namespace"},
		{"no signature", "bo", nil, "signature"},
		{"name with a quorum", "bo 1", w.sign(id, "bo"), "no active officer"},
	} {
		before := w.Head()
		_, err := w.Approve(id, c.officer, c.signature, needs)
		if w.refused(err, c.why); w.Head() != before {
			t.Errorf("%s: recorded", c.name)
		}
	}
	w.status(id, Draft)
	w.approve(id, "bo")
	w.listed("a.example")
}

// A signature made before the officer's key was known counts from then on.
func TestKeyCountsFromItsAdditionOn(t *testing.T) {
	w := founded(t, "production")
	id := w.draft(w.adding("a.example"))
	early := w.sign(id, "carl")
	_, err := w.Approve(id, "carl", early, needs)
	w.refused(err, "no active officer")
	w.tick(time.Hour)
	w.hire("carl", "anna", "bo")
	if _, err := w.Approve(id, "carl", early, needs); err != nil {
		t.Fatal(err)
	}
	w.status(id, Draft)
}

func TestSignaturesOfSshKeygen(t *testing.T) {
	w := founded(t, "production")
	id := w.draft(w.adding("a.example"))
	text, err := w.Text(id)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, kind := range [][]string{{"ed25519"}, {"ecdsa"}, {"rsa", "-b", "2048"}} {
		key, file := filepath.Join(dir, kind[0]), filepath.Join(dir, kind[0]+".txt")
		args := append([]string{"-q", "-N", "", "-f", key, "-t"}, kind...)
		run(t, nil, "ssh-keygen", args...)
		public, err := os.ReadFile(key + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		parsed, _, err := sshsig.ParsePublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		change := blocklist.OfficerChange{Name: kind[0], Role: blocklist.Police, Key: sshsig.Text(parsed)}
		w.decide(changing(change), "anna", "bo")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, nil, "ssh-keygen", "-q", "-Y", "sign", "-n", "vaern-decision", "-f", key, file)
		signature, err := os.ReadFile(file + ".sig")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Approve(id, kind[0], signature, func(*Decision) int { return 3 }); err != nil {
			t.Fatalf("%s: %v", kind[0], err)
		}
	}
	w.listed("a.example")
	signatures, err := w.Signatures(id)
	if err != nil || len(signatures) != 3 {
		t.Errorf("signatures: %v, %v", signatures, err)
	}
}

// run runs a tool, with stdin if it is not nil, and returns what it printed.
func run(t *testing.T, stdin []byte, tool string, args ...string) string {
	t.Helper()
	c := peers.Command(t, tool, args...)
	c.Stdin = bytes.NewReader(stdin)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", tool, args, err, out)
	}
	return string(out)
}
