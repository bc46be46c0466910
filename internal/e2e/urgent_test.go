package e2e

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"
)

// What is approved as urgent is published within two seconds, whatever the schedule says, and nothing is added with it; the
// additions that it took out of the waves come again with the next ordinary edition.
func TestUrgentIsPublishedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, alone, noGrowthLimit)
	w.add(append(synthetic("listed", 3000), "urgent0.example", "urgent1.example", "urgent2.example")...)
	w.compile()
	r := w.startRun()
	r.says(`"unchanged":true`)
	var waits []time.Duration
	for n := range 3 {
		name := fmt.Sprintf("urgent%d.example", n)
		before := w.latest()
		d := w.propose("--withdraw", w.put("gone.txt", name))
		w.vaern(0, "decision", "approve", d.ID, "--as", "anna", "--key", "anna", "--urgent")
		begin := time.Now()
		await(t, "it is published", func() bool { return w.latest() != before })
		waits = append(waits, time.Since(begin).Round(time.Millisecond))
		if names := w.lines("domains.txt"); slices.Contains(names, name) || len(names) != 3001+2-n {
			t.Errorf("%d names are published, or what is urgent still is", len(names))
		}
	}
	r.says(`"urgent":true`)
	if slices.Min(waits) > 2*time.Second { // the machine may be busy with other tests now and then
		t.Errorf("published after %v", waits)
	}
	t.Logf("published after %v", waits)
	w.vaern(0, "check")

	// A request that was made while nothing ran waits for the next start; check says so until then.
	r.end(syscall.SIGTERM)
	w.add("waits.example")
	d := w.propose("--withdraw", w.put("gone.txt", "listed7.example"))
	w.vaern(0, "decision", "approve", d.ID, "--as", "anna", "--key", "anna", "--urgent")
	w.vaern(1, "check")
	r = w.startRun()
	r.says(`"domains":3000,`)
	r.says(`"urgent":true`)
	await(t, "the ordinary edition is published", func() bool { return slices.Contains(w.lines("domains.txt"), "waits.example") })
	if slices.Contains(w.lines("domains.txt"), "listed7.example") {
		t.Error("what is urgent came back")
	}
	r.end(syscall.SIGTERM)
	w.vaern(0, "check")
}
