package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// decisionKills is how often decision new and decision approve are killed, each.
const decisionKills = 20

// caseNames is how many names each decision of these tests adds.
const caseNames = 300

// Whenever decision new or approve is killed, the register is whole, and what was acknowledged is in it.
func TestKillDecision(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	begin := time.Now()
	w.must(0, w.newCase(), []string{"decision", "new"})
	usual := time.Since(begin)
	drafts := w.killNew(usual)
	for len(drafts) <= decisionKills/2 {
		w.must(0, w.newCase(), []string{"decision", "new"})
		drafts = w.drafts()
	}
	w.killApprove(drafts)
	for _, id := range drafts {
		for _, name := range []string{"anna", "bo"} {
			if !slices.Contains(w.approvals(id), name) {
				w.vaern(0, "decision", "approve", id, "--as", name, "--key", name)
			}
		}
	}
	if c := w.compile(); c.Domains != caseNames*len(drafts)+1 {
		t.Errorf("compiled %+v of %d decisions of %d names", c, len(drafts), caseNames)
	}
	if found := w.leftovers(); len(found) > 0 {
		t.Errorf("left: %v", found)
	}
}

// writeCase writes a batch of names that no other batch has.
func (w *world) writeCase() []string {
	w.t.Helper()
	names := synthetic(fmt.Sprintf("case%dx", len(w.listed)), caseNames)
	w.list(names...)
	w.write("batch.txt", strings.Join(names, "\n"))
	return []string{"decision", "new", "--add", "batch.txt", "--basis", "test", "--json"}
}

func (w *world) newCase() result {
	w.t.Helper()
	return w.run(w.command("vaern", w.writeCase()...))
}

// killNew kills decision new, and returns the drafts that there are after it.
func (w *world) killNew(usual time.Duration) (drafts []string) {
	w.t.Helper()
	drafts = w.drafts()
	acknowledged, before := 0, len(drafts)
	for round := range decisionKills {
		r := w.killed(usual, w.writeCase()...)
		now := w.drafts()
		if r.status == 0 {
			acknowledged++
			if id := parse[drafted](w.t, r.stdout).ID; !slices.Contains(now, id) {
				w.t.Fatalf("round %d: %s was acknowledged, and is not there", round, id)
			}
		}
		if len(now) != len(drafts) && (len(now) != len(drafts)+1 || !slices.Equal(now[:len(drafts)], drafts)) {
			w.t.Fatalf("round %d: there were the drafts %v, now there are %v", round, drafts, now)
		}
		drafts = now
	}
	w.t.Logf("decision new: %d of %d acknowledged, %d recorded", acknowledged, decisionKills, len(drafts)-before)
	return drafts
}

// killApprove kills approvals, each decision's first by anna, and then its second by bo, which makes it count.
func (w *world) killApprove(drafts []string) {
	w.t.Helper()
	approve := func(i int) (id, name string, args []string) {
		id, name = drafts[i/2], []string{"anna", "bo"}[i%2]
		return id, name, []string{"decision", "approve", id, "--as", name, "--key", name}
	}
	_, _, args := approve(0)
	begin := time.Now()
	w.vaern(0, args...)
	usual := time.Since(begin)
	acknowledged, recorded := 0, 0
	for round := 1; round <= decisionKills; round++ {
		id, name, args := approve(round)
		r := w.killed(usual, args...)
		w.vaern(0, "check")
		is := slices.Contains(w.approvals(id), name)
		if is {
			recorded++
		}
		if r.status == 0 {
			acknowledged++
			if !is {
				w.t.Fatalf("round %d: the approval was acknowledged, and is not there", round)
			}
		}
	}
	w.t.Logf("decision approve: %d of %d acknowledged, %d recorded", acknowledged, decisionKills, recorded)
}

// drafts are the ids of the decisions that wait for signatures. The command checks the whole register as well.
func (w *world) drafts() []string {
	w.t.Helper()
	return parse[struct{ Drafts []string }](w.t, w.vaern(0, "check", "--json").stdout).Drafts
}

// approvals are the officers who approved a decision.
func (w *world) approvals(id string) (officers []string) {
	w.t.Helper()
	d := parse[struct{ Approvals []struct{ Officer string } }](w.t, w.vaernPrivate(0, "decision", "show", id, "--json").stdout)
	for _, a := range d.Approvals {
		officers = append(officers, a.Officer)
	}
	return officers
}
