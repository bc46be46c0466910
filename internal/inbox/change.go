package inbox

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/vaern/vaern/blocklist"
)

// Act is what somebody does to reports.
type Act struct {
	Who string
	Why string
	// Assess makes the assessment of one report; nil: the reports are rejected.
	Assess func(*Report) (*Assessment, error)
}

// ErrReadOnly is why a report of INTERPOL's kind can not be assessed here.
var ErrReadOnly = errors.New("it comes from a list that is read-only here: its agencies assessed it")

// RefusedError says which report the rules do not let anybody change so.
type RefusedError struct {
	ID     blocklist.ReportID
	Reason error
}

func (e *RefusedError) Error() string { return e.ID.String() + ": " + e.Reason.Error() }

func (e *RefusedError) Unwrap() error { return e.Reason }

// Change does the same to several reports, to all or to none. An error names
// the report by its id.
func (b *Inbox) Change(ids []blocklist.ReportID, act Act) error {
	tx, err := b.db.Begin()
	if err != nil {
		return fmt.Errorf("write inbox: %w", schema.Explain(err))
	}
	defer func() { _ = tx.Rollback() }() // no-op after commit
	head, err := headOf(tx)
	if err != nil {
		return fmt.Errorf("write inbox: %w", schema.Explain(err))
	}
	for _, id := range ids {
		r, err := get(tx, id)
		if err != nil {
			return err
		}
		e, err := act.event(r)
		if err != nil {
			return &RefusedError{id, err}
		}
		if head, err = record(tx, head, e, b.now()); err == nil {
			_, err = tx.Exec("UPDATE reports SET state = ? WHERE id = ?", int64(e.To), int64(id))
		}
		if err != nil {
			return fmt.Errorf("write inbox: %w", schema.Explain(err))
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("write inbox: %w", schema.Explain(err))
	}
	return nil
}

func (act *Act) event(r *Report) (*Event, error) {
	e := &Event{Report: r.ID, Who: act.Who, Why: act.Why, From: r.State, To: Rejected}
	switch {
	case act.Assess == nil:
		if r.State == Rejected {
			return nil, errors.New("it is rejected already")
		}
		return e, nil
	case r.Format == FormatIWOL:
		return nil, ErrReadOnly
	}
	a, err := act.Assess(r)
	if err == nil {
		err = a.Check(r)
	}
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(a)
	e.To, e.Body = Assessed, string(body)
	return e, err
}
