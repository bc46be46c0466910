package inbox

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/vaern/vaern/blocklist"
)

// Import is a batch of reports that gets into the inbox as a whole or not at
// all. It holds a lock: other programs that write wait.
type Import struct {
	box    *Inbox
	tx     *sql.Tx
	source string
	format string
	head   Head
	first  blocklist.ReportID
	next   blocklist.ReportID
	digest rows
	insert *sql.Stmt
	known  *sql.Stmt
	seen   *sql.Stmt // of a list that is confirmed as a whole
}

// Outcome is what became of one report of an import.
type Outcome uint8

// The outcomes.
const (
	Added Outcome = iota
	Known         // the inbox has it, or the file said it before
	Clash         // the reference is another report's of the same source
)

// cacheSize is how many KiB of the file an import keeps in memory: room for the
// indexes, into which it writes all over. It is a variable for a test.
var cacheSize = 64 << 10

// Begin begins an import. The caller ends it by [Import.Commit] or
// [Import.Abandon].
func (b *Inbox) Begin(source, format string) (*Import, error) {
	if err := CheckSource(source); err != nil {
		return nil, err
	}
	if _, err := b.db.Exec(fmt.Sprintf("PRAGMA cache_size = -%d", cacheSize)); err != nil {
		return nil, fmt.Errorf("begin import: %w", schema.Explain(err))
	}
	tx, err := b.db.Begin()
	if err != nil {
		return nil, fmt.Errorf("begin import: %w", schema.Explain(err))
	}
	imp := &Import{box: b, tx: tx, source: source, format: format, digest: newRows()}
	if err := imp.begin(); err != nil {
		return nil, errors.Join(fmt.Errorf("begin import: %w", schema.Explain(err)), imp.Abandon())
	}
	return imp, nil
}

func (i *Import) begin() (err error) {
	if i.head, err = headOf(i.tx); err != nil {
		return err
	}
	if err = i.tx.QueryRow("SELECT coalesce(max(id), 0) + 1 FROM reports").Scan(&i.next); err != nil {
		return err
	}
	i.first = i.next
	for _, s := range []struct {
		stmt **sql.Stmt
		text string
	}{
		// A flat format has one target to a reference; a report of ICCAM has
		// several.
		{&i.insert, `INSERT INTO reports (` + reportColumns + `)
			SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9
			WHERE ?10 OR NOT EXISTS (SELECT 1 FROM reports WHERE source = ?2 AND ref = ?3)
			ON CONFLICT (source, ref, target, unit) DO NOTHING`},
		{&i.known, "SELECT id FROM reports WHERE source = ? AND ref = ? AND target = ? AND unit = ?"},
		{&i.seen, "INSERT INTO confirmed (event, report, date) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"},
	} {
		if *s.stmt, err = i.tx.Prepare(s.text); err != nil {
			return err
		}
	}
	return nil
}

// Add takes in one report, and gives it its id, or that of the report that it
// is. Its source and format are those of the import.
func (i *Import) Add(r *Report) (Outcome, error) {
	r.Source, r.Format = i.source, i.format
	details := ""
	if r.Details != (Details{}) {
		data, err := json.Marshal(&r.Details)
		if err != nil {
			return 0, fmt.Errorf("import: %w", err)
		}
		details = string(data)
	}
	r.ID, r.State = i.next, Reported
	if i.format == FormatIWOL {
		r.State = Assessed // by the agencies that listed it
	}
	several := r.Ref == "" || i.format == FormatICCAM
	stored := row{int64(r.ID), int64(r.Target.Unit), r.Source, r.Ref, r.Target.Reveal(), r.Received, r.Format, details}
	done, err := i.insert.Exec(stored.id, stored.source, stored.ref, stored.unit, stored.target, stored.received, stored.format, stored.details,
		int64(r.State), several)
	if err != nil {
		return 0, fmt.Errorf("import: %w", schema.Explain(err))
	}
	outcome := Added
	if n, err := done.RowsAffected(); err != nil {
		return 0, fmt.Errorf("import: %w", err)
	} else if n == 1 {
		i.next++
		i.digest.add(&stored)
	} else {
		outcome = Known
		err := i.known.QueryRow(r.Source, r.Ref, r.Target.Reveal(), int64(r.Target.Unit)).Scan(&r.ID)
		if errors.Is(err, sql.ErrNoRows) {
			return Clash, nil
		}
		if err != nil {
			return 0, fmt.Errorf("import: %w", schema.Explain(err))
		}
	}
	if i.format == FormatIWOL {
		if _, err := i.seen.Exec(i.head.Events+1, int64(r.ID), r.Received); err != nil {
			return 0, fmt.Errorf("import: %w", schema.Explain(err))
		}
	}
	return outcome, nil
}

// Commit records the import; after it, all of it is durable.
func (i *Import) Commit() error {
	if _, err := i.digest.confirmed(i.tx, i.head.Events+1); err != nil {
		return errors.Join(fmt.Errorf("import: %w", schema.Explain(err)), i.Abandon())
	}
	body := importBody{format: i.format, digest: i.digest.hex()}
	if i.next > i.first {
		body.first, body.last = i.first, i.next-1
	}
	to := Reported
	if i.format == FormatIWOL {
		to = Assessed
	}
	_, err := record(i.tx, i.head, &Event{Who: i.source, To: to, Why: "import", Body: body.String()}, i.box.now())
	if err == nil {
		err = i.tx.Commit()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("import: %w", schema.Explain(err)), i.Abandon())
	}
	return nil
}

// Abandon ends an import without a trace of it.
func (i *Import) Abandon() error {
	if err := i.tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
		return fmt.Errorf("abandon import: %w", schema.Explain(err))
	}
	return nil
}

// MaxAge is how old a confirmation by an agency may be on a list of INTERPOL's
// kind: three months.
const MaxAge = 92 * 24 * time.Hour

// lists are the newest import of a list of INTERPOL's kind from a source, and
// the one before; zero: there is none.
func (b *Inbox) lists(source string) (newest, before int64, err error) {
	var all []int64
	err = b.each("SELECT seq FROM events WHERE report = 0 AND who = ? AND body LIKE ? ORDER BY seq DESC LIMIT 2",
		[]any{source, "format " + FormatIWOL + "\n%"}, func(row scanner) error {
			all = append(all, 0)
			return row.Scan(&all[len(all)-1])
		})
	if all = append(all, 0, 0); err != nil {
		return 0, 0, err
	}
	return all[0], all[1], nil
}

// Returned returns the reports that the newest list of a source has, the one
// before had not, and an older one had.
func (b *Inbox) Returned(source string) ([]blocklist.ReportID, error) {
	newest, before, err := b.lists(source)
	if err != nil || before == 0 {
		return nil, err
	}
	return b.ids(`SELECT report FROM confirmed c WHERE event = ?
		AND NOT EXISTS (SELECT 1 FROM confirmed WHERE event = ? AND report = c.report)
		AND EXISTS (SELECT 1 FROM confirmed WHERE event < ? AND report = c.report) ORDER BY report`, newest, before, before)
}

func (b *Inbox) ids(query string, args ...any) ([]blocklist.ReportID, error) {
	var ids []blocklist.ReportID
	err := b.each(query, args, func(row scanner) error {
		var id blocklist.ReportID
		err := row.Scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// Missing returns the reports of a source that its newest list does not confirm
// any more.
func (b *Inbox) Missing(source string) ([]blocklist.ReportID, error) {
	newest, _, err := b.lists(source)
	if err != nil {
		return nil, err
	}
	return b.ids(`SELECT id FROM reports WHERE source = ? AND format = ? AND state != ?
		AND NOT EXISTS (SELECT 1 FROM confirmed WHERE event = ? AND report = id) ORDER BY id`,
		source, FormatIWOL, int64(Rejected), newest)
}

// Confirmed returns the day on which a report of INTERPOL's kind was last
// confirmed, and whether the newest list of its source still has it.
func (b *Inbox) Confirmed(r *Report) (date string, still bool, err error) {
	newest, _, err := b.lists(r.Source)
	if err != nil {
		return "", false, err
	}
	var event int64
	err = b.db.QueryRow("SELECT event, date FROM confirmed WHERE report = ? ORDER BY event DESC LIMIT 1", int64(r.ID)).Scan(&event, &date)
	if err != nil {
		return "", false, fmt.Errorf("read inbox: %v: %w", r.ID, schema.Explain(err))
	}
	return date, event == newest, nil
}
