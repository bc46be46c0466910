package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// Of two that compile at once one publishes, and the other says why it does not, or finds nothing left to do. Who
// transfers meanwhile gets one whole edition, the old or the new.
func TestTwoCompileAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, alone, noGrowthLimit)
	w.add(synthetic("listed", 3000)...)
	w.compile()
	w.addISP("nordnet", "csam")
	s := w.serve()
	e := &editions{w, map[string][32]byte{}, map[string]bool{}}
	stop, transfers := s.keepTransferring()
	refused := 0
	for round := range 8 {
		w.add(fmt.Sprintf("round%d.example", round))
		before := w.latest()
		for _, r := range w.atOnce("compile", "compile") {
			switch {
			case r.status == 1 && strings.Contains(r.stderr, "held by another process"):
				refused++
			case r.status != 0:
				t.Errorf("round %d: exit status %d: %s", round, r.status, r.stderr)
			}
		}
		if w.latest() == before {
			t.Fatalf("round %d: two compiled, and nothing is published", round)
		}
		w.vaern(0, "edition", "verify")
		e.look()
		if domains := len(w.lines("domains.txt")); domains != 3000+round+2 {
			t.Errorf("round %d: %d domains", round, domains)
		}
		if c := w.compile(); !c.Unchanged {
			t.Errorf("round %d: something was left to publish: %+v", round, c)
		}
	}
	await(t, "the last edition is served", func() bool { return s.soa("nordnet.key") == w.latest() })
	close(stop)
	e.checkReserved()
	seen := map[string]int{}
	for got := range transfers {
		seen[got.serial]++
		slices.Sort(got.owners)
		if want := w.owners(got.serial); !slices.Equal(got.owners, want) {
			t.Errorf("a transfer of edition %s has %d policies, the edition has %d, or others", got.serial, len(got.owners), len(want))
		}
	}
	t.Logf("%d of 16 were told that another compiles; transfers by edition: %v", refused, seen)
	if len(seen) < 2 {
		t.Error("no two editions were transferred: the test shows nothing")
	}
}

// atOnce runs commands beside each other.
func (w *world) atOnce(commands ...string) []result {
	w.t.Helper()
	results := make([]result, len(commands))
	errs := make([]error, len(commands))
	var all sync.WaitGroup
	for i, command := range commands {
		cmd := w.command("vaern", command)
		all.Go(func() { results[i], errs[i] = finish(cmd) })
	}
	all.Wait()
	for i, r := range results {
		if errs[i] != nil {
			w.t.Fatal(errs[i])
		}
		w.keep(r.stdout)
		w.keep(r.stderr)
	}
	return results
}

type transferred struct {
	serial string
	owners []string
}

// keepTransferring transfers one time after the other until stop is closed, and then gives out what came.
func (s *server) keepTransferring() (stop chan struct{}, got chan transferred) {
	stop, got = make(chan struct{}), make(chan transferred, 10000) // more than there is time for
	go func() {
		defer close(got)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if serial, owners := s.axfr(s.t, "nordnet.key"); serial != "" {
				got <- transferred{serial, owners}
			}
		}
	}()
	return stop, got
}

// owners are the policies of an edition, from its file, sorted.
func (w *world) owners(serial string) (owners []string) {
	w.t.Helper()
	for line := range strings.Lines(w.tool("zstd", "-dc", "editions/csam/"+serial+"/rpz.zone.zst")) {
		if f := strings.Fields(line); slices.Contains(f, "CNAME") {
			owners = append(owners, strings.TrimSuffix(f[0], "."+zone))
		}
	}
	slices.Sort(owners)
	return owners
}

// A compile that was overtaken by a withdrawal, after it had built and before it took its serial, must not publish what
// it built. Here it waits for the agent that holds the edition key.
func TestCompileThatWasOvertaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, alone, noGrowthLimit)
	w.add("stays.example", "goes.example")
	w.compile()
	w.add("comes.example")

	asked, answer := make(chan struct{}), make(chan struct{})
	socket := slowAgent(t, w.file("keys/edition"), asked, answer)
	fingerprint := strings.Fields(w.tool("ssh-keygen", "-l", "-f", "keys/edition.pub"))[1]
	w.write("slow.toml", strings.Replace(w.read("vaern.toml"), `"./keys/edition"`, `"agent:`+fingerprint+`"`, 1))
	cmd := w.command("vaern", "--config", "slow.toml", "compile")
	cmd.Env = append(cmd.Environ(), "SSH_AUTH_SOCK="+socket)
	slow := make(chan result, 1)
	go func() {
		r, _ := finish(cmd) // the status tells
		slow <- r
	}()
	<-asked
	w.withdraw("goes.example")
	close(answer)
	r := <-slow
	w.keep(r.stdout)
	w.keep(r.stderr)
	if r.status != 0 {
		t.Fatalf("ended with %d: %s%s", r.status, r.stdout, r.stderr)
	}
	if names := w.lines("domains.txt"); slices.Contains(names, "goes.example") || !slices.Contains(names, "comes.example") {
		t.Error("the edition is not what was decided when it was published")
	}
	w.vaern(0, "edition", "verify")
}

// slowAgent is an ssh-agent with one key. It says on asked that somebody came, and answers nobody before answer is closed.
func slowAgent(t *testing.T, keyFile string, asked chan<- struct{}, answer <-chan struct{}) (socket string) {
	t.Helper()
	pem, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParseRawPrivateKey(pem)
	if err != nil {
		t.Fatal(err)
	}
	keys := agent.NewKeyring()
	if err := keys.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "agent") // the path of a socket has at most 107 octets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		var once sync.Once
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			once.Do(func() { close(asked) })
			go func() {
				defer c.Close()
				<-answer
				_ = agent.ServeAgent(keys, c) // until the other side is done
			}()
		}
	}()
	return l.Addr().String()
}
