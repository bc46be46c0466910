package register

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/peers"
	"github.com/vaern/vaern/internal/sshsig"
)

func TestCheckOfficersFile(t *testing.T) {
	w := crowd(t)
	check := func(what string, data []byte, stale, ok bool) {
		t.Helper()
		for _, s := range []*State{w.State, w.opened("production").State} {
			got, err := s.CheckOfficersFile(data)
			if got != stale || (err == nil) != ok {
				t.Errorf("%s: stale is %v, %v", what, got, err)
			}
		}
	}
	oldest := w.OfficersFile()
	w.tick(time.Minute)
	w.decide(w.adding("a.example"), "carl", "dora")
	w.decide(changing(w.officer("emil", "emil", blocklist.Police), w.officer("fia", "fia", blocklist.Hotline)), "carl", "bo")
	before := w.OfficersFile()
	check("two officers added", before, false, true)
	check("the process died before two were added to the file", oldest, true, true)
	// carl takes emil and fia along: the file must still be known.
	w.decide(revoking("carl", start.Add(3*time.Minute)), "bo")
	now := w.OfficersFile()
	check("as the register says", now, false, true)
	check("the process died before the file was written", before, true, true)
	check("older", oldest, false, false)
	check("edited", append(bytes.Clone(now), '\n'), false, false)
	check("one line gone", now[:bytes.LastIndexByte(now[:len(now)-1], '\n')+1], false, false)
	check("empty", nil, false, false)
	if strings.Contains(string(now), "emil") || !strings.Contains(string(before), "emil") {
		t.Error("an officer who never counted is in the file")
	}
	w.decide(w.adding("b.example"), "dora", "bo")
	check("a decision about other things", now, false, true)
	check("a decision about other things later", before, true, true)
}

// A key that is revoked from the second it was added, or before, leaves a file
// that can be read.
func TestOfficersFileIsAlwaysReadable(t *testing.T) {
	for _, back := range []time.Duration{0, time.Hour} {
		w := crowd(t)
		added := w.active("dora", w.moment()).Added
		w.decide(revoking("dora", added.Add(-back)), "bo")
		signers, err := sshsig.ParseAllowedSigners(w.OfficersFile())
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, k := range signers.Keys() {
			names = append(names, k.Principal)
		}
		if got := strings.Join(names, " "); got != "anna bo carl" {
			t.Errorf("keys of %s", got)
		}
	}
	empty := newWorld(t, "production")
	if stale, err := empty.CheckOfficersFile(empty.OfficersFile()); stale || err != nil {
		t.Errorf("without officers: %v, %v", stale, err)
	}
}

func TestSshKeygenReadsTheOfficersFile(t *testing.T) {
	w := crowd(t)
	id := w.decide(w.adding("a.example"), "carl", "anna")
	approved := w.now
	w.tick(time.Hour)
	w.decide(revoking("carl", w.now), "bo")
	text, err := w.Text(id)
	if err != nil {
		t.Fatal(err)
	}
	signatures, err := w.Signatures(id)
	if err != nil || len(signatures) != 2 {
		t.Fatalf("%d signatures, %v", len(signatures), err)
	}
	dir := t.TempDir()
	officers := filepath.Join(dir, "officers")
	if err := os.WriteFile(officers, w.OfficersFile(), 0o600); err != nil {
		t.Fatal(err)
	}
	verify := func(name string, at time.Time) error {
		file := filepath.Join(dir, name+".sig")
		if err := os.WriteFile(file, signatures[name], 0o600); err != nil {
			t.Fatal(err)
		}
		c := peers.Command(t, "ssh-keygen", "-Y", "verify", "-f", officers, "-I", name, "-n", blocklist.DecisionNamespace,
			"-s", file, "-O", "verify-time="+at.UTC().Format("20060102150405Z"))
		c.Stdin = bytes.NewReader(text)
		return c.Run()
	}
	for _, name := range []string{"anna", "carl"} {
		if err := verify(name, approved); err != nil {
			t.Errorf("%s at the time of the approval: %v", name, err)
		}
		if err := verify(name, start.Add(-time.Hour)); err == nil {
			t.Errorf("%s verifies before the key was known", name)
		}
	}
	// ssh-keygen counts the second of valid-before as valid.
	if err := verify("carl", w.now.Add(time.Second)); err == nil {
		t.Error("carl verifies after he was revoked")
	}
	if err := verify("anna", w.now.Add(time.Second)); err != nil {
		t.Errorf("anna: %v", err)
	}
}
