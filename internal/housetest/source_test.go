package housetest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestPackageDoc(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" {
			t.Errorf("%s has no package comment: say what it is for above the package clause of one file", p.ImportPath)
		}
	}
}

// The clock is read where the program is, and handed on, so that VAERN_TEST_CLOCK reaches everything; and only there
// does a program end.
func TestOnlyCommandsReadTheClockOrExit(t *testing.T) {
	for _, p := range packages(t) {
		if within(p.room(), "cmd") || in(p.room(), support) {
			continue
		}
		for _, name := range p.GoFiles {
			for _, use := range forbidden(t, filepath.Join(p.Dir, name), nil) {
				t.Error(use)
			}
		}
	}
}

func TestForbiddenIsFound(t *testing.T) {
	const source = `package x
import ("os"; clock "time")
var now = clock.Now
func f() { os.Exit(1) }
func g(time struct{ Now func() }) { time.Now(); _ = clock.Unix; _ = os.Args }
`
	if uses := forbidden(t, "x.go", source); len(uses) != 2 {
		t.Errorf("found %v, want time.Now and os.Exit", uses)
	}
}

// forbidden finds uses of time.Now and os.Exit, calls or not, under whatever name the file imports them.
func forbidden(t *testing.T, path string, source any) (uses []string) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	imports := map[string]string{}
	for _, spec := range file.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		if name := spec.Name; name != nil {
			imports[name.Name] = path
		} else {
			imports[path] = path
		}
	}
	ast.Inspect(file, func(node ast.Node) bool {
		if selector, ok := node.(*ast.SelectorExpr); ok {
			if name, ok := selector.X.(*ast.Ident); ok {
				switch what := imports[name.Name] + "." + selector.Sel.Name; what {
				case "time.Now", "os.Exit":
					uses = append(uses, files.Position(selector.Pos()).String()+": "+what+" is for cmd alone")
				}
			}
		}
		return true
	})
	return uses
}

func TestCitedFilesExist(t *testing.T) {
	for _, name := range []string{"ARCHITECTURE.md", "SECURITY.md", "CHANGELOG.md", "BENCHMARKS.md", "README.md", "LICENSE"} {
		if info, err := os.Stat(filepath.Join(root(t), name)); err != nil || info.Size() == 0 {
			t.Errorf("%s is missing or empty", name)
		}
	}
}

// privateKey is the PEM header and the beginning of the key itself, in a file of its own or in a string of a program. Code
// that makes or recognises keys has the header alone.
var privateKey = regexp.MustCompile(`-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(\s|\\n|\\r|["'+` + "`" + `])*([A-Za-z0-9+/]{16}|Proc-Type)`)

// Keys for tests are made when the test runs: one in the tree would be found by whoever scans for keys, and used by
// whoever is in a hurry. What is large is a program that was built, or a list that belongs elsewhere.
func TestTreeHoldsNoKeyAndNothingLarge(t *testing.T) {
	out, err := exec.Command("git", "-C", root(t), "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	for _, name := range strings.Split(strings.TrimRight(string(out), "\x00"), "\x00") {
		content, err := os.ReadFile(filepath.Join(root(t), name))
		if os.IsNotExist(err) {
			continue // deleted, and not yet committed
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(content) > 256<<10 {
			t.Errorf("%s has %d octets: what is built or fetched does not belong here", name, len(content))
		}
		if privateKey.Match(content) {
			t.Errorf("%s contains a private key: make it when the test runs", name)
		}
	}
}

func TestPrivateKeyIsFound(t *testing.T) {
	header := "-----BEGIN OPENSSH " + "PRIVATE KEY-----"
	for text, want := range map[string]bool{
		header + "\nb3BlbnNzaC1rZXktdjEAAAAA":          true,
		header + "\r\nb3BlbnNzaC1rZXktdjEAAAAA":        true,
		`"` + header + `\nb3BlbnNzaC1rZXktdjEAAAAA"`:   true,
		`"` + header + "\" +\n\t\"MIIEvgIBADANBgkqhki": true,
		header + "\nProc-Type: 4,ENCRYPTED\n":          true,
		`HasPrefix(key, "` + header + `")`:             false,
		"-----BEGIN CERTIFICATE-----\nMIIEvgIBADANBgk": false,
	} {
		if privateKey.MatchString(text) != want {
			t.Errorf("%q: found is %v, want %v", text, !want, want)
		}
	}
}

// root is the folder of go.mod.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
