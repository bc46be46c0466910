package blocklist

import (
	"fmt"
	"strconv"
	"time"
)

// Serial numbers an edition: directory name, SOA serial, MANIFEST, log field.
// It is a sequence number in the arithmetic of RFC 1982 with SERIAL_BITS 32;
// zero is never used.
type Serial uint32

// After says whether s is greater than t by RFC 1982, section 3.2. Of two
// serials exactly 2^31 apart neither is after the other.
func (s Serial) After(t Serial) bool {
	d := uint32(s) - uint32(t)
	return d != 0 && d < 1<<31
}

// Next returns the serial of an edition made now, when highest is the highest
// serial known (zero if there is none): the Unix time if that is after
// highest, else highest + 1, skipping zero.
func (s Serial) Next(now time.Time) Serial {
	unix := Serial(now.Unix()) //nolint:gosec // the low 32 bits are what RFC 1982 counts with
	if unix != 0 && (s == 0 || unix.After(s)) {
		return unix
	}
	if s++; s == 0 {
		s = 1
	}
	return s
}

func (s Serial) String() string { return strconv.FormatUint(uint64(s), 10) }

// ParseSerial reads a decimal serial without sign, leading zeros or spaces.
func ParseSerial(text string) (Serial, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != text {
		return 0, fmt.Errorf("parse serial %q: want a number from 1 to 4294967295", text)
	}
	return Serial(n), nil
}
