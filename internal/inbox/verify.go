package inbox

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/vaern/vaern/blocklist"
)

// Summary counts what an inbox holds.
type Summary struct {
	Reports int64
	Events  int64
	States  [len(stateNames)]int64

	of []State // by id
}

// Of returns the state of a report, and whether there is such a report.
func (s *Summary) Of(id blocklist.ReportID) (State, bool) {
	if id < 1 || int(id) >= len(s.of) {
		return 0, false
	}
	return s.of[id], true
}

// Verify reads all of the inbox and holds it against its own history: the chain
// of events, the digest of each import, and that the state of each report is
// what its last event says. known is a head that the inbox must once have had,
// such as the register names; the zero Head is none.
func (b *Inbox) Verify(known Head) (Summary, error) {
	v := &verification{}
	if err := v.run(b, known); err != nil {
		return v.Summary, fmt.Errorf("verify inbox: %w", err)
	}
	return v.Summary, nil
}

// verification is one reading: event by event, and with each import its rows.
type verification struct {
	Summary
	head      Head
	now       []State // by id, from 1: what events say
	stored    []State // what the row says
	readOnly  []bool
	confirmed int64
}

func (v *verification) run(b *Inbox, known Head) error {
	tx, err := b.db.Begin() // one state of the file
	if err != nil {
		return schema.Explain(err)
	}
	defer func() { _ = tx.Rollback() }()
	v.now, v.stored, v.readOnly = []State{0}, []State{0}, []bool{false}
	ever := known.Events == 0
	for {
		e, err := scanEvent(tx.QueryRow("SELECT "+eventColumns+" FROM events WHERE seq = ?", v.head.Events+1))
		if errors.Is(err, sql.ErrNoRows) {
			break
		}
		if err != nil {
			return schema.Explain(err)
		}
		if e.hash != e.sum(v.head.Hash) || e.At.Before(v.head.time) {
			return fmt.Errorf("event %d: %w", e.Seq, ErrTampered)
		}
		v.head = Head{e.Seq, e.hash, e.At}
		ever = ever || e.Seq == known.Events && e.hash == known.Hash
		if err := v.event(tx, e); err != nil {
			return fmt.Errorf("event %d: %w", e.Seq, schema.Explain(err))
		}
	}
	if !ever {
		return fmt.Errorf("%w: it is an old copy, or was cut off: the register knows of %d events, and of these are other ones or none here", ErrTampered, known.Events)
	}
	return v.rest(tx)
}

func (v *verification) event(tx *sql.Tx, e *Event) error {
	if e.Report == 0 {
		return v.imported(tx, e)
	}
	if e.Report < 0 || int(e.Report) >= len(v.now) || v.now[e.Report] != e.From || e.To == Reported {
		return ErrTampered
	}
	if e.To == Assessed {
		if _, err := e.Assessment(); err != nil || v.readOnly[e.Report] {
			return ErrTampered
		}
	}
	v.now[e.Report] = e.To
	return nil
}

// imported reads the rows that an import brought.
func (v *verification) imported(tx *sql.Tx, e *Event) error {
	i, err := parseImport(e.Body)
	if err != nil {
		return err
	}
	digest := newRows()
	if i.last != 0 || i.first != 0 {
		if i.first != blocklist.ReportID(len(v.now)) || i.last < i.first {
			return ErrTampered
		}
		if err := v.rows(tx, i, e, digest); err != nil {
			return err
		}
	}
	n, err := digest.confirmed(tx, e.Seq)
	v.confirmed += n
	if err == nil && (digest.hex() != i.digest || n > 0 && i.format != FormatIWOL) {
		err = fmt.Errorf("%w: the rows of an import are not what it brought", ErrTampered)
	}
	return err
}

func (v *verification) rows(tx *sql.Tx, i importBody, e *Event, digest rows) error {
	found, err := tx.Query("SELECT "+reportColumns+" FROM reports WHERE id BETWEEN ? AND ? ORDER BY id", int64(i.first), int64(i.last))
	if err != nil {
		return err
	}
	defer found.Close()
	for found.Next() {
		var r row
		var state State
		if err := found.Scan(&r.id, &r.source, &r.ref, &r.unit, &r.target, &r.received, &r.format, &r.details, &state); err != nil {
			return err
		}
		if r.id != int64(len(v.now)) || r.source != e.Who || r.format != i.format {
			return ErrTampered
		}
		digest.add(&r)
		v.now, v.stored, v.readOnly = append(v.now, e.To), append(v.stored, state), append(v.readOnly, i.format == FormatIWOL)
	}
	if err := found.Err(); err != nil {
		return err
	}
	if blocklist.ReportID(len(v.now)) != i.last+1 {
		return ErrTampered
	}
	return nil
}

// rest looks for what no event speaks of.
func (v *verification) rest(tx *sql.Tx) error {
	var events, reports, confirmed int64
	err := tx.QueryRow("SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM reports), (SELECT count(*) FROM confirmed)").Scan(&events, &reports, &confirmed)
	if err != nil {
		return schema.Explain(err)
	}
	v.Events, v.Reports = v.head.Events, int64(len(v.now)-1)
	if events != v.Events || reports != v.Reports || confirmed != v.confirmed {
		return fmt.Errorf("%w: there are rows that no event speaks of", ErrTampered)
	}
	for id := 1; id < len(v.now); id++ {
		if v.now[id] != v.stored[id] {
			return fmt.Errorf("%w: the state of %v is not what its events say", ErrTampered, blocklist.ReportID(id))
		}
		v.States[v.now[id]]++
	}
	v.of = v.now
	return nil
}
