// Package sqlitefile opens an SQLite database that is one private file and
// holds what one program put there, durably: the register and the inbox are
// kept in such files.
//
// The file has mode 0600. All that is in it is known beforehand, a [Schema];
// what is opened is held against it word for word, because a trigger or view of
// somebody else's could make a record vanish on its way in.
package sqlitefile

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"
	_ "github.com/ncruces/go-sqlite3/driver" // the engine, without cgo

	"github.com/vaern/vaern/internal/durable"
)

// Schema is all that may be in a file.
type Schema struct {
	What       string // what the file is, for messages: "register"
	Version    int    // not zero; user_version of the file
	Statements []string
}

// ErrAltered is what opening a file finds that has other tables, indexes or
// triggers than its schema.
var ErrAltered = errors.New("its tables and triggers are not what they should be")

// BusyTimeout is how long a command waits for another one to finish writing.
// It is a variable for tests.
var BusyTimeout = 10 * time.Second

// ErrDisk is in every error of the disk below a file. It does not say
// that nothing was recorded: if the very last call fails, which makes durable
// that the journal is gone, the record is there.
var ErrDisk = errors.New("is the disk full, or failing? free space or mend it, look with vaern check, and run the command again")

// Create makes a new file of mode 0600 with nothing but the schema. If it fails
// nothing stays; if the process dies, a file that is not finished stays, and is
// in the way until somebody removes it.
func (s Schema) Create(path string) (*sql.DB, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	db, err := Connect(path)
	if err = errors.Join(f.Close(), err); err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	all := fmt.Sprintf("BEGIN; %s; PRAGMA user_version = %d; COMMIT", strings.Join(s.Statements, ";"), s.Version)
	if _, err := db.Exec(all); err != nil {
		return nil, errors.Join(s.Explain(err), db.Close(), os.Remove(path))
	}
	if err := durable.SyncDir(filepath.Dir(path)); err != nil {
		return nil, errors.Join(err, db.Close(), os.Remove(path))
	}
	return db, nil
}

// Open opens a file that [Schema.Create] made.
func (s Schema) Open(path string) (*sql.DB, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others: run chmod 600 on it", path)
	}
	db, err := Connect(path)
	if err != nil {
		return nil, err
	}
	if err := s.check(db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func (s Schema) check(db *sql.DB) error {
	var version int
	if err := db.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return fmt.Errorf("no %s: %w", s.What, s.Explain(err))
	}
	if version == 0 {
		return fmt.Errorf("no %s: it is another program's database, or was never finished", s.What)
	}
	if version != s.Version {
		return fmt.Errorf("%s has schema %d, this program knows %d", s.What, version, s.Version)
	}
	rows, err := db.Query("SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY rowid")
	if err != nil {
		return s.Explain(err)
	}
	defer rows.Close()
	var found []string
	for rows.Next() {
		var statement string
		if err := rows.Scan(&statement); err != nil {
			return s.Explain(err)
		}
		found = append(found, statement)
	}
	if err := rows.Err(); err != nil {
		return s.Explain(err)
	}
	slices.Sort(found)
	if !slices.Equal(found, slices.Sorted(slices.Values(s.Statements))) {
		return ErrAltered
	}
	return nil
}

// Explain says what to do about the failures that are nobody's fault.
func (s Schema) Explain(err error) error {
	switch {
	case errors.Is(err, sqlite3.BUSY):
		return fmt.Errorf("another program has held the %s for %v: wait for it and run the command again: %w", s.What, BusyTimeout, err)
	case errors.Is(err, sqlite3.FULL), errors.Is(err, sqlite3.IOERR), errors.Is(err, sqlite3.CANTOPEN): // what a full disk looks like from here
		return fmt.Errorf("%w: %w", ErrDisk, err)
	case errors.Is(err, sqlite3.CORRUPT):
		return fmt.Errorf("the file is damaged: restore it from a backup: %w", err)
	}
	return err
}

// Connect opens the file with a rollback journal and full
// synchronisation: when a command says that it is done, a power cut changes
// nothing (extra is full, and the directory after the journal is gone; with
// full alone, the journal could come back and undo what was acknowledged).
// The journal holds records too and has the mode of the file. Temporary
// tables stay in memory, never in a file of their own.
func Connect(path string) (*sql.DB, error) {
	path, err := filepath.Abs(path) // or :memory: would not be a file
	if err != nil {
		return nil, err
	}
	query := url.Values{
		"mode":    {"rw"},
		"modeof":  {path},
		"_txlock": {"immediate"},
		"_pragma": {
			fmt.Sprintf("busy_timeout(%d)", BusyTimeout.Milliseconds()), "journal_mode(delete)",
			"synchronous(extra)", "temp_store(memory)", "trusted_schema(off)",
		},
	}.Encode()
	query = strings.ReplaceAll(query, "+", "%20") // SQLite takes a plus for a plus
	dsn := (&url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: query}).String()
	db, err := sql.Open("sqlite3", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}
