package e2e

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/vaern/vaern/internal/fault"
)

// fails are plans to let a call of the command fail: once, and from then on. A full disk is felt by what needs room, a
// failing one by everything. Reads are many and alike: all of them are tried in the full table only, otherwise some opens.
func (s *scene) fails(args []string) (plans []fault.Plan) {
	s.t.Helper()
	room := func(c fault.Call) bool { return c.Is(fault.Allocates) }
	writes := func(c fault.Call) bool { return full || c.Is(fault.Changes|fault.Syncs) }
	opens := func(c fault.Call) bool { return c.Name == "openat" && c.Is(fault.Reads) }
	for _, f := range []struct {
		errno syscall.Errno
		match func(fault.Call) bool
		stays bool
		step  int
	}{
		{syscall.ENOSPC, room, false, 1},
		{syscall.ENOSPC, room, true, 1},
		{syscall.EIO, writes, false, 1},
		{syscall.EIO, writes, true, 1},
		{syscall.EIO, opens, false, 3},
	} {
		last := s.points(args, f.match)
		for k := 1; k <= last; k += f.step {
			plans = append(plans, fault.Plan{Match: f.match, At: k, Do: fault.Fail, Errno: f.errno, Stays: f.stays})
		}
	}
	return plans
}

// Whatever call of compile fails, for want of room or otherwise: it says so and fails, what is published is whole, and the
// next compile mends all.
func TestFaultTable(t *testing.T) {
	t.Parallel()
	s := newScene(t, 30)
	args := []string{"compile"}
	var m messages
	s.table(args, s.fails(args), func(tr *trial) (string, error) {
		said, err := m.judge(tr)
		if err != nil {
			return "", err
		}
		is, err := tr.afterCompile()
		return said + ": " + string(is), err
	})
	m.log(t)
}

// The same for decisions: what is recorded is whole, and the command does not say that it did what it did not, or the
// other way round.
func TestFaultTableDeciding(t *testing.T) {
	t.Parallel()
	for what, d := range deciding {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newDeciding(t, d)
			var m messages
			s.table(d.args, s.fails(d.args), func(tr *trial) (string, error) {
				said, err := m.judge(tr)
				if err != nil {
					return "", err
				}
				outcome, err := tr.afterDeciding(d)
				return said + ": " + outcome, err
			})
			m.log(t)
		})
	}
}

// messages collects what the command said first, with files and numbers left out.
type messages struct {
	mu   sync.Mutex
	seen map[string]int
}

var (
	digits = regexp.MustCompile(`[0-9]+`)
	files  = regexp.MustCompile(`[^ :]*[./][^ :]*`)
)

func (m *messages) keep(text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seen == nil {
		m.seen = map[string]int{}
	}
	line, rest, _ := strings.Cut(text, "\n")
	if _, hint, ok := strings.Cut(rest, "hint: "); ok {
		line += " (hint: " + strings.TrimSpace(hint) + ")"
	}
	m.seen[digits.ReplaceAllString(files.ReplaceAllString(line, "FILE"), "N")]++
}

func (m *messages) log(t testing.TB) {
	for _, text := range slices.Sorted(maps.Keys(m.seen)) {
		t.Logf("said %d times: %s", m.seen[text], text)
	}
}

// causes are how the command may say what went wrong: in the words of the system, or of SQLite.
var causes = []string{"no space left on device", "input/output error", "disk I/O error", "database or disk is full", "unable to open database file"}

// advices are hints, and words that do for one.
var advices = []string{"hint: ", "run the command again", "free space", "is the disk full", "run chmod"}

// judge looks at how the command told of the fault.
func (m *messages) judge(tr *trial) (string, error) {
	text := tr.stderr
	contains := func(word string) bool { return strings.Contains(text, word) }
	if slices.ContainsFunc([]string{"panic", "goroutine", "runtime error"}, contains) {
		return "", fmt.Errorf("it broke down:\n%s", text)
	}
	if found := leaks(text, tr.listed, nil); len(found) > 0 {
		return "", fmt.Errorf("it tells %d listed names:\n%s", len(found), text)
	}
	if tr.Hit == nil {
		return "no fault", nil
	}
	where := digits.ReplaceAllString(tr.Hit.Short(tr.dir), "N")
	if tr.status == 0 && tr.Hit.Is(fault.Allocates|fault.Syncs) && tr.Hit.Name != "fallocate" { // a file grows without it
		return "", errors.New("it says that it is done")
	}
	if tr.status == 0 {
		if text != "" {
			where += ", with a word"
		}
		return "done in spite of " + tr.plan.Errno.Error() + " at " + where, nil
	}
	status := 1
	switch {
	case contains("read config"), contains("vaern: load signing key"), contains("vaern: read list"), contains("vaern: read batch.csv"): // what the command line names is misuse
		status = 2
	case contains("never-block-file") && !contains("load signing key"), contains("vaern: officers: "): // a refusal
		status = 3
	}
	if tr.status != status || !strings.HasPrefix(text, "vaern: ") && !contains("\nvaern: ") {
		return "", fmt.Errorf("exit status %d, want %d:\n%s", tr.status, status, text)
	}
	m.keep(text)
	if !slices.ContainsFunc(causes, contains) {
		return "", fmt.Errorf("it does not say what is wrong:\n%s", text)
	}
	advice := "with advice"
	if !slices.ContainsFunc(advices, contains) {
		advice = "without advice"
	}
	return fmt.Sprintf("failed for %v at %s, %s", tr.plan.Errno, tr.Hit.Name, advice), nil
}
