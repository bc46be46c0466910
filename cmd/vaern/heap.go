package main

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
)

// A compile takes some ten times as much memory as the register has octets, and
// nearly all of it is in use until the end.
const (
	heapPerRegister = 12
	leastHeap       = 448 << 20 // octets
)

// letGrow is for a program that builds large tables, writes them out and ends:
// looking through half-built tables for garbage would cost more than the
// garbage. The collector looks for the first time when more memory is in use
// than a compile of that register takes; then all is as usual.
func letGrow(register string) {
	limit := int64(leastHeap)
	if info, err := os.Stat(register); err == nil { // else there is nothing to compile either
		limit = max(limit, heapPerRegister*info.Size())
	}
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(limit)
	type sentinel struct{ _ *int }
	runtime.SetFinalizer(new(sentinel), func(*sentinel) {
		debug.SetMemoryLimit(math.MaxInt64)
		debug.SetGCPercent(100)
	})
}
