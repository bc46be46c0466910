package register

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/sqlitefile"
)

func TestTwoProcessesInTurn(t *testing.T) {
	w := founded(t, "production")
	other := w.opened("production")
	id := w.draft(w.adding("a.example"))
	for _, name := range []string{"anna", "bo"} {
		// other has not seen the draft, nor the first approval.
		if err := other.Refresh(); err != nil {
			t.Fatal(err)
		}
		if _, err := other.Approve(id, name, w.sign(id, name), needs); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 6 {
		r := []*Register{w.Register, other}[i%2]
		d, err := r.NewDraft(w.adding(fmt.Sprintf("n%d.example", i)), 0)
		if err != nil || d.ID != blocklist.DecisionID(i+2) {
			t.Fatalf("draft %d is %+v, %v", i, d, err)
		}
	}
	// What the other one decided meanwhile holds for a late one too.
	if err := other.Reject(6, "no"); err != nil {
		t.Fatal(err)
	}
	if err := w.Reject(6, "no"); err == nil || !strings.Contains(err.Error(), "rejected already") {
		t.Errorf("rejected twice: %v", err)
	}
	w.listed("a.example")
}

func TestManyDraftAtOnce(t *testing.T) {
	w := founded(t, "production")
	const workers, each = 8, 20
	var all sync.WaitGroup
	var mu sync.Mutex
	seen := map[blocklist.DecisionID]bool{}
	for n := range workers {
		r := w.opened("production")
		d := w.adding(fmt.Sprintf("n%d.example", n))
		all.Go(func() {
			for range each {
				mine := d
				mine.Add = append([]blocklist.Entry{}, d.Add...)
				made, err := r.NewDraft(mine, 0)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if seen[made.ID] {
					t.Errorf("%v was given twice", made.ID)
				}
				seen[made.ID] = true
				mu.Unlock()
			}
		})
	}
	all.Wait()
	r := w.opened("production")
	if len(seen) != workers*each || len(r.Decisions) != workers*each || r.nextEntry != workers*each+1 {
		t.Errorf("%d ids, %d decisions, next entry %v", len(seen), len(r.Decisions), r.nextEntry)
	}
}

func TestBusyRegisterSaysSo(t *testing.T) {
	defer func(d time.Duration) { sqlitefile.BusyTimeout = d }(sqlitefile.BusyTimeout)
	sqlitefile.BusyTimeout = 50 * time.Millisecond
	w := founded(t, "production")
	tx, err := w.opened("production").store.(*sqlite).db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.NewDraft(w.adding("a.example"), 0)
	w.refused(err, "run the command again")
	if len(w.Decisions) != 0 {
		t.Error("the state has what the history has not")
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	w.draft(w.adding("a.example"))
}

// Somebody puts a backup, or another register, in the place of the open one.
func TestFileReplacedUnderneath(t *testing.T) {
	w := founded(t, "production")
	foreign := founded(t, "production")
	m := &memory{}
	if err := foreign.store.read(func(r record) error { m.records = append(m.records, r); return nil }); err != nil {
		t.Fatal(err)
	}
	w.store = m
	if err := w.reload(); !errors.Is(err, ErrTampered) {
		t.Errorf("another register: %v", err)
	}
	s := foreign.store.(*sqlite)
	if err := s.append(head{seq: foreign.head.seq, hash: w.head.hash}, nil); !errors.Is(err, errConflict) {
		t.Errorf("appended to another history: %v", err)
	}
}

const crashChild = "REGISTER_CRASH_CHILD"

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	if path := os.Getenv(crashChild); path != "" {
		fmt.Fprintln(os.Stderr, appendForever(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// appendForever reserves serials, and says each one when it is acknowledged.
func appendForever(path string) error {
	r, err := Open(path, "production", time.Now)
	if err != nil {
		return err
	}
	for {
		serial, err := r.Reserve("csam", nil, strings.Repeat("p", 9000), 1)
		if err != nil {
			return err
		}
		fmt.Println(serial)
	}
}

// What was acknowledged is there after a kill, and no serial comes twice.
func TestKilledWhileAppending(t *testing.T) {
	w := founded(t, "production")
	var last blocklist.Serial
	for round := range 8 {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), crashChild+"="+w.path)
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			serial, err := blocklist.ParseSerial(lines.Text())
			if err != nil {
				t.Fatal(err)
			}
			if last != 0 && !serial.After(last) {
				t.Fatalf("serial %v after %v", serial, last)
			}
			last = serial
			if n == 0 {
				time.AfterFunc(time.Duration(rand.IntN(40_000))*time.Microsecond, func() { _ = c.Process.Kill() })
			}
		}
		_ = c.Wait()
		r, err := Open(w.path, "production", w.clock)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if got := r.Highest["csam"].Serial; got != last && !got.After(last) {
			t.Errorf("round %d: %v was acknowledged, the register knows %v", round, last, got)
		}
		_ = r.Close()
	}
	if last == 0 {
		t.Error("the child never appended")
	}
}
