package source

import (
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vaern/vaern/blocklist"
)

// table is CSV with a header row.
type table struct {
	comma  rune
	column []int // column of the file → index in blocklist.EntryColumns, or -1
	unit   string
	given  bool // column or options name the unit
	unused []string
}

// newCSV reads the header row. Without a mapping every column must be ours;
// with one, it says which are used, and the rest is named in unused.
func newCSV(header string, o Options) (*table, error) {
	t := &table{comma: ',', unit: o.Unit}
	if strings.Count(header, ";") > strings.Count(header, ",") {
		t.comma = ';'
	}
	names, err := t.split(header)
	if err != nil {
		return nil, errors.New("header row is not CSV")
	}
	for i, name := range names {
		names[i] = strings.TrimSpace(name)
	}
	for from := range o.Columns {
		if !slices.Contains(names, from) {
			return nil, fmt.Errorf("the file has no column %q", from)
		}
	}
	// Without it this is no header row, and may be a listed name: the message
	// below shows a column of a header only.
	if o.Columns == nil && !slices.Contains(names, "target") {
		return nil, errors.New("there is no column target")
	}
	used := make([]bool, len(blocklist.EntryColumns))
	for _, name := range names {
		to, mapped := o.Columns[name]
		if !mapped && o.Columns == nil {
			to = name
		}
		i := slices.Index(blocklist.EntryColumns, to)
		switch {
		case i < 0 && (mapped || o.Columns == nil):
			return nil, fmt.Errorf("unknown column %q: map it with --columns %s=..., or name only the columns to use", to, name)
		case i < 0:
			t.unused = append(t.unused, name)
		case used[i]:
			return nil, fmt.Errorf("column %q is there twice", to)
		default:
			used[i] = true
		}
		t.column = append(t.column, i)
	}
	if !used[1] {
		return nil, errors.New("there is no column target")
	}
	t.given = used[0] || t.unit != ""
	switch {
	case t.given:
	case o.Columns == nil:
		return nil, errors.New("there is no column unit: add it, or say --unit for the whole file")
	default:
		t.unit = "domain"
	}
	return t, nil
}

func (t *table) split(text string) ([]string, error) {
	if !strings.Contains(text, `"`) {
		return strings.Split(text, string(t.comma)), nil
	}
	r := csv.NewReader(strings.NewReader(text))
	r.Comma = t.comma
	return r.Read()
}

func (t *table) line(n int, text string, each func(Line)) {
	fields, err := t.split(text)
	if err != nil || len(fields) != len(t.column) {
		each(Line{N: n, Err: &blocklist.Rejection{Rule: blocklist.RuleSyntax, Reason: "not the number of fields that the header has, or a stray quotation mark"}})
		return
	}
	var f [10]string
	f[0] = t.unit
	for i, to := range t.column {
		if to >= 0 {
			f[to] = strings.TrimSpace(fields[i])
		}
	}
	e, err := blocklist.NewEntry(f)
	each(Line{N: n, Entry: e, Err: err, UnitGiven: t.given})
}
