package e2e

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vaern/vaern/internal/fault"
)

// luck says what of that which was not made durable reaches the disk all the same.
type luck struct {
	name  string
	lucky func(folder bool) bool
}

func lucks(random *rand.Rand) []luck {
	return []luck{
		{"what was synced alone", func(bool) bool { return false }},
		{"all names besides", func(folder bool) bool { return folder }},
		{"all content besides", func(folder bool) bool { return !folder }},
		{"some besides", func(bool) bool { return random.IntN(2) == 0 }},
	}
}

// powerCuts lets a command come to its end, and judges what a power cut after each of its calls may leave. The last of them
// comes when the command has said that it is done.
func (s *scene) powerCuts(args []string, judge func(*trial) (outcome string, err error)) {
	s.t.Helper()
	whole, err := s.copy()
	if err != nil {
		s.t.Fatal(err)
	}
	defer os.RemoveAll(whole.dir)
	disk, err := fault.Read(whole.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := whole.run(args, fault.Plan{Keep: true}); err != nil || whole.status != 0 {
		s.t.Fatalf("%v: %s", err, whole.stderr)
	}
	calls := whole.Calls
	seed := rand.Uint64()
	s.t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // no secret
	outcomes, seen := map[string]int{}, map[string]bool{}
	for i, c := range calls {
		changed, err := disk.Apply(c)
		if err != nil {
			s.t.Fatal(err)
		}
		last := i == len(calls)-1
		if !changed && !last {
			continue
		}
		for _, l := range lucks(random) {
			tr := &trial{scene: s, dir: filepath.Join(s.room, "cut"), number: i, Report: &fault.Report{Calls: within(calls[:i+1], whole.dir, filepath.Join(s.room, "cut"))}}
			tr.status = -1
			if last {
				tr.status = 0
			}
			outcome, err := tr.afterCut(disk, l, seen, judge)
			if err != nil {
				s.t.Errorf("power cut after call %d, %s, with %s: %v", i+1, c.Short(whole.dir), l.name, err)
				outcome = "WRONG"
			}
			if outcome != "" {
				outcomes[fmt.Sprintf("%-22s %s", l.name, outcome)]++
			}
		}
	}
	for _, what := range slices.Sorted(maps.Keys(outcomes)) {
		s.t.Logf("%4d times: %s", outcomes[what], what)
	}
}

// afterCut puts what a power cut leaves into the trial's folder and has it judged, unless that was done already.
func (tr *trial) afterCut(disk *fault.Disk, l luck, seen map[string]bool, judge func(*trial) (string, error)) (string, error) {
	defer os.RemoveAll(tr.dir)
	if err := disk.Write(tr.dir, l.lucky); err != nil {
		return "", err
	}
	tree, err := readTree(tr.dir)
	if err != nil {
		return "", err
	}
	key := strconv.Itoa(tr.status) + fmt.Sprint(tree) // fmt sorts
	if seen[key] {
		return "", nil
	}
	seen[key] = true
	return judge(tr)
}

// within gives calls about one folder the paths of another.
func within(calls []fault.Call, from, to string) []fault.Call {
	calls = slices.Clone(calls)
	for i := range calls {
		for _, p := range []*string{&calls[i].Path, &calls[i].From} {
			if rest, ok := strings.CutPrefix(*p, from); ok {
				*p = to + rest
			}
		}
	}
	return calls
}

// Whenever the power fails during compile, and whatever the disk then kept: the old or the new edition, whole; the new one
// when compile has said so; and the next compile mends all.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	s := newScene(t, 30)
	s.powerCuts([]string{"compile"}, func(tr *trial) (string, error) {
		is, err := tr.afterCompile()
		return string(is), err
	})
}

// The same for decisions: what the command does is recorded or not, and is when the command has said so.
func TestPowerCutDeciding(t *testing.T) {
	t.Parallel()
	for what, d := range deciding {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newDeciding(t, d)
			s.powerCuts(d.args, func(tr *trial) (string, error) { return tr.afterDeciding(d) })
		})
	}
}
