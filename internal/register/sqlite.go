package register

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	_ "github.com/ncruces/go-sqlite3/driver" // the engine, without cgo
)

// errConflict is returned by append when somebody else appended first.
var errConflict = errors.New("the register has changed meanwhile")

// sqlite stores a history in one SQLite file. Nothing but INSERT and SELECT
// is ever used; triggers make that a rule for other programs too.
type sqlite struct{ db *sql.DB }

const schema = `
CREATE TABLE history (
	seq     INTEGER PRIMARY KEY,
	time    INTEGER NOT NULL,
	kind    TEXT NOT NULL,
	subject TEXT NOT NULL,
	nonce   BLOB NOT NULL,
	hash    BLOB NOT NULL,
	body    BLOB NOT NULL
) STRICT;
CREATE TRIGGER history_no_update BEFORE UPDATE ON history BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
CREATE TRIGGER history_no_delete BEFORE DELETE ON history BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
PRAGMA user_version = 1;
`

// createSQLite makes an empty history in a new file of mode 0600.
func createSQLite(path string) (*sqlite, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	s, err := connectSQLite(path)
	if err != nil {
		return nil, err
	}
	if _, err := s.db.Exec(schema); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func openSQLite(path string) (*sqlite, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others: run chmod 600 on it", path)
	}
	s, err := connectSQLite(path)
	if err != nil {
		return nil, err
	}
	var version int
	if err := s.db.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return nil, errors.Join(fmt.Errorf("not a register: %w", err), s.close())
	}
	if version != 1 {
		return nil, errors.Join(fmt.Errorf("register has schema %d, this program knows 1", version), s.close())
	}
	return s, nil
}

// connectSQLite opens the file with a rollback journal and full
// synchronisation: when a command says that it is done, a power cut changes
// nothing. Temporary tables stay in memory, never in a file of their own.
func connectSQLite(path string) (*sqlite, error) {
	dsn := (&url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: url.Values{
		"mode":    {"rw"},
		"_txlock": {"immediate"},
		"_pragma": {"busy_timeout(10000)", "synchronous(full)", "temp_store(memory)", "trusted_schema(off)"},
	}.Encode()}).String()
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
	last, err := s.last()
	if err != nil {
		return err
	}
	next, err := s.db.Prepare("SELECT time, kind, subject, nonce, hash, body FROM history WHERE seq = ?")
	if err != nil {
		return err
	}
	defer next.Close()
	for seq := int64(1); seq <= last; seq++ {
		r := record{seq: seq}
		var unix int64
		var nonce, hash []byte
		err := next.QueryRow(seq).Scan(&unix, &r.kind, &r.subject, &nonce, &hash, &r.body)
		if errors.Is(err, sql.ErrNoRows) || err == nil && (copy(r.nonce[:], nonce) != 16 || copy(r.hash[:], hash) != 32) {
			err = ErrTampered
		}
		if err == nil {
			r.time = time.Unix(unix, 0).UTC()
			err = each(r)
		}
		if err != nil {
			return fmt.Errorf("record %d: %w", seq, err)
		}
	}
	return nil
}

// last returns the number of the last record, or zero.
func (s *sqlite) last() (seq int64, err error) {
	err = s.db.QueryRow("SELECT coalesce(max(seq), 0) FROM history").Scan(&seq)
	return seq, err
}

// body returns the body of one record.
func (s *sqlite) body(seq int64) ([]byte, error) {
	var b []byte
	err := s.db.QueryRow("SELECT body FROM history WHERE seq = ?", seq).Scan(&b)
	return b, err
}

// append adds records behind the history that ends in old, all or none.
func (s *sqlite) append(old head, records []record) error {
	ctx := context.Background()
	tx, err := s.db.BeginTx(ctx, nil) // immediate: takes the write lock
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // no-op after commit
	var seq int64                        // not s.last: the one connection is the transaction's
	if err := tx.QueryRow("SELECT coalesce(max(seq), 0) FROM history").Scan(&seq); err != nil {
		return err
	}
	if seq != old.seq {
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
