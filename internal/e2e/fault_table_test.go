package e2e

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/vaern/vaern/internal/fault"
)

// fails are plans to let a call of the command fail: once, and from then on. A full disk is felt by what needs room, a
// failing one by everything; reads are many and alike, and all of them are tried in the full table only.
func (s *scene) fails(args []string) (plans []fault.Plan) {
	s.t.Helper()
	for _, f := range []struct {
		errno syscall.Errno
		match func(fault.Call) bool
	}{
		{syscall.ENOSPC, func(c fault.Call) bool { return c.Is(fault.Allocates) }},
		{syscall.EIO, func(c fault.Call) bool { return full || c.Is(fault.Changes|fault.Syncs) || c.Name == "openat" }},
	} {
		for k := range s.points(args, f.match) {
			for _, stays := range []bool{false, true} {
				plans = append(plans, fault.Plan{Match: f.match, At: k + 1, Do: fault.Fail, Errno: f.errno, Stays: stays})
			}
		}
	}
	return plans
}

// Whatever call of compile fails, for want of room or otherwise: it says so and fails, what is published is whole, and the
// next compile mends all.
func TestFaultTable(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	args := []string{"compile"}
	s.table(args, s.fails(args), func(tr *trial) (string, error) {
		said, err := tr.said()
		if err != nil {
			return "", err
		}
		state, err := tr.afterCompile()
		return fmt.Sprintf("%s, %s", state, said), err
	})
}

// said judges how the command told of the fault.
func (tr *trial) said() (string, error) {
	text := tr.stderr
	what := "at " + tr.Hit.Name
	if tr.plan.Stays {
		what += " and on"
	}
	for _, bad := range []string{"panic", "goroutine", "runtime error"} {
		if strings.Contains(text, bad) {
			return "", fmt.Errorf("it broke down:\n%s", text)
		}
	}
	if found := leaks(text, tr.listed, nil); len(found) > 0 {
		return "", fmt.Errorf("it tells %d listed names:\n%s", len(found), text)
	}
	if tr.status == 0 {
		return "done in spite of " + tr.plan.Errno.Error() + " " + what, nil
	}
	if tr.status != 1 || !strings.HasPrefix(text, "vaern: ") {
		return "", fmt.Errorf("exit status %d:\n%s", tr.status, text)
	}
	advice := slices.ContainsFunc([]string{"hint: ", "run the command again", "free space", "is the disk full"}, func(s string) bool { return strings.Contains(text, s) })
	if !advice && !strings.Contains(text, tr.plan.Errno.Error()) {
		return "", errors.New("it does not say what is wrong:\n" + text)
	}
	return fmt.Sprintf("failed for %v %s, advice: %v", tr.plan.Errno, what, advice), nil
}
