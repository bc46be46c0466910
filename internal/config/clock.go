package config

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// ClockVariable sets the clock of all programs outside production: a moment
// in RFC 3339, or @FILE to read it from a file at every look.
const ClockVariable = "VAERN_TEST_CLOCK"

// Clock returns the clock of a program: real, unless the variable replaces
// it. In production a set variable is an error, because whoever may set it
// could keep an expired edition alive.
func Clock(environment string, real func() time.Time) (func() time.Time, error) {
	value := os.Getenv(ClockVariable)
	if value == "" {
		return real, nil
	}
	if environment == Production {
		return nil, fmt.Errorf("%s is set: refused in environment %q; unset it", ClockVariable, Production)
	}
	file, isFile := strings.CutPrefix(value, "@")
	read := func() (time.Time, error) {
		text := value
		if isFile {
			data, err := os.ReadFile(file)
			if err != nil {
				return time.Time{}, fmt.Errorf("read test clock: %w", err)
			}
			text = strings.TrimSpace(string(data))
		}
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return time.Time{}, fmt.Errorf("read test clock: %w", err)
		}
		return t, nil
	}
	last, err := read()
	if err != nil {
		return nil, err
	}
	if !isFile {
		return func() time.Time { return last }, nil
	}
	return func() time.Time {
		// A file that is being replaced may be unreadable for a moment; a
		// clock can not fail, so it stands still until the file is back.
		t, err := read()
		if err != nil {
			return last
		}
		return t
	}, nil
}
