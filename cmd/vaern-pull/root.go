package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/durable"
	"github.com/vaern/vaern/internal/pull"
)

func newRoot(p *program) *cobra.Command {
	o := pullOptions{program: p}
	root := &cobra.Command{
		Use:   "vaern-pull",
		Short: "Install a blocking list, verified",
		Long: `Fetch the edition of a list that this provider is due, verify it, check it with
the provider's own command, install what the resolver reads, reload it, and
acknowledge: now, and then every interval. With --once, once.

Nothing is installed unless all of it was verified and checked. A lower serial,
an edition that is expired, cut short, empty, of another environment or list, or
not signed by an edition key is refused (exit status 3), and what is installed
stays. If the reload fails, the previous files come back and are reloaded. If the
program is killed, the next run finishes what it had begun.

Without --once the log goes to stderr, one JSON object a line; SIGTERM or Ctrl-C
ends it. It tells systemd that it is ready and alive (Type=notify, WatchdogSec).`,
		Version: version,
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return o.run(c.Context()) },
	}
	root.PersistentFlags().StringVar(&p.configFile, "config", "", "configuration `FILE` (default vaern-pull.toml here, then in /etc/vaern)")
	root.Flags().BoolVar(&o.once, "once", false, "pull once, and say by the exit status how it went")
	root.Flags().BoolVar(&o.json, "json", false, "with --once, print JSON: {list, serial, unchanged, domains, hosts, urls, acknowledged}")
	root.AddCommand(newVerify(p), newCheck(p))
	return root
}

type pullOptions struct {
	*program
	once, json bool
}

func (o pullOptions) run(ctx context.Context) error {
	s, err := o.load()
	if err != nil {
		return err
	}
	if o.json && !o.once {
		return cli.Misuse(errors.New("--json is for --once"), "without --once the log is JSON")
	}
	if err := os.MkdirAll(s.State, 0o700); err != nil {
		return fmt.Errorf("make state directory: %w", err)
	}
	unlock, err := pull.Lock(s.State)
	if errors.Is(err, durable.ErrLocked) {
		return cli.Fail(errors.New("another vaern-pull works with this state"), "one is enough for a list; give another list its own state")
	}
	if err != nil {
		return err
	}
	defer unlock()
	if !o.once {
		return o.loop(ctx, s)
	}
	out, err := o.pull(ctx, s, func(notice string) { _, _ = fmt.Fprintf(o.stderr, "vaern-pull: %s\n", notice) })
	if err != nil {
		return err
	}
	if o.json {
		return cli.PrintJSON(o.stdout, out)
	}
	word := "installed"
	if out.Unchanged {
		word = "unchanged"
	}
	_, err = fmt.Fprintf(o.stdout, "%s: edition %v %s: %s, %s, %s\n", out.List, out.Serial, word,
		cli.Plural(out.Domains, "domain", "domains"), cli.Plural(out.Hosts, "host", "hosts"), cli.Plural(out.URLs, "URL", "URLs"))
	return err
}

// pull is one run. Keys, credential and guard files are read anew for each.
func (o pullOptions) pull(ctx context.Context, s *settings, say func(string)) (pull.Outcome, error) {
	c, err := s.client()
	if err != nil {
		return pull.Outcome{}, err
	}
	defer c.HTTP.CloseIdleConnections()
	c.Limits, c.Say = o.limits, say
	out, err := c.Run(ctx)
	return out, refused(err)
}

// refused gives a refusal its exit status.
func refused(err error) error {
	var r *pull.Refusal
	if errors.As(err, &r) {
		return cli.Refuse(err, r.Hint())
	}
	return err
}
