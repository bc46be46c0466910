package register

import (
	"bytes"
	"context"
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
	"github.com/ncruces/go-sqlite3/driver" // the engine, without cgo

	"github.com/vaern/vaern/internal/durable"
)

// errConflict is returned by append when somebody else appended first.
var errConflict = errors.New("the register has changed meanwhile")

// sqlite stores a history in one SQLite file. Nothing but INSERT and SELECT
// is ever used; triggers make that a rule for other programs too.
type sqlite struct{ db *sql.DB }

const schemaVersion = 1

// schema is all that may be in the file. What is opened is held against it,
// word for word: a trigger or view of somebody else's could make a record
// vanish on its way in.
var schema = []string{
	`CREATE TABLE history (
	seq     INTEGER PRIMARY KEY,
	time    INTEGER NOT NULL,
	kind    TEXT NOT NULL,
	subject TEXT NOT NULL,
	nonce   BLOB NOT NULL,
	hash    BLOB NOT NULL,
	body    BLOB NOT NULL
) STRICT`,
	`CREATE TRIGGER history_no_delete BEFORE DELETE ON history BEGIN SELECT RAISE(ABORT, 'history is append-only'); END`,
	`CREATE TRIGGER history_no_update BEFORE UPDATE ON history BEGIN SELECT RAISE(ABORT, 'history is append-only'); END`,
}

// createSQLite makes an empty history in a new file of mode 0600. If it fails
// nothing stays; if the process dies, a file that is no register stays, and is
// in the way until somebody removes it.
func createSQLite(path string) (*sqlite, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	s, err := connectSQLite(path)
	if err = errors.Join(f.Close(), err); err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	all := fmt.Sprintf("BEGIN; %s; PRAGMA user_version = %d; COMMIT", strings.Join(schema, ";"), schemaVersion)
	if _, err := s.db.Exec(all); err != nil {
		return nil, errors.Join(explain(err), s.close(), os.Remove(path))
	}
	if err := durable.SyncDir(filepath.Dir(path)); err != nil {
		return nil, errors.Join(err, s.close(), os.Remove(path))
	}
	return s, nil
}

func openSQLite(path string) (*sqlite, error) {
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
	s, err := connectSQLite(path)
	if err != nil {
		return nil, err
	}
	if err := s.checkSchema(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *sqlite) checkSchema() error {
	var version int
	if err := s.db.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return fmt.Errorf("not a register: %w", explain(err))
	}
	if version == 0 {
		return errors.New("not a register: it is another program's database, or was never finished")
	}
	if version != schemaVersion {
		return fmt.Errorf("register has schema %d, this program knows %d", version, schemaVersion)
	}
	rows, err := s.db.Query("SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY type, name")
	if err != nil {
		return explain(err)
	}
	defer rows.Close()
	var found []string
	for rows.Next() {
		var statement string
		if err := rows.Scan(&statement); err != nil {
			return explain(err)
		}
		found = append(found, statement)
	}
	if err := rows.Err(); err != nil {
		return explain(err)
	}
	if !slices.Equal(found, schema) {
		return fmt.Errorf("%w: its tables and triggers are not those of a register", ErrTampered)
	}
	return nil
}

// busyTimeout is how long a command waits for another one to finish writing.
var busyTimeout = 10 * time.Second

// ErrDisk is in every error of the disk below the register. It does not say
// that nothing was recorded: if the very last call fails, which makes durable
// that the journal is gone, the record is there.
var ErrDisk = errors.New("is the disk full, or failing? free space or mend it, look with vaern check, and run the command again")

// explain says what to do about the failures that are nobody's fault.
func explain(err error) error {
	switch {
	case errors.Is(err, sqlite3.BUSY):
		return fmt.Errorf("another program has held the register for %v: wait for it and run the command again: %w", busyTimeout, err)
	case errors.Is(err, sqlite3.FULL), errors.Is(err, sqlite3.IOERR), errors.Is(err, sqlite3.CANTOPEN): // what a full disk looks like from here
		return fmt.Errorf("%w: %w", ErrDisk, err)
	case errors.Is(err, sqlite3.CORRUPT):
		return fmt.Errorf("the file is damaged: restore it from a backup: %w", err)
	}
	return err
}

// connectSQLite opens the file with a rollback journal and full
// synchronisation: when a command says that it is done, a power cut changes
// nothing (extra is full, and the directory after the journal is gone; with
// full alone, the journal could come back and undo what was acknowledged).
// The journal holds records too and has the mode of the register. Temporary
// tables stay in memory, never in a file of their own.
func connectSQLite(path string) (*sqlite, error) {
	path, err := filepath.Abs(path) // or :memory: would not be a file
	if err != nil {
		return nil, err
	}
	query := url.Values{
		"mode":    {"rw"},
		"modeof":  {path},
		"_txlock": {"immediate"},
		"_pragma": {
			fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "journal_mode(delete)",
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
	return &sqlite{db}, nil
}

func (s *sqlite) close() error { return s.db.Close() }

// read calls each for every record in order. It holds nothing open between
// two records, so that each may read bodies itself.
func (s *sqlite) read(each func(record) error) error {
	var count, last int64
	if err := s.db.QueryRow("SELECT count(*), coalesce(max(seq), 0) FROM history").Scan(&count, &last); err != nil {
		return explain(err)
	}
	if count != last {
		return ErrTampered
	}
	next, err := s.db.Prepare("SELECT time, kind, subject, nonce, hash, length(body), " + inRow + " FROM history WHERE seq = ?")
	if err != nil {
		return explain(err)
	}
	defer next.Close()
	for seq := int64(1); seq <= last; seq++ {
		r := record{seq: seq}
		var unix, size int64
		var nonce, hash []byte
		err := next.QueryRow(seq).Scan(&unix, &r.kind, &r.subject, &nonce, &hash, &size, &r.body)
		if err == nil && r.body == nil {
			r.body, err = s.large(seq, size)
		}
		switch {
		case errors.Is(err, sql.ErrNoRows), err == nil && (len(nonce) != len(r.nonce) || len(hash) != len(r.hash)):
			err = ErrTampered
		case err == nil:
			r.time, r.nonce, r.hash = time.Unix(unix, 0).UTC(), [16]byte(nonce), [32]byte(hash)
			err = each(r)
		}
		if err != nil {
			return fmt.Errorf("record %d: %w", seq, explain(err))
		}
	}
	return nil
}

// body returns the body of one record.
func (s *sqlite) body(seq int64) ([]byte, error) {
	var size int64
	var b []byte
	err := s.db.QueryRow("SELECT length(body), "+inRow+" FROM history WHERE seq = ?", seq).Scan(&size, &b)
	if err == nil && b == nil {
		b, err = s.large(seq, size)
	}
	return b, explain(err)
}

// inRow is a body that comes with its row; of a large one, NULL does.
const inRow = "CASE WHEN length(body) <= 65536 THEN body END"

// large reads a body piece by piece: as the value of a row, SQLite would hold
// a million entries twice, and the driver a third time.
func (s *sqlite) large(seq, size int64) ([]byte, error) {
	c, err := s.db.Conn(context.Background())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var body bytes.Buffer
	body.Grow(int(size))
	err = c.Raw(func(conn any) error {
		blob, err := conn.(driver.Conn).Raw().OpenBlob("main", "history", "body", seq, false)
		if err != nil {
			return err
		}
		_, err = blob.WriteTo(&body)
		return errors.Join(err, blob.Close())
	})
	if err == nil && int64(body.Len()) != size {
		err = ErrTampered // between the two readings
	}
	return body.Bytes(), err
}

// append adds records behind the history that ends in old, all or none.
func (s *sqlite) append(old head, records []record) error {
	return explain(s.insert(old, records))
}

func (s *sqlite) insert(old head, records []record) error {
	tx, err := s.db.Begin() // immediate: takes the write lock
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // no-op after commit
	var seq int64
	hash := make([]byte, len(old.hash)) // of the record before the first
	err = tx.QueryRow("SELECT seq, hash FROM history ORDER BY seq DESC LIMIT 1").Scan(&seq, &hash)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if seq != old.seq || !bytes.Equal(hash, old.hash[:]) {
		return errConflict
	}
	for _, r := range records {
		_, err := tx.Exec("INSERT INTO history (seq, time, kind, subject, nonce, hash, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
			r.seq, r.time.Unix(), r.kind, r.subject, r.nonce[:], r.hash[:], r.body)
		if err != nil {
			return err
		}
	}
	return tx.Commit()
}
