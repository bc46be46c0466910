package peers

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// ClockAhead returns the environment of a tool whose clock is ahead of the machine's, or behind it, by whole seconds: that
// of libfaketime. Timeouts go by a clock that stays as it is. The C library comes second, so that a program brings no
// allocator of its own, as BIND does: that one asks for the time before libfaketime can tell it.
func ClockAhead(t testing.TB, by time.Duration) []string {
	t.Helper()
	if by == 0 {
		return os.Environ()
	}
	return append(os.Environ(),
		"LD_PRELOAD="+packaged(t, "usr/lib/*/faketime/libfaketime.so.1")+" libc.so.6",
		fmt.Sprintf("FAKETIME=%+d", int(by.Seconds())),
		"DONT_FAKE_MONOTONIC=1", "FAKETIME_DONT_FAKE_MONOTONIC=1")
}
