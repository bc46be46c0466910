package fault

import "golang.org/x/sys/unix"

// about is how a call says what it is about.
type about uint8

const (
	descriptor about = iota
	path             // a descriptor of a directory and a name
	twoPaths         // two of those
)

type spec struct {
	name   string
	effect Effect
	about  about
	arg    int // the first argument that says it
}

// specs are the calls that are looked at: those of Go's standard library and of SQLite. The older ones without "at", which
// only C programs make, are not among them.
var specs = map[uint64]spec{
	unix.SYS_OPENAT: {"openat", 0, path, 0}, // the flags tell its effect

	unix.SYS_READ:       {"read", Reads, descriptor, 0},
	unix.SYS_PREAD64:    {"pread64", Reads, descriptor, 0},
	unix.SYS_GETDENTS64: {"getdents64", Reads, descriptor, 0},

	unix.SYS_WRITE:           {"write", Changes | Allocates, descriptor, 0},
	unix.SYS_PWRITE64:        {"pwrite64", Changes | Allocates, descriptor, 0},
	unix.SYS_WRITEV:          {"writev", Changes | Allocates, descriptor, 0},
	unix.SYS_PWRITEV:         {"pwritev", Changes | Allocates, descriptor, 0},
	unix.SYS_PWRITEV2:        {"pwritev2", Changes | Allocates, descriptor, 0},
	unix.SYS_COPY_FILE_RANGE: {"copy_file_range", Changes | Allocates, descriptor, 2},
	unix.SYS_SENDFILE:        {"sendfile", Changes | Allocates, descriptor, 0},
	unix.SYS_SPLICE:          {"splice", Changes | Allocates, descriptor, 2},
	unix.SYS_FALLOCATE:       {"fallocate", Changes | Allocates, descriptor, 0},
	unix.SYS_FTRUNCATE:       {"ftruncate", Changes, descriptor, 0},

	unix.SYS_FSYNC:     {"fsync", Syncs | Allocates, descriptor, 0}, // room that was promised may be gone
	unix.SYS_FDATASYNC: {"fdatasync", Syncs | Allocates, descriptor, 0},

	unix.SYS_MKDIRAT:   {"mkdirat", Changes | Allocates, path, 0},
	unix.SYS_RENAMEAT:  {"renameat", Changes | Allocates, twoPaths, 0},
	unix.SYS_RENAMEAT2: {"renameat2", Changes | Allocates, twoPaths, 0},
	unix.SYS_LINKAT:    {"linkat", Changes | Allocates, twoPaths, 0},
	unix.SYS_SYMLINKAT: {"symlinkat", Changes | Allocates, path, 1},
	unix.SYS_UNLINKAT:  {"unlinkat", Changes, path, 0},
	unix.SYS_FCHMOD:    {"fchmod", Changes, descriptor, 0},
	unix.SYS_FCHMODAT:  {"fchmodat", Changes, path, 0},
	unix.SYS_FCHOWN:    {"fchown", Changes, descriptor, 0},
	unix.SYS_FCHOWNAT:  {"fchownat", Changes, path, 0},
	unix.SYS_UTIMENSAT: {"utimensat", Changes, path, 0},

	unix.SYS_FLOCK: {"flock", Locks, descriptor, 0},
	unix.SYS_FCNTL: {"fcntl", Locks, descriptor, 0}, // where it is about a lock
}
