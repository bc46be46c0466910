package fault

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// skip takes away the call that a thread is about to make.
func skip(tid int) error {
	number := int32(-1) // there is no such call
	vec := unix.Iovec{Base: (*byte)(unsafe.Pointer(&number)), Len: uint64(unsafe.Sizeof(number))}
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SETREGSET, uintptr(tid),
		unix.NT_ARM_SYSTEM_CALL, uintptr(unsafe.Pointer(&vec)), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

const generalRegisters = 1 // NT_PRSTATUS

// setResult replaces what a call returns.
func setResult(tid int, result int64) error {
	var regs unix.PtraceRegsArm64
	if err := unix.PtraceGetRegSetArm64(tid, generalRegisters, &regs); err != nil {
		return err
	}
	regs.Regs[0] = uint64(result) //nolint:gosec // it is signed
	return unix.PtraceSetRegSetArm64(tid, generalRegisters, &regs)
}
