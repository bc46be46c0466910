package sshsig

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// timeLayout is YYYYMMDDHHMMSSZ, the full form of a timestamp in an
// allowed_signers file. (Go's reference zone letter Z is literal text here.)
const timeLayout = "20060102150405Z"

// maxLine bounds one line, in bytes; the key of a 16384-bit RSA pair takes 2.8 KiB.
const maxLine = 16 << 10

// parseLine reads "PRINCIPAL OPTIONS TYPE BASE64 [COMMENT]" (ssh-keygen(1),
// ALLOWED SIGNERS). ok is false for a blank line or a comment.
func parseLine(line string) (k Key, ok bool, err error) {
	if len(line) > maxLine {
		return Key{}, false, fmt.Errorf("longer than %d bytes", maxLine)
	}
	if err := checkText(line); err != nil {
		return Key{}, false, err
	}
	line = strings.Trim(line, " \t")
	if line == "" || line[0] == '#' {
		return Key{}, false, nil
	}
	principal, rest := cutField(line)
	options, rest := cutField(rest)
	keyType, rest := cutField(rest)
	encoded, comment := cutField(rest)

	k = Key{Principal: principal, Comment: comment}
	if err := checkName("principal", principal); err != nil {
		return Key{}, false, err
	}
	if slices.Contains(keyTypes, options) {
		return Key{}, false, errors.New(`no namespaces (say what the key may sign: PRINCIPAL namespaces="..." TYPE KEY)`)
	}
	if err := k.parseOptions(options); err != nil {
		return Key{}, false, err
	}
	if k.Public, err = decodeKey(keyType, encoded); err != nil {
		return Key{}, false, err
	}
	return k, true, nil
}

// parseOptions reads NAME="VALUE",... into the key. Values have neither quotes
// nor blanks inside, so no escape is known.
func (k *Key) parseOptions(s string) error {
	var seen []string
	for {
		name, rest := s, ""
		if i := strings.IndexAny(s, "=,"); i >= 0 { // a comma ends a flag, such as cert-authority
			name, rest = s[:i], s[i:]
		}
		if !slices.Contains([]string{"namespaces", "valid-after", "valid-before"}, name) {
			return fmt.Errorf("option %.64q is not accepted (only namespaces, valid-after and valid-before are)", name)
		}
		if slices.Contains(seen, name) {
			return fmt.Errorf("option %s is given twice", name)
		}
		seen = append(seen, name)

		rest, opened := strings.CutPrefix(rest, `="`)
		value, rest, closed := strings.Cut(rest, `"`)
		if !opened || !closed {
			return fmt.Errorf(`option %s has no quoted value without blanks (write %s="...")`, name, name)
		}
		if err := k.setOption(name, value); err != nil {
			return err
		}
		if rest == "" {
			return nil
		}
		var more bool
		if s, more = strings.CutPrefix(rest, ","); !more {
			return fmt.Errorf("option %s is followed by %.64q (a comma or a blank has to follow)", name, rest)
		}
	}
}

func (k *Key) setOption(name, value string) (err error) {
	switch name {
	case "namespaces":
		k.Namespaces = strings.Split(value, ",")
	case "valid-after":
		k.ValidAfter, err = parseTime(name, value)
	case "valid-before":
		k.ValidBefore, err = parseTime(name, value)
	}
	return err
}

// parseTime reads YYYYMMDDZ, YYYYMMDDHHMMZ or YYYYMMDDHHMMSSZ. Without the Z,
// ssh-keygen takes the time zone of whatever machine reads the file.
func parseTime(option, s string) (time.Time, error) {
	digits, utc := strings.CutSuffix(s, "Z")
	if strings.Trim(digits, "0123456789") != "" || !slices.Contains([]int{8, 12, 14}, len(digits)) {
		return time.Time{}, fmt.Errorf("%s %.64q is not a time (write YYYYMMDDHHMMSSZ)", option, s)
	}
	if !utc {
		return time.Time{}, fmt.Errorf("%s %q is in local time, which differs between machines (add Z for UTC)", option, s)
	}
	t, err := time.Parse(timeLayout, digits+"000000"[:14-len(digits)]+"Z")
	if err != nil {
		return time.Time{}, fmt.Errorf("%s %q is not a time: %w", option, s, err)
	}
	// The zero Time is "no bound", so the first instant of year 1 must not pass.
	if t.IsZero() {
		return time.Time{}, fmt.Errorf("%s %q is out of range (1970 to 9999)", option, s)
	}
	return t, nil
}
