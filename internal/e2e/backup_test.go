package e2e

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vaern/vaern/blocklist"
)

// copyOf copies files and folders of the authority aside, and back.
func (w *world) copyOf(to string, names ...string) {
	w.t.Helper()
	for _, name := range names {
		w.tool("sh", "-c", `rm -rf "$2" && mkdir -p "$(dirname "$2")" && cp -a "$1" "$2"`, "sh", name, filepath.Join(to, name))
	}
}

func (w *world) restore(from string, names ...string) {
	w.t.Helper()
	for _, name := range names {
		w.tool("sh", "-c", `rm -rf "$2" && cp -a "$1" "$2"`, "sh", filepath.Join(from, name), name)
	}
}

// An old register under newer editions would publish again what was withdrawn since: it is refused, by everything that
// could publish.
func TestOldRegisterUnderNewEditions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, alone, eachSecond)
	w.add("stays.example", "goes.example")
	w.compile()
	w.copyOf("backup", "register.db")
	w.copyOf("newest", "register.db")
	w.withdraw("goes.example")
	w.compile()
	w.copyOf("newest", "register.db")
	before := w.latest()

	w.restore("backup", "register.db")
	for _, args := range [][]string{{"compile"}, {"compile", "--urgent"}, {"compile", "--dry-run"}} {
		r := w.vaern(3, args...)
		if !strings.Contains(r.stderr, "from a register that this one does not continue") || !strings.Contains(r.stderr, "hint: ") {
			t.Errorf("%v says %s", args, r.stderr)
		}
	}
	w.vaern(1, "check")
	r := w.startRun()
	r.says("from a register that this one does not continue")
	w.restore("newest", "register.db")
	r.says(`"unchanged":true`)
	r.end(15)
	if w.latest() != before {
		t.Errorf("latest is %s, was %s", w.latest(), before)
	}
	if names := w.lines("domains.txt"); slices.Contains(names, "goes.example") {
		t.Error("what was withdrawn is published again")
	}
}

// If register and editions are restored together, the authority can not know what was published after the backup. Serials
// are times, so none is used twice; and the gate that servers and providers ask refuses the second branch.
func TestRestoredBackup(t *testing.T) {
	t.Parallel()
	w := newWorld(t, alone)
	w.add("stays.example", "goes.example")
	w.compile()
	w.copyOf("backup", "register.db", "editions", "officers")
	w.withdraw("goes.example")
	lost := w.compile().Serial
	w.add("later.example")
	lost = max(lost, w.compile().Serial)
	w.copyOf("gone", "editions")

	// The wall clock has moved on: nobody restores a backup within the second.
	await(t, "the clock is past the last edition", func() bool { return time.Now().Unix() > int64(lost) })
	w.restore("backup", "register.db", "editions", "officers")
	w.withdraw("goes.example")
	c := w.compile()
	if c.Serial <= lost {
		t.Errorf("edition %d, and %d was published before the backup was restored", c.Serial, lost)
	}
	w.vaern(0, "edition", "verify")

	keys, err := blocklist.LoadKeys(w.file("keys/edition.allowed_signers"))
	if err != nil {
		t.Fatal(err)
	}
	served, err := blocklist.OpenLatest(w.file("gone/editions/csam"), keys)
	if err != nil {
		t.Fatal(err)
	}
	next, err := blocklist.OpenLatest(w.file("editions/csam"), keys)
	if err != nil {
		t.Fatal(err)
	}
	err = blocklist.CheckSuccessor(served.Manifest, next.Manifest, time.Now())
	if err == nil || !strings.Contains(err.Error(), "does not know") {
		t.Errorf("a second branch: %v", err)
	}
}
