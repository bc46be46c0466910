package e2e

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/fault"
	"github.com/vaern/vaern/internal/register"
)

// leavesMark is true for calls after which there may be something else on the disk, or somebody else shut out. Between two
// of those a kill finds what it finds at their border; only the full table asks there too.
func leavesMark(c fault.Call) bool {
	return full || c.Is(fault.Changes|fault.Syncs) || c.Name == "flock"
}

// kills are plans to kill the command before and after each of its calls that leave a mark.
func (s *scene) kills(args []string) (plans []fault.Plan) {
	s.t.Helper()
	for k := range s.points(args, leavesMark) {
		for _, do := range []fault.Action{fault.KillBefore, fault.KillAfter} {
			plans = append(plans, fault.Plan{Match: leavesMark, At: k + 1, Do: do})
		}
	}
	return plans
}

// At whatever call compile is killed: the old or the new edition, whole; and the next compile mends all.
func TestCrashTable(t *testing.T) {
	t.Parallel()
	s := newScene(t, 30)
	args := []string{"compile"}
	outcomes := s.table(args, s.kills(args), func(tr *trial) (string, error) {
		state, err := tr.afterCompile()
		return fmt.Sprintf("%s (exit status %d)", state, tr.status), err
	})
	if len(outcomes) < 4 {
		t.Errorf("not both editions were seen after both kinds of kill: the table shows nothing")
	}
}

// sampled is how many trials there are for one after which other commands are asked as well.
const sampled = 10

// afterCompile looks at everything after a compile that came to its end or did not, and lets the next one mend it.
func (tr *trial) afterCompile() (state, error) {
	is, e, err := tr.published()
	if err != nil {
		return "", err
	}
	begun := tr.begun()
	mine := []string{"register.db", "editions/csam/latest", "editions/csam/.new-"}
	for _, serial := range begun {
		mine = append(mine, "editions/csam/"+serial.String())
	}
	if err := tr.untouched(mine...); err != nil {
		return "", err
	}
	switch {
	case is != oldSet && !slices.Contains(begun, e.Serial):
		return "", fmt.Errorf("edition %v is published, and the command did not write it", e.Serial)
	case is == lessSet && tr.status != 3:
		return "", errors.New("additions are held back, and the exit status does not say it")
	case is != newSet && tr.status == 0:
		return "", fmt.Errorf("compile says that it is done, and published is %s", is)
	}
	return is, tr.mend(begun, is, e)
}

// mend runs the next compile, and looks at everything again.
func (tr *trial) mend(begun []blocklist.Serial, was state, e *blocklist.Edition) error {
	if tr.number%sampled == 0 {
		for _, args := range [][]string{{"check"}, {"edition", "verify"}} {
			if err := tr.done(args...); err != nil {
				return err
			}
		}
	}
	complete, err := blocklist.Serials(tr.listDir()) // may be published yet
	if err != nil {
		return err
	}
	if err := tr.done("compile"); err != nil {
		return err
	}
	is, healed, err := tr.published()
	switch {
	case err != nil:
		return fmt.Errorf("then compile: %w", err)
	case is != newSet:
		return fmt.Errorf("then compile: published is %s", is)
	case was == newSet && healed.Serial != e.Serial:
		return errors.New("then compile: a second edition of the same")
	case !slices.Contains(complete, healed.Serial) && slices.ContainsFunc(begun, func(s blocklist.Serial) bool { return !healed.Serial.After(s) }):
		return fmt.Errorf("then compile: edition %v after %v was begun", healed.Serial, begun)
	}
	if err := tr.historyIs(healed, e); err != nil {
		return fmt.Errorf("then compile: %w", err)
	}
	written := append(begun, healed.Serial)
	if err := tr.nothingLeft(written); err != nil {
		return err
	}
	if err := tr.serialsRise(written); err != nil {
		return err
	}
	if tr.number%sampled == 0 {
		return tr.done("check")
	}
	return nil
}

// historyIs wants one line of editions from the healed one over the one that was published to the old one.
func (tr *trial) historyIs(healed, was *blocklist.Edition) error {
	history, err := blocklist.History(tr.listDir(), tr.keys)
	if err != nil {
		return err
	}
	var line []blocklist.Serial
	for _, e := range history {
		line = append(line, e.Serial)
	}
	if line[0] != healed.Serial || line[len(line)-1] != tr.old || !slices.Contains(line, was.Serial) {
		return fmt.Errorf("a history of %v, without %v or %v", line, was.Serial, tr.old)
	}
	return nil
}

// nothingLeft wants the scene as it was, but for the register and what is published. An edition that was complete, and
// never the latest, may stay.
func (tr *trial) nothingLeft(written []blocklist.Serial) error {
	may := []string{"editions/csam/latest"}
	for _, serial := range written {
		may = append(may, "editions/csam/"+serial.String())
	}
	now, err := readTree(tr.dir)
	if err != nil {
		return err
	}
	if _, is := now["register.db-journal"]; is {
		return errors.New("then compile: the register's journal is left")
	}
	if err := tr.untouched(append(may, "register.db")...); err != nil {
		return fmt.Errorf("then compile: %w", err)
	}
	kept, err := blocklist.Serials(tr.listDir())
	if err != nil {
		return err
	}
	for _, serial := range kept {
		if _, err := blocklist.Open(tr.file("editions/csam/"+serial.String()), tr.keys); err != nil {
			return fmt.Errorf("then compile: %w", err)
		}
	}
	return nil
}

// serialsRise opens the register, and wants every serial to be reserved once, in order, and nothing to be lost.
func (tr *trial) serialsRise(written []blocklist.Serial) error {
	reg, err := tr.register()
	if err != nil {
		return err
	}
	if err := reg.Close(); err != nil {
		return err
	}
	for _, d := range reg.Decisions {
		if d.Status != register.Approved {
			return fmt.Errorf("%v is %v now", d.ID, d.Status)
		}
	}
	reserved, err := serials(tr.file("register.db"))
	if err != nil {
		return err
	}
	for i := 1; i < len(reserved); i++ {
		if !reserved[i].After(reserved[i-1]) {
			return fmt.Errorf("serial %v was reserved after %v", reserved[i], reserved[i-1])
		}
	}
	for _, s := range written {
		if !slices.Contains(reserved, s) {
			return fmt.Errorf("edition %v was written without a reserved serial", s)
		}
	}
	return nil
}
