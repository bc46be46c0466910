package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vaern/vaern/internal/peers"
)

// patience is how long a test waits for what should happen within a second or two: the machine may be slow, and busy.
const patience = 60 * time.Second

// world is one authority with two police officers, anna and bo, in a directory of its own.
type world struct {
	t       testing.TB
	dir     string
	path    string // PATH with our programs and the peers first
	environ []string

	tlsListen string // of vaernd.toml, see overTLS

	mu      sync.Mutex
	said    bytes.Buffer // all that our programs printed
	listed  map[string]bool
	secrets []string
}

// newWorld does what the first day of an authority is. Each edit is a pair of texts for vaern.toml: what init wrote there,
// and what it shall say.
func newWorld(t testing.TB, edits ...[2]string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), listed: map[string]bool{}}
	w.path = programs + string(os.PathListSeparator) + peers.PATH(t)
	w.environ = append(os.Environ(), "PATH="+w.path)
	t.Cleanup(w.checkLeaks)
	w.vaern(0, "init", ".", "--environment", "test")
	config := w.read("vaern.toml")
	for _, e := range edits {
		if !strings.Contains(config, e[0]) {
			t.Fatalf("vaern.toml does not say %s", e[0])
		}
		config = strings.Replace(config, e[0], e[1], 1)
	}
	w.write("vaern.toml", config)
	for _, name := range []string{"anna", "bo"} {
		w.tool("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", name)
		w.vaern(0, "officer", "add", name, "--role", "police", "--pubkey", name+".pub")
	}
	return w
}

// alone lets one officer decide, and noGrowthLimit as much be added as the test likes.
var (
	alone         = [2]string{"quorum = {add = 2, withdraw = 1}", "quorum = {add = 1, withdraw = 1}"}
	noGrowthLimit = [2]string{"max_growth = {count = 50, percent = 2}", "max_growth = {count = 1000000, percent = 2}"}
)

// result is how a command ended, and what it printed.
type result struct {
	status         int // -1: it was killed
	stdout, stderr string
	took           time.Duration
}

// command prepares a command in the world's directory.
func (w *world) command(name string, args ...string) *exec.Cmd {
	w.t.Helper()
	path := filepath.Join(programs, name)
	if !strings.HasPrefix(name, "vaern") {
		path = peers.Path(w.t, name)
	}
	cmd := exec.CommandContext(w.t.Context(), path, args...)
	cmd.Dir, cmd.Env = w.dir, w.environ
	return cmd
}

// finish runs a command to its end. It may be called from any goroutine.
func finish(cmd *exec.Cmd) (result, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	begin := time.Now()
	err := cmd.Run()
	r := result{stdout: stdout.String(), stderr: stderr.String(), took: time.Since(begin)}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		r.status, err = exit.ExitCode(), nil
	}
	return r, err
}

// run runs one of our programs to its end, and keeps what it printed.
func (w *world) run(cmd *exec.Cmd) result {
	w.t.Helper()
	r, err := finish(cmd)
	if err != nil {
		w.t.Fatal(err)
	}
	w.keep(r.stdout)
	w.keep(r.stderr)
	return r
}

func (w *world) keep(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said.WriteString(text)
}

// vaern runs a command that must end with that status.
func (w *world) vaern(status int, args ...string) result {
	w.t.Helper()
	return w.must(status, w.run(w.command("vaern", args...)), args)
}

// vaernPrivate is vaern for output that may name what is listed: an officer has to see it.
func (w *world) vaernPrivate(status int, args ...string) result {
	w.t.Helper()
	r, err := finish(w.command("vaern", args...))
	if err != nil {
		w.t.Fatal(err)
	}
	w.keep(r.stderr)
	return w.must(status, r, args)
}

func (w *world) must(status int, r result, args []string) result {
	w.t.Helper()
	if r.status != status {
		w.t.Fatalf("%s: exit status %d, want %d\n%s%s", strings.Join(args, " "), r.status, status, r.stdout, r.stderr)
	}
	return r
}

// tool runs somebody else's program, which must succeed, and returns what it printed.
func (w *world) tool(name string, args ...string) string {
	w.t.Helper()
	return w.pipe("", name, args...)
}

// pipe is tool with something to read.
func (w *world) pipe(stdin, name string, args ...string) string {
	w.t.Helper()
	cmd := w.command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	r, err := finish(cmd)
	if err != nil || r.status != 0 {
		w.t.Fatalf("%s %s: exit status %d, %v\n%s%s", name, strings.Join(args, " "), r.status, err, r.stdout, r.stderr)
	}
	return r.stdout
}

func (w *world) file(name string) string { return filepath.Join(w.dir, name) }

func (w *world) read(name string) string {
	w.t.Helper()
	data, err := os.ReadFile(w.file(name))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(data)
}

func (w *world) write(name, content string) {
	w.t.Helper()
	if err := os.WriteFile(w.file(name), []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// parse reads the JSON that a command printed.
func parse[T any](t testing.TB, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// drafted is what decision new says.
type drafted struct {
	ID                          string
	Accepted, Rejected, Refused int
}

// propose drafts a decision.
func (w *world) propose(args ...string) drafted {
	w.t.Helper()
	r := w.vaern(0, append([]string{"decision", "new", "--json", "--basis", "test"}, args...)...)
	return parse[drafted](w.t, r.stdout)
}

// decide drafts a decision, and has officers sign it.
func (w *world) decide(officers []string, args ...string) drafted {
	w.t.Helper()
	d := w.propose(args...)
	for _, name := range officers {
		w.vaern(0, "decision", "approve", d.ID, "--as", name, "--key", name)
	}
	return d
}

// add decides, with one officer, to add a batch of names, and withdraw to take them out. The names count as listed from
// then on: nothing that is printed may hold them, whenever.
func (w *world) add(names ...string) {
	w.t.Helper()
	w.list(names...)
	w.write("batch.txt", strings.Join(names, "\n")+"\n")
	w.decide([]string{"anna"}, "--add", "batch.txt")
}

func (w *world) withdraw(names ...string) {
	w.t.Helper()
	w.write("batch.txt", strings.Join(names, "\n")+"\n")
	w.decide([]string{"anna"}, "--withdraw", "batch.txt")
}

// compiled is what compile says of a list.
type compiled struct {
	Serial                        uint32
	Unchanged                     bool
	Entries, Domains, Hosts, URLs int
	Refused, Flagged              []struct{ Rule, ID string }
}

func (w *world) compile() compiled {
	w.t.Helper()
	return parse[compiled](w.t, w.vaern(0, "compile", "--json").stdout)
}

// latest is the serial that is published, or "".
func (w *world) latest() string {
	w.t.Helper()
	data, err := os.ReadFile(w.file("editions/csam/latest"))
	if err != nil && !os.IsNotExist(err) {
		w.t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

// lines unpacks a list of the published edition, as an ISP would.
func (w *world) lines(file string) []string {
	w.t.Helper()
	return strings.Fields(w.tool("zstd", "-dc", "editions/csam/"+w.latest()+"/"+file+".zst"))
}

// synthetic returns n names of a kind.
func synthetic(kind string, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = kind + strconv.Itoa(i) + ".example"
	}
	return names
}

// await polls until something is so.
func await(t testing.TB, what string, is func() bool) {
	t.Helper()
	deadline, tick := time.After(patience), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for %v until %s", patience, what)
		}
	}
}
