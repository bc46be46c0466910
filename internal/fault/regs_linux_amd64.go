package fault

import "golang.org/x/sys/unix"

// skip takes away the call that a thread is about to make.
func skip(tid int) error {
	var regs unix.PtraceRegsAmd64
	if err := unix.PtraceGetRegsAmd64(tid, &regs); err != nil {
		return err
	}
	regs.Orig_rax = ^uint64(0) // there is no such call
	return unix.PtraceSetRegsAmd64(tid, &regs)
}

// setResult replaces what a call returns.
func setResult(tid int, result int64) error {
	var regs unix.PtraceRegsAmd64
	if err := unix.PtraceGetRegsAmd64(tid, &regs); err != nil {
		return err
	}
	regs.Rax = uint64(result) //nolint:gosec // it is signed
	return unix.PtraceSetRegsAmd64(tid, &regs)
}
