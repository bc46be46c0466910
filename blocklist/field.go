package blocklist

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// headerField is one "key: value" line of a text that is signed: what it is
// written from and read into. One table serves both directions.
type headerField struct {
	key   string
	write func() string
	read  func(string) error
}

func textField(key string, p *string) headerField {
	return headerField{key, func() string { return *p }, func(s string) error {
		*p = s
		return checkField(s)
	}}
}

func serialField(key string, p *Serial) headerField {
	return headerField{key, func() string { return p.String() }, func(s string) (err error) {
		if s == "0" && key == "previous" {
			*p = 0
			return nil
		}
		*p, err = ParseSerial(s)
		return err
	}}
}

func timeField(key string, p *time.Time) headerField {
	return headerField{key, func() string { return p.UTC().Format(time.RFC3339) }, func(s string) (err error) {
		*p, err = time.Parse("2006-01-02T15:04:05Z", s)
		return err
	}}
}

func countField(key string, p *int) headerField {
	return headerField{key, func() string { return strconv.Itoa(*p) }, func(s string) (err error) {
		*p, err = strconv.Atoi(s)
		if err == nil && *p < 0 {
			err = errors.New("negative")
		}
		return err
	}}
}

// shortDuration writes a duration without zero minutes and seconds: 1h.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// CheckLine says whether s can stand as one line of text where people wrote it:
// a basis, a reason, the name of an authority. It is not empty, at most 4096
// octets, UTF-8, and without control characters.
func CheckLine(s string) error {
	switch {
	case s == "":
		return errors.New("text is empty")
	case len(s) > maxFieldText:
		return fmt.Errorf("text is longer than %d octets", maxFieldText)
	}
	return checkField(s)
}

// listName is what a list may be called: a folder, and part of a URL.
var listName = regexp.MustCompile(`^[a-z][a-z0-9-]{1,31}$`)

// CheckListName says whether a list may have that name.
func CheckListName(s string) error {
	if !listName.MatchString(s) {
		return errors.New("list's name is not of the form [a-z][a-z0-9-]{1,31}")
	}
	return nil
}

// checkField holds a single-line field of a MANIFEST or a signed decision to
// its form: UTF-8 without control characters.
func checkField(s string) error {
	if !utf8.ValidString(s) {
		return errors.New("control character or invalid UTF-8 in a field")
	}
	for _, r := range s {
		if r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0 || r == 0xfffd || r == 0x2028 || r == 0x2029 {
			return errors.New("control character or invalid UTF-8 in a field")
		}
	}
	return nil
}
