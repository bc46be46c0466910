package register

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/sqlitefile"
)

// history is a world with a dozen records of every kind.
func history(t *testing.T) *world {
	t.Helper()
	w := founded(t, "production")
	w.tick(time.Minute)
	w.decide(w.adding("a.example", "b.example"), "anna", "bo")
	if err := w.Reject(w.draft(w.adding("c.example")), "no"); err != nil {
		t.Fatal(err)
	}
	w.decide(w.withdrawing(1), "bo")
	if _, err := w.Reserve("csam", nil, "policy", 3); err != nil {
		t.Fatal(err)
	}
	w.draft(revoking("bo", start))
	return w
}

// longHistory is a history with the later kinds of record as well: an
// override, a rollback, an expiry, an urgent request.
func longHistory(t *testing.T) *world {
	t.Helper()
	w := history(t)
	digest, err := w.EntryDigest(2)
	if err != nil {
		t.Fatal(err)
	}
	w.decide(overriding(blocklist.RuleNeverBlock, "E2", digest), "anna", "bo")
	w.decide(w.adding("d.example", "e.example"), "anna", "bo")
	if _, err := w.RollBack(w.rollback(w.Highest["csam"].Serial, 4), "anna", w.with("anna")); err != nil {
		t.Fatal(err)
	}
	w.tick(MaxAge - time.Second)
	w.decide(w.adding("f.example"), "anna", "bo")
	w.tick(time.Second)
	w.expire(2)
	if err := w.approveUrgent(w.draft(w.withdrawing(6)), "bo", 1); err != nil {
		t.Fatal(err)
	}
	return w
}

// scratch is a copy of the register whose rows may be changed.
func (w *world) scratch() *sqlite {
	w.t.Helper()
	data, err := os.ReadFile(w.path)
	if err != nil {
		w.t.Fatal(err)
	}
	path := filepath.Join(w.t.TempDir(), "copy.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		w.t.Fatal(err)
	}
	s, err := connectSQLite(path)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = s.close() })
	execute(w.t, s, "DROP TRIGGER history_no_update; DROP TRIGGER history_no_delete; PRAGMA synchronous=off; PRAGMA journal_mode=memory")
	return s
}

func connectSQLite(path string) (*sqlite, error) {
	db, err := sqlitefile.Connect(path)
	return &sqlite{db}, err
}

func execute(t testing.TB, s *sqlite, statement string, args ...any) {
	t.Helper()
	if _, err := s.db.Exec(statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// reopen puts the triggers back and opens the file as a command would.
func reopen(t testing.TB, s *sqlite) (*Register, error) {
	t.Helper()
	execute(t, s, strings.Join(schema.Statements[1:], ";"))
	defer execute(t, s, "DROP TRIGGER history_no_update; DROP TRIGGER history_no_delete")
	var path string
	if err := s.db.QueryRow("SELECT file FROM pragma_database_list").Scan(&path); err != nil {
		t.Fatal(err)
	}
	return Open(path, "production", func() time.Time { return start.Add(time.Hour) })
}

func TestEveryChangedOctetIsFound(t *testing.T) {
	changeEveryOctet(t, history(t), func(record) bool { return true })
	changeEveryOctet(t, longHistory(t), func(r record) bool {
		return r.kind == kindExpire || r.kind == kindUrgent || bytes.Contains(r.body, []byte("\n~ "))
	})
}

// changeEveryOctet changes all that is stored of those records that are meant.
func changeEveryOctet(t *testing.T, w *world, meant func(record) bool) {
	t.Helper()
	s := w.scratch()
	if _, err := replay(s); err != nil {
		t.Fatalf("the copy itself: %v", err)
	}
	// Records before the changed one are the same: their signatures need not
	// be verified again each time.
	before := &hindsight{voids: map[string]time.Time{}, carried: w.hindsight.carried}
	heads := map[int64]head{}
	_ = s.read(func(r record) error { heads[r.seq] = head{r.seq, r.time, r.hash}; return nil })
	var changes int
	for _, r := range w.records() {
		if !meant(r) {
			continue
		}
		seq := r.seq
		for _, column := range []string{"kind", "subject", "nonce", "hash", "body"} {
			var value []byte
			if err := s.db.QueryRow("SELECT "+column+" FROM history WHERE seq = ?", seq).Scan(&value); err != nil {
				t.Fatal(err)
			}
			put := func(v []byte) {
				t.Helper()
				var arg any = v
				if column == "kind" || column == "subject" {
					arg = string(v)
				}
				execute(t, s, "UPDATE history SET "+column+" = ? WHERE seq = ?", arg, seq)
			}
			try := func(what string, v []byte) {
				t.Helper()
				put(v)
				before.checked = heads[seq-1]
				if _, err := replayWith(s, before, nil); !errors.Is(err, ErrTampered) {
					t.Errorf("record %d, %s %s: %v", seq, column, what, err)
				}
				changes++
			}
			for i := range value {
				v := append([]byte{}, value...)
				v[i] ^= 1
				try(fmt.Sprintf("octet %d changed", i), v)
			}
			try("longer", append(append([]byte{}, value...), 0))
			if len(value) > 0 {
				try("shorter", value[:len(value)-1])
			}
			put(value)
		}
		for _, change := range []string{"time = time + 1", "time = time - 1", "seq = -seq", "seq = seq + 1000"} {
			execute(t, s, "UPDATE history SET "+change+" WHERE seq = ?", seq)
			_, err := replay(s)
			cut := seq == w.head.seq && strings.HasPrefix(change, "seq = -") && err == nil
			if !errors.Is(err, ErrTampered) || cut {
				t.Errorf("record %d, %s: %v", seq, change, err)
			}
			back := map[string]string{"time = time + 1": "time = time - 1", "time = time - 1": "time = time + 1"}[change]
			if back == "" {
				back = fmt.Sprintf("seq = %d", seq)
			}
			execute(t, s, "UPDATE history SET "+back+" WHERE seq IN (?, ?, ?)", seq, -seq, seq+1000)
		}
	}
	if _, err := replay(s); err != nil {
		t.Errorf("put back: %v", err)
	}
	t.Logf("%d changes, each found", changes)
}

func TestMovedRecordsAreFound(t *testing.T) {
	w := longHistory(t)
	s := w.scratch()
	try := func(what string, statements ...string) {
		t.Helper()
		execute(t, s, "BEGIN; "+strings.Join(statements, ";"))
		if _, err := replay(s); !errors.Is(err, ErrTampered) {
			t.Errorf("%s: %v", what, err)
		}
		execute(t, s, "ROLLBACK")
	}
	last := int(w.head.seq)
	for i := 1; i <= last; i++ {
		if i < last {
			try(fmt.Sprintf("record %d removed", i), fmt.Sprintf("DELETE FROM history WHERE seq = %d", i))
			try(fmt.Sprintf("record %d removed, the rest moved up", i), fmt.Sprintf("DELETE FROM history WHERE seq = %d", i),
				fmt.Sprintf("UPDATE history SET seq = -seq WHERE seq > %d", i), "UPDATE history SET seq = -seq - 1 WHERE seq < 0")
		}
		for j := i + 1; j <= last; j++ {
			try(fmt.Sprintf("records %d and %d swapped", i, j), fmt.Sprintf("UPDATE history SET seq = -1 WHERE seq = %d", i),
				fmt.Sprintf("UPDATE history SET seq = %d WHERE seq = %d", i, j), fmt.Sprintf("UPDATE history SET seq = %d WHERE seq = -1", j))
		}
	}
	for _, at := range []int{-5, 0, last + 1, last + 7} {
		try(fmt.Sprintf("a record at %d", at), fmt.Sprintf(
			"INSERT INTO history SELECT %d, time, 'reject', 'D4', nonce, hash, body FROM history WHERE seq = %d", at, last))
	}
}

// Whoever can write the file can cut its end off; what was published tells.
func TestCutEndIsFoundByWhatWasPublished(t *testing.T) {
	w := history(t)
	published := w.Head()
	s := w.scratch()
	for cut := w.head.seq; cut > 1; cut-- {
		r, err := reopen(t, s)
		if err != nil {
			t.Fatalf("cut behind %d: %v", cut, err)
		}
		if ok := r.Includes(published); ok != (cut == w.head.seq) {
			t.Errorf("cut behind %d of %d: Includes is %v", cut, w.head.seq, ok)
		}
		if !r.Includes(r.Head()) {
			t.Error("its own head is not included")
		}
		if cut == 8 { // and goes on in another way
			for i := range 12 {
				if err := r.Reject(2, "x"); i == 0 && err == nil {
					continue
				}
				if _, err := r.NewDraft(w.adding("x.example"), 0); err != nil {
					t.Fatal(err)
				}
			}
			if r.Includes(published) || r.head.seq < published.Records {
				t.Errorf("another history of %d records includes what was published", r.head.seq)
			}
			execute(t, s, "DELETE FROM history WHERE seq > 8")
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		execute(t, s, "DELETE FROM history WHERE seq = ?", cut)
	}
	for _, h := range []blocklist.RegisterHead{{}, {Records: 1}, {Records: published.Records, Hash: strings.ToUpper(published.Hash)}} {
		if w.Includes(h) {
			t.Errorf("includes %v", h)
		}
	}
	execute(t, s, "DELETE FROM history")
	if _, err := replay(s); err == nil || errors.Is(err, sql.ErrNoRows) {
		t.Errorf("empty: %v", err)
	}
}

// A trigger or view could make records vanish on their way in.
func TestForeignSchemaIsFound(t *testing.T) {
	for _, statement := range []string{
		"CREATE TRIGGER mute BEFORE INSERT ON history WHEN NEW.kind = 'reject' BEGIN SELECT RAISE(IGNORE); END",
		"DROP TRIGGER history_no_delete",
		"CREATE INDEX extra ON history (kind)",
		"CREATE VIEW extra AS SELECT 1",
		"ALTER TABLE history RENAME TO h; CREATE VIEW history AS SELECT * FROM h",
		"ALTER TABLE history ADD COLUMN extra TEXT",
	} {
		w := founded(t, "production")
		execute(t, w.store.(*sqlite), statement)
		if _, err := Open(w.path, "production", w.clock); !errors.Is(err, ErrTampered) {
			t.Errorf("%s: %v", statement, err)
		}
	}
}

func TestHistoryIsAppendOnlyForOtherPrograms(t *testing.T) {
	w := history(t)
	for _, statement := range []string{"DELETE FROM history", "UPDATE history SET time = 0"} {
		if _, err := w.store.(*sqlite).db.Exec(statement); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: %v", statement, err)
		}
	}
	w.same()
}
