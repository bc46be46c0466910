package fault

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// patience is how long a traced program may take: one that hangs over a fault is killed, and that is an error.
var patience = 60 * time.Second

// Run runs the command, which must not have been started, under the plan. An error says that there is nothing to report.
// Runs may go on beside each other, and beside other children of this process.
func Run(cmd *exec.Cmd, plan Plan) (*Report, error) {
	type outcome struct {
		*Report
		error
	}
	done := make(chan outcome)
	go func() {
		// The kernel lets nobody but the thread that began the tracing go on with it. The thread is not given back: it
		// ends with this function.
		runtime.LockOSThread()
		stayOnOneCPU()
		r, err := trace(cmd, plan)
		done <- outcome{r, err}
	}()
	o := <-done
	if o.error != nil {
		return nil, fmt.Errorf("trace %s: %w", filepath.Base(cmd.Path), o.error)
	}
	return o.Report, nil
}

// turns deals out the CPUs.
var turns atomic.Uint32

// stayOnOneCPU keeps this thread, and the program that it will start, on one of the CPUs, of which runs beside each other
// take another each. The two always wait for each other, and to wake somebody on another CPU takes most of the time of a
// trace. It does without if it must.
func stayOnOneCPU() {
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil || all.Count() == 0 {
		return
	}
	turn := int(turns.Add(1)) % all.Count()
	for cpu := 0; ; cpu++ {
		if all.IsSet(cpu) {
			if turn == 0 {
				one.Set(cpu)
				break
			}
			turn--
		}
	}
	_ = unix.SchedSetaffinity(0, &one)
}

func trace(cmd *exec.Cmd, plan Plan) (*Report, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	// A process group of its own is what wait4 can tell apart from other children of this process, and from theirs.
	cmd.SysProcAttr.Ptrace, cmd.SysProcAttr.Setpgid = true, true
	if err := cmd.Start(); err != nil {
		if errors.Is(err, syscall.EPERM) {
			err = fmt.Errorf("this machine does not let a process trace its own children; in a container, allow ptrace (--cap-add SYS_PTRACE): %w", err)
		}
		return nil, err
	}
	t := &tracer{plan: plan, pid: cmd.Process.Pid, open: map[int]opened{}, known: map[int]bool{}}
	var late atomic.Bool
	timer := time.AfterFunc(patience, func() {
		late.Store(true)
		t.kill()
	})
	defer timer.Stop()
	err := t.follow()
	if err != nil {
		t.kill()
		t.reap()
	}
	_ = cmd.Wait() // the process is gone already: this collects its output
	if late.Load() {
		err = fmt.Errorf("it did not end within %v of %v", patience, plan)
	}
	return &t.Report, err
}

// opened is a call that has begun.
type opened struct {
	index int  // in Report.Calls; -1: it is no call that counts, and was taken away
	fail  bool // it was taken away, and returns the error of the plan
	kill  bool // the process dies when it returns
}

type tracer struct {
	Report
	plan  Plan
	pid   int
	open  map[int]opened // by thread
	known map[int]bool   // threads that have stopped once
}

func (t *tracer) kill() { _ = unix.Kill(t.pid, unix.SIGKILL) } // it may be gone

// wait waits for the next thread to stop or end.
func (t *tracer) wait() (tid int, status unix.WaitStatus, err error) {
	for {
		tid, err = unix.Wait4(-t.pid, &status, unix.WALL, nil)
		if !errors.Is(err, unix.EINTR) {
			return tid, status, err
		}
	}
}

// reap waits for all threads of a process that was killed.
func (t *tracer) reap() {
	for {
		if _, _, err := t.wait(); err != nil {
			return
		}
	}
}

// follow goes with the program to its end.
func (t *tracer) follow() error {
	tid, status, err := t.wait()
	if err != nil {
		return fmt.Errorf("wait for its first stop: %w", err)
	}
	if tid != t.pid || !status.Stopped() || status.StopSignal() != unix.SIGTRAP {
		return fmt.Errorf("it did not stop to be traced (status %#x)", uint32(status))
	}
	t.known[tid] = true
	const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_EXITKILL | unix.PTRACE_O_TRACECLONE |
		unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACEEXEC
	if err := unix.PtraceSetOptions(tid, options); err != nil {
		return fmt.Errorf("set options of ptrace: %w", err)
	}
	for signal := 0; ; {
		// ESRCH: the thread was killed while it stood; wait tells of its end.
		if err := unix.PtraceSyscall(tid, signal); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("continue: %w", err)
		}
		for {
			tid, status, err = t.wait()
			if errors.Is(err, unix.ECHILD) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("wait: %w", err)
			}
			if status.Stopped() {
				break
			}
			t.ended(tid, status)
		}
		if signal, err = t.stopped(tid, status); err != nil {
			return err
		}
	}
}

// ended notes that a thread is gone.
func (t *tracer) ended(tid int, status unix.WaitStatus) {
	delete(t.open, tid)
	delete(t.known, tid)
	if tid == t.pid {
		t.Status = status.ExitStatus() // -1 after a signal
	}
}

// stopped does what is to do at a stop, and returns the signal that the thread shall get when it goes on.
func (t *tracer) stopped(tid int, status unix.WaitStatus) (signal int, err error) {
	first := !t.known[tid]
	t.known[tid] = true
	switch s := status.StopSignal(); {
	case s == unix.SIGTRAP|0x80:
		return 0, t.atCall(tid)
	case s == unix.SIGTRAP && status.TrapCause() > 0:
		return 0, nil // a new thread, a new program
	case s == unix.SIGSTOP && first:
		return 0, nil // how a new thread begins
	default:
		return int(s), nil
	}
}

// syscallInfo is struct ptrace_syscall_info of the kernel, with the part of an entry.
type syscallInfo struct {
	op   uint8
	_    [3]byte
	arch uint32
	_    [2]uint64 // instruction and stack pointer
	nr   uint64    // of an exit: the result
	args [6]uint64
}

const opEntry = 1 // PTRACE_SYSCALL_INFO_ENTRY

// atCall is at the begin or the end of a call.
func (t *tracer) atCall(tid int) error {
	var info syscallInfo
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(tid),
		unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	switch {
	case errno == unix.ESRCH:
		return nil // killed meanwhile
	case errno != 0:
		return fmt.Errorf("look at a call (Linux 5.3 or later is needed): %w", errno)
	case info.op == opEntry:
		return t.begin(tid, info)
	}
	return t.end(tid, int64(info.nr)) //nolint:gosec // it is signed
}

func (t *tracer) begin(tid int, info syscallInfo) error {
	delete(t.open, tid)
	if info.nr == unix.SYS_SETPGID {
		// In a group of its own a child would not be seen by wait any more: it stays, and is told that it went.
		t.open[tid] = opened{index: -1}
		if err := skip(tid); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("take a call away: %w", err)
		}
		return nil
	}
	c, ok := t.look(tid, info)
	if !ok {
		return nil
	}
	if !within(c.Path, t.plan.Dir) && !within(c.From, t.plan.Dir) {
		if c.Is(Changes) && !isDevice(c.Path) {
			t.Outside = append(t.Outside, c)
		}
		return nil
	}
	o := opened{index: len(t.Calls)}
	t.Calls = append(t.Calls, c)
	if t.plan.Match == nil || t.plan.Match(c) {
		t.Points++
		if t.Points == t.plan.At || t.plan.Stays && t.Hit != nil {
			if t.Hit == nil {
				t.Hit = &c
			}
			switch t.plan.Do {
			case Watch:
			case KillBefore: // a call that stands at its entry is not made
				t.kill()
			case KillAfter:
				o.kill = true
			case Fail:
				if err := skip(tid); err != nil && !errors.Is(err, unix.ESRCH) {
					return fmt.Errorf("take a call away: %w", err)
				}
				o.fail = true
			}
		}
	}
	t.open[tid] = o
	return nil
}

func (t *tracer) end(tid int, result int64) error {
	o, ok := t.open[tid]
	if !ok {
		return nil
	}
	delete(t.open, tid)
	if o.index < 0 {
		if err := setResult(tid, 0); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("let a call succeed: %w", err)
		}
		return nil
	}
	if o.fail {
		result = -int64(t.plan.Errno)
		if err := setResult(tid, result); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("let a call fail: %w", err)
		}
	}
	c := &t.Calls[o.index]
	c.Done = true
	if result < 0 {
		c.Err = syscall.Errno(-result)
	} else if t.plan.Keep && c.changesContent() {
		var err error
		if c.Content, err = os.ReadFile(c.Path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("keep what was written: %w", err)
		}
	}
	if o.kill {
		t.kill()
	}
	return nil
}

// look reads what a call is about. It is false for calls that are about no file or directory.
func (t *tracer) look(tid int, info syscallInfo) (Call, bool) {
	s, ok := specs[info.nr]
	if !ok {
		return Call{}, false
	}
	c := Call{Name: s.name, Effect: s.effect}
	switch s.about {
	case descriptor:
		c.Path = t.descriptor(tid, int32(info.args[s.arg])) //nolint:gosec // an int in the kernel
	case path:
		c.Path = t.path(tid, info.args[s.arg], info.args[s.arg+1])
	case twoPaths:
		c.From = t.path(tid, info.args[s.arg], info.args[s.arg+1])
		c.Path = t.path(tid, info.args[s.arg+2], info.args[s.arg+3])
	}
	if !strings.HasPrefix(c.Path, "/") {
		return Call{}, false // a socket, a pipe
	}
	switch info.nr {
	case unix.SYS_OPENAT:
		c.Effect = openEffect(info.args[2])
	case unix.SYS_FCNTL:
		switch info.args[1] {
		case unix.F_SETLK, unix.F_SETLKW, unix.F_OFD_SETLK, unix.F_OFD_SETLKW:
		default:
			return Call{}, false
		}
	}
	return c, true
}

func openEffect(flags uint64) Effect {
	switch {
	case flags&unix.O_CREAT != 0:
		return Changes | Allocates
	case flags&unix.O_TRUNC != 0:
		return Changes
	}
	return Reads
}

// descriptor returns what a file descriptor is open on.
func (t *tracer) descriptor(tid int, fd int32) string {
	name, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", tid, fd))
	if err != nil {
		return ""
	}
	return name
}

// path returns the absolute form of a path that is relative to a descriptor.
func (t *tracer) path(tid int, dirfd, address uint64) string {
	name := peekString(tid, address)
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	base := ""
	if fd := int32(dirfd); fd == unix.AT_FDCWD { //nolint:gosec // an int in the kernel
		base, _ = os.Readlink(fmt.Sprintf("/proc/%d/cwd", tid))
	} else {
		base = t.descriptor(tid, fd)
	}
	if base == "" {
		return ""
	}
	return filepath.Join(base, name)
}

// peek reads the program's memory, and returns how much of it there was.
func peek(tid int, address uint64, into []byte) int {
	if len(into) == 0 || address > math.MaxInt64 {
		return 0
	}
	local := []unix.Iovec{{Base: &into[0]}}
	local[0].SetLen(len(into))
	n, err := unix.ProcessVMReadv(tid, local, []unix.RemoteIovec{{Base: uintptr(address), Len: len(into)}}, 0)
	if err != nil {
		return 0
	}
	return n
}

// peekString reads a string that ends in NUL, a page at a time: the next page need not be there.
func peekString(tid int, address uint64) string {
	var text []byte
	for len(text) < unix.PathMax {
		const page = 4096
		part := make([]byte, page-address%page)
		part = part[:peek(tid, address, part)]
		if i := bytes.IndexByte(part, 0); i >= 0 {
			return string(append(text, part[:i]...))
		}
		if len(part) == 0 {
			return ""
		}
		text = append(text, part...)
		address += uint64(len(part))
	}
	return ""
}

func isDevice(name string) bool {
	return name == "/dev/null" || name == "/dev/tty" || within(name, "/dev/pts") || within(name, "/proc")
}

func within(name, dir string) bool {
	return name == dir || strings.HasPrefix(name, dir+"/")
}
