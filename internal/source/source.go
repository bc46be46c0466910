package source

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/vaern/vaern/blocklist"
)

// Formats lists the names of the formats, for messages.
const Formats = "csv, jsonl, plain, hosts, adblock, rpz, italian"

// Options say how to read a file.
type Options struct {
	Format  string            // "" detects
	Columns map[string]string // csv, jsonl, italian: column in the file → column of ours
	Unit    string            // of lines that do not say it; "" is domain, or any in a withdrawal
}

// Line is what one line said. A hosts or italian line may say several things,
// and gives a Line for each.
type Line struct {
	N     int // number of the line in the file, from 1
	Entry blocklist.Entry
	// ID is set instead of Entry where the line is the id of an entry.
	ID blocklist.EntryID
	// UnitGiven says that line or options named the unit.
	UnitGiven bool
	// Err is why the line is no entry: a *blocklist.Rejection.
	Err error
}

// Result tells what was read.
type Result struct {
	Format string   // one of [Formats], or "empty" if no line says anything
	Unused []string // columns or keys that the mapping does not use
	Serial string   // italian: digits, as the file says them
}

// format turns lines into entries and rejections.
type format interface {
	// comment says whether a line, trimmed and not empty, says nothing.
	comment(text string) bool
	// line takes in a line that says something, without its end but not
	// trimmed. An error is about the file as a whole.
	line(n int, text string, each func(Line)) error
	// lost tells that the next line was rejected unread.
	lost(each func(Line))
	end(each func(Line)) error
}

// lineByLine is a format in which no line depends on another, and # begins a
// comment.
type lineByLine struct{}

func (lineByLine) comment(text string) bool { return text[0] == '#' }
func (lineByLine) lost(func(Line))          {}
func (lineByLine) end(func(Line)) error     { return nil }

// Read calls each for every thing that the file says: in the order of the
// file, but for adblock and rpz, where a line may take back another one and
// entries come last. An error is about the file as a whole, and then nothing
// that each was told counts; a bad line is not an error but a Line.
func Read(r io.Reader, o Options, each func(Line)) (Result, error) {
	if err := o.check(); err != nil {
		return Result{}, err
	}
	lines, err := newLineReader(r)
	if err != nil {
		return Result{}, err
	}
	result := Result{Format: o.Format}
	if result.Format == "" {
		if result.Format, err = lines.detect(o); err != nil {
			return Result{}, err
		}
	}
	f, err := start(&result, o)
	if err != nil {
		return Result{}, err
	}
	empty := true
	for {
		text, bad, err := lines.next()
		switch {
		case errors.Is(err, io.EOF):
			if empty {
				result.Format = "empty"
				return result, nil
			}
			return result, f.end(each)
		case err != nil:
			return result, fmt.Errorf("read line %d: %w", lines.n, err)
		case bad != nil:
			empty = false
			f.lost(each)
			each(Line{N: lines.n, Err: bad})
		default:
			if t := trim(text); t == "" || f.comment(t) {
				continue
			}
			empty = false
			if err := f.line(lines.n, text, each); err != nil {
				return result, err
			}
		}
	}
}

// check says what is wrong with the options, whatever the file is.
func (o Options) check() error {
	if o.Unit != "" && o.Unit != "domain" && o.Unit != "host" {
		return errors.New("unit must be domain or host")
	}
	switch o.Format {
	case "", "csv", "jsonl", "italian":
	default:
		if o.Columns != nil {
			return fmt.Errorf("format %s has no columns to map", o.Format)
		}
	}
	used := map[string]bool{}
	for _, theirs := range slices.Sorted(maps.Keys(o.Columns)) {
		ours := o.Columns[theirs]
		if !slices.Contains(blocklist.EntryColumns, ours) {
			return errUnknown("column", ours, theirs)
		}
		if used[ours] {
			return fmt.Errorf("column %q is there twice", ours)
		}
		used[ours] = true
	}
	return nil
}

func start(result *Result, o Options) (format, error) {
	switch result.Format {
	case "csv":
		return &table{o: o, result: result}, nil
	case "jsonl":
		return newJSONL(o, result)
	case "plain", "empty":
		return plain{o: o}, nil
	case "hosts":
		return hosts{o: o}, nil
	case "adblock":
		return &adblock{}, nil
	case "rpz":
		return newRPZ(), nil
	case "italian":
		return newItalian(o, result)
	}
	return nil, fmt.Errorf("unknown format %q: want one of %s", result.Format, Formats)
}

func syntax(reason string) *blocklist.Rejection {
	return &blocklist.Rejection{Rule: blocklist.RuleSyntax, Reason: reason}
}

// reject makes the Line for what is not an entry.
func reject(n int, reason string) Line { return Line{N: n, Err: syntax(reason)} }
