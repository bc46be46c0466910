package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/vaern/vaern/internal/fault"
)

var pullOnce = []string{"--once"}

func faultRoom(t testing.TB) string { return fault.Room(t) }

// At whatever call vaern-pull is killed: each installed file is the old or the new one, whole, nothing is acknowledged that
// is not loaded, and the next run finishes it.
func TestPullCrashTable(t *testing.T) {
	t.Parallel()
	s := newPullScene(t)
	outcomes := s.table(pullOnce, s.kills(pullOnce), func(tr *trial) (string, error) {
		if tr.number%sampled == 0 {
			if err := tr.done("check"); err != nil {
				return "", err
			}
		}
		return s.judge(tr)
	})
	for _, want := range []string{"old old old old", "new new old old", "new new new new, acknowledged"} {
		if outcomes["kill before: "+want] == 0 {
			t.Errorf("never seen after a kill: %s", want)
		}
	}
}

// Whatever call of vaern-pull, or of the commands that it runs, fails, for want of room or otherwise: the same.
func TestPullFaultTable(t *testing.T) {
	t.Parallel()
	s := newPullScene(t)
	var back atomic.Int64
	s.table(pullOnce, s.fails(pullOnce), func(tr *trial) (string, error) {
		text := tr.stderr
		switch {
		case strings.Contains(text, "panic"), strings.Contains(text, "goroutine"):
			return "", fmt.Errorf("it broke down:\n%s", text)
		case tr.status != 0 && tr.status != 1 && tr.status != 2, tr.status != 0 && !strings.HasPrefix(text, "vaern-pull: "):
			return "", fmt.Errorf("exit status %d: %s", tr.status, text)
		case tr.status == 2 && !tr.Hit.Is(fault.Reads): // its configuration, its token
			return "", fmt.Errorf("exit status %d: %s", tr.status, text)
		}
		if strings.Contains(text, "the previous files are back") {
			back.Add(1)
		}
		outcome, err := s.judge(tr)
		if err != nil {
			return "", fmt.Errorf("%w\nit said: %s", err, text)
		}
		return fmt.Sprintf("exit status %d, %s", tr.status, outcome), nil
	})
	if back.Load() == 0 {
		t.Error("no fault had the previous files come back")
	}
}

// Whenever the power fails, and whatever the disk then kept: the same.
func TestPullPowerCut(t *testing.T) {
	t.Parallel()
	s := newPullScene(t)
	s.powerCuts(pullOnce, func(tr *trial) (string, error) {
		tr.status = -1
		if err := s.itself(tr); err != nil {
			return "", err
		}
		if err := s.ackedOnRecord(tr); err != nil {
			return "", err
		}
		// A resolver reads its files when the machine is on again.
		for _, name := range [][2]string{{"zone", "loaded"}, {"hosts", "loaded-hosts"}} {
			data, err := os.ReadFile(tr.file(name[0]))
			if err == nil {
				err = os.WriteFile(tr.file(name[1]), data, 0o600)
			}
			if err != nil {
				return "", err
			}
		}
		return s.judge(tr)
	})
}

// ackedOnRecord has the server know what the program has on record that it acknowledged: that was before the power cut, and by
// another token.
func (s *pullScene) ackedOnRecord(tr *trial) error {
	data, err := os.ReadFile(tr.file("state/record.json"))
	if err != nil {
		return err
	}
	var record struct {
		Installed struct {
			Manifest string
			Acked    bool
		}
	}
	if err := json.Unmarshal(data, &record); err != nil {
		return err
	}
	if record.Installed.Acked && strings.Contains(record.Installed.Manifest, "# serial: "+s.two+"\n") {
		s.stand.mu.Lock()
		defer s.stand.mu.Unlock()
		s.stand.acked[filepath.Base(tr.dir)] = []string{s.two}
	}
	return nil
}
