package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/register"
)

func (a *app) decisionCommand() *cobra.Command {
	return cli.Group("decision", "Draft, show, review, sign and reject decisions",
		a.decisionNew(), a.decisionShow(), a.decisionList(), a.decisionReview(), a.decisionExport(), a.decisionApprove(), a.decisionReject())
}

// withDecision runs a command on the decision that its first argument names.
func (a *app) withDecision(arg string, run func(*authority, *register.Decision) error) error {
	return a.with(func(auth *authority) error {
		id, err := blocklist.ParseDecisionID(arg)
		if err != nil {
			return cli.Misuse(fmt.Errorf("decision %q: %w", arg, err), "vaern decision list shows the ids")
		}
		d, err := auth.reg.Decision(id)
		if err != nil {
			return cli.Fail(err, "vaern decision list shows the ids")
		}
		return run(auth, d)
	})
}

type approvalJSON struct {
	Officer     string    `json:"officer"`
	Fingerprint string    `json:"fingerprint"`
	At          time.Time `json:"at"`
	Void        bool      `json:"void,omitempty"`
}

type entryJSON struct {
	ID       string   `json:"id"`
	Change   string   `json:"change"` // add, withdraw, suspend, resume or recheck
	Unit     string   `json:"unit"`
	Target   string   `json:"target"`
	Category string   `json:"category,omitempty"`
	Findings []string `json:"findings"`
}

type decisionJSON struct {
	ID        string         `json:"id"`
	State     string         `json:"state"`
	List      string         `json:"list"`
	Basis     string         `json:"basis"`
	Digest    string         `json:"digest"`
	Drafted   time.Time      `json:"drafted"`
	Adds      int            `json:"adds"`
	Withdraws int            `json:"withdraws"`
	Suspends  int            `json:"suspends"`
	Resumes   int            `json:"resumes"`
	Rechecks  int            `json:"rechecks,omitempty"`
	Rollback  string         `json:"rollback,omitempty"` // the serial that it leads back to
	Needs     int            `json:"needs"`
	Reason    string         `json:"reason,omitempty"`
	Approvals []approvalJSON `json:"approvals"`
	Entries   []entryJSON    `json:"entries,omitempty"`
	Other     []string       `json:"other,omitempty"` // lines about cases, officers and overrides
	Counts    *counts        `json:"counts,omitempty"`
	// HeldBack is what would refuse a build, if a draft were in force now.
	HeldBack []blocklist.Refusal `json:"held_back,omitempty"`
}

func (a *authority) decisionJSON(d *register.Decision) decisionJSON {
	needs := d.Quorum
	if d.Status == register.Draft {
		needs = a.needs(d)
	}
	j := decisionJSON{
		ID: d.ID.String(), State: string(d.Status), List: d.List, Basis: d.Basis, Digest: d.Digest, Drafted: d.Drafted,
		Adds: d.Adds, Withdraws: d.Withdraws, Suspends: d.Suspends, Resumes: d.Resumes, Rechecks: d.Rechecks, Needs: needs, Reason: d.Reason, Approvals: []approvalJSON{},
	}
	if d.Rollback != 0 {
		j.Rollback = d.Rollback.String()
	}
	for _, ap := range d.Approvals {
		j.Approvals = append(j.Approvals, approvalJSON(ap))
	}
	return j
}
