package inbox

import (
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vaern/vaern/blocklist"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// world is an inbox with its clock.
type world struct {
	t    testing.TB
	path string
	now  time.Time
	*Inbox
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, path: filepath.Join(t.TempDir(), "inbox.db"), now: start}
	w.Inbox = w.opened()
	return w
}

func (w *world) clock() time.Time { return w.now }

func (w *world) opened() *Inbox {
	w.t.Helper()
	b, err := OpenOrCreate(w.path, w.clock)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = b.Close() })
	return b
}

// takes imports a text, and counts what became of its lines; a rejection fails
// the test.
func (w *world) takes(source, format, text string) (added, known, clashes int) {
	w.t.Helper()
	imp, err := w.Begin(source, format)
	if err != nil {
		w.t.Fatal(err)
	}
	_, err = Read(strings.NewReader(text), Options{Format: format, Now: w.now}, func(l Line) error {
		if l.Err != nil {
			return l.Err
		}
		outcome, err := imp.Add(&l.Report)
		switch outcome {
		case Added:
			added++
		case Known:
			known++
		case Clash:
			clashes++
		}
		return err
	})
	if err := errors.Join(err, imp.Commit()); err != nil {
		w.t.Fatal(err)
	}
	return added, known, clashes
}

// finding is an assessment that is the same for every report.
func finding(a Assessment) func(*Report) (*Assessment, error) {
	return func(*Report) (*Assessment, error) { return &a, nil }
}

func (w *world) whole(known Head) Summary {
	w.t.Helper()
	s, err := w.Verify(known)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// ids lists what a filter means.
func (w *world) listed(f Filter) (ids []blocklist.ReportID) {
	w.t.Helper()
	if err := w.List(f, func(r *Report) error { ids = append(ids, r.ID); return nil }); err != nil {
		w.t.Fatal(err)
	}
	return ids
}

// unguarded runs statements with all triggers away, and puts them back.
func (w *world) unguarded(statements ...string) {
	w.t.Helper()
	var all []string
	for _, s := range schema.Statements {
		if name, ok := strings.CutPrefix(s, "CREATE TRIGGER "); ok {
			all = append(all, "DROP TRIGGER "+strings.Fields(name)[0])
		}
	}
	all = append(all, statements...)
	for _, s := range schema.Statements {
		if strings.HasPrefix(s, "CREATE TRIGGER ") {
			all = append(all, s)
		}
	}
	for _, s := range all {
		execute(w.t, w.db, s)
	}
}

func execute(t testing.TB, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.Exec(statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
