package register

import (
	"strings"
	"testing"

	"github.com/vaern/vaern/blocklist"
)

func TestTwoPoliceOfficersFound(t *testing.T) {
	w := newWorld(t, "production")
	for i, c := range []blocklist.OfficerChange{
		w.officer("henk", "henk", blocklist.Hotline),
		w.officer("anna", "anna", blocklist.Police),
		w.officer("ida", "ida", blocklist.Hotline),
		w.officer("bo", "bo", blocklist.Police),
	} {
		if w.Founded() {
			t.Fatalf("founded before officer %d", i+1)
		}
		if err := w.Found(c); err != nil {
			t.Fatal(err)
		}
	}
	if !w.Founded() {
		t.Fatal("not founded by two police officers")
	}
	for _, role := range []blocklist.Role{blocklist.Police, blocklist.Hotline} {
		w.refused(w.Found(w.officer("carl", "carl", role)), "by a decision")
	}
	w.hire("carl", "anna", "bo")
	if o := w.active("carl", w.moment()); o == nil || o.By != 1 {
		t.Errorf("carl is %v, want an officer by D1", o)
	}
	w.same()
}

func TestFoundersDiffer(t *testing.T) {
	w := newWorld(t, "production")
	if err := w.Found(w.officer("anna", "anna", blocklist.Police)); err != nil {
		t.Fatal(err)
	}
	w.refused(w.Found(w.officer("bo", "anna", blocklist.Police)), "key of their own")
	w.refused(w.Found(w.officer("anna", "bo", blocklist.Police)), `"anna" exists`)
	w.refused(w.Found(w.officer("b\no", "bo", blocklist.Police)), "name")
	w.refused(w.Found(blocklist.OfficerChange{Name: "bo", Role: blocklist.Police, Key: "ssh-ed25519 AAAA"}), "key")
	if w.Founded() {
		t.Error("founded by one officer")
	}
}

func TestNothingIsDecidedBeforeFounding(t *testing.T) {
	w := newWorld(t, "production")
	for _, name := range []string{"", "anna"} {
		if name != "" {
			if err := w.Found(w.officer(name, name, blocklist.Police)); err != nil {
				t.Fatal(err)
			}
		}
		_, err := w.NewDraft(w.adding("bad.example"), 0)
		w.refused(err, "not founded")
	}
}

func TestRegisterIsOfOneEnvironment(t *testing.T) {
	w := newWorld(t, "production")
	other := w.opened("test") // nobody has founded it yet
	if err := w.Found(w.officer("anna", "anna", blocklist.Police)); err != nil {
		t.Fatal(err)
	}
	if w.Environment != "production" {
		t.Errorf("environment is %q", w.Environment)
	}
	// Whoever opened it before that can not found it for another environment.
	if err := other.Found(w.officer("bo", "bo", blocklist.Police)); err == nil || !strings.Contains(err.Error(), "environment") {
		t.Errorf("founded for two environments: %v", err)
	}
	w.same()
	for _, environment := range []string{"test", "", "Production"} {
		if _, err := Open(w.path, environment, w.clock); err == nil || !strings.Contains(err.Error(), "environment") {
			t.Errorf("opened as %q: %v", environment, err)
		}
	}
}

// An environment that could not be read back must not get into the history.
func TestEnvironmentIsOneLine(t *testing.T) {
	w := newWorld(t, "test\nproduction")
	if err := w.Found(w.officer("anna", "anna", blocklist.Police)); err == nil {
		t.Fatal("accepted")
	}
	if r := w.opened("test"); len(r.Officers) != 0 {
		t.Error("recorded")
	}
}
