package blocklist

import (
	"bufio"
	"encoding/csv"
	"errors"
	"io"
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
		b := bufio.NewWriterSize(w, 64<<10)
		for _, r := range set.Rows(u) {
			_, _ = b.WriteString(r.Target.Reveal())
			_ = b.WriteByte('\n')
		}
		return b.Flush() // bufio keeps the first error
	}
}

// writeEntries writes a row for each line of the three lists, in their order.
func writeEntries(w io.Writer, _ Serial, set *Set) error {
	b := bufio.NewWriterSize(w, 64<<10)
	_, _ = b.WriteString(entriesHeader + "\n")
	for u := range unitNames {
		for _, r := range set.rows[u] {
			text := r.Target.Reveal()
			if u == int(URL) && strings.ContainsAny(text, `,"`) {
				text = `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
			}
			for _, s := range [...]string{unitNames[u], ",", text, ",", r.Category, ",", r.Added, "\n"} {
				_, _ = b.WriteString(s)
			}
		}
	}
	return b.Flush()
}

// check holds category and date to their forms, unless last has the same.
func (r Row) check(last Row) error {
	if r.Category != last.Category && r.Category != "" && !categoryForm.MatchString(r.Category) {
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
// have written: canonical targets in order, each once, none covered.
func readEntries(r io.Reader) (*Set, error) {
	c := csv.NewReader(bufio.NewReaderSize(r, 64<<10))
	c.FieldsPerRecord = 4
	head, err := c.Read()
	if err != nil {
		return nil, errors.New("no header line")
	}
	if strings.Join(head, ",") != entriesHeader {
		return nil, errors.New("not the header line " + entriesHeader)
	}
	var rows []Row
	last := Row{} // most rows have the category and date of the one before
	for {
		f, err := c.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, errors.New("not CSV, or cut short") // csv's own error may show a name
		}
		u, err := ParseUnit(f[0])
		if err != nil {
			return nil, err
		}
		t, err := ParseTarget(u, f[1])
		if err != nil {
			return nil, err
		}
		if t.Reveal() != f[1] || len(rows) > 0 && rows[len(rows)-1].Target.Compare(t) >= 0 {
			return nil, errors.New("rows are not canonical and in order")
		}
		row := Row{t, f[2], f[3]}
		if err := row.check(last); err != nil {
			return nil, err
		}
		rows = append(rows, row)
		last = row
	}
	n := len(rows)
	set := NewSet(rows)
	if set.Len() != n {
		return nil, errors.New("a row is covered by another")
	}
	return set, nil
}
