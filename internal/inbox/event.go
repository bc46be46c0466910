package inbox

import (
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"time"

	"github.com/vaern/vaern/blocklist"
)

// Event is one change, as it was recorded.
type Event struct {
	Seq    int64
	At     time.Time          // whole seconds, UTC; never before the event before it
	Report blocklist.ReportID // zero: an import
	Who    string             // an officer, or the source of an import
	From   State
	To     State
	Why    string
	Body   string // of an assessment: JSON; of an import: see importBody

	hash [32]byte
}

// Assessment returns what an event that assessed a report found.
func (e *Event) Assessment() (*Assessment, error) {
	var a Assessment
	if err := json.Unmarshal([]byte(e.Body), &a); err != nil {
		return nil, fmt.Errorf("event %d: %w", e.Seq, ErrTampered)
	}
	return &a, nil
}

// Head is the end of the history of an inbox.
type Head struct {
	Events int64
	Hash   [32]byte

	time time.Time
}

// eventDomain keeps these hashes apart from all others.
const eventDomain = "vaern inbox 1\n"

// sum hashes an event and the hash before it; every field is preceded by its
// length, so that no two events give the same octets.
func (e *Event) sum(previous [32]byte) [32]byte {
	h := sha256.New()
	h.Write([]byte(eventDomain))
	h.Write(previous[:])
	number(h, e.Seq)
	number(h, e.At.Unix())
	number(h, int64(e.Report))
	number(h, int64(e.From))
	number(h, int64(e.To))
	for _, field := range []string{e.Who, e.Why, e.Body} {
		text(h, field)
	}
	return [32]byte(h.Sum(nil))
}

func number(h hash.Hash, v int64) {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(v)) //nolint:gosec // the bit pattern is what is hashed
	h.Write(n[:])
}

func text(h hash.Hash, s string) {
	number(h, int64(len(s)))
	h.Write([]byte(s))
}

const eventColumns = "seq, time, report, who, before, after, why, body, hash"

func scanEvent(row scanner) (*Event, error) {
	var e Event
	var unix int64
	var sum []byte
	if err := row.Scan(&e.Seq, &unix, &e.Report, &e.Who, &e.From, &e.To, &e.Why, &e.Body, &sum); err != nil {
		return nil, err
	}
	if len(sum) != len(e.hash) || int(e.From) >= len(stateNames) || int(e.To) >= len(stateNames) {
		return nil, fmt.Errorf("event %d: %w", e.Seq, ErrTampered)
	}
	e.At, e.hash = time.Unix(unix, 0).UTC(), [32]byte(sum)
	return &e, nil
}

// queryer is a database or a transaction.
type queryer interface {
	Query(string, ...any) (*sql.Rows, error)
	QueryRow(string, ...any) *sql.Row
	Exec(string, ...any) (sql.Result, error)
}

func headOf(q queryer) (Head, error) {
	e, err := scanEvent(q.QueryRow("SELECT " + eventColumns + " FROM events ORDER BY seq DESC LIMIT 1"))
	if errors.Is(err, sql.ErrNoRows) {
		return Head{}, nil
	}
	if err != nil {
		return Head{}, err
	}
	return Head{e.Seq, e.hash, e.At}, nil
}

// Head returns the end of the history.
func (b *Inbox) Head() (Head, error) {
	h, err := headOf(b.db)
	if err != nil {
		return h, fmt.Errorf("read inbox: %w", schema.Explain(err))
	}
	return h, nil
}

// record appends an event behind a head and returns the new one.
func record(q queryer, h Head, e *Event, now time.Time) (Head, error) {
	e.Seq = h.Events + 1
	e.At = now.UTC().Truncate(time.Second)
	if e.At.Before(h.time) {
		e.At = h.time
	}
	e.hash = e.sum(h.Hash)
	_, err := q.Exec("INSERT INTO events ("+eventColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		e.Seq, e.At.Unix(), int64(e.Report), e.Who, int64(e.From), int64(e.To), e.Why, e.Body, e.hash[:])
	return Head{e.Seq, e.hash, e.At}, err
}

// rows is the digest of what an import brought.
type rows struct{ h hash.Hash }

func newRows() rows { return rows{sha256.New()} }

// row is a report as it is stored, but for its state.
type row struct {
	id, unit                                       int64
	source, ref, target, received, format, details string
}

func (d rows) add(r *row) {
	number(d.h, r.id)
	number(d.h, r.unit)
	for _, field := range []string{r.source, r.ref, r.target, r.received, r.format, r.details} {
		text(d.h, field)
	}
}

// confirmed takes in which reports an import of a list confirmed, and counts
// them.
func (d rows) confirmed(q queryer, event int64) (n int64, err error) {
	found, err := q.Query("SELECT report, date FROM confirmed WHERE event = ? ORDER BY report", event)
	if err != nil {
		return 0, err
	}
	defer found.Close()
	for ; found.Next(); n++ {
		var id int64
		var date string
		if err := found.Scan(&id, &date); err != nil {
			return n, err
		}
		number(d.h, -id)
		text(d.h, date)
	}
	return n, found.Err()
}

func (d rows) hex() string { return hex.EncodeToString(d.h.Sum(nil)) }

// importBody says in one line each what an import brought: the format, the
// first and the last id that it gave (0 and 0: none), and the digest of its
// rows.
type importBody struct {
	format      string
	first, last blocklist.ReportID
	digest      string
}

func (i importBody) String() string {
	return fmt.Sprintf("format %s\nfirst %d\nlast %d\nsha256 %s\n", i.format, i.first, i.last, i.digest)
}

func parseImport(s string) (i importBody, err error) {
	_, err = fmt.Sscanf(s, "format %s\nfirst %d\nlast %d\nsha256 %s\n", &i.format, &i.first, &i.last, &i.digest)
	if err != nil || i.String() != s {
		err = ErrTampered
	}
	return i, err
}
