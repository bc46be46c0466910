package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"testing"
)

// programs is the folder that our programs were built into.
var programs string

func TestMain(m *testing.M) {
	status, err := buildAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		status = 1
	}
	os.Exit(status)
}

func buildAndRun(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "vaern-e2e-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	programs = dir
	// These as they are shipped. They run some thousand times here, and the race detector would make each start take a second.
	for _, program := range []string{"vaern", "vaern-pull"} {
		if err := build("0", program, "-trimpath"); err != nil {
			return 1, err
		}
	}
	// vaernd runs for long and does many things at once: the race detector watches it if it watches this test.
	if underRace() {
		err = build("1", "vaernd", "-race")
	} else {
		err = build("0", "vaernd", "-trimpath")
	}
	if err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// build makes one program with the flags of the Makefile, or those of this test, so that the compiler's work is shared.
func build(cgo, program string, flags ...string) error {
	args := append([]string{"build", "-buildvcs=false", "-o", filepath.Join(programs, program)}, flags...)
	cmd := exec.Command("go", append(args, "../../cmd/"+program)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", program, err, out)
	}
	return nil
}

func underRace() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return false
	}
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}
