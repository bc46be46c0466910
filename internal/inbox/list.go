package inbox

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vaern/vaern/blocklist"
)

// ErrUnknown is in the error of a report that is not there.
var ErrUnknown = errors.New("there is no such report")

// Get returns one report.
func (b *Inbox) Get(id blocklist.ReportID) (*Report, error) { return get(b.db, id) }

func get(q queryer, id blocklist.ReportID) (*Report, error) {
	r, err := scanReport(q.QueryRow("SELECT "+reportColumns+" FROM reports WHERE id = ?", int64(id)))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, fmt.Errorf("%v: %w", id, ErrUnknown)
	case err != nil:
		return nil, fmt.Errorf("read inbox: %w", schema.Explain(err))
	}
	return r, nil
}

// Assessment returns what is found of a report now: by the last who assessed
// it, or by the agencies of the list that it comes from. It is nil if nobody
// did, or if the report was rejected since.
func (b *Inbox) Assessment(r *Report) (*Assessment, error) {
	if r.State != Assessed {
		return nil, nil
	}
	if r.Format == FormatIWOL {
		return &Assessment{Class: Baseline, Unit: blocklist.Domain}, nil
	}
	e, err := scanEvent(b.db.QueryRow("SELECT "+eventColumns+" FROM events WHERE report = ? ORDER BY seq DESC LIMIT 1", int64(r.ID)))
	if errors.Is(err, sql.ErrNoRows) || err == nil && e.To != Assessed {
		return nil, fmt.Errorf("%v: %w", r.ID, ErrTampered)
	}
	if err != nil {
		return nil, fmt.Errorf("read inbox: %w", schema.Explain(err))
	}
	return e.Assessment()
}

// History returns the import that brought a report, and what was done to it
// since.
func (b *Inbox) History(r *Report) ([]*Event, error) {
	var all []*Event
	err := b.each("SELECT "+eventColumns+" FROM events WHERE report = 0 AND who = ? ORDER BY seq", []any{r.Source}, func(row scanner) error {
		e, err := scanEvent(row)
		if err != nil || len(all) > 0 {
			return err
		}
		i, err := parseImport(e.Body)
		if err == nil && i.first <= r.ID && r.ID <= i.last {
			all = append(all, e)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%v: %w", r.ID, ErrTampered)
	}
	err = b.each("SELECT "+eventColumns+" FROM events WHERE report = ? ORDER BY seq", []any{int64(r.ID)}, func(row scanner) error {
		e, err := scanEvent(row)
		all = append(all, e)
		return err
	})
	return all, err
}

// Related returns the other reports of the same target, whatever the unit.
func (b *Inbox) Related(r *Report) ([]*Report, error) {
	var all []*Report
	err := b.each("SELECT "+reportColumns+" FROM reports WHERE target = ? AND id != ? ORDER BY id LIMIT ?",
		[]any{r.Target.Reveal(), int64(r.ID), maxRelated}, func(row scanner) error {
			other, err := scanReport(row)
			all = append(all, other)
			return err
		})
	return all, err
}

// maxRelated bounds how many other reports of one target are shown.
const maxRelated = 100

func (b *Inbox) each(query string, args []any, use func(scanner) error) error {
	found, err := b.db.Query(query, args...)
	if err != nil {
		return fmt.Errorf("read inbox: %w", schema.Explain(err))
	}
	defer found.Close()
	for found.Next() {
		if err := use(found); err != nil {
			return fmt.Errorf("read inbox: %w", schema.Explain(err))
		}
	}
	if err := found.Err(); err != nil {
		return fmt.Errorf("read inbox: %w", schema.Explain(err))
	}
	return nil
}

// Filter says which reports are meant.
type Filter struct {
	State  *State // nil: any
	Source string // "": any
	// Except are reports to leave out, in ascending order.
	Except []blocklist.ReportID
	// Ascending says to begin with the oldest.
	Ascending bool
}

// ErrStop ends a listing early.
var ErrStop = errors.New("stop")

// page is how many reports are asked for at once: none is held for longer, so
// that a caller may ask the inbox about each of them.
const page = 256

// List calls use for every report that is meant, the newest first, until it
// returns [ErrStop] or another error.
func (b *Inbox) List(f Filter, use func(*Report) error) error {
	at := int64(1) << 62
	if f.Ascending {
		at = 0
	}
	query, args := f.query()
	for {
		ids, err := b.ids(query, append([]any{at, page}, args...)...)
		if err != nil {
			return err
		}
		more := len(ids) == page
		if more {
			at = int64(ids[page-1])
		}
		reports, err := b.read(f, f.meant(ids))
		if err != nil {
			return err
		}
		for _, r := range reports {
			if err := use(r); errors.Is(err, ErrStop) {
				return nil
			} else if err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
}

// meant leaves out the exceptions: by their ids, because there may be a long
// list's worth of them, and an index alone finds those.
func (f *Filter) meant(ids []blocklist.ReportID) []blocklist.ReportID {
	return slices.DeleteFunc(ids, func(id blocklist.ReportID) bool {
		_, except := slices.BinarySearch(f.Except, id)
		return except
	})
}

// read returns reports in the order of the filter.
func (b *Inbox) read(f Filter, ids []blocklist.ReportID) ([]*Report, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, fmt.Errorf("read inbox: %w", err)
	}
	order, _ := f.order()
	var all []*Report
	err = b.each("SELECT "+reportColumns+" FROM reports WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id "+order, []any{string(list)},
		func(row scanner) error {
			r, err := scanReport(row)
			all = append(all, r)
			return err
		})
	return all, err
}

// query asks for a page of ids beyond one. The indexes have the order of the ids
// within each state, so that of one source each state is asked for by itself.
func (f *Filter) query() (query string, args []any) {
	order, beyond := f.order()
	of := func(where string) string {
		return fmt.Sprintf("SELECT * FROM (SELECT id FROM reports WHERE id %s ?1 %s ORDER BY id %s LIMIT ?2)", beyond, where, order)
	}
	switch {
	case f.State == nil && f.Source == "":
		return of(""), nil
	case f.Source == "":
		return of("AND state = ?3"), []any{int64(*f.State)}
	case f.State != nil:
		return of("AND source = ?3 AND state = ?4"), []any{f.Source, int64(*f.State)}
	}
	var each []string
	for s := range stateNames {
		each = append(each, of(fmt.Sprintf("AND source = ?3 AND state = %d", s)))
	}
	return fmt.Sprintf("%s ORDER BY id %s LIMIT ?2", strings.Join(each, " UNION ALL "), order), []any{f.Source}
}

func (f *Filter) order() (order, beyond string) {
	if f.Ascending {
		return "ASC", ">"
	}
	return "DESC", "<"
}

// Newest returns the newest ids in a state, for completion.
func (b *Inbox) Newest(s State, n int) ([]blocklist.ReportID, error) {
	return b.ids("SELECT id FROM reports WHERE state = ? ORDER BY id DESC LIMIT ?", int64(s), n)
}

// Sources returns the names of all sources.
func (b *Inbox) Sources() ([]string, error) {
	var names []string
	err := b.each("SELECT DISTINCT who FROM events WHERE report = 0 ORDER BY who", nil, func(row scanner) error {
		var name string
		err := row.Scan(&name)
		names = append(names, name)
		return err
	})
	return names, err
}
