package main

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/register"
)

// A rollback needs one signature, however much it takes out; what else takes
// out so much needs as many as an addition.
func TestNeeds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "register.db")
	if err := register.Create(path, time.Now); err != nil {
		t.Fatal(err)
	}
	reg, err := register.Open(path, "test", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer reg.Close()
	a := &authority{Config: &Config{Quorum: Quorum{Add: 3, Withdraw: 2}, Lists: []ListConfig{{Name: "csam"}}}, reg: reg}
	for what, c := range map[string]struct {
		d    register.Decision
		want int
	}{
		"a withdrawal":     {register.Decision{Withdraws: 50}, 2},
		"a suspension":     {register.Decision{Suspends: 50}, 2},
		"many withdrawals": {register.Decision{Withdraws: 51}, 3},
		"many suspensions": {register.Decision{Suspends: 51}, 3},
		"many of both":     {register.Decision{Suspends: 25, Withdraws: 26}, 3},
		"a rollback":       {register.Decision{Suspends: 8000, Rollback: 1795435200}, 1},
		"an addition":      {register.Decision{Adds: 1}, 3},
		"a recheck":        {register.Decision{Rechecks: 8000}, 1},
		"a verdict":        {register.Decision{Cases: []blocklist.CaseStep{{Case: 1, Step: blocklist.Reject}}}, 1},
		"and a suspension": {register.Decision{Rechecks: 1, Suspends: 1}, 2},
		"the last officer": {register.Decision{Officers: []blocklist.OfficerChange{{Revoke: true, Name: "anna"}}}, 3},
	} {
		c.d.List = "csam"
		if got := a.needs(&c.d); got != c.want {
			t.Errorf("%s needs %d, want %d", what, got, c.want)
		}
	}
}
