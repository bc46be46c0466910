package housetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/vaern/vaern"

// room is a row of the import table of ARCHITECTURE.md: what the packages at and below a path may import directly, in
// files that are no tests.
type room struct {
	path    string
	ours    []string // rooms of this module; "*" for all
	outside []string // modules, or paths of packages in them
	never   []string // packages of the standard library
}

var (
	// A leaf knows nothing of Vaern.
	leaves = []string{"internal/durable", "internal/sshsig", "internal/config", "internal/progress"}
	// Close to the standard library, and free to all leaves.
	extended = []string{"golang.org/x/crypto", "golang.org/x/sys", "golang.org/x/term"}
	// Flags and signals are read where the program is, and handed on as values.
	commands = []string{"flag", "os/signal"}
)

// table is searched from the top: the first room that a package is in counts.
var table = []room{
	{
		path:    "blocklist",
		ours:    leaves,
		outside: []string{"golang.org/x/net/idna", "github.com/weppos/publicsuffix-go", "github.com/nlnwa/whatwg-url", "github.com/klauspost/compress"},
		never:   []string{"net", "net/http", "database/sql", "log", "log/slog"},
	},
	{path: "dnsfeed", ours: with(leaves, "blocklist"), outside: []string{"github.com/miekg/dns"}},

	{path: "internal/durable", outside: extended},
	{path: "internal/sshsig", outside: with(extended, "github.com/hiddeco/sshsig")},
	{path: "internal/config", outside: with(extended, "github.com/pelletier/go-toml")},
	{path: "internal/progress", outside: extended},

	{path: "internal/sqlitefile", ours: []string{"internal/durable"}, outside: []string{"github.com/ncruces/go-sqlite3"}},
	{
		path:    "internal/register",
		ours:    with(leaves, "blocklist", "internal/sqlitefile"),
		outside: []string{"github.com/ncruces/go-sqlite3"},
	},
	{path: "internal/inbox", ours: with(leaves, "blocklist", "internal/sqlitefile", "internal/source")},
	{path: "internal/httpfeed", ours: with(leaves, "blocklist", "dnsfeed", "internal/isp")},
	{path: "internal/isp", ours: with(leaves, "blocklist", "dnsfeed")},
	{path: "internal/source", ours: with(leaves, "blocklist"), outside: []string{"github.com/klauspost/compress"}},
	{path: "internal", ours: with(leaves, "blocklist")},

	{path: "cmd", ours: []string{"*"}, outside: []string{"github.com/spf13/cobra", "github.com/spf13/pflag", "github.com/robfig/cron", "github.com/prometheus/client_golang"}},
}

// support is code for tests; no program contains it.
var support = []string{"internal/housetest", "internal/peers", "internal/e2e", "internal/fault", "internal/bench"}

func with(list []string, more ...string) []string {
	return append(slices.Clip(list), more...)
}

func TestImports(t *testing.T) {
	imported := map[string]bool{}
	for _, p := range packages(t) {
		for _, path := range p.Imports {
			imported[path] = true
		}
		if in(p.room(), support) {
			continue
		}
		i := slices.IndexFunc(table, func(r room) bool { return within(p.room(), r.path) })
		if i < 0 {
			t.Errorf("%s is in no room of the table", p.ImportPath)
			continue
		}
		for _, path := range p.Imports {
			if !table[i].allows(p.room(), path) {
				t.Errorf("%s may not import %s", p.ImportPath, path)
			}
		}
	}
	for _, path := range support {
		if imported[module+"/"+path] {
			t.Errorf("%s is for tests, and a package imports it", path)
		}
	}
}

func (r room) allows(importer, path string) bool {
	if ours, ok := strings.CutPrefix(path, module+"/"); ok {
		return within(ours, importer) || in(ours, r.ours) || slices.Contains(r.ours, "*")
	}
	if host, _, _ := strings.Cut(path, "/"); strings.Contains(host, ".") {
		return in(path, r.outside)
	}
	return !slices.Contains(r.never, path) && (r.path == "cmd" || !slices.Contains(commands, path))
}

// within tells whether a path is another or below it.
func within(path, other string) bool {
	return path == other || strings.HasPrefix(path, other+"/")
}

func in(path string, list []string) bool {
	return slices.ContainsFunc(list, func(other string) bool { return within(path, other) })
}

// pkg is what go list says of a package of this module.
type pkg struct {
	ImportPath, Dir, Doc string
	GoFiles, Imports     []string
	Error                *struct{ Err string }
}

// room is the path within the module.
func (p pkg) room() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

var list = sync.OnceValues(func() ([]pkg, error) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,GoFiles,Imports,Error", module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, errors.New("go list: " + stderr.String())
	}
	var all []pkg
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := decoder.Decode(&p); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		if p.Error != nil {
			return nil, errors.New(p.Error.Err)
		}
		all = append(all, p)
	}
})

// packages are all of this module, those without an ordinary file left out.
func packages(t *testing.T) []pkg {
	t.Helper()
	all, err := list()
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(slices.Clone(all), func(p pkg) bool { return len(p.GoFiles) == 0 })
}

// The table by example, so that a slip in its search is noticed as well as one in the code.
func TestTable(t *testing.T) {
	for _, example := range []struct {
		importer, path string
		allowed        bool
	}{
		{"blocklist", module + "/internal/durable", true},
		{"blocklist", module + "/dnsfeed", false},
		{"blocklist", "golang.org/x/net/idna", true},
		{"blocklist", "golang.org/x/net/html", false},
		{"blocklist", "github.com/miekg/dns", false},
		{"blocklist", "net/netip", true},
		{"blocklist", "net", false},
		{"blocklist", "log/slog", false},
		{"dnsfeed", module + "/blocklist", true},
		{"dnsfeed", module + "/internal/isp", false},
		{"dnsfeed", "github.com/miekg/dns", true},
		{"internal/durable", module + "/blocklist", false},
		{"internal/durable", "golang.org/x/sys/unix", true},
		{"internal/isp", module + "/dnsfeed", true},
		{"internal/source", module + "/dnsfeed", false},
		{"internal/source", "os/signal", false},
		{"internal/register", "github.com/ncruces/go-sqlite3/driver", true},
		{"internal/register", module + "/internal/inbox", false},
		{"internal/inbox", module + "/internal/register", false},
		{"internal/inbox", module + "/internal/sqlitefile", true},
		{"internal/new", "github.com/ncruces/go-sqlite3/driver", false},
		{"internal/new", "github.com/spf13/cobra", false},
		{"internal/new", "github.com/miekg/dns", false},
		{"cmd/vaern", module + "/internal/register", true},
		{"cmd/vaern", "github.com/spf13/cobra", true},
		{"cmd/vaern", "github.com/robfig/cron/v3", true},
		{"cmd/vaern", "os/signal", true},
		{"cmd/vaernd", "github.com/prometheus/client_golang/prometheus/promhttp", true},
		{"dnsfeed", "github.com/prometheus/client_golang/prometheus", false},
		{"cmd/vaern", "github.com/ncruces/go-sqlite3/driver", false},
	} {
		i := slices.IndexFunc(table, func(r room) bool { return within(example.importer, r.path) })
		if allowed := table[i].allows(example.importer, example.path); allowed != example.allowed {
			t.Errorf("%s imports %s: allowed is %v, want %v", example.importer, example.path, allowed, example.allowed)
		}
	}
}
