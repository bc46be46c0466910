package source

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// Field is one named value of a row.
type Field struct{ Name, Value string }

// Row is one row of a table whose columns are not ours: each field with the
// name that its column or key has in the file, in the order of the file.
type Row struct {
	N      int     // number of the line in the file, from 1
	Fields []Field // valid until the next row
	Err    error   // why the line is no row: a *blocklist.Rejection
}

// ReadRows reads a table, csv or jsonl, as rows, whatever its columns are
// called; what the package comment says of lines and of these two formats holds
// here too. header is called with the names of the columns before the first row,
// and in jsonl again whenever an object has a key that is new. An error, also of
// header, is about the file as a whole.
func ReadRows(r io.Reader, format string, header func(names []string) error, each func(Row) error) error {
	lines, err := newLineReader(r)
	if err != nil {
		return err
	}
	var t rowReader
	switch format {
	case "csv":
		t = &csvRows{header: header}
	case "jsonl":
		t = &jsonRows{header: header, known: map[string]bool{}}
	default:
		return fmt.Errorf("format %q has no rows: want csv or jsonl", format)
	}
	for {
		text, bad, err := lines.next()
		row := Row{N: lines.n}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read line %d: %w", lines.n, err)
		case bad != nil:
			row.Err = bad
		case trim(text) == "" || t.comment(trim(text)):
			continue
		default:
			var said bool
			if said, err = t.row(&row, text); err != nil {
				return fmt.Errorf("line %d: %w", lines.n, err)
			} else if !said {
				continue
			}
		}
		if err := each(row); err != nil {
			return err
		}
	}
}

// rowReader turns lines into rows. A header says nothing.
type rowReader interface {
	comment(text string) bool
	row(row *Row, text string) (said bool, err error)
}

type csvRows struct {
	header func([]string) error
	comma  byte
	fields []Field
	values []string // of the row before, to use its memory again
}

// comment knows no comments behind the header: a row that begins with # is one.
func (c *csvRows) comment(text string) bool { return c.comma == 0 && text[0] == '#' }

func (c *csvRows) row(row *Row, text string) (bool, error) {
	if c.comma == 0 {
		return false, c.begin(text)
	}
	var ok bool
	c.values, ok = split(c.values[:0], text, c.comma)
	if !ok || len(c.values) != len(c.fields) {
		row.Err = syntax(badRow)
		return true, nil
	}
	for i, value := range c.values {
		c.fields[i].Value = trim(value)
	}
	row.Fields = c.fields
	return true, nil
}

func (c *csvRows) begin(text string) (err error) {
	if c.comma, err = separator(text); err != nil {
		return err
	}
	names, ok := split(nil, text, c.comma)
	if !ok {
		return errors.New("header row is not CSV")
	}
	for i, name := range names {
		names[i] = trim(name)
		if slices.Contains(names[:i], names[i]) {
			return fmt.Errorf("column %s is there twice", Shown(names[i]))
		}
		c.fields = append(c.fields, Field{Name: names[i]})
	}
	return c.header(names)
}

type jsonRows struct {
	header func([]string) error
	known  map[string]bool
	names  []string
	fields []Field
}

func (*jsonRows) comment(text string) bool { return text[0] == '#' }

func (j *jsonRows) row(row *Row, text string) (bool, error) {
	members, reason := object(text)
	if reason != "" {
		row.Err = syntax(reason)
		return true, nil
	}
	j.fields = j.fields[:0]
	newer := false
	for _, m := range members {
		if !j.known[m.key] {
			if len(j.known) >= maxKeys {
				return false, fmt.Errorf("more than %d keys", maxKeys)
			}
			j.known[m.key], newer = true, true
			j.names = append(j.names, m.key)
		}
		j.fields = append(j.fields, Field{m.key, trim(m.value)})
	}
	if newer {
		if err := j.header(j.names); err != nil {
			return false, err
		}
	}
	row.Fields = j.fields
	return true, nil
}

// maxKeys bounds how many different keys the objects of a file have together.
const maxKeys = 256
