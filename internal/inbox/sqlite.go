package inbox

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/durable"
	"github.com/vaern/vaern/internal/sqlitefile"
)

// schema is all that may be in the file.
var schema = sqlitefile.Schema{What: "inbox", Version: 1, Statements: []string{
	`CREATE TABLE reports (
	id       INTEGER PRIMARY KEY,
	source   TEXT NOT NULL,
	ref      TEXT NOT NULL,
	unit     INTEGER NOT NULL,
	target   TEXT NOT NULL,
	received TEXT NOT NULL,
	format   TEXT NOT NULL,
	details  TEXT NOT NULL,
	state    INTEGER NOT NULL
) STRICT`,
	`CREATE UNIQUE INDEX reports_once ON reports (source, ref, target, unit)`,
	`CREATE INDEX reports_target ON reports (target)`,
	`CREATE INDEX reports_state ON reports (state)`,
	`CREATE INDEX reports_source ON reports (source, state)`,
	`CREATE TABLE events (
	seq    INTEGER PRIMARY KEY,
	time   INTEGER NOT NULL,
	report INTEGER NOT NULL,
	who    TEXT NOT NULL,
	before INTEGER NOT NULL,
	after  INTEGER NOT NULL,
	why    TEXT NOT NULL,
	body   TEXT NOT NULL,
	hash   BLOB NOT NULL
) STRICT`,
	`CREATE INDEX events_report ON events (report)`,
	`CREATE TABLE confirmed (
	event  INTEGER NOT NULL,
	report INTEGER NOT NULL,
	date   TEXT NOT NULL,
	PRIMARY KEY (event, report)
) STRICT, WITHOUT ROWID`,
	`CREATE TRIGGER reports_no_delete BEFORE DELETE ON reports BEGIN SELECT RAISE(ABORT, 'reports are append-only'); END`,
	`CREATE TRIGGER reports_no_update BEFORE UPDATE OF id, source, ref, unit, target, received, format, details ON reports BEGIN SELECT RAISE(ABORT, 'reports are append-only'); END`,
	`CREATE TRIGGER events_no_delete BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are append-only'); END`,
	`CREATE TRIGGER events_no_update BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are append-only'); END`,
	`CREATE TRIGGER confirmed_no_delete BEFORE DELETE ON confirmed BEGIN SELECT RAISE(ABORT, 'confirmations are append-only'); END`,
	`CREATE TRIGGER confirmed_no_update BEFORE UPDATE ON confirmed BEGIN SELECT RAISE(ABORT, 'confirmations are append-only'); END`,
}}

// ErrTampered is what a look at an inbox finds that something else than this
// package changed.
var ErrTampered = errors.New("the inbox was changed by hand")

// Inbox is an open inbox. It is for one goroutine; other processes may have it
// open too.
type Inbox struct {
	db  *sql.DB
	now func() time.Time
}

// Open opens the inbox in the file path. Without one the error is
// [fs.ErrNotExist].
func Open(path string, now func() time.Time) (*Inbox, error) {
	db, err := schema.Open(path)
	if errors.Is(err, sqlitefile.ErrAltered) {
		err = fmt.Errorf("%w: %w", ErrTampered, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open inbox: %w", err)
	}
	return &Inbox{db, now}, nil
}

// OpenOrCreate opens the inbox, and makes it if there is none. If the process
// dies meanwhile, there is a whole one or none; a hidden file may stay.
func OpenOrCreate(path string, now func() time.Time) (*Inbox, error) {
	b, err := Open(path, now)
	if !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), durable.TempPrefix+"inbox-")
	if err != nil {
		return nil, fmt.Errorf("create inbox: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	hidden := filepath.Join(dir, filepath.Base(path))
	db, err := schema.Create(hidden)
	if err == nil {
		err = db.Close()
	}
	if err == nil {
		err = os.Link(hidden, path) // unlike a rename, it replaces nothing
	}
	if err == nil {
		err = durable.SyncDir(filepath.Dir(path))
	}
	if err != nil && !errors.Is(err, fs.ErrExist) { // somebody else was first
		return nil, fmt.Errorf("create inbox: %w", err)
	}
	return Open(path, now)
}

// Close releases the inbox.
func (b *Inbox) Close() error { return b.db.Close() }

const reportColumns = "id, source, ref, unit, target, received, format, details, state"

// scanner is a row, or the one row of a query.
type scanner interface{ Scan(...any) error }

func scanReport(row scanner) (*Report, error) {
	var r Report
	var unit int64
	var target, details string
	if err := row.Scan(&r.ID, &r.Source, &r.Ref, &unit, &target, &r.Received, &r.Format, &details, &r.State); err != nil {
		return nil, err
	}
	if unit < 0 || unit > int64(blocklist.URL) || int(r.State) >= len(stateNames) {
		return nil, fmt.Errorf("%v: %w", r.ID, ErrTampered)
	}
	t, err := blocklist.ParseTarget(blocklist.Unit(unit), target)
	if err != nil || t.Reveal() != target {
		return nil, fmt.Errorf("%v: %w", r.ID, ErrTampered)
	}
	r.Target = t
	if details != "" {
		d := json.NewDecoder(bytes.NewReader([]byte(details)))
		d.DisallowUnknownFields()
		if err := d.Decode(&r.Details); err != nil {
			return nil, fmt.Errorf("%v: %w", r.ID, ErrTampered)
		}
	}
	return &r, nil
}
