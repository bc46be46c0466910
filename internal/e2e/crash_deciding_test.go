package e2e

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/fault"
	"github.com/vaern/vaern/internal/register"
)

// decidingCase is a command that records something about the decision D4, and what comes before it.
type decidingCase struct {
	before [][]string // commands
	args   []string
	status register.Status // of D4 when it is recorded
}

// deciding are a draft that takes many pages of the register, and second approvals, which make a decision count; one of
// them changes more than the register.
var deciding = map[string]decidingCase{
	"draft": {args: draftCase, status: register.Draft},
	"approve entries": {
		before: [][]string{draftCase, approveBy("anna")},
		args:   approveBy("bo"), status: register.Approved,
	},
	"approve officer": {
		before: [][]string{{"officer", "add", "carl", "--role", "police", "--pubkey", "carl.pub"}, approveBy("anna")},
		args:   approveBy("bo"), status: register.Approved,
	},
}

var draftCase = []string{"decision", "new", "--add", "batch.csv", "--basis", "test"}

func approveBy(name string) []string {
	return []string{"decision", "approve", "D4", "--as", name, "--key", name}
}

// inForce is how many entries are in force in a scene of newDeciding.
const inForce = 30 + 3 + 3 - 2

// newDeciding is a scene in the moment before the command.
func newDeciding(t testing.TB, d decidingCase) *scene {
	t.Helper()
	s := newScene(t, 30)
	s.tool("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "carl", "-f", "carl")
	var rows []string
	for _, name := range synthetic("case", 300) {
		rows = append(rows, "domain,"+name)
	}
	s.batch(rows)
	for _, args := range d.before {
		s.vaern(0, args...)
	}
	s.ready()
	return s
}

// At whatever call a decision is killed, the register is whole: what the command does is in it or not, what was
// acknowledged is, and what was decided holds as a whole.
func TestCrashTableDeciding(t *testing.T) {
	t.Parallel()
	for what, d := range deciding {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newDeciding(t, d)
			outcomes := s.table(d.args, s.kills(d.args), func(tr *trial) (string, error) {
				outcome, err := tr.afterDeciding(d)
				return fmt.Sprintf("%s (exit status %d)", outcome, tr.status), err
			})
			if len(outcomes) < 4 {
				t.Errorf("it was not both lost and recorded after both kinds of kill: the table shows nothing")
			}
		})
	}
}

// afterDeciding looks at everything after a command that came to its end or did not, and runs it again if it must.
func (tr *trial) afterDeciding(d decidingCase) (outcome string, err error) {
	if err := tr.untouched("register.db", "officers", ".new-officers-"); err != nil {
		return "", err
	}
	// The next command, whichever it is, mends what is half.
	if err := tr.done("decision", "list"); err != nil {
		return "", err
	}
	recorded, err := tr.recorded(d)
	if err != nil {
		return "", err
	}
	if tr.status == 0 && !recorded {
		return "", errors.New("it was acknowledged, and is not there")
	}
	outcome = "recorded"
	if recorded && strings.Contains(tr.stderr, "nothing was recorded") {
		// As yet it says so too when the last call of all failed, which makes durable that the journal is gone.
		if tr.Hit == nil || tr.Hit.Path != tr.dir || !tr.Hit.Is(fault.Syncs) {
			return "", errors.New("it is there, and the command says: " + tr.stderr)
		}
		outcome = "recorded, and it denies that"
	}
	if !recorded {
		outcome = "not recorded"
		if err := tr.done(d.args...); err != nil {
			return "", err
		}
		if again, err := tr.recorded(d); err != nil {
			return "", fmt.Errorf("then again: %w", err)
		} else if !again {
			return "", errors.New("then again: it is not there")
		}
	}
	// A hidden officers file may stay: it is in nobody's way, and no command may take it for a leftover, since commands run
	// beside each other.
	if err := tr.untouched("register.db", "officers", ".new-officers-"); err != nil {
		return "", fmt.Errorf("at last: %w", err)
	}
	return outcome, nil
}

// recorded says whether what the command does to D4 is in the register, and sees to it that all or nothing of it is.
func (tr *trial) recorded(c decidingCase) (bool, error) {
	reg, err := tr.register()
	if err != nil {
		return false, err
	}
	defer reg.Close()
	officers, err := os.ReadFile(tr.file("officers"))
	if err != nil {
		return false, err
	}
	if string(officers) != string(reg.OfficersFile()) {
		return false, errors.New("the officers file is not what the register says")
	}
	if len(reg.Decisions) == 3 && c.status == register.Draft {
		return false, nil
	}
	d, err := reg.Decision(4)
	if err != nil {
		return false, err
	}
	text, err := reg.Text(4)
	if err != nil {
		return false, err
	}
	if blocklist.Digest(text) != d.Digest || strings.Count(string(text), "\n+ ") != d.Adds {
		return false, fmt.Errorf("%v is not whole", d.ID)
	}
	// What counts when it is not approved, and what else when it is.
	approvals, entries, police := len(c.before)/2, inForce, 2
	if d.Status == register.Approved {
		approvals, entries, police = 2, entries+d.Adds, police+len(d.Officers)
	}
	if len(d.Approvals) != approvals || len(reg.InForce("csam")) != entries || len(reg.Officers) != police {
		return false, fmt.Errorf("%v: %d approvals, %d entries in force, %d officers", d.Status, len(d.Approvals), len(reg.InForce("csam")), len(reg.Officers))
	}
	return d.Status == c.status, nil
}
