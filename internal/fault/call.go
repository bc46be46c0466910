package fault

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
)

// Effect is what a call does, or may need.
type Effect uint8

// A call may have several effects.
const (
	Reads     Effect = 1 << iota // opens or reads what is there
	Changes                      // a file or directory is another after it
	Allocates                    // needs room on the disk
	Syncs                        // makes durable
	Locks
)

// Call is one file-system call of the program.
type Call struct {
	Name    string // as in the manual: openat, pwrite64, fsync
	Path    string // the file or directory that it is about; of a rename, the new name
	From    string // of a rename, the old name
	Effect  Effect
	Done    bool          // it returned
	Err     syscall.Errno // its failure, made or real
	Content []byte        // what the file then held, if the call may change that and the plan asks for it
}

// Is says whether the call has one of the effects.
func (c Call) Is(e Effect) bool { return c.Effect&e != 0 }

func (c Call) String() string {
	text := c.Name
	if c.From != "" {
		text += " " + c.From + " ->"
	}
	return strings.TrimSpace(text + " " + c.Path)
}

// Short is String with paths from dir on.
func (c Call) Short(dir string) string {
	for _, p := range []*string{&c.Path, &c.From} {
		if rel, err := filepath.Rel(dir, *p); err == nil && *p != "" {
			*p = rel
		}
	}
	return c.String()
}

// Action is what goes wrong.
type Action uint8

// The actions.
const (
	Watch      Action = iota // nothing
	KillBefore               // SIGKILL, and the call is not made
	KillAfter                // the call is made, then SIGKILL
	Fail                     // the call is not made, and returns an error
)

func (a Action) String() string {
	return [...]string{"watch", "kill before", "kill after", "fail"}[a]
}

// Plan is what shall go wrong, and where.
type Plan struct {
	Dir   string          // absolute, without links: calls about what is in it count
	Match func(Call) bool // which of those count; nil: all
	At    int             // the call at which it goes wrong, from 1 on; 0: none
	Do    Action
	Errno syscall.Errno // of Fail
	Stays bool          // of Fail: all later calls that count fail too
	Keep  bool          // keep what files hold after each change, for Disk
}

func (p Plan) String() string {
	text := fmt.Sprintf("%v %d", p.Do, p.At)
	if p.Do == Fail {
		text = fmt.Sprintf("%v at %d", p.Errno, p.At)
	}
	if p.Stays {
		text += " and on"
	}
	return text
}

// Report is what the program did.
type Report struct {
	Calls   []Call // in Dir, in the order in which they were begun
	Outside []Call // those that change something elsewhere
	Points  int    // how many calls counted
	Hit     *Call  // where it went wrong; nil: the program never came there
	Status  int    // exit status; -1: a signal ended it
}
