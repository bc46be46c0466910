package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// stand serves the editions of a world over HTTP, as vaernd does, to whoever comes: the token tells who reports what.
type stand struct {
	*httptest.Server
	dir string // of the list

	mu    sync.Mutex
	due   string              // serial
	acked map[string][]string // by token: serials
	away  map[string]bool     // by token: no answer
}

func (w *world) stand() *stand {
	s := &stand{dir: w.file("editions/csam"), acked: map[string][]string{}, away: map[string]bool{}}
	s.Server = httptest.NewServer(s)
	w.t.Cleanup(s.Close)
	return s
}

// offer makes an edition the one that is due.
func (s *stand) offer(serial string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due = serial
}

// forget makes as if nobody with that token had reported anything.
func (s *stand) forget(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.acked, token)
}

func (s *stand) reports(token string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.acked[token])
}

// ServeHTTP answers one request.
func (s *stand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	rest := strings.TrimPrefix(r.URL.Path, "/v1/csam/")
	if s.away[token] {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if r.Method == http.MethodPost {
		var report struct{ Serial uint32 }
		if rest != "ack" || json.NewDecoder(r.Body).Decode(&report) != nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		s.acked[token] = append(s.acked[token], fmt.Sprint(report.Serial))
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if !strings.Contains(rest, "/") {
		rest = s.due + "/" + rest
	}
	data, err := os.ReadFile(filepath.Join(s.dir, rest))
	if err != nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_, _ = w.Write(data)
}

// pullConfig is a vaern-pull.toml: install is what is behind the common keys.
func (w *world) pullConfig(url, install string) string {
	return "url = \"" + url + "/v1/csam\"\nedition_keys = \"" + w.file("keys/edition.allowed_signers") +
		"\"\nenvironment = \"test\"\ntoken_file = \"token\"\nstate = \"state\"\n" + install
}

// pullScene is a provider in the moment before a run of vaern-pull: one edition is installed, and the next is due. Its
// resolver is a script that keeps what it has read.
type pullScene struct {
	*scene
	stand      *stand
	one, two   string            // serials
	was, shall map[string]string // what the files hold
}

const pullInstall = `reload = ["sh", "-c", "cp zone loaded.new && mv loaded.new loaded && cp hosts loaded.new && mv loaded.new loaded-hosts"]
check = ["grep", "-q", "[a-z]", "{file}"]
[[install]]
file = "rpz.zone"
to = "zone"
[[install]]
format = "hosts"
stop = "192.0.2.99"
to = "hosts"
`

func newPullScene(t testing.TB) *pullScene {
	t.Helper()
	authority := newWorld(t, alone, noGrowthLimit)
	authority.add(synthetic("listed", 30)...)
	authority.compile()
	s := &pullScene{stand: authority.stand(), one: authority.latest()}
	s.stand.offer(s.one)

	provider := &world{t: t, dir: t.TempDir(), path: authority.path, environ: authority.environ, listed: authority.listed}
	provider.secret("base-token")
	t.Cleanup(provider.checkLeaks)
	s.scene = &scene{world: provider, program: "vaern-pull", prepare: s.itself}
	s.write("vaern-pull.toml", authority.pullConfig(s.stand.URL, pullInstall))
	s.write("token", "base-token\n")
	r := s.world.run(s.command("vaern-pull", "--once"))
	s.must(0, r, []string{"vaern-pull"})
	s.was = s.files(s.dir)

	authority.add("new.example")
	authority.compile()
	s.two = authority.latest()
	s.stand.offer(s.two)
	room := t.TempDir()
	if out, err := s.scene.command("cp", "-a", s.dir+"/.", room).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := s.command("vaern-pull", "--once")
	cmd.Dir = room
	s.must(0, s.world.run(cmd), []string{"vaern-pull"})
	s.shall = s.files(room)
	s.scene.keys, s.scene.room = nil, ""
	s.readyPull()
	return s
}

// readyPull takes the scene as it is now for what trials begin with.
func (s *pullScene) readyPull() {
	s.t.Helper()
	var err error
	if s.tree, err = readTree(s.dir); err != nil {
		s.t.Fatal(err)
	}
	s.room = faultRoom(s.t)
	for _, name := range []string{"zone", "hosts"} {
		if s.was[name] == s.shall[name] || s.was[name] == "" {
			s.t.Fatalf("%s is the same in both editions", name)
		}
	}
}

// itself gives a copy a token of its own, and has the record in it speak of its files and not of those that were copied.
func (s *pullScene) itself(tr *trial) error {
	s.stand.forget(filepath.Base(tr.dir))
	if err := os.WriteFile(tr.file("token"), []byte(filepath.Base(tr.dir)), 0o600); err != nil {
		return err
	}
	record, err := os.ReadFile(tr.file("state/record.json"))
	if err != nil {
		return err
	}
	folders := regexp.MustCompile(`"(` + regexp.QuoteMeta(s.dir) + `|` + regexp.QuoteMeta(s.room) + `/[^/"]+)/`)
	return os.WriteFile(tr.file("state/record.json"), folders.ReplaceAll(record, []byte(`"`+tr.dir+`/`)), 0o600)
}

// files are the provider's files and what its resolver has.
func (s *pullScene) files(dir string) map[string]string {
	all := map[string]string{}
	for _, name := range []string{"zone", "hosts", "loaded", "loaded-hosts"} {
		data, _ := os.ReadFile(filepath.Join(dir, name)) // "" if there is none
		all[name] = string(data)
	}
	return all
}

// judge looks at everything after a run that came to its end or did not, and lets the next one finish it.
func (s *pullScene) judge(tr *trial) (string, error) {
	have := s.files(tr.dir)
	var which []string
	for _, name := range []string{"zone", "hosts", "loaded", "loaded-hosts"} {
		switch have[name] {
		case s.was[name]:
			which = append(which, "old")
		case s.shall[name]:
			which = append(which, "new")
		default:
			return "", fmt.Errorf("%s is neither the old nor the new one:\n%s", name, have[name])
		}
	}
	state := strings.Join(which, " ")
	acked := s.stand.reports(filepath.Base(tr.dir))
	switch {
	case len(acked) > 0 && (state != "new new new new" || !slices.Equal(acked, []string{s.two})):
		return "", fmt.Errorf("%v was acknowledged, and the files are %s", acked, state)
	case tr.status == 0 && (state != "new new new new" || len(acked) != 1):
		return "", fmt.Errorf("it says that it is done; the files are %s, acknowledged %v", state, acked)
	}
	if err := tr.untouched("token", "zone", "hosts", "loaded", "loaded-hosts", ".new-", "state/", "loaded.new"); err != nil {
		return "", err
	}
	if len(acked) > 0 {
		state += ", acknowledged"
	}
	return state, s.mended(tr)
}

// goAway says whether a provider gets no answers.
func (s *stand) goAway(token string, away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away[token] = away
}

// mended lets the program run again, with nothing in its way. At first the server is away: what was begun is finished all the
// same, so that all files are of one edition, and the resolver has them.
func (s *pullScene) mended(tr *trial) error {
	token := filepath.Base(tr.dir)
	s.stand.goAway(token, true)
	if r, err := tr.again("--once"); err != nil || r.status != 1 {
		return fmt.Errorf("then, while the server is away: exit status %d, %w: %s", r.status, err, r.stderr)
	}
	s.stand.goAway(token, false)
	if have := s.files(tr.dir); !maps.Equal(have, s.was) && !maps.Equal(have, s.shall) {
		return errors.New("then, while the server is away, the files are not of one edition, or not loaded")
	}
	if err := tr.done("--once"); err != nil {
		return err
	}
	have := s.files(tr.dir)
	for name, want := range s.shall {
		if have[name] != want {
			return fmt.Errorf("then %s is not the new one", name)
		}
	}
	acked := s.stand.reports(filepath.Base(tr.dir))
	if len(acked) == 0 || slices.ContainsFunc(acked, func(serial string) bool { return serial != s.two }) {
		return fmt.Errorf("then acknowledged are %v", acked)
	}
	now, err := readTree(tr.dir)
	if err != nil {
		return err
	}
	for path := range now {
		name := filepath.Base(path)
		_, known := s.tree[path]
		if !known && name != "loaded.new" && !strings.HasPrefix(name, "previous-") || strings.HasPrefix(name, ".new-") {
			return fmt.Errorf("then %s is left", path)
		}
	}
	previous, err := filepath.Glob(tr.file("state/previous-*"))
	if err == nil && len(previous) > 2 && filepath.Base(tr.dir) != "cut" { // whose copies are called after another folder
		err = fmt.Errorf("then there are the previous copies %v", previous)
	}
	return err
}
