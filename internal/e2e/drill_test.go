package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// popular are 8,000 names that people visit most: those of the shared data if they are there, else synthetic ones.
func popular(t testing.TB) []string {
	t.Helper()
	data, err := os.ReadFile("../../../shared/data/lists/popular-10k.txt")
	if err != nil {
		return synthetic("popular", 8000)
	}
	var names []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			names = append(names, line[strings.LastIndex(line, ",")+1:])
		}
	}
	return names[:8000]
}

// The drill of 2012: a file with thousands of lawful names lies in a folder of the authority. No folder is a source, and
// what two people sign by mistake meets the guards. Whatever is tried, none of the names is published.
func TestDrill2012(t *testing.T) {
	t.Parallel()
	names := popular(t)
	text := strings.Join(names, "\n") + "\n"
	w := newWorld(t)
	w.write("first.txt", strings.Join(synthetic("listed", 300), "\n"))
	w.list(synthetic("listed", 300)...)
	w.list(names...)
	both := []string{"anna", "bo"}
	w.decide(both, "--add", "first.txt")
	w.compile()
	before := w.latest()
	nothing := func(step string) {
		t.Helper()
		for _, file := range []string{"domains.txt", "hosts.txt", "urls.txt"} {
			for _, line := range w.lines(file) {
				if _, found := slices.BinarySearch(sorted(names), line); found {
					t.Fatalf("%s: a popular name is published", step)
				}
			}
		}
		if w.latest() != before {
			t.Fatalf("%s: edition %s is published, was %s", step, w.latest(), before)
		}
	}

	// As a file, in every folder, under every name that could mean something.
	dirs := []string{".", "keys", "editions", "editions/csam", "editions/csam/" + before, "inbox", "lists", "reports", "isps"}
	for _, dir := range dirs {
		for _, name := range []string{"domains.txt", "list.csv", "csam.txt", "new.txt", ".new-17"} {
			path := w.file(filepath.Join(dir, name))
			if _, err := os.Stat(path); err == nil {
				t.Fatalf("%s is there already", path)
			}
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			w.write(filepath.Join(dir, name), text)
		}
		r := w.run(w.command("vaern", "compile", "--json"))
		if inEdition := strings.HasSuffix(dir, before); inEdition != (r.status == 1) {
			t.Errorf("files in %s: exit status %d: %s%s", dir, r.status, r.stdout, r.stderr)
		}
		nothing("files in " + dir)
		for _, name := range []string{"domains.txt", "list.csv", "csam.txt", "new.txt", ".new-17"} {
			_ = os.Remove(w.file(filepath.Join(dir, name))) // compile may have swept it
		}
	}
	w.compile()

	// As a decision. Without never-block names it becomes one; one signature is none; two meet the growth guard.
	d := w.propose("--skip-invalid", "--add", w.put("popular.txt", text))
	if d.Accepted < 7000 {
		t.Fatalf("drafted %+v", d)
	}
	w.compile()
	nothing("a draft")
	w.vaern(0, "decision", "approve", d.ID, "--as", "anna", "--key", "anna")
	w.compile()
	nothing("one signature")
	w.vaern(0, "decision", "approve", d.ID, "--as", "bo", "--key", "bo")
	for _, args := range [][]string{{"compile"}, {"compile", "--dry-run"}} {
		r := w.vaern(3, args...)
		if !strings.Contains(r.stderr, "growth "+d.ID+": ") || !strings.Contains(r.stderr, "vaern decision new --override growth --for "+d.ID) {
			t.Errorf("%v says %s", args, r.stderr)
		}
		nothing("two signatures")
	}
	if r := w.vaern(1, "check"); !strings.Contains(r.stderr, "additions are held back by a guard: growth "+d.ID) {
		t.Errorf("check says %s", r.stderr)
	}

	// The never-block file has the names: each of them is refused, growth or not, in a decision that is signed already, and
	// before there is one. The files that protect do not go missing unnoticed.
	w.write("never-block.txt", "police.example\n"+text)
	w.write("vaern.toml", strings.Replace(w.read("vaern.toml"), noGrowthLimit[0], noGrowthLimit[1], 1))
	if r := w.vaern(3, "compile", "--json"); !strings.Contains(r.stdout, `"rule":"never-block","id":"E301"`) || strings.Contains(r.stdout, `"growth"`) {
		t.Errorf("compile says %.300s", r.stdout)
	}
	nothing("two signatures, never-block")
	w.decide(both[:1], "--withdraw", w.put("gone.txt", "E300"))
	if c := parse[compiled](t, w.vaern(3, "compile", "--json").stdout); c.Unchanged || c.Domains != 300 {
		t.Errorf("a withdrawal meanwhile: %+v", c)
	}
	before = w.latest()
	nothing("a withdrawal meanwhile")
	w.write("never-block.txt", "police.example\n")
	if r := w.vaern(3, "compile", "--json"); !strings.Contains(r.stdout, `"rule":"never-block-file","id":"list"`) {
		t.Errorf("with a halved never-block file compile says %.300s", r.stdout)
	}
	nothing("two signatures, a halved never-block file")
	w.write("never-block.txt", "police.example\n"+text)
	r := w.vaern(3, "decision", "new", "--add", w.put("again.txt", fmt.Sprintf("sub.%s\n", names[0])), "--basis", "again")
	if !strings.Contains(r.stderr, "again.txt:1: never-block: is below a protected name") {
		t.Errorf("decision new says %s", r.stderr)
	}
	nothing("below a popular name")
}

func (w *world) put(name, content string) string {
	w.t.Helper()
	w.write(name, content)
	return name
}

func sorted(names []string) []string { return slices.Sorted(slices.Values(names)) }
