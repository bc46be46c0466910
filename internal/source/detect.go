package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

var errUnsure = errors.New("cannot tell the format: name it with --format, one of " + Formats + "; or map a CSV's columns with --columns THEIRS=OURS")

// rankName is a line of a list of popular names. Such lists protect, and
// would do the worst damage as entries.
var rankName = regexp.MustCompile(`^[0-9]+,[^,;]+$`)

// detect tells the format from the first line that says something. It is
// certain or it asks. Nothing is read away; lines that some format may take
// for a comment, or that can be no line, are left for the format to judge.
func (l *lineReader) detect(o Options) (string, error) {
	head, err := l.r.Peek(lookAhead)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read: %w", err)
	}
	whole, empty := err != nil, true
	for n := 1; len(head) > 0 || !whole; n++ {
		line, rest, ended := bytes.Cut(head, []byte("\n"))
		if !ended && !whole || len(line) > maxLine+1 {
			return "", fmt.Errorf("cannot tell the format from the first %d octets (line %d): name it with --format, one of %s", lookAhead, n, Formats)
		}
		head = rest
		line = bytes.TrimSuffix(line, []byte("\r"))
		text := trim(string(line))
		switch {
		case text == "":
		case checkLine(line) != nil:
			empty = false
		case isAdblockHeader(text):
			return "adblock", nil
		case text[0] == '#':
		case text[0] == ';', text[0] == '!':
			empty = false
		case rankName.MatchString(text) && o.Columns == nil:
			return "", errors.New("cannot tell the format: rank,name is a list of popular names, such as never_block takes, and not of entries; otherwise name it with --format, one of " + Formats)
		default:
			if format := decide(text, o); format != "" {
				return format, nil
			}
			return "", errUnsure
		}
	}
	if empty {
		return "empty", nil
	}
	return "", errUnsure
}

// decide returns the one format that a file can have whose first line is
// this, or "".
func decide(first string, o Options) string {
	said := words(stripComment(first))
	switch {
	case isSerialRow(first) && o.namesItalian():
		return "italian"
	case first[0] == '{':
		if rest := trim(first[1:]); rest != "" && (rest[0] == '"' || rest[0] == '}') {
			return "jsonl"
		}
		return ""
	case o.Columns != nil:
		return "csv"
	case len(said) > 1 && isAddress(said[0]):
		return "hosts"
	case isHeader(first):
		return "csv"
	case strings.HasPrefix(first, "||"):
		return "adblock"
	case isZoneLine(said):
		return "rpz"
	case len(said) == 1 && isPlain(said[0]):
		return "plain"
	}
	return ""
}

func isAddress(word string) bool {
	_, err := netip.ParseAddr(word)
	return err == nil
}

// isHeader finds the one column that every table has. Alone it is a header
// too: no single label is ever listed.
func isHeader(first string) bool {
	comma, err := separator(first)
	if err != nil {
		return false
	}
	names, ok := split(nil, first, comma)
	return ok && slices.ContainsFunc(names, func(name string) bool { return trim(name) == "target" })
}

// isPlain says whether a single word can be nothing but a line of plain text.
// Whether it is a valid one is for the parser to say.
func isPlain(word string) bool {
	switch word[0] {
	case '@', '[', '/', '$', '^', '&', '(':
		return false
	}
	return !strings.ContainsAny(word, `,;|"{^`) && !strings.Contains(word, "##")
}
