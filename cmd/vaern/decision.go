package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/durable"
	"github.com/vaern/vaern/internal/register"
	"github.com/vaern/vaern/internal/sshsig"
)

func (a *app) decisionCommand() *cobra.Command {
	return cli.Group("decision", "Draft, show, sign and reject decisions",
		a.decisionNew(), a.decisionShow(), a.decisionList(), a.decisionExport(), a.decisionApprove(), a.decisionReject())
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
	Change   string   `json:"change"` // add or withdraw
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
	Needs     int            `json:"needs"`
	Reason    string         `json:"reason,omitempty"`
	Approvals []approvalJSON `json:"approvals"`
	Entries   []entryJSON    `json:"entries,omitempty"`
	Other     []string       `json:"other,omitempty"` // lines about officers and overrides
}

func (a *authority) decisionJSON(d *register.Decision) decisionJSON {
	needs := a.needs(d)
	if d.Status == register.Approved || d.Status == register.Void {
		needs = d.Quorum
	}
	j := decisionJSON{
		ID: d.ID.String(), State: string(d.Status), List: d.List, Basis: d.Basis, Digest: d.Digest, Drafted: d.Drafted,
		Adds: d.Adds, Withdraws: d.Withdraws, Needs: needs, Reason: d.Reason, Approvals: []approvalJSON{},
	}
	for _, ap := range d.Approvals {
		j.Approvals = append(j.Approvals, approvalJSON(ap))
	}
	return j
}

func (a *app) decisionShow() *cobra.Command {
	c := &cobra.Command{
		Use:   "show ID",
		Short: "Show a decision, with what the guards say of each entry now",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withDecision(args[0], func(auth *authority, d *register.Decision) error { return auth.showDecision(d) })
		},
	}
	c.Flags().BoolVar(&a.json, "json", false, "print JSON")
	return c
}

// details reads the decision's text again and runs the guards on what it adds.
func (a *authority) details(d *register.Decision) (decisionJSON, error) {
	j := a.decisionJSON(d)
	text, err := a.reg.Text(d.ID)
	if err != nil {
		return j, err
	}
	check := func(blocklist.Target) []blocklist.Finding { return nil }
	if l, err := a.listNamed(d.List); err == nil && d.List != blocklist.NoList {
		p, err := a.loadPolicy(l, a.reg.Highest[l.Name])
		if err != nil {
			return j, err
		}
		check = p.CheckTarget
	}
	_, err = blocklist.ScanDecision(text, blocklist.Each{
		Add: func(e blocklist.Entry) error {
			row := entryJSON{e.ID.String(), "add", e.Target.Unit.String(), e.Target.Reveal(), e.Category, []string{}}
			for _, f := range check(e.Target) {
				row.Findings = append(row.Findings, f.String())
			}
			j.Entries = append(j.Entries, row)
			return nil
		},
		Withdraw: func(w blocklist.Withdrawal) error {
			j.Entries = append(j.Entries, entryJSON{w.ID.String(), "withdraw", w.Target.Unit.String(), w.Target.Reveal(), "", []string{}})
			return nil
		},
	})
	for _, o := range d.Officers {
		if o.Revoke {
			j.Other = append(j.Other, fmt.Sprintf("revoke officer %s since %s", o.Name, o.Since.Format(time.RFC3339)))
		} else {
			j.Other = append(j.Other, fmt.Sprintf("add officer %s, %s, %s", o.Name, o.Role, o.Key))
		}
	}
	for _, o := range d.Overrides {
		j.Other = append(j.Other, fmt.Sprintf("override %s for %v with digest %s", o.Rule, o.For, o.Digest))
	}
	return j, err
}

func (a *authority) showDecision(d *register.Decision) error {
	j, err := a.details(d)
	if err != nil {
		return err
	}
	if a.json {
		return cli.PrintJSON(a.out, j)
	}
	w := bufio.NewWriter(a.out)
	fmt.Fprintf(w, "decision %s on list %s: %s\n", j.ID, j.List, j.State)
	fmt.Fprintf(w, "basis    %s\ndrafted  %s\ndigest   %s\n", j.Basis, j.Drafted.Format(time.RFC3339), j.Digest)
	fmt.Fprintf(w, "content  %s\n", j.summary())
	fmt.Fprintf(w, "approved by %d of %d\n", d.Valid(), j.Needs)
	for _, ap := range j.Approvals {
		void := ""
		if ap.Void {
			void = "  void: the key was revoked since then"
		}
		fmt.Fprintf(w, "  %s  %s  %s%s\n", ap.At.Format(time.RFC3339), ap.Officer, ap.Fingerprint, void)
	}
	if j.Reason != "" {
		fmt.Fprintf(w, "rejected: %s\n", j.Reason)
	}
	for _, line := range j.Other {
		fmt.Fprintln(w, line)
	}
	for _, e := range j.Entries {
		sign := "+"
		if e.Change == "withdraw" {
			sign = "-"
		}
		fmt.Fprintf(w, "%s %s\t%s\t%s", sign, e.ID, e.Unit, e.Target)
		if len(e.Findings) > 0 {
			fmt.Fprintf(w, "\t[%s]", strings.Join(e.Findings, "; "))
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

// summary is one line with counts: what an officer sees before signing.
func (j *decisionJSON) summary() string {
	var parts []string
	if j.Adds > 0 {
		parts = append(parts, cli.Plural(j.Adds, "addition", "additions"))
	}
	if j.Withdraws > 0 {
		parts = append(parts, cli.Plural(j.Withdraws, "withdrawal", "withdrawals"))
	}
	if len(j.Other) > 0 {
		parts = append(parts, strings.Join(j.Other, "; "))
	}
	flagged := 0
	for _, e := range j.Entries {
		if len(e.Findings) > 0 {
			flagged++
		}
	}
	if flagged > 0 {
		parts = append(parts, cli.Plural(flagged, "entry with findings", "entries with findings"))
	}
	return strings.Join(parts, ", ")
}

func (a *app) decisionList() *cobra.Command {
	c := &cobra.Command{
		Use:   "list",
		Short: "List all decisions",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.with(func(auth *authority) error { return auth.listDecisions() })
		},
	}
	c.Flags().BoolVar(&a.json, "json", false, "print JSON")
	return c
}

func (a *authority) listDecisions() error {
	all := []decisionJSON{}
	for _, d := range a.reg.Decisions {
		all = append(all, a.decisionJSON(d))
	}
	if a.json {
		return cli.PrintJSON(a.out, all)
	}
	w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tLIST\tSTATE\tDRAFTED\tADDS\tTAKES\tSIGNED\tBASIS")
	for i, j := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%d/%d\t%s\n", j.ID, j.List, j.State, j.Drafted.Format(time.DateOnly),
			j.Adds, j.Withdraws, a.reg.Decisions[i].Valid(), j.Needs, short(j.Basis, 30))
	}
	return w.Flush()
}

func short(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

func (a *app) decisionExport() *cobra.Command {
	return &cobra.Command{
		Use:   "export ID DIR",
		Short: "Write the text to sign, and the signatures it has",
		Long: `Writes ID.txt, exactly what officers sign, and ID.NAME.sig for each approval.
An officer whose key is on another machine signs it there and hands in the
signature:

  ssh-keygen -Y sign -n vaern-decision -f KEY D7.txt
  vaern decision approve D7 --as anna --signature D7.txt.sig`,
		Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withDecision(args[0], func(auth *authority, d *register.Decision) error { return auth.exportDecision(d, args[1]) })
		},
	}
}

func (a *authority) exportDecision(d *register.Decision, dir string) error {
	text, err := a.reg.Text(d.ID)
	if err != nil {
		return err
	}
	signatures, err := a.reg.Signatures(d.ID)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("export decision: %w", err)
	}
	files := map[string][]byte{d.ID.String() + ".txt": text}
	for officer, sig := range signatures {
		files[d.ID.String()+"."+officer+".sig"] = sig
	}
	for name, data := range files {
		if err := durable.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return fmt.Errorf("export decision: %w", err)
		}
	}
	_, err = fmt.Fprintf(a.out, "%s\nsha256 %s\n", filepath.Join(dir, d.ID.String()+".txt"), d.Digest)
	return err
}

func (a *app) decisionReject() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "reject ID --reason TEXT",
		Short: "End a draft; what is decided already is withdrawn by a new decision",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withDecision(args[0], func(auth *authority, d *register.Decision) error {
				text, err := cli.Text(reason, a.in)
				if err != nil {
					return err
				}
				if err := auth.reg.Reject(d.ID, text); err != nil {
					return cli.Refuse(err, "only a draft can be rejected")
				}
				_, err = fmt.Fprintf(a.out, "%v rejected\n", d.ID)
				return err
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why; - reads standard input")
	_ = c.MarkFlagRequired("reason")
	return c
}

// approveOptions are the flags of decision approve.
type approveOptions struct{ as, key, signature, digest string }

func (a *app) decisionApprove() *cobra.Command {
	var o approveOptions
	c := &cobra.Command{
		Use:   "approve ID --as NAME (--key FILE | --signature FILE)",
		Short: "Sign a decision as a police officer",
		Long: `FILE of --key is an OpenSSH private key, or a public key whose private half is
in the ssh-agent. FILE of --signature was made with
ssh-keygen -Y sign -n vaern-decision from the text of decision export.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withDecision(args[0], func(auth *authority, d *register.Decision) error { return auth.approve(d, o) })
		},
	}
	c.Flags().StringVar(&o.as, "as", "", "`NAME` of the officer who signs")
	c.Flags().StringVar(&o.key, "key", "", "sign with the key in `FILE`")
	c.Flags().StringVar(&o.signature, "signature", "", "hand in the signature in `FILE`")
	c.Flags().StringVar(&o.digest, "digest", "", "refuse unless the text has this sha256 in `HEX`")
	c.Flags().BoolVar(&a.json, "json", false, "print JSON")
	_ = c.MarkFlagRequired("as")
	c.MarkFlagsOneRequired("key", "signature")
	c.MarkFlagsMutuallyExclusive("key", "signature")
	return c
}

func (a *authority) approve(d *register.Decision, o approveOptions) error {
	if o.digest != "" && !strings.EqualFold(o.digest, d.Digest) {
		return cli.Refuse(fmt.Errorf("%v has the digest %s, not the one given", d.ID, d.Digest), "compare with vaern decision show")
	}
	text, err := a.reg.Text(d.ID)
	if err != nil {
		return err
	}
	if blocklist.Digest(text) != d.Digest {
		return cli.Refuse(register.ErrTampered, "")
	}
	if o.digest == "" && a.onTerminal() {
		if err := a.confirm(d); err != nil {
			return err
		}
	}
	signature, err := a.signature(text, o)
	if err != nil {
		return err
	}
	d, err = a.reg.Approve(d.ID, o.as, signature, a.needs)
	if err != nil {
		return cli.Refuse(err, "")
	}
	if len(d.Officers) > 0 && d.Status == register.Approved {
		if err := a.writeOfficers(); err != nil {
			return err
		}
	}
	if a.json {
		return cli.PrintJSON(a.out, a.decisionJSON(d))
	}
	_, err = fmt.Fprintf(a.out, "%v approved by %s: %d of %d, %s\n", d.ID, o.as, d.Valid(), d.Quorum, d.Status)
	return err
}

// confirm shows a person at a terminal what they are about to sign.
func (a *authority) confirm(d *register.Decision) error {
	j, err := a.details(d)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.err, "%s on list %s: %s\nbasis: %s\ndigest: %s\napprove? type yes: ", j.ID, j.List, j.summary(), j.Basis, j.Digest)
	answer, err := bufio.NewReader(a.in).ReadString('\n')
	if err != nil || strings.TrimSpace(answer) != "yes" {
		return cli.Refuse(errors.New("not approved"), "")
	}
	return nil
}

func (a *authority) signature(text []byte, o approveOptions) ([]byte, error) {
	if o.signature != "" {
		data, err := os.ReadFile(o.signature)
		if err != nil {
			return nil, cli.Misuse(fmt.Errorf("read signature: %w", err), "")
		}
		return data, nil
	}
	signer, closer, err := sshsig.LoadSigner(o.key, a.passphrase)
	if err != nil {
		return nil, cli.Misuse(err, "")
	}
	sig, err := sshsig.Sign(signer, blocklist.DecisionNamespace, text)
	return sig, errors.Join(err, closer.Close())
}
