package source

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"strings"

	"github.com/vaern/vaern/blocklist"
)

// maxLine bounds a line in octets. A longer one is rejected, and read no
// further than to its end.
const maxLine = 64 << 10

// Options say how to read a file.
type Options struct {
	Format  string            // "" detects
	Columns map[string]string // CSV: column in the file → column of ours
	Unit    string            // of lines that do not say it; "" is domain, or any in a withdrawal
}

// Line is what one line said. A hosts line may say several things, and gives
// a Line for each.
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
	Format string
	Unused []string // CSV columns that the mapping does not use
}

// format turns one line into entries.
type format interface {
	line(n int, text string, each func(Line))
}

// Read calls each for every thing that the file says. An error is about the
// file as a whole; a bad line is not an error but a Line.
func Read(r io.Reader, o Options, each func(Line)) (Result, error) {
	if o.Unit != "" && o.Unit != "domain" && o.Unit != "host" {
		return Result{}, errors.New("unit must be domain or host")
	}
	lines := &lineReader{r: bufio.NewReaderSize(r, maxLine)}
	first, err := lines.firstData()
	if errors.Is(err, io.EOF) {
		return Result{Format: "empty"}, nil
	}
	if err != nil {
		return Result{}, err
	}
	result := Result{Format: o.Format}
	if result.Format == "" {
		if result.Format, err = detect(first, o); err != nil {
			return Result{}, err
		}
	}
	f, err := start(&result, first, lines, o)
	if err != nil {
		return Result{}, err
	}
	for {
		text, err := lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return result, nil
		case errors.Is(err, errLong):
			each(Line{N: lines.n, Err: &blocklist.Rejection{Rule: blocklist.RuleTooLong, Reason: "line longer than 65536 octets"}})
		case err != nil:
			return result, err
		case isData(text):
			f.line(lines.n, text, each)
		}
	}
}

func start(result *Result, first string, lines *lineReader, o Options) (format, error) {
	switch result.Format {
	case "csv":
		f, err := newCSV(first, o)
		if err == nil {
			result.Unused = f.unused
		}
		return f, err
	case "plain":
		lines.again(first)
		return plain{o}, nil
	case "hosts":
		lines.again(first)
		return hosts{o}, nil
	}
	return nil, fmt.Errorf("unknown format %q: want csv, plain or hosts", result.Format)
}

// detect tells the format from the first line that says something. It is
// certain or it asks.
func detect(first string, o Options) (string, error) {
	if o.Columns != nil {
		return "csv", nil
	}
	fields := strings.FieldsFunc(first, func(r rune) bool { return r == ',' || r == ';' })
	for _, f := range fields {
		if strings.Trim(f, `" `) == "target" { // alone it is a header too: no single label is ever listed
			return "csv", nil
		}
	}
	words := strings.Fields(stripComment(first))
	if len(words) > 1 {
		if _, err := netip.ParseAddr(words[0]); err == nil {
			return "hosts", nil
		}
	}
	if len(words) == 1 && !strings.ContainsAny(words[0], `,;|"{`) {
		return "plain", nil
	}
	return "", errors.New("cannot tell the format: name it with --format csv, plain or hosts, or map a CSV's columns with --columns THEIRS=OURS")
}

func isData(text string) bool {
	text = strings.TrimSpace(text)
	return text != "" && text[0] != '#'
}

// stripComment cuts a comment that follows white space: a # inside a URL is
// not one.
func stripComment(text string) string {
	for i := 0; i < len(text); i++ {
		if text[i] == '#' && (i == 0 || text[i-1] == ' ' || text[i-1] == '\t') {
			return text[:i]
		}
	}
	return text
}

var errLong = errors.New("line too long")

// lineReader reads lines without their ends; LF and CRLF both end one.
type lineReader struct {
	r      *bufio.Reader
	n      int
	repeat *string
}

// again makes next return text once more, with the same number.
func (l *lineReader) again(text string) {
	l.n--
	l.repeat = &text
}

func (l *lineReader) next() (string, error) {
	l.n++
	if l.repeat != nil {
		text := *l.repeat
		l.repeat = nil
		return text, nil
	}
	slice, err := l.r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = l.r.ReadSlice('\n')
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read line %d: %w", l.n, err)
		}
		return "", errLong
	case errors.Is(err, io.EOF) && len(slice) > 0: // a last line without its end
	case err != nil:
		return "", err
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(slice), "\n"), "\r")
	if l.n == 1 {
		text = strings.TrimPrefix(text, "\ufeff")
	}
	return text, nil
}

func (l *lineReader) firstData() (string, error) {
	for {
		text, err := l.next()
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("line %d: %w", l.n, err)
		}
		if err != nil || isData(text) {
			return text, err
		}
	}
}

var entryID = regexp.MustCompile(`^E[1-9][0-9]*$`)

// one makes the Line for a bare name or URL.
func one(n int, text string, o Options) Line {
	if entryID.MatchString(text) {
		id, err := blocklist.ParseEntryID(text)
		if err == nil {
			return Line{N: n, ID: id}
		}
	}
	unit := "domain"
	switch {
	case strings.Contains(text, "://"):
		unit = "url"
	case o.Unit != "":
		unit = o.Unit
	}
	e, err := blocklist.NewEntry([10]string{unit, text})
	return Line{N: n, Entry: e, Err: err, UnitGiven: o.Unit != "" || unit == "url"}
}
