package blocklist

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSerialAfter(t *testing.T) {
	for _, c := range []struct {
		a, b Serial
		want bool
	}{
		{2, 1, true},
		{1, 2, false},
		{1, 1, false},
		{0, 4294967295, true}, // RFC 1982, section 5.1: it wraps
		{1, 4294967295, true},
		{4294967295, 1, false},
		{1 << 31, 1, true},
		{1<<31 + 1, 1, false}, // half-way: neither is after the other
		{1, 1<<31 + 1, false},
		{1<<31 + 2, 1, false},
		{1, 1<<31 + 2, true},
	} {
		if got := c.a.After(c.b); got != c.want {
			t.Errorf("%v after %v is %v", c.a, c.b, got)
		}
	}
}

func TestSerialNext(t *testing.T) {
	for _, c := range []struct {
		highest Serial
		unix    int64
		want    Serial
	}{
		{0, 1795435200, 1795435200},
		{1795435199, 1795435200, 1795435200},
		{1795435200, 1795435200, 1795435201}, // twice in a second
		{1795435300, 1795435200, 1795435301}, // the clock went back
		{4294967295, 1795435200, 1795435200}, // after it, by RFC 1982
		{4294967295, 4294967295, 1},          // 0 is skipped
		{4294967294, 10, 10},                 // the clock said that it was later before it wrapped
		{4294967295, 1 << 32, 1},             // the time is 0 in 32 bits
		{0, 1 << 32, 1},
		{0, 0, 1},
		{4294967290, 1<<32 + 5, 5}, // 2106
		{5, 5 + 1<<31, 6},          // half-way is not after
		{1000, 1795435200, 1795435200},
	} {
		if got := c.highest.Next(time.Unix(c.unix, 0)); got != c.want {
			t.Errorf("after %v at %d comes %v, want %v", c.highest, c.unix, got, c.want)
		}
	}
}

func TestSerialNextIsAfter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Serial(rapid.Uint32Min(1).Draw(t, "highest"))
		next := s.Next(time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "unix"), 0))
		if next == 0 || !next.After(s) {
			t.Fatalf("after %v comes %v", s, next)
		}
	})
}

func TestParseSerial(t *testing.T) {
	for text, want := range map[string]Serial{
		"1": 1, "4294967295": 4294967295, "0": 0, "": 0, "01": 0, "+1": 0, "-1": 0, " 1": 0, "1 ": 0, "1\n": 0, "0x1": 0, "4294967296": 0, "1_0": 0, "١": 0,
	} {
		got, err := ParseSerial(text)
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("%q gives %v, %v", text, got, err)
		}
	}
}
