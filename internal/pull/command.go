package pull

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// File stands in a check command for the path of the file to check.
const File = "{file}"

// check runs the check command of a staged file.
func (c *Client) check(ctx context.Context, s *staging) error {
	if len(s.Check) == 0 {
		return nil
	}
	argv := make([]string, len(s.Check))
	for i, arg := range s.Check {
		argv[i] = strings.ReplaceAll(arg, File, s.path)
	}
	if err := c.command(ctx, argv); err != nil {
		return advise(fmt.Errorf("check %s: %w", s.To, err), "nothing was installed; what the check says about the file tells whether it is wrong, or the check")
	}
	return nil
}

// reload has the resolver read what was installed.
func (c *Client) reload(ctx context.Context) error {
	if len(c.Reload) == 0 {
		return nil
	}
	if err := c.command(ctx, c.Reload); err != nil {
		return fmt.Errorf("reload: %w", err)
	}
	return nil
}

// grace is how long the output of a command that was ended is waited for.
const grace = time.Second

// command runs a program, without a shell, in a process group of its own: what a
// terminal sends to this program does not end a reload half-way. After the time
// limit the whole group is killed. What it printed is shown only if it fails.
func (c *Client) command(ctx context.Context, argv []string) error {
	ctx, cancel := context.WithTimeout(ctx, c.Limits.Command)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = grace
	cmd.Env = commandEnv(os.Environ())
	var said tail
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it did its work, and left a child behind that holds its output
	}
	if err == nil {
		return nil
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("it did not end within %v", c.Limits.Command)
	}
	err = fmt.Errorf("%s: %w", argv[0], err)
	if text := nameless(said.String(), argv); text != "" {
		err = fmt.Errorf("%w; it said:\n%s", err, text)
	}
	return err
}

// commandEnv leaves out what is between the service manager and this program.
func commandEnv(environ []string) (env []string) {
	for _, e := range environ {
		if key, _, _ := strings.Cut(e, "="); key != "NOTIFY_SOCKET" && !strings.HasPrefix(key, "WATCHDOG_") {
			env = append(env, e)
		}
	}
	return env
}

// tail keeps the end of what is written to it, in whole lines.
type tail struct {
	b   []byte
	cut bool
}

const maxTail = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if cut := len(t.b) - maxTail; cut > 0 {
		t.b, t.cut = append(t.b[:0], t.b[cut:]...), true
	}
	return len(p), nil
}

func (t *tail) String() string {
	b := t.b
	if t.cut {
		_, b, _ = bytes.Cut(b, []byte("\n"))
	}
	return string(bytes.TrimSpace(bytes.ToValidUTF8(b, []byte("?"))))
}
