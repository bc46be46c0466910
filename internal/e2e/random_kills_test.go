package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaern/vaern/internal/fault"
)

// randomKills is how often compile is killed at random: some times, or as often as VAERN_KILLS says.
func randomKills(t testing.TB) int {
	t.Helper()
	text := os.Getenv("VAERN_KILLS")
	if text == "" {
		return 50
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("VAERN_KILLS: %v", err)
	}
	return n
}

// Whenever compile is killed: the old or the new edition, whole; and the next compile mends all. TestCrashTable does the
// same at every call; here nobody holds the program, and what it does at once goes on when it dies.
func TestRandomKills(t *testing.T) {
	t.Parallel()
	s := newScene(t, 3000)
	var usual atomic.Int64
	for range 3 { // the first time is the slowest
		tr, err := s.copy()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tr.killed(time.Minute); err != nil || tr.status != 0 {
			t.Fatalf("%v: exit status %d: %s", err, tr.status, tr.stderr)
		}
		usual.Store(int64(tr.took))
		_ = os.RemoveAll(tr.dir)
	}
	s.each(randomKills(t), func(number int) (string, error) {
		tr, err := s.copy()
		if err != nil {
			return "", err
		}
		defer os.RemoveAll(tr.dir)
		tr.number = number
		after := time.Duration(rand.Int64N(usual.Load() * 11 / 10)) //nolint:gosec // no secret
		reached, err := tr.killed(after)
		if err != nil {
			return "", err
		}
		if tr.status == 0 {
			usual.Store(int64(tr.took)) // the machine may have become slower, or faster
		}
		is, err := tr.afterCompile()
		if err != nil {
			return "", fmt.Errorf("killed after %v: %w", after, err)
		}
		return fmt.Sprintf("ended with %d, %s: %s", tr.status, reached, is), nil
	})
}

// killed runs compile in the copy, kills it after a time, and says how far it had come.
func (tr *trial) killed(after time.Duration) (reached string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), after)
	defer cancel()
	whole := tr.vaernHere("compile")
	cmd := exec.CommandContext(ctx, whole.Path, whole.Args[1:]...)
	cmd.Dir, cmd.Env = whole.Dir, whole.Env
	tr.Report = &fault.Report{}
	if tr.result, err = finish(cmd); errors.Is(err, context.DeadlineExceeded) {
		tr.status, err = -1, nil // it was never begun
	}
	if err != nil {
		return "", err
	}
	tr.keep(tr.stdout)
	tr.keep(tr.stderr)
	hidden, err := filepath.Glob(tr.listDir() + "/.new-*")
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(tr.file("register.db-journal")); err == nil {
		return "reserving", nil
	}
	switch {
	case len(hidden) > 0:
		return "writing", nil
	case len(tr.begun()) > 0:
		return "done, or nearly", nil
	}
	return "before", nil
}
