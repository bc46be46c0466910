package e2e

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/ncruces/go-sqlite3/driver" // to read which serials the register reserved

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/config"
	"github.com/vaern/vaern/internal/fault"
	"github.com/vaern/vaern/internal/register"
	"github.com/vaern/vaern/internal/sshsig"
)

// full says that the tables shall have all their rows, however long that takes.
var full = os.Getenv("VAERN_FULL") != ""

// scene is an authority in the moment before a command that something happens to. Each trial gets a copy of it. Its clock
// stands still, at an even second: serials follow each other, and one that is given twice shows at once.
type scene struct {
	*world
	now           time.Time
	keys          *sshsig.AllowedSigners
	old           blocklist.Serial
	before, after []string           // what the edition that is published blocks, and what the next shall
	less          []string           // before without what is withdrawn
	tree          map[string]string  // what every file holds
	room          string             // where the copies lie
	program       string             // that is run in them; "": vaern
	prepare       func(*trial) error // what each copy needs besides; nil: nothing
}

// newScene makes an authority with one edition of a size, where a decision that adds and one that withdraws are in force,
// and not yet published: the moment before compile.
func newScene(t testing.TB, size int) *scene {
	t.Helper()
	s := &scene{world: newWorld(t), now: time.Now().UTC().Truncate(2 * time.Second).Add(2 * time.Second)}
	s.environ = append(s.environ, config.ClockVariable+"="+s.now.Format(time.RFC3339))
	both := []string{"anna", "bo"}
	first := []string{"host,host.example", "url,https://page.example/a", "url,https://gone.example/b"}
	for _, name := range synthetic("listed", size) {
		first = append(first, "domain,"+name)
	}
	s.batch(first)
	s.decide(both, "--add", "batch.csv")
	s.vaern(0, "compile")

	second := []string{"domain,new.example", "host,new-host.example", "url,https://new-page.example/c"}
	s.batch(second)
	s.decide(both, "--add", "batch.csv")
	gone := []string{"domain,listed7.example", "url,https://gone.example/b"}
	s.batch(gone)
	s.decide(both[:1], "--withdraw", "batch.csv")

	first = append(first, "domain,blocktest.police.example") // test_name of the configuration
	s.before = keys(first)
	stays := slices.DeleteFunc(slices.Clone(first), func(row string) bool { return slices.Contains(gone, row) })
	s.less, s.after = keys(stays), keys(append(stays, second...))
	s.ready()
	return s
}

// batch writes rows "unit,target" into batch.csv; they count as listed from then on.
func (s *scene) batch(rows []string) {
	s.t.Helper()
	for _, row := range rows {
		_, target, _ := strings.Cut(row, ",")
		name, _, _ := strings.Cut(strings.TrimPrefix(target, "https://"), "/")
		s.list(name)
	}
	s.write("batch.csv", "unit,target\n"+strings.Join(rows, "\n")+"\n")
}

// keys makes of rows "unit,target" what published returns.
func keys(rows []string) []string {
	var all []string
	for _, row := range rows {
		all = append(all, strings.Replace(row, ",", " ", 1))
	}
	slices.Sort(all)
	return all
}

// ready takes the scene as it is now for what trials begin with.
func (s *scene) ready() {
	s.t.Helper()
	var err error
	if s.keys, err = blocklist.LoadKeys(s.file("keys/edition.allowed_signers")); err != nil {
		s.t.Fatal(err)
	}
	if s.old, err = blocklist.Latest(s.file("editions/csam")); err != nil {
		s.t.Fatal(err)
	}
	if s.tree, err = readTree(s.dir); err != nil {
		s.t.Fatal(err)
	}
	if s.room == "" {
		s.room = fault.Room(s.t)
	}
}

// readTree returns what is at and below a folder: for each path its permissions and, of a file, the sum.
func readTree(dir string) (map[string]string, error) {
	tree := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		what := info.Mode().String()
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			what += fmt.Sprintf(" %x", sha256.Sum256(data))
		}
		rel, err := filepath.Rel(dir, path)
		tree[rel] = what
		return err
	})
	return tree, err
}

// trial is one run of the command in a copy of the scene, and what came of it.
type trial struct {
	*scene
	dir    string
	number int // of the trial in its table
	plan   fault.Plan
	*fault.Report
	result
}

// copy makes a copy for a trial, which the caller removes.
func (s *scene) copy() (*trial, error) {
	dir, err := os.MkdirTemp(s.room, "trial-")
	if err != nil {
		return nil, err
	}
	if out, err := exec.Command("cp", "-a", s.dir+"/.", dir).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("cp: %w: %s", err, out)
	}
	tr := &trial{scene: s, dir: dir}
	if s.prepare != nil {
		err = s.prepare(tr)
	}
	return tr, err
}

// run runs the program in the copy under a plan.
func (tr *trial) run(args []string, plan fault.Plan) (err error) {
	tr.plan = plan
	tr.plan.Dir = tr.dir
	var stdout, stderr bytes.Buffer
	cmd := tr.vaernHere(args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if tr.Report, err = fault.Run(cmd, tr.plan); err != nil {
		return err
	}
	tr.result = result{status: tr.Status, stdout: stdout.String(), stderr: stderr.String()}
	tr.keep(tr.stdout)
	tr.keep(tr.stderr)
	return nil
}

// try runs vaern under a plan in a fresh copy, which the caller removes.
func (s *scene) try(args []string, plan fault.Plan) (*trial, error) {
	tr, err := s.copy()
	if err != nil {
		return nil, err
	}
	return tr, tr.run(args, plan)
}

func (tr *trial) file(name string) string { return filepath.Join(tr.dir, name) }

func (tr *trial) vaernHere(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), filepath.Join(programs, cmp.Or(tr.program, "vaern")), args...)
	cmd.Dir, cmd.Env = tr.dir, tr.environ
	return cmd
}

// again runs vaern in the copy, with nothing in its way.
func (tr *trial) again(args ...string) (result, error) {
	r, err := finish(tr.vaernHere(args...))
	tr.keep(r.stdout)
	tr.keep(r.stderr)
	return r, err
}

// done is again for a command that must do what it says.
func (tr *trial) done(args ...string) error {
	r, err := tr.again(args...)
	if err == nil && r.status != 0 {
		err = fmt.Errorf("then %s %s ends with %d: %s%s", cmp.Or(tr.program, "vaern"), strings.Join(args, " "), r.status, r.stdout, r.stderr)
	}
	return err
}

// hit says where it went wrong.
func (tr *trial) hit() string {
	if tr.Hit == nil {
		return fmt.Sprintf("%v (there was no such call)", tr.plan)
	}
	return fmt.Sprintf("%v: %s", tr.plan, tr.Hit.Short(tr.dir))
}

// table tries every plan and has each outcome judged.
func (s *scene) table(args []string, plans []fault.Plan, judge func(*trial) (outcome string, err error)) map[string]int {
	s.t.Helper()
	return s.each(len(plans), func(i int) (string, error) {
		tr, err := s.try(args, plans[i])
		if err != nil {
			return "", err
		}
		defer os.RemoveAll(tr.dir)
		tr.number = i
		outcome, err := judge(tr)
		if err != nil {
			err = fmt.Errorf("%s: %w", tr.hit(), err)
		}
		return fmt.Sprintf("%v: %s", plans[i].Do, outcome), err
	})
}

// each does so many trials, some beside each other, and logs how often each outcome was seen.
func (s *scene) each(times int, try func(number int) (outcome string, err error)) map[string]int {
	s.t.Helper()
	begin := time.Now()
	var mu sync.Mutex
	outcomes := map[string]int{}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for n := int(next.Add(1)) - 1; n < times; n = int(next.Add(1)) - 1 {
				outcome, err := try(n)
				mu.Lock()
				if err != nil {
					s.t.Error(err)
					outcome = "WRONG"
				}
				outcomes[outcome]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	s.t.Logf("%d trials in %v", times, time.Since(begin).Round(time.Second))
	for _, what := range slices.Sorted(maps.Keys(outcomes)) {
		s.t.Logf("%4d times: %s", outcomes[what], what)
	}
	return outcomes
}

// points says at how many calls something can go wrong.
func (s *scene) points(args []string, match func(fault.Call) bool) int {
	s.t.Helper()
	tr, err := s.try(args, fault.Plan{Match: match})
	if err != nil {
		s.t.Fatal(err)
	}
	defer os.RemoveAll(tr.dir)
	if tr.status != 0 || tr.Points == 0 {
		s.t.Fatalf("with nothing in its way: exit status %d after %d calls\n%s", tr.status, tr.Points, tr.stderr)
	}
	return tr.Points
}

// listDir is where the editions lie.
func (tr *trial) listDir() string { return tr.file("editions/csam") }

// state is what the published edition blocks.
type state string

const (
	oldSet  state = "the old edition"
	newSet  state = "the new edition"
	lessSet state = "the withdrawals alone" // where a guard held back what adds
)

// published opens the latest edition as a reader would, and says which of those it is, all of it and nothing else.
func (tr *trial) published() (state, *blocklist.Edition, error) {
	e, err := blocklist.OpenLatest(tr.listDir(), tr.keys)
	if err == nil && e == nil {
		err = errors.New("there is none")
	}
	if err == nil {
		err = e.CheckContents()
	}
	if err != nil {
		return "", nil, fmt.Errorf("the latest edition is damaged: %w", err)
	}
	set, err := e.Set()
	if err != nil {
		return "", nil, err
	}
	var have []string
	for _, unit := range []blocklist.Unit{blocklist.Domain, blocklist.Host, blocklist.URL} {
		for _, row := range set.Rows(unit) {
			have = append(have, row.Target.RevealKey())
		}
	}
	slices.Sort(have)
	switch {
	case e.Serial == tr.old && slices.Equal(have, tr.before):
		return oldSet, e, nil
	case e.Serial != tr.old && slices.Equal(have, tr.after):
		return newSet, e, nil
	case e.Serial != tr.old && slices.Equal(have, tr.less):
		return lessSet, e, nil
	}
	return "", nil, fmt.Errorf("edition %v (the old one is %v) blocks %d targets: neither what was, nor what shall be", e.Serial, tr.old, len(have))
}

// begun returns the serials under which the command wrote something: what its calls tell, and what lies there.
func (tr *trial) begun() (serials []blocklist.Serial) {
	paths, _ := filepath.Glob(tr.listDir() + "/.new-*")
	whole, _ := filepath.Glob(tr.listDir() + "/[0-9]*")
	paths = append(paths, whole...)
	for _, c := range tr.Calls {
		if c.Is(fault.Changes) {
			paths = append(paths, c.Path, c.From)
		}
	}
	for _, path := range paths {
		rel, _ := strings.CutPrefix(path, tr.listDir()+"/")
		name, _, _ := strings.Cut(strings.TrimPrefix(rel, ".new-"), "/")
		if s, err := blocklist.ParseSerial(name); err == nil && s != tr.old && !slices.Contains(serials, s) {
			serials = append(serials, s)
		}
	}
	return serials
}

// untouched compares the copy with the scene. May are paths, or begins of such, that the command may change or make.
func (tr *trial) untouched(may ...string) error {
	now, err := readTree(tr.dir)
	if err != nil {
		return err
	}
	allowed := func(path string) bool {
		return slices.ContainsFunc(may, func(begin string) bool { return strings.HasPrefix(path, begin) })
	}
	for path, what := range now {
		if was, known := tr.tree[path]; was != what && !allowed(path) {
			return fmt.Errorf("%s is changed (it was there: %v)", path, known)
		}
	}
	for path := range tr.tree {
		if _, is := now[path]; !is {
			return fmt.Errorf("%s is gone", path)
		}
	}
	for _, c := range tr.Outside {
		return fmt.Errorf("changed outside its folder: %v", c)
	}
	return nil
}

// serials reads from a register which serials were reserved, in order.
func serials(path string) (all []blocklist.Serial, err error) {
	db, err := sql.Open("sqlite3", "file:"+path+"?mode=ro")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.Query("SELECT body FROM history WHERE kind = 'serial' ORDER BY seq")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var body string
		if err := rows.Scan(&body); err != nil {
			return nil, err
		}
		text, _, _ := strings.Cut(body, " ")
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return nil, err
		}
		all = append(all, blocklist.Serial(n))
	}
	return all, rows.Err()
}

// register opens the copy's register.
func (tr *trial) register() (*register.Register, error) {
	return register.Open(tr.file("register.db"), "test", func() time.Time { return tr.now })
}
