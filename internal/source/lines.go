package source

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/vaern/vaern/blocklist"
)

const (
	// maxLine bounds a line in octets, its end not counted. A longer one is
	// rejected, and read no further than to its end.
	maxLine = 64 << 10
	// lookAhead is how far detection looks for a line that says something.
	lookAhead = 256 << 10
)

// lineReader reads lines without their ends; LF and CRLF both end one.
type lineReader struct {
	r *bufio.Reader
	n int
}

func newLineReader(r io.Reader) (*lineReader, error) {
	l := &lineReader{r: bufio.NewReaderSize(r, lookAhead)}
	mark, err := l.r.Peek(3)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("read: %w", err)
	case bytes.HasPrefix(mark, []byte("\xff\xfe")), bytes.HasPrefix(mark, []byte("\xfe\xff")):
		return nil, errors.New("the file is UTF-16: save it as UTF-8")
	case string(mark) == "\ufeff":
		_, _ = l.r.Discard(len(mark))
	}
	return l, nil
}

// next returns the next line. If it can be no line of any format, bad says
// why and text is empty. A line cut short by an error is not returned.
func (l *lineReader) next() (text string, bad *blocklist.Rejection, err error) {
	l.n++
	line, err := l.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = l.r.ReadSlice('\n')
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return "", nil, err
		}
		return "", errLong, nil
	}
	if err != nil && (len(line) == 0 || !errors.Is(err, io.EOF)) { // a last line may lack its end
		return "", nil, err
	}
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	if bad := checkLine(line); bad != nil {
		return "", bad, nil
	}
	return string(line), nil, nil
}

var (
	errLong    = &blocklist.Rejection{Rule: blocklist.RuleTooLong, Reason: "line longer than 65536 octets"}
	errCR      = syntax("carriage return within a line")
	errControl = syntax("control or invisible character")
	errUTF8    = syntax("not valid UTF-8")
)

// checkLine refuses a line in which a person would not see what a program
// reads, be it a comment: behind a carriage return a comment looks like a line
// of its own.
func checkLine(line []byte) *blocklist.Rejection {
	if len(line) > maxLine {
		return errLong
	}
	for i, c := range line {
		switch {
		case c == '\r':
			return errCR
		case c < ' ' && c != '\t' || c == 0x7f:
			return errControl
		case c >= utf8.RuneSelf:
			return checkUnicode(line[i:])
		}
	}
	return nil
}

func checkUnicode(line []byte) *blocklist.Rejection {
	if !utf8.Valid(line) {
		return errUTF8
	}
	if bytes.IndexByte(line, '\r') >= 0 {
		return errCR
	}
	if bytes.ContainsFunc(line, invisible) {
		return errControl
	}
	return nil
}

// invisible finds control characters, line separators and format characters
// (those that turn the direction of writing are among them), but for the tab
// and the two joiners that IDNA knows (RFC 5892, appendix A), and what a
// failed conversion leaves.
func invisible(r rune) bool {
	switch {
	case r == '\t', ' ' <= r && r < 0x7f, r == '\u200c', r == '\u200d':
		return false
	case r == utf8.RuneError:
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// trim takes off spaces and tabs. Other white space is part of the text, for
// a parser to refuse: to cut it off would be a repair.
func trim(text string) string { return strings.Trim(text, " \t") }

func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '\t' })
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
