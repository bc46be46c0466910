package e2e

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// compileKills is how often compile is killed, one time on top of another. TestRandomKills does it more often.
const compileKills = 20

// killed starts a command and kills it (SIGKILL) after a part of the time that it usually takes, chosen by lot: up to a
// tenth more, so that some come to their end.
func (w *world) killed(usual time.Duration, args ...string) result {
	w.t.Helper()
	after := time.Duration(rand.Int64N(int64(usual * 11 / 10))) //nolint:gosec // no secret
	cmd := w.command("vaern", args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) // it may be gone by itself
	defer timer.Stop()
	_ = cmd.Wait() // the status tells
	w.keep(stdout.String())
	w.keep(stderr.String())
	return result{status: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
}

// editions are all that were ever seen of a list, to find a serial that is given twice.
type editions struct {
	*world
	manifests map[string][32]byte // by serial
	begun     map[string]bool     // serials of folders that a killed compile left hidden
}

// look notes what lies in the list's folder, and returns how many hidden leftovers there are.
func (e *editions) look() (hidden int) {
	e.t.Helper()
	entries, err := os.ReadDir(e.file("editions/csam"))
	if err != nil {
		e.t.Fatal(err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if serial, ok := strings.CutPrefix(name, ".new-"); ok {
			hidden++
			e.begun[serial] = true
			continue
		}
		if _, err := strconv.ParseUint(name, 10, 32); err != nil {
			continue // latest
		}
		sum := sha256.Sum256([]byte(e.read("editions/csam/" + name + "/MANIFEST")))
		before, known := e.manifests[name]
		if known && before != sum {
			e.t.Fatalf("edition %s is another one than before: a serial was used twice", name)
		}
		if !known && e.begun[name] {
			e.t.Fatalf("edition %s was begun by a compile that was killed: a serial was used twice", name)
		}
		e.manifests[name] = sum
	}
	return hidden
}

// checkReserved holds what was seen against what the register reserved.
func (e *editions) checkReserved() {
	e.t.Helper()
	all, err := serials(e.file("register.db"))
	if err != nil {
		e.t.Fatal(err)
	}
	reserved := map[string]bool{}
	for _, s := range all {
		if reserved[s.String()] {
			e.t.Errorf("serial %v was reserved twice", s)
		}
		reserved[s.String()] = true
	}
	for serial := range e.manifests {
		if !reserved[serial] {
			e.t.Errorf("edition %s was published without a reserved serial", serial)
		}
	}
	e.t.Logf("%d serials reserved, %d editions seen", len(reserved), len(e.manifests))
}

// leftovers are files that a command puts beside others and takes away before it ends.
func (w *world) leftovers() (found []string) {
	w.t.Helper()
	err := filepath.WalkDir(w.dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && (strings.HasPrefix(entry.Name(), ".new-") || strings.HasSuffix(path, "-journal")) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

// Whenever compile is killed: the old or the new edition, whole; and the next compile mends all.
func TestKillCompile(t *testing.T) {
	t.Parallel()
	for half := range 2 {
		t.Run(strconv.Itoa(half), func(t *testing.T) {
			t.Parallel()
			killCompile(t, compileKills/2)
		})
	}
}

func killCompile(t *testing.T, rounds int) {
	w := newWorld(t, alone, noGrowthLimit)
	e := &editions{w, map[string][32]byte{}, map[string]bool{}}
	w.add(synthetic("listed", 3000)...)
	begin := time.Now()
	domains := w.compile().Domains
	usual := time.Since(begin)
	e.look()
	outcome := map[string]int{}
	for round := range rounds {
		if round%2 == 0 {
			w.add(fmt.Sprintf("round%d.example", round))
			domains++
		} else {
			w.withdraw(fmt.Sprintf("round%d.example", round-1))
			domains--
		}
		before := w.latest()
		r := w.killed(usual, "compile")
		hidden, after := e.look(), w.latest()
		outcome[fmt.Sprintf("ended %d, new edition %v, hidden folder %v", r.status, after != before, hidden > 0)]++
		if _, seen := e.manifests[after]; !seen {
			t.Fatalf("round %d: latest names %s, which is not there", round, after)
		}
		if r.status == 0 && after == before {
			t.Fatalf("round %d: compile says that it is done, and the old edition is published", round)
		}
		w.vaern(0, "edition", "verify")
		w.vaern(0, "check")

		begin := time.Now()
		c := w.compile()
		if !c.Unchanged {
			usual = time.Since(begin)
		}
		// The edition of a compile that died just before it was the latest is gone on from.
		adopted := c.Unchanged && fmt.Sprint(c.Serial) != after
		if !adopted && c.Unchanged != (after != before) || c.Domains != domains {
			t.Fatalf("round %d: healed by %+v after %s became %s, want %d domains", round, c, before, after, domains)
		}
		e.look()
		if found := w.leftovers(); len(found) > 0 {
			t.Fatalf("round %d: compile left %v", round, found)
		}
	}
	e.checkReserved()
	w.vaern(0, "edition", "verify")
	for what, n := range outcome {
		t.Logf("%2d times: %s", n, what)
	}
	if outcome["ended 0, new edition true, hidden folder false"] == rounds {
		t.Error("compile was never killed: the test shows nothing")
	}
}
