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
	w := newWorld(t, alone, noGrowthLimit)
	w.environ = append(w.environ, "VAERN_TEST_CLOCK=@"+w.file("clock"))
	w.setClock(0)
	many := synthetic("many-", 20_000)
	w.add(many...)
	w.adds("csv", exampleZone.extremes("q")...)
	var hosts []target
	for i := range 3000 {
		hosts = append(hosts, target{"host", fmt.Sprintf("www.host-%d.test", i)}, target{"url", fmt.Sprintf("https://url-%d.test/page", i)})
	}
	w.adds("csv", hosts...)
	w.setClock(10)
	w.compile()

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
			w.compile()
		}
	}
	w.setClock(120)

	// One line of MANIFEST is of the history and not of the content: which edition was there before.
	previous := regexp.MustCompile(`(?m)^# previous: .*\n`)

	// One copy goes on from the editions that it has, two have none, and make the whole of it.
	var editions []map[string]string
	var signatures []string
	for _, name := range []string{"step-by-step", "at-once", "at-once-again"} {
		dir := filepath.Join(t.TempDir(), name)
		w.tool("cp", "-a", w.dir, dir)
		if name != "step-by-step" {
			if err := os.RemoveAll(filepath.Join(dir, "editions", "csam")); err != nil {
				t.Fatal(err)
			}
		}
		c := parse[compiled](t, w.vaern(0, "--config", filepath.Join(dir, "vaern.toml"), "compile", "--json").stdout)
		if c.Unchanged || c.Domains < 20_000 {
			t.Fatalf("%s: %+v", name, c)
		}
		edition := filepath.Join(dir, "editions", "csam", fmt.Sprint(c.Serial))
		files := contents(t, edition)
		files["MANIFEST"] = previous.ReplaceAllString(files["MANIFEST"], "")
		signatures = append(signatures, files["MANIFEST.sig"])
		delete(files, "MANIFEST.sig")
		editions = append(editions, files)
		w.signedAgain(filepath.Join(dir, "keys", "edition"), edition)
	}
	if signatures[1] != signatures[2] {
		t.Error("the same MANIFEST, previous and all, is signed in two ways")
	}
	for _, files := range editions {
		if len(files) != 12 {
			t.Errorf("an edition of %d files, want MANIFEST, zone.image, and five texts in two forms", len(files))
		}
		for name, content := range editions[1] {
			if files[name] != content {
				t.Errorf("%s differs: %d octets and %d", name, len(files[name]), len(content))
			}
		}
	}
	if n := strings.Count(editions[0]["domains.txt.zst"], "\x28\xb5\x2f\xfd"); n < 8 {
		t.Errorf("domains.txt.zst has %d frames: so small a list shows nothing", n)
	}
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
