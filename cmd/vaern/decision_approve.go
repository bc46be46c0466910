package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/register"
	"github.com/vaern/vaern/internal/sshsig"
)

// approveOptions are the flags of decision approve.
type approveOptions struct {
	as, key, signature, digest string
	urgent                     bool
}

func (a *app) decisionApprove() *cobra.Command {
	var o approveOptions
	c := &cobra.Command{
		Use:   "approve ID --as NAME (--key FILE | --signature FILE) [--urgent]",
		Short: "Sign a decision as a police officer",
		Long: `FILE of --key is an OpenSSH private key, or a public key whose private half is
in the ssh-agent, be it on a smart card or a security key. FILE of --signature was made with
ssh-keygen -Y sign -n vaern-decision from the text of decision export.

On a terminal it shows what the decision says and asks; type yes. --digest
takes the place of the question.

--urgent, with the last approval that is needed of a decision that only takes
away, has vaern run publish it within seconds, everywhere at once.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeDecisions(register.Draft),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withDecision(args[0], func(auth *authority, d *register.Decision) error { return auth.approve(d, o) })
		},
	}
	c.Flags().StringVar(&o.as, "as", "", "`NAME` of the officer who signs")
	c.Flags().StringVar(&o.key, "key", "", "sign with the key in `FILE`")
	c.Flags().StringVar(&o.signature, "signature", "", "hand in the signature in `FILE`")
	c.Flags().StringVar(&o.digest, "digest", "", "refuse unless the text has this sha256 in `HEX`")
	c.Flags().BoolVar(&o.urgent, "urgent", false, "publish at once what the decision takes out")
	c.Flags().BoolVar(&a.json, "json", false, "print JSON")
	_ = c.MarkFlagRequired("as")
	_ = c.RegisterFlagCompletionFunc("as", a.completePolice)
	c.MarkFlagsOneRequired("key", "signature")
	c.MarkFlagsMutuallyExclusive("key", "signature")
	return c
}

func (a *authority) approve(d *register.Decision, o approveOptions) error {
	if o.digest != "" && !strings.EqualFold(o.digest, d.Digest) {
		return cli.Refuse(fmt.Errorf("%v has the digest %s, not the one given", d.ID, d.Digest), "compare with vaern decision show")
	}
	if err := checkUrgent(d, o); err != nil {
		return err
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
	approve := a.reg.Approve
	if o.urgent {
		approve = a.reg.ApproveUrgent
	}
	d, err = approve(d.ID, o.as, signature, a.needs)
	if errors.Is(err, register.ErrDisk) {
		return err
	}
	if err != nil {
		return cli.Refuse(err, "vaern officer list shows who may sign, and with which key; vaern decision show, what is signed already")
	}
	if len(d.Officers) > 0 && d.Status == register.Approved {
		if err := a.writeOfficers(); err != nil {
			return err
		}
	}
	if err := a.reportStillListed(d, text); err != nil {
		return err
	}
	if o.urgent && d.Status == register.Draft {
		fmt.Fprintf(a.err, "not urgent yet: who completes the approval of %v has to say --urgent\n", d.ID)
	}
	if a.json {
		return cli.PrintJSON(a.out, a.decisionJSON(d))
	}
	_, err = fmt.Fprintf(a.out, "%v approved by %s: %d of %d, %s\n", d.ID, o.as, d.Valid(), d.Quorum, d.Status)
	if err == nil && o.urgent && d.Status == register.Approved {
		_, err = fmt.Fprintln(a.out, publishedSoon)
	}
	return err
}

func checkUrgent(d *register.Decision, o approveOptions) error {
	if o.urgent && d.AddsAnything() {
		return cli.Misuse(fmt.Errorf("%v adds something: what is urgent only takes away", d.ID),
			"leave --urgent out; if it also withdraws, draft the withdrawals as a decision of their own")
	}
	return nil
}

// reportStillListed tells of entries that a withdrawal did not name and that
// list the same: another decision, drafted earlier, may have come into force
// after the withdrawal was drafted.
func (a *authority) reportStillListed(d *register.Decision, text []byte) error {
	if d.Status != register.Approved || d.Withdraws+d.Suspends == 0 || d.Rollback != 0 {
		return nil
	}
	withdrawn := map[string]bool{}
	note := func(w blocklist.Withdrawal) error {
		withdrawn[w.Target.RevealKey()] = true
		return nil
	}
	_, err := blocklist.ScanDecision(text, blocklist.Each{Withdraw: note, Suspend: note})
	for _, e := range a.reg.InForce(d.List) {
		if withdrawn[e.Target.RevealKey()] {
			fmt.Fprintf(a.err, "still listed: %v of %v lists the same; withdraw it too\n", e.ID, e.Decision)
		}
	}
	return err
}

// confirm shows a person at a terminal what they are about to sign.
func (a *authority) confirm(d *register.Decision) error {
	if err := a.tell(d); err != nil {
		return err
	}
	return a.ask("approve?")
}

// tell says in a few lines what a decision does, and its digest.
func (a *authority) tell(d *register.Decision) error {
	j, err := a.details(d)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.err, "%s on list %s: %s\n", j.ID, j.List, j.summary())
	if held := j.heldBack(); held != "" {
		fmt.Fprintln(a.err, held)
	}
	_, err = fmt.Fprintf(a.err, "basis: %s\ndigest: %s\n", j.Basis, j.Digest)
	return err
}

// ask has a person at a terminal type yes.
func (a *authority) ask(question string) error {
	fmt.Fprintf(a.err, "%s type yes: ", question)
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
