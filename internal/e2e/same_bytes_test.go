package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// setClock has the world's programs believe that it is noon of a certain day and some minutes.
func (w *world) setClock(minutes int) {
	w.t.Helper()
	w.write("clock", time.Date(2026, 11, 23, 12, minutes, 0, 0, time.UTC).Format(time.RFC3339)+"\n")
}

// The same register at the same moment is the same edition, to the byte: made twice, or by way of five editions, of whose
// compressed text most is taken over, and all at once.
func TestSameRegisterSameBytes(t *testing.T) {
	t.Parallel()
	steps, whole := manySteps(t, true), manySteps(t, false)
	again := filepath.Join(t.TempDir(), "again")
	whole.tool("cp", "-a", whole.dir, again)

	// Two lines of MANIFEST are of the history and not of the content: which edition was there before; and the head of the
	// register, whose records have a random number each, so that its hash tells nobody what is in them.
	history := regexp.MustCompile(`(?m)^# (previous|register): .*\n`)

	var editions []map[string]string
	for _, c := range []struct {
		w   *world
		dir string
	}{{steps, steps.dir}, {whole, whole.dir}, {whole, again}} {
		done := parse[compiled](t, c.w.vaern(0, "--config", filepath.Join(c.dir, "vaern.toml"), "compile", "--json").stdout)
		if done.Unchanged || done.Domains < 20_000 {
			t.Fatalf("%+v", done)
		}
		edition := filepath.Join(c.dir, "editions", "csam", fmt.Sprint(done.Serial))
		editions = append(editions, contents(t, edition))
		c.w.signedAgain(filepath.Join(c.dir, "keys", "edition"), edition)
	}
	differ := func(x, y map[string]string) {
		t.Helper()
		if len(x) != 13 || len(y) != 13 {
			t.Errorf("editions of %d and %d files, want MANIFEST, its signature, zone.image, and five texts in two forms", len(x), len(y))
		}
		for name, content := range x {
			if y[name] != content {
				t.Errorf("%s differs: %d octets and %d", name, len(content), len(y[name]))
			}
		}
	}
	differ(editions[1], editions[2]) // to the signature
	for _, files := range editions[:2] {
		files["MANIFEST"] = history.ReplaceAllString(files["MANIFEST"], "")
		files["MANIFEST.sig"] = "of keys of their own"
	}
	differ(editions[0], editions[1])
	if n := strings.Count(editions[0]["domains.txt.zst"], "\x28\xb5\x2f\xfd"); n < 8 {
		t.Errorf("domains.txt.zst has %d frames: so small a list shows nothing", n)
	}
}

// manySteps decides a list in six steps, and compiles after each but the last, or never.
func manySteps(t *testing.T, compiles bool) *world {
	w := newWorld(t, alone, noGrowthLimit)
	w.environ = append(w.environ, "VAERN_TEST_CLOCK=@"+w.file("clock"))
	w.setClock(0)
	compile := func() {
		if compiles {
			w.compile()
		}
	}
	many := synthetic("many-", 20_000)
	w.add(many...)
	w.adds("csv", exampleZone.extremes("q")...)
	var hosts []target
	for i := range 3000 {
		hosts = append(hosts, target{"host", fmt.Sprintf("www.host-%d.test", i)}, target{"url", fmt.Sprintf("https://url-%d.test/page", i)})
	}
	w.adds("csv", hosts...)
	w.setClock(10)
	compile()
	// Five small changes: at the beginning, in the middle, at the end; a name that covers others, and one that uncovers them.
	for i, change := range []func(){
		func() { w.add("0-first.example", "zzz-last.test") },
		func() { w.withdraw(many[7000], many[7001]) },
		func() { w.add("a."+many[100], many[7000]) },
		func() { w.withdraw(many[100]) },
		func() { w.add("host-17.test", "many.example") },
	} {
		w.setClock(20 + 10*i)
		change()
		if i < 4 {
			compile()
		}
	}
	w.setClock(120)
	return w
}

// signedAgain signs MANIFEST with somebody else's program: Ed25519 gives the same signature for the same text, and so
// MANIFEST.sig adds nothing of its own.
func (w *world) signedAgain(key, edition string) {
	w.t.Helper()
	manifest, err := os.ReadFile(filepath.Join(edition, "MANIFEST"))
	if err != nil {
		w.t.Fatal(err)
	}
	signature, err := os.ReadFile(filepath.Join(edition, "MANIFEST.sig"))
	if err != nil {
		w.t.Fatal(err)
	}
	again := w.pipe(string(manifest), "ssh-keygen", "-q", "-Y", "sign", "-n", "vaern-edition", "-f", key)
	if again != string(signature) {
		w.t.Errorf("MANIFEST.sig is\n%s\nand ssh-keygen makes\n%s", signature, again)
	}
}

// contents are the files of a folder.
func contents(t testing.TB, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[entry.Name()] = string(data)
	}
	return files
}
