package main

import (
	"math"
	"runtime"
	"runtime/debug"
)

// roomyHeap is how far the memory of a compile may grow before the garbage
// collector looks at it for the first time, in octets. A list of the usual size
// never gets there.
const roomyHeap = 448 << 20

// letGrow is for a program that builds large tables, writes them out and ends:
// looking through half-built tables for garbage would cost more than the
// garbage. After the first collection all is as usual, so that what a larger
// list takes is bounded as usual, too.
func letGrow() {
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(roomyHeap)
	type sentinel struct{ _ *int }
	runtime.SetFinalizer(new(sentinel), func(*sentinel) {
		debug.SetMemoryLimit(math.MaxInt64)
		debug.SetGCPercent(100)
	})
}
