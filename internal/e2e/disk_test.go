package e2e

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// limited prepares a vaern that can make no file longer than that many blocks of 512 octets, which is to it what a full
// disk is: writing fails.
func (w *world) limited(blocks int, args ...string) *exec.Cmd {
	w.t.Helper()
	script := `trap "" XFSZ; ulimit -f "$1"; shift; exec "$@"`
	all := append([]string{"-c", script, "sh", strconv.Itoa(blocks), w.command("vaern").Path}, args...)
	return w.command("sh", all...)
}

// When the disk is full, a command says so and fails; what was published is still there, whole, and served; and with room
// again the next run mends all.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t, alone, noGrowthLimit)
	w.add(synthetic("listed", 3000)...)
	w.compile()
	w.addISP("nordnet", "csam")
	s := w.serve()
	before := w.latest()
	w.add("more.example")
	info, err := os.Stat(w.file("editions/csam/" + before + "/zone.image"))
	if err != nil {
		t.Fatal(err)
	}
	image := int(info.Size()) / 512

	// No room for the register's journal; for some files of the edition; for all but its largest.
	said := map[string]int{}
	for _, room := range []int{0, 1, 8, image / 4, image / 2, image} {
		r := w.run(w.limited(room, "compile"))
		if r.status != 1 || !strings.HasPrefix(r.stderr, "vaern: ") || strings.Contains(r.stderr, "goroutine") {
			t.Fatalf("room for %d blocks: exit status %d:\n%s%s", room, r.status, r.stdout, r.stderr)
		}
		for _, what := range []string{"register", "publish edition"} {
			if strings.Contains(r.stderr, what) {
				said[what]++
			}
		}
		if w.latest() != before {
			t.Fatalf("room for %d blocks: latest is %q, was %s", room, w.latest(), before)
		}
		w.vaern(0, "edition", "verify")
		w.vaern(0, "check")
		if serial, owners := s.axfr(t, "nordnet.key"); serial != before || len(owners) != 2*3001 {
			t.Fatalf("room for %d blocks: served is %q with %d policies", room, serial, len(owners))
		}
	}
	if said["register"] == 0 || said["publish edition"] == 0 {
		t.Errorf("failed in %v: not both in the register and in the edition", said)
	}
	if c := w.compile(); c.Unchanged || c.Domains != 3002 {
		t.Errorf("with room again: %+v", c)
	}
	if found := w.leftovers(); len(found) > 0 {
		t.Errorf("left: %v", found)
	}
	await(t, "the new edition is served", func() bool { return s.soa("nordnet.key") == w.latest() })
}

// The same for decisions: nothing is recorded by halves.
func TestDiskFullDeciding(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	names := synthetic("case", 3000)
	w.list(names...)
	w.write("batch.txt", strings.Join(names, "\n"))
	for _, room := range []int{0, 1, 8, 24, 64} {
		r := w.run(w.limited(room, "decision", "new", "--add", "batch.txt", "--basis", "test"))
		t.Logf("room for %d blocks: %s", room, r.stderr)
		if r.status != 1 || !strings.HasPrefix(r.stderr, "vaern: ") {
			t.Fatalf("room for %d blocks: exit status %d:\n%s%s", room, r.status, r.stdout, r.stderr)
		}
		if drafts := w.drafts(); len(drafts) != 0 {
			t.Fatalf("room for %d blocks: %v was drafted", room, drafts)
		}
	}
	d := w.decide([]string{"anna", "bo"}, "--add", "batch.txt")
	if d.ID != "D1" || d.Accepted != 3000 {
		t.Errorf("with room again: %+v", d)
	}
	if c := w.compile(); c.Domains != 3001 {
		t.Errorf("compiled %+v", c)
	}
}
