package inbox

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/vaern/vaern/blocklist"
)

// lived is an inbox in which everything happened once.
func lived(t *testing.T) *world {
	w := newWorld(t)
	w.takes("a", FormatCSV, "target,source_ref,note\none.example,1,x\ntwo.example,2,\nthree.example,3,\n")
	w.takes("c", FormatIWOL, "domain,agencies,confirmed\nfour.example,DK;NO,2026-11-20\nfive.example,DK;NO,2026-11-20\n")
	domain := Assessment{Class: Baseline, Unit: blocklist.Domain}
	for _, c := range []struct {
		id  blocklist.ReportID
		act Act
	}{{1, Act{Who: "anna", Assess: finding(domain)}}, {2, Act{Who: "bo", Why: "lawful"}}, {4, Act{Who: "bo", Why: "lawful"}}} {
		if err := w.Change([]blocklist.ReportID{c.id}, c.act); err != nil {
			t.Fatal(err)
		}
	}
	w.takes("c", FormatIWOL, "domain,agencies,confirmed\nfive.example,DK;NO,2026-11-21\n")
	w.whole(Head{})
	return w
}

// Whatever somebody changes in a column of a row, adds, or takes away, is found.
func TestEveryChangeIsFound(t *testing.T) {
	w := lived(t)
	head, err := w.Head()
	if err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(w.path)
	if err != nil {
		t.Fatal(err)
	}
	var changes []string
	for table, columns := range map[string][]string{
		"reports":   {"id", "source", "ref", "unit", "target", "received", "format", "details", "state"},
		"events":    {"seq", "time", "report", "who", "before", "after", "why", "body", "hash"},
		"confirmed": {"event", "report", "date"},
	} {
		key := map[string]string{"reports": "id", "events": "seq", "confirmed": "event * 100 + report"}[table]
		for _, n := range keys(t, w, table, key) {
			where := fmt.Sprintf("WHERE %s = %d", key, n)
			changes = append(changes, fmt.Sprintf("DELETE FROM %s %s", table, where))
			for _, c := range columns {
				value := c + " || 'x'"
				switch c {
				case "id", "seq", "time", "report", "event", "unit", "before", "after", "state":
					value = c + " + 1"
				case "hash":
					value = "zeroblob(32)"
				}
				changes = append(changes, fmt.Sprintf("UPDATE OR REPLACE %s SET %s = %s %s", table, c, value, where))
			}
		}
	}
	changes = append(
		changes,
		"INSERT INTO reports SELECT 6, 'a', 9, unit, target, received, format, details, state FROM reports WHERE id = 1",
		"INSERT INTO events SELECT 7, time, 3, who, before, after, why, body, hash FROM events WHERE seq = 3",
		"INSERT INTO confirmed VALUES (2, 1, '2026-11-20')",
		"INSERT INTO confirmed VALUES (3, 1, '2026-11-20')",
		"UPDATE events SET seq = 100 WHERE seq = 3; UPDATE events SET seq = 3 WHERE seq = 4; UPDATE events SET seq = 4 WHERE seq = 100",
	)
	for _, change := range changes {
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(w.path, good, 0o600); err != nil {
			t.Fatal(err)
		}
		w.Inbox = w.opened()
		w.unguarded(change)
		if _, err := w.Verify(Head{head.Events, head.Hash, head.time}); !errors.Is(err, ErrTampered) {
			t.Errorf("%s: %v", change, err)
		}
	}
	if len(changes) < 100 {
		t.Errorf("%d changes", len(changes))
	}
}

func keys(t *testing.T, w *world, table, key string) (all []int64) {
	t.Helper()
	err := w.each("SELECT "+key+" FROM "+table, nil, func(row scanner) error {
		var n int64
		err := row.Scan(&n)
		all = append(all, n)
		return err
	})
	if err != nil || len(all) < 3 {
		t.Fatalf("%s: %d rows, %v", table, len(all), err)
	}
	return all
}

// An inbox that ends before the head that the register knows, or went another
// way since, is not the one that drafts were made from.
func TestCutOff(t *testing.T) {
	w := lived(t)
	then, err := w.Head()
	if err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(w.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Change([]blocklist.ReportID{3}, Act{Who: "anna"}); err != nil {
		t.Fatal(err)
	}
	now, err := w.Head()
	if err != nil {
		t.Fatal(err)
	}
	w.whole(then)
	w.whole(now)
	if err := errors.Join(w.Close(), os.WriteFile(w.path, good, 0o600)); err != nil {
		t.Fatal(err)
	}
	w.Inbox = w.opened()
	w.whole(then)
	if _, err := w.Verify(now); !errors.Is(err, ErrTampered) {
		t.Errorf("an old copy: %v", err)
	}
	if err := w.Change([]blocklist.ReportID{3}, Act{Who: "bo"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Verify(now); !errors.Is(err, ErrTampered) {
		t.Errorf("another branch: %v", err)
	}
}

// With all hashes made anew, what no rule allows is still found.
func TestForgedEvents(t *testing.T) {
	w := lived(t)
	head, err := w.Head()
	if err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(w.path)
	if err != nil {
		t.Fatal(err)
	}
	const found = `{"class":"baseline","unit":"domain"}`
	brought := func(first, last blocklist.ReportID, digest string) string {
		return importBody{FormatCSV, first, last, digest}.String()
	}
	for name, e := range map[string]Event{
		"from another state":        {Report: 1, Who: "bo", From: Reported, To: Rejected},
		"back to reported":          {Report: 1, Who: "bo", From: Assessed, To: Reported},
		"no such report":            {Report: 9, Who: "bo", From: Reported, To: Rejected},
		"less than no report":       {Report: -1, Who: "bo", From: Reported, To: Rejected},
		"assessed as nothing":       {Report: 3, Who: "bo", From: Reported, To: Assessed, Body: "{"},
		"what is read-only":         {Report: 5, Who: "bo", From: Assessed, To: Assessed, Body: found},
		"an import of nothing":      {Who: "a", Body: "nothing"},
		"an import of other rows":   {Who: "a", Body: brought(0, 0, "00")},
		"an import of rows before":  {Who: "a", Body: brought(3, 3, newRows().hex())},
		"an import that is not all": {Who: "a", Body: brought(6, 6, newRows().hex())},
	} {
		if _, err := record(w.db, head, &e, w.now); err != nil {
			t.Fatal(err)
		}
		if e.Report > 0 {
			execute(t, w.db, fmt.Sprintf("UPDATE reports SET state = %d WHERE id = %d", e.To, e.Report))
		}
		if _, err := w.Verify(Head{}); !errors.Is(err, ErrTampered) {
			t.Errorf("%s: %v", name, err)
		}
		if err := errors.Join(w.Close(), os.WriteFile(w.path, good, 0o600)); err != nil {
			t.Fatal(err)
		}
		w.Inbox = w.opened()
	}
	// An event behind a gap says nothing, and is one too many.
	execute(t, w.db, "INSERT INTO events SELECT 8, time, 3, who, before, after, why, body, hash FROM events WHERE seq = 3")
	if _, err := w.Verify(Head{}); !errors.Is(err, ErrTampered) {
		t.Errorf("behind a gap: %v", err)
	}
	w.unguarded("DELETE FROM events WHERE seq = 8")
	w.whole(Head{})
}
