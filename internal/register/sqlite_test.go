package register

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestPathsOfAllKinds(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.MkdirAll("a b/c", 0o700); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, now: start}
	for _, path := range []string{
		"plain.db", "./dot.db", "a b/c/../space here.db", "what?.db", "what?mode=memory", "hash#.db", "per%20cent%.db",
		"amp&_pragma=x.db", "plus+.db", "quote'\".db", "file:x.db", "ünïcode.db", "semi;colon.db", ":memory:",
	} {
		if err := Create(path, w.clock); err != nil {
			t.Errorf("%q: %v", path, err)
			continue
		}
		r, err := Open(path, "test", w.clock)
		if err != nil {
			t.Errorf("%q: %v", path, err)
			continue
		}
		info, err := os.Stat(path)
		if err != nil || info.Size() == 0 || info.Mode().Perm() != 0o600 {
			t.Errorf("%q: the file is not where it should be: %v, %v", path, info, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if err := Create(path, w.clock); err == nil {
			t.Errorf("%q: made twice", path)
		}
	}
	entries, _ := os.ReadDir(".")
	if len(entries) != 14 {
		t.Errorf("files: %v", entries)
	}
}

// The journal holds what the register holds, and the umask is not ours.
func TestJournalIsAsPrivateAsTheRegister(t *testing.T) {
	w := founded(t, "production")
	s := w.opened("production").store.(*sqlite)
	execute(t, s, "PRAGMA cache_size = 1")
	tx, err := s.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	for i := range 9 {
		if _, err := tx.Exec("INSERT INTO history VALUES (?, 0, '', '', x'', x'', zeroblob(90000))", 1000+i); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(w.path))
	if err != nil || len(entries) != 2 {
		t.Fatalf("%v, %v; want the register and its journal", entries, err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s has mode %v, %v", e.Name(), info.Mode(), err)
		}
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(w.path)); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestCommitIsDurable(t *testing.T) {
	s := founded(t, "production").store.(*sqlite)
	for pragma, want := range map[string]string{
		"synchronous": "3", "journal_mode": "delete", "temp_store": "2", "trusted_schema": "0", "busy_timeout": "10000",
	} {
		var got string
		if err := s.db.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q, %v; want %s", pragma, got, err, want)
		}
	}
}

func TestSymbolicLink(t *testing.T) {
	w := founded(t, "production")
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(w.path, link); err != nil {
		t.Fatal(err)
	}
	if err := Create(link, w.clock); err == nil {
		t.Error("made through a link")
	}
	r, err := Open(link, "production", w.clock)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.NewDraft(w.adding("a.example"), 0); err != nil {
		t.Error(err)
	}
}

func TestNotARegister(t *testing.T) {
	dir := t.TempDir()
	w := founded(t, "production")
	cases := map[string]func(path string) error{
		"empty":     func(p string) error { return os.WriteFile(p, nil, 0o600) },
		"text":      func(p string) error { return os.WriteFile(p, []byte(strings.Repeat("text ", 999)), 0o600) },
		"directory": func(p string) error { return os.Mkdir(p, 0o700) },
		"cut off": func(p string) error {
			data, err := os.ReadFile(w.path)
			if err != nil {
				return err
			}
			return os.WriteFile(p, data[:len(data)/2], 0o600)
		},
		"other program's": func(p string) error {
			if err := os.WriteFile(p, nil, 0o600); err != nil {
				return err
			}
			s, err := connectSQLite(p)
			if err != nil {
				return err
			}
			execute(t, s, "CREATE TABLE mail (body)")
			return s.close()
		},
	}
	for name, make := range cases {
		path := filepath.Join(dir, name)
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, "production", w.clock); err == nil {
			t.Errorf("%s: opened", name)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
	if _, err := Open(filepath.Join(dir, "absent"), "production", w.clock); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	if err := os.Chmod(w.path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(w.path, "production", w.clock); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("readable by others: %v", err)
	}
}

func TestDiskFull(t *testing.T) {
	w := founded(t, "production")
	s := w.store.(*sqlite)
	execute(t, s, "PRAGMA max_page_count = 6")
	var names []string
	for i := range 2000 {
		names = append(names, strings.Repeat("x", 40)+strings.Repeat(".y", i%9)+string(rune('a'+i%26))+".example")
	}
	before := w.Head()
	_, err := w.NewDraft(w.adding(names...), 0)
	w.refused(err, "free space")
	if w.Head() != before {
		t.Error("the state has what the history has not")
	}
	execute(t, s, "PRAGMA max_page_count = 100000")
	w.decide(w.adding("a.example"), "anna", "bo")
	w.listed("a.example")
}

// A register of many decisions takes memory as it has entries, not as it has
// entries times decisions.
func TestOpeningTakesWhatIsThere(t *testing.T) {
	w := founded(t, "production")
	const decisions, names = 200, 20
	for i := range decisions {
		var add []string
		for j := range names {
			add = append(add, fmt.Sprintf("n%d-%d.example", i, j))
		}
		w.decide(w.adding(add...), "anna", "bo")
	}
	info, err := os.Stat(w.path)
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if n := len(w.opened("production").InForce("csam")); n != decisions*names {
		t.Fatalf("%d in force", n)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 25*uint64(info.Size()) { //nolint:gosec // a size
		t.Errorf("opening %d octets took %d", info.Size(), took)
	}
}
