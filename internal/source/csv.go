package source

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vaern/vaern/blocklist"
)

// table is CSV with a header row.
type table struct {
	lineByLine
	o      Options
	result *Result
	comma  byte // 0 before the header row
	column []int
	unit   string
	given  bool     // column or options name the unit
	fields []string // of the line before, to use its memory again
}

const badRow = "not the number of fields that the header has, or a stray quotation mark"

// comment lets a row pass that begins with #: a row that reads like one of
// the table is not dropped as a comment.
func (t *table) comment(text string) bool {
	return text[0] == '#' && (len(t.column) < 2 || !t.isRow(text))
}

func (t *table) isRow(text string) bool {
	fields, ok := split(nil, text, t.comma)
	return ok && len(fields) == len(t.column)
}

func (t *table) line(n int, text string, each func(Line)) (err error) {
	if t.comma == 0 {
		if t.comma, err = separator(text); err != nil {
			return err
		}
		names, ok := split(nil, text, t.comma)
		if !ok {
			return errors.New("header row is not CSV")
		}
		return t.header(names)
	}
	fields, ok := split(t.fields[:0], text, t.comma)
	t.fields = fields
	switch {
	case !ok || len(fields) != len(t.column):
		each(reject(n, badRow))
		return nil
	case text[0] == '#':
		each(reject(n, "a row that begins with #, like a comment: put its first field in quotation marks"))
		return nil
	}
	var f [10]string
	f[unitColumn] = t.unit
	for i, to := range t.column {
		if to >= 0 {
			f[to] = trim(fields[i])
		}
	}
	e, err := blocklist.NewEntry(f)
	each(Line{N: n, Entry: e, Err: err, UnitGiven: t.given})
	return nil
}

// header takes in the header row. Without a mapping every column must be ours;
// with one, it says which are used, and the rest is named as unused.
func (t *table) header(names []string) error {
	for i, name := range names {
		names[i] = trim(name)
	}
	for theirs := range t.o.Columns {
		if !slices.Contains(names, theirs) {
			return fmt.Errorf("the file has no column %q", theirs)
		}
	}
	// Without it this is no header row, and may be a listed name: the messages
	// below show columns of a header only.
	if t.o.Columns == nil && !slices.Contains(names, "target") {
		return errors.New("there is no column target")
	}
	used := make([]bool, len(blocklist.EntryColumns))
	for _, name := range names {
		i, err := t.o.column("column", name)
		switch {
		case err != nil:
			return err
		case i < 0:
			t.result.addUnused(name)
		case used[i]:
			return fmt.Errorf("column %q is there twice", blocklist.EntryColumns[i])
		default:
			used[i] = true
		}
		t.column = append(t.column, i)
	}
	if !used[targetColumn] {
		return errors.New("there is no column target")
	}
	t.unit, t.given = t.o.Unit, used[unitColumn] || t.o.Unit != ""
	switch {
	case t.given:
	case t.o.Columns == nil:
		return errors.New("there is no column unit: add it, or say --unit for the whole file")
	default:
		t.unit = "domain"
	}
	return nil
}

// separator tells what divides the fields of a header row. With two kinds of
// them it is not certain.
func separator(header string) (comma byte, err error) {
	quoted := false
	for i := range len(header) {
		switch c := header[i]; {
		case c == '"':
			quoted = !quoted
		case quoted || c != ',' && c != ';' && c != '\t':
		case comma != 0 && comma != c:
			return 0, errors.New("header row has more than one of comma, semicolon and tab: put a column that holds one in quotation marks")
		default:
			comma = c
		}
	}
	if comma == 0 {
		comma = ','
	}
	return comma, nil
}

// split appends the fields of a row (RFC 4180, section 2, one line). A
// quotation mark stands around a whole field, or doubled within; any other is
// stray.
func split(fields []string, text string, comma byte) ([]string, bool) {
	for {
		field, rest, more := text, "", false
		if strings.HasPrefix(text, `"`) {
			end := closing(text[1:])
			if end < 0 {
				return fields, false
			}
			field, rest = strings.ReplaceAll(text[1:1+end], `""`, `"`), text[end+2:]
			if more = rest != ""; more {
				if rest[0] != comma {
					return fields, false
				}
				rest = rest[1:]
			}
		} else {
			if i := strings.IndexByte(text, comma); i >= 0 {
				field, rest, more = text[:i], text[i+1:], true
			}
			if strings.IndexByte(field, '"') >= 0 {
				return fields, false
			}
		}
		fields = append(fields, field)
		if !more {
			return fields, true
		}
		text = rest
	}
}

// closing returns where the quotation mark stands that closes a field.
func closing(text string) int {
	for i := 0; i < len(text); i++ {
		if text[i] != '"' {
			continue
		}
		if i+1 == len(text) || text[i+1] != '"' {
			return i
		}
		i++
	}
	return -1
}
