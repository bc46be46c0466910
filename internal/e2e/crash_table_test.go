package e2e

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
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
	s := newScene(t)
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
	for i, s := range reserved[1:] {
		if !s.After(reserved[i]) {
			return fmt.Errorf("serial %v was reserved after %v", s, reserved[i])
		}
	}
	for _, s := range written {
		if !slices.Contains(reserved, s) {
			return fmt.Errorf("edition %v was written without a reserved serial", s)
		}
	}
	return nil
}

// At whatever call approve is killed, the register is whole: the approval is in it or not, what was acknowledged is, and
// what was decided holds as a whole.
func TestCrashTableApprove(t *testing.T) {
	t.Parallel()
	for what := range drafts {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s, args := newApproval(t, what)
			outcomes := s.table(args, s.kills(args), func(tr *trial) (string, error) {
				outcome, err := tr.afterApprove(args)
				return fmt.Sprintf("%s (exit status %d)", outcome, tr.status), err
			})
			if len(outcomes) < 4 {
				t.Errorf("an approval was not both lost and kept after both kinds of kill: the table shows nothing")
			}
		})
	}
}

// drafts are decisions that are approved in these tests. One changes more than the register.
var drafts = map[string][]string{
	"entries": {"decision", "new", "--add", "batch.csv", "--basis", "test"},
	"officer": {"officer", "add", "carl", "--role", "police", "--pubkey", "carl.pub"},
}

// newApproval is a scene in the moment before the second approval of D4, which makes it count.
func newApproval(t testing.TB, draft string) (s *scene, approve []string) {
	t.Helper()
	s = newScene(t)
	s.tool("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "carl", "-f", "carl")
	var rows []string
	for i := range 20 {
		rows = append(rows, "domain,case"+strconv.Itoa(i)+".example")
	}
	s.batch(rows)
	s.vaern(0, drafts[draft]...)
	s.vaern(0, "decision", "approve", "D4", "--as", "anna", "--key", "anna")
	s.ready()
	return s, []string{"decision", "approve", "D4", "--as", "bo", "--key", "bo"}
}

// inForce is how many entries are in force in the scene.
const inForce = 33 + 3 - 2

// afterApprove looks at everything after an approval that came to its end or did not, and approves again.
func (tr *trial) afterApprove(args []string) (outcome string, err error) {
	if err := tr.untouched("register.db", "officers", ".new-officers-"); err != nil {
		return "", err
	}
	// The next command, whichever it is, mends what is half.
	if err := tr.done("decision", "list"); err != nil {
		return "", err
	}
	approved, err := tr.approved()
	if err != nil {
		return "", err
	}
	if tr.status == 0 && !approved {
		return "", errors.New("the approval was acknowledged, and is not there")
	}
	outcome = "recorded"
	if approved && strings.Contains(tr.stderr, "nothing was recorded") {
		// As yet it says so too when the last call of all failed, which makes durable that the journal is gone.
		if tr.Hit == nil || tr.Hit.Path != tr.dir || !tr.Hit.Is(fault.Syncs) {
			return "", errors.New("the approval is there, and it says: " + tr.stderr)
		}
		outcome = "recorded, and it denies that"
	}
	if !approved {
		outcome = "not recorded"
		if err := tr.done(args...); err != nil {
			return "", err
		}
		if again, err := tr.approved(); err != nil || !again {
			return "", fmt.Errorf("then approve: recorded is %v, %w", again, err)
		}
	}
	// A hidden officers file may stay: it is in nobody's way, and no command may take it for a leftover, since commands run
	// beside each other.
	if err := tr.untouched("register.db", "officers", ".new-officers-"); err != nil {
		return "", fmt.Errorf("then approve: %w", err)
	}
	return outcome, nil
}

// approved says whether D4 counts, and sees to it that all or nothing of it does.
func (tr *trial) approved() (bool, error) {
	reg, err := tr.register()
	if err != nil {
		return false, err
	}
	defer reg.Close()
	d, err := reg.Decision(4)
	if err != nil {
		return false, err
	}
	is := d.Status == register.Approved
	approvals, entries, officers := 1, inForce, 2
	if is {
		approvals = 2
		entries += d.Adds
		officers += len(d.Officers)
	}
	if len(d.Approvals) != approvals || len(reg.InForce("csam")) != entries || len(reg.Officers) != officers {
		return is, fmt.Errorf("%v: %d approvals, %d entries in force, %d officers", d.Status, len(d.Approvals), len(reg.InForce("csam")), len(reg.Officers))
	}
	text := string(reg.OfficersFile())
	if file, err := readFile(tr.file("officers")); err != nil || file != text {
		return is, fmt.Errorf("the officers file is not what the register says: %w", err)
	}
	return is, nil
}
