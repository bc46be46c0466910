// Package fault runs a program, and lets something go wrong at one chosen file-system call of it: the process dies just
// before the call or just after it, or the disk is full, or fails. It is for tests: a table over every call, each followed
// by one look at everything, shows what a crash leaves behind.
//
//	for k := 1; ; k++ {
//		report, err := fault.Run(cmd(), fault.Plan{Dir: dir, At: k, Do: fault.KillBefore})
//		if err != nil || report.Hit == nil {
//			break // the program had no k-th call
//		}
//		check(everything)
//	}
//
// It is a tracer (ptrace(2)) that follows all threads and children of the program and counts their calls in the one order in
// which they were begun. strace can not take its place: "-e inject=fsync:error=EIO:when=3" counts the calls of each thread
// by itself, and a Go program does its work on whichever thread is free, so that most of its calls are never the third of
// their thread, and one number stands for another call in each run.
//
// No signal shows what a power cut does: the kernel writes out later what a killed process wrote. A [Report] tells the calls
// as well, and [Disk] computes from them what may be found when the power is back.
package fault
