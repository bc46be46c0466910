package register

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/ncruces/go-sqlite3/driver"

	"github.com/vaern/vaern/internal/sqlitefile"
)

// errConflict is returned by append when somebody else appended first.
var errConflict = errors.New("the register has changed meanwhile")

// sqlite stores a history in one SQLite file. Nothing but INSERT and SELECT
// is ever used; triggers make that a rule for other programs too.
type sqlite struct{ db *sql.DB }

// schema is all that may be in the file.
var schema = sqlitefile.Schema{What: "register", Version: 1, Statements: []string{
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
}}

// ErrDisk is in every error of the disk below the register, see
// [sqlitefile.ErrDisk].
var ErrDisk = sqlitefile.ErrDisk

func createSQLite(path string) (*sqlite, error) {
	db, err := schema.Create(path)
	return &sqlite{db}, err
}

func openSQLite(path string) (*sqlite, error) {
	db, err := schema.Open(path)
	if errors.Is(err, sqlitefile.ErrAltered) {
		err = fmt.Errorf("%w: %w", ErrTampered, err)
	}
	return &sqlite{db}, err
}

func explain(err error) error { return schema.Explain(err) }

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
