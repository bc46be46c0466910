package blocklist

import (
	"errors"
	"io"
	"slices"
	"strings"
	"time"
)

// entriesName is the file that says everything an edition says of its rows;
// the three lists are cut from it.
const entriesName = "entries.csv"

// entriesHeader is the first line of entries.csv.
const entriesHeader = "unit,target,category,added"

// listFiles are the texts of every edition that hold no DNS.
var listFiles = []File{
	{"domains.txt", true, listWriter(Domain)},
	{"hosts.txt", true, listWriter(Host)},
	{"urls.txt", true, listWriter(URL)},
}

var entriesFile = File{entriesName, true, writeEntries}

// listWriter writes the targets of one unit, one a line.
func listWriter(u Unit) func(io.Writer, Serial, *Set) error {
	return func(w io.Writer, _ Serial, set *Set) error {
		b := make([]byte, 0, listBuffer+maxURL)
		for i := range set.rows[u] {
			b = append(append(b, set.rows[u][i].Target.Reveal()...), '\n')
			if len(b) >= listBuffer {
				if _, err := w.Write(b); err != nil {
					return err
				}
				b = b[:0]
			}
		}
		_, err := w.Write(b)
		return err
	}
}

// writeEntries writes a row for each line of the three lists, in their order.
func writeEntries(w io.Writer, _ Serial, set *Set) error {
	b := append(make([]byte, 0, listBuffer+2*maxURL), entriesHeader+"\n"...)
	for u := range unitNames {
		for i := range set.rows[u] {
			r := &set.rows[u][i]
			text := r.Target.Reveal()
			if u == int(URL) && strings.ContainsAny(text, `,"`) {
				text = `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
			}
			b = append(append(b, unitNames[u]...), ',')
			b = append(append(b, text...), ',')
			b = append(append(b, r.Category...), ',')
			b = append(append(b, r.Added...), '\n')
			if len(b) >= listBuffer {
				if _, err := w.Write(b); err != nil {
					return err
				}
				b = b[:0]
			}
		}
	}
	_, err := w.Write(b)
	return err
}

// listBuffer is how many octets of a text are gathered before they are written.
const listBuffer = 256 << 10

// check holds category and date to their forms, unless last has the same.
func (r Row) check(last Row) error {
	if r.Category != last.Category && r.Category != "" && !isCategory(r.Category) {
		return errors.New("not a category")
	}
	if r.Added != last.Added && r.Added != "" {
		if _, err := time.Parse(time.DateOnly, r.Added); err != nil {
			return errors.New("not a date")
		}
	}
	return nil
}

// readEntries is the inverse of writeEntries. It accepts only what that could
// have written: canonical targets in order, each once. Whether one covers
// another is checked where [Edition.CheckContents] asks for it, and only if
// strict whether each target is canonical: who made and signed the text took
// them from a Set. The rows are parts of text.
func readEntries(text string, strict bool) (*Set, error) {
	head, text, ok := strings.Cut(text, "\n")
	switch {
	case !ok:
		return nil, errors.New("no header line")
	case head != entriesHeader:
		return nil, errors.New("not the header line " + entriesHeader)
	}
	rows := make([]Row, 0, len(text)/minEntry)
	last := Row{} // most rows have the category and date of the one before
	for len(text) > 0 {
		row, rest, ok := cutEntry(text, last)
		if !ok {
			return nil, errors.New("not a row, or cut short")
		}
		if strict {
			t, err := ParseTarget(row.Target.Unit, row.Target.Reveal())
			if err != nil {
				return nil, err
			}
			if t.Reveal() != row.Target.Reveal() {
				return nil, errors.New("a row is not canonical")
			}
		}
		if len(rows) > 0 && last.Target.Compare(row.Target) >= 0 {
			return nil, errors.New("rows are not in order")
		}
		if err := row.check(last); err != nil {
			return nil, err
		}
		rows = append(rows, row)
		last, text = row, rest
	}
	return sortedSet(slices.Clip(rows)), nil
}

// minEntry is the usual length of a row, in octets; it need not be right.
const minEntry = 32

// cutEntry takes the first row off text. Category and date are those of last
// where they are the same, so that a million rows do not hold them a million
// times.
func cutEntry(text string, last Row) (row Row, rest string, ok bool) {
	unit, text, _ := strings.Cut(text, ",")
	u, err := ParseUnit(unit)
	if err != nil {
		return row, "", false
	}
	var target string
	if quoted, isQuoted := strings.CutPrefix(text, `"`); isQuoted {
		target, text, ok = cutQuoted(quoted)
	} else {
		target, text, ok = strings.Cut(text, ",")
	}
	if !ok {
		return row, "", false
	}
	category, text, _ := strings.Cut(text, ",")
	added, rest, ok := strings.Cut(text, "\n")
	if category == last.Category {
		category = last.Category
	}
	if added == last.Added {
		added = last.Added
	}
	return Row{Target{u, seal(target)}, category, added}, rest, ok
}

// cutQuoted takes a quoted field and its comma off text, of which the first
// quotation mark is gone already (RFC 4180, section 2).
func cutQuoted(text string) (field, rest string, ok bool) {
	for at := 0; ; {
		i := strings.IndexByte(text[at:], '"')
		if i < 0 {
			return "", "", false
		}
		at += i + 1
		if !strings.HasPrefix(text[at:], `"`) {
			field = text[:at-1]
			rest, ok = strings.CutPrefix(text[at:], ",")
			return strings.ReplaceAll(field, `""`, `"`), rest, ok && strings.ContainsAny(field, `,"`)
		}
		at++
	}
}
