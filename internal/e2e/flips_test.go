package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vaern/vaern/blocklist"
)

// flips is how often a file of an edition is damaged.
func flips() int {
	if full {
		return 80_000
	}
	return 10_000
}

// Whatever bit of a published edition changes, and wherever one of its files is cut short or goes on: who opens it notices,
// before a byte of it is used.
func TestFlips(t *testing.T) {
	t.Parallel()
	s := newScene(t, 30)
	s.vaern(0, "compile")
	s.ready() // the first edition lies there too, and its serial differs from that of the latest in one bit
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	begin := time.Now()
	outcomes := map[string]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for worker := range workers {
		wg.Go(func() {
			seen, err := s.damage(rand.New(rand.NewPCG(seed, uint64(worker))), flips()/workers) //nolint:gosec // no secret
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			for what, n := range seen {
				outcomes[what] += n
			}
		})
	}
	wg.Wait()
	t.Logf("%d times damaged in %v", flips(), time.Since(begin).Round(time.Second))
	for _, what := range slices.Sorted(maps.Keys(outcomes)) {
		t.Logf("%5d times: %s", outcomes[what], what)
	}
}

// damage changes files of a copy, one at a time, and puts each right again.
func (s *scene) damage(random *rand.Rand, times int) (outcomes map[string]int, err error) {
	dir, err := os.MkdirTemp(s.room, "flips-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if out, err := exec.Command("cp", "-a", s.file("editions/csam")+"/.", dir).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("cp: %w: %s", err, out)
	}
	latest, err := blocklist.OpenLatest(dir, s.keys)
	if err != nil {
		return nil, err
	}
	paths, err := filepath.Glob(latest.Dir + "/*")
	if err != nil {
		return nil, err
	}
	paths = append(paths, filepath.Join(dir, "latest"))
	outcomes = map[string]int{}
	for range times {
		path := paths[random.IntN(len(paths))]
		data, err := os.ReadFile(path)
		if err != nil {
			return outcomes, err
		}
		how, bad := damaged(random, data)
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			return outcomes, err
		}
		what, err := judgeDamage(dir, s, latest, filepath.Base(path), data, bad)
		if err != nil {
			return outcomes, fmt.Errorf("%s with %s: %w", filepath.Base(path), how, err)
		}
		outcomes[fmt.Sprintf("%s, %s: %s", filepath.Base(path), how, what)]++
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return outcomes, err
		}
	}
	return outcomes, nil
}

// damaged returns data with a bit flipped, or cut short, or longer.
func damaged(random *rand.Rand, data []byte) (how string, bad []byte) {
	switch random.IntN(10) {
	case 0:
		return "cut", data[:random.IntN(len(data))]
	case 1:
		more := make([]byte, 1+random.IntN(64))
		for i := range more {
			more[i] = byte(random.Uint32()) //nolint:gosec // any
		}
		return "longer", slices.Concat(data, more)
	}
	bad = bytes.Clone(data)
	bad[random.IntN(len(bad))] ^= 1 << random.IntN(8)
	return "bit", bad
}

// judgeDamage opens the published edition, and says what became of the damage.
func judgeDamage(dir string, s *scene, latest *blocklist.Edition, name string, data, bad []byte) (string, error) {
	e, err := blocklist.OpenLatest(dir, s.keys)
	if err == nil && e != nil {
		err = e.CheckContents()
	}
	switch {
	case err != nil:
		return "noticed", nil
	case e == nil:
		return "", fmt.Errorf("it is as if nothing was ever published")
	case bytes.Equal(bytes.TrimSuffix(data, []byte("\n")), bad) && (name == "MANIFEST.sig" || name == "latest"):
		return "without its last LF it says the same", nil
	case name == "latest" && e.Serial == latest.Previous && blocklist.CheckSuccessor(latest.Manifest, e.Manifest, s.now) != nil:
		// The edition is whole, and to open it is no mistake. Who had the newer one does not go back.
		return "names the edition before", nil
	}
	return "", fmt.Errorf("it is not noticed")
}
