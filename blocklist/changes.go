package blocklist

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
)

// maxLine bounds a line of a list, in octets; the longest URL is far shorter.
const maxLine = 64 << 10

// WriteChanges writes what one edition blocks and another does not, in the
// words of both: a line "# from SERIAL", a line "# to SERIAL", and then, in the
// order of [Target.Compare], "- unit target" for each row that only from has and
// "+ unit target" for each that only to has. That is [Diff] as text, made by
// reading the three lists of both side by side, in little memory.
//
// Size and sum of what is read are checked, but at its end: after an error,
// what was written is worth nothing.
func WriteChanges(w io.Writer, from, to *Edition) error {
	out := bufio.NewWriter(w)
	_, _ = fmt.Fprintf(out, "# from %v\n# to %v\n", from.Serial, to.Serial) // Flush says what failed
	for u, list := range listFiles {
		if err := writeListChanges(out, Unit(u), list.Name, from, to); err != nil { //nolint:gosec // three
			return fmt.Errorf("compare %s of editions %v and %v: %w", list.Name, from.Serial, to.Serial, err)
		}
	}
	return out.Flush()
}

func writeListChanges(out *bufio.Writer, u Unit, name string, from, to *Edition) error {
	if a, ok := from.File(name); ok {
		if b, _ := to.File(name); a == b {
			return nil // both MANIFESTs say so
		}
	}
	var sides [2]*listReader
	for i, e := range []*Edition{from, to} {
		text, err := e.OpenText(name)
		if err != nil {
			return err
		}
		defer text.Close()
		sides[i] = &listReader{text: bufio.NewReaderSize(text, maxLine)}
		if err := sides[i].next(); err != nil {
			return err
		}
	}
	a, b := sides[0], sides[1]
	put := func(sign string, line []byte) {
		_, _ = out.WriteString(sign + u.String() + " ") // Flush says what failed
		_, _ = out.Write(line)
	}
	for a.line != nil || b.line != nil {
		order := bytes.Compare(a.line, b.line)
		var err error
		switch {
		case b.line == nil, a.line != nil && order < 0:
			put("- ", a.line)
			err = a.next()
		case a.line == nil, order > 0:
			put("+ ", b.line)
			err = b.next()
		default:
			err = cmp.Or(a.next(), b.next())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// listReader reads a list line by line.
type listReader struct {
	text *bufio.Reader
	line []byte // with its end; nil behind the last one
}

func (r *listReader) next() (err error) {
	r.line, err = r.text.ReadSlice('\n')
	if errors.Is(err, io.EOF) {
		if err = nil; len(r.line) > 0 {
			err = io.ErrUnexpectedEOF
		}
		r.line = nil
	}
	return err // which does not hold the line
}
