package fault

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain is also the program that is traced: it writes files into the folder it is called with, each under a hidden name
// first, on as many goroutines as there are files or one after the other.
func TestMain(m *testing.M) {
	switch os.Getenv("FAULT_PROGRAM") {
	case "":
		os.Exit(m.Run())
	case "group":
		cmd := exec.Command("sh", "-c", "echo > "+os.Args[1]+"/file")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Run(); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	case "hang":
		_ = unix.Pause()
	}
	dir, files := os.Args[1], 8
	var wg sync.WaitGroup
	for i := range files {
		work := func() {
			if err := writeFile(filepath.Join(dir, strconv.Itoa(i))); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
		if os.Getenv("FAULT_PROGRAM") == "one" {
			work()
		} else {
			wg.Go(work)
		}
	}
	wg.Wait()
}

func writeFile(path string) error {
	f, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	if _, err := f.WriteString("content"); err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// run traces the program, and returns what it said and which files are there under their last names.
func run(t *testing.T, program string, plan Plan) (r *Report, said string, there []string) {
	t.Helper()
	plan.Dir = Room(t)
	cmd := exec.Command(os.Args[0], plan.Dir)
	cmd.Env = append(os.Environ(), "FAULT_PROGRAM="+program)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	r, err := Run(cmd, plan)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(cmd.Process.Pid, 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("the process is still there: %v", err)
	}
	all, err := filepath.Glob(plan.Dir + "/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		if !strings.HasSuffix(path, ".new") {
			there = append(there, filepath.Base(path))
		}
	}
	return r, stderr.String(), there
}

func named(name string) func(Call) bool { return func(c Call) bool { return c.Name == name } }

// Every call of every thread counts, once.
func TestCount(t *testing.T) {
	for _, program := range []string{"one", "many"} {
		for _, name := range []string{"openat", "write", "fsync", "renameat"} {
			r, _, there := run(t, program, Plan{Match: named(name)})
			if r.Points != 8 || len(there) != 8 || r.Status != 0 || r.Hit != nil || len(r.Outside) != 0 {
				t.Errorf("%s, %s: %d calls, files %v, status %d, hit %v, outside %v", program, name, r.Points, there, r.Status, r.Hit, r.Outside)
			}
		}
	}
}

func TestKill(t *testing.T) {
	for k := 1; k <= 8; k++ {
		for do, files := range map[Action]int{KillBefore: k - 1, KillAfter: k} {
			r, _, there := run(t, "one", Plan{Match: named("renameat"), At: k, Do: do})
			if len(there) != files || r.Status != -1 || r.Hit == nil || filepath.Base(r.Hit.Path) != strconv.Itoa(k-1) {
				t.Errorf("%v %d: files %v, status %d, hit %v", do, k, there, r.Status, r.Hit)
			}
			// Of what other threads do at that moment some comes to its end, and some does not.
			r, _, there = run(t, "many", Plan{Match: named("renameat"), At: k, Do: do})
			if r.Status != -1 || slices.Contains(there, filepath.Base(r.Hit.Path)) != (do == KillAfter) {
				t.Errorf("many, %v %d: files %v, status %d, hit %v", do, k, there, r.Status, r.Hit)
			}
		}
	}
	if r, _, there := run(t, "one", Plan{Match: named("renameat"), At: 9, Do: KillBefore}); r.Hit != nil || r.Status != 0 || len(there) != 8 {
		t.Errorf("there is no ninth call, and hit is %v, status %d, files %v", r.Hit, r.Status, there)
	}
}

func TestFail(t *testing.T) {
	for _, name := range []string{"openat", "write", "fsync", "renameat"} {
		for _, errno := range []syscall.Errno{unix.ENOSPC, unix.EIO} {
			r, said, there := run(t, "one", Plan{Match: named(name), At: 3, Do: Fail, Errno: errno})
			if len(there) != 2 || r.Status != 1 || !strings.Contains(said, errno.Error()) {
				t.Errorf("%v at %s: files %v, status %d: %s", errno, name, there, r.Status, said)
			}
		}
	}
	// Nothing is taken from a file that was not written.
	r, _, _ := run(t, "many", Plan{Match: named("write"), At: 1, Do: Fail, Errno: unix.ENOSPC, Stays: true})
	for _, c := range r.Calls {
		if c.Name == "write" && c.Done && c.Err != unix.ENOSPC {
			t.Errorf("%v was made: %v", c, c.Err)
		}
	}
}

// A program that hangs is ended, and that is an error.
func TestPatience(t *testing.T) {
	defer func(before time.Duration) { patience = before }(patience)
	patience = time.Second
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "FAULT_PROGRAM=hang")
	if _, err := Run(cmd, Plan{Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "did not end") {
		t.Errorf("hangs: %v", err)
	}
}

// Of what was not synced, a disk may have kept all, nothing, or names or content alone.
func TestDisk(t *testing.T) {
	dir := Room(t)
	if err := os.WriteFile(dir+"/0", []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	disk, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], dir)
	cmd.Env = append(os.Environ(), "FAULT_PROGRAM=one")
	r, err := Run(cmd, Plan{Dir: dir, Keep: true})
	if err != nil || r.Status != 0 {
		t.Fatal(err, r)
	}
	look := func(names, content bool) string {
		to := Room(t)
		if err := disk.Write(to, func(folder bool) bool { return folder && names || !folder && content }); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(to)
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, e := range entries {
			data, err := os.ReadFile(filepath.Join(to, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			text += e.Name() + ":" + string(data) + " "
		}
		return text
	}
	want := map[string][4]string{ // nothing; content; names; both
		"openat":   {"0:before ", "0:before ", "0:before 0.new: ", "0:before 0.new: "},
		"write":    {"0:before ", "0:before ", "0:before 0.new: ", "0:before 0.new:content "},
		"fsync":    {"0:before ", "0:before ", "0:before 0.new:content ", "0:before 0.new:content "},
		"renameat": {"0:before ", "0:before ", "0:content ", "0:content "},
	}
	for _, c := range r.Calls[:4] {
		if changed, err := disk.Apply(c); err != nil || !changed {
			t.Fatalf("%v: changed is %v, %v", c, changed, err)
		}
		for i, text := range want[c.Name] {
			if have := look(i&2 != 0, i&1 != 0); have != text {
				t.Errorf("after %v, names %v, content %v: %q, want %q", c, i&2 != 0, i&1 != 0, have, text)
			}
		}
	}
	if _, err := disk.Apply(Call{Name: "fsync", Path: dir, Effect: Syncs, Done: true}); err != nil {
		t.Fatal(err)
	}
	if have := look(false, false); have != "0:content " {
		t.Errorf("after all is synced: %q", have)
	}
}

// A child in a process group of its own, as a program makes of what it may have to kill, is followed too.
func TestFollowsOtherProcessGroups(t *testing.T) {
	t.Parallel()
	dir := Room(t)
	cmd := exec.Command(os.Args[0], dir)
	cmd.Env = append(os.Environ(), "FAULT_PROGRAM=group")
	r, err := Run(cmd, Plan{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != 0 || r.Points == 0 {
		t.Errorf("exit status %d after %d calls", r.Status, r.Points)
	}
}
