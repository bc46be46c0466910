package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/cmd/internal/cli"
)

type status struct {
	*program
	json bool
}

func newStatus(p *program) *cobra.Command {
	o := status{program: p}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Ask the running server what it serves, and who has it",
		Long: `Ask the server that runs with this configuration, over its admin address, which
edition of each list it serves, which one each ISP got last, when, how and from
where, for how long there has been a newer one (LAG), and whether the ISPs'
secondaries answered NOTIFY; and what the ISPs said: which edition they have in
force (ACKED), and what is wrong (ALARM). All of it is remembered in state.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON: {lists: [{name, serial, ...}], isps: [{name, list, served, at, by, transfer, transport, address, lag, notify: [{to, state, serial, tries, at, error}], acked, acked_at, alarm: {serial, at, reason}}]}")
	return cmd
}

func (o status) run(ctx context.Context) error {
	s, err := o.load()
	if err != nil {
		return err
	}
	if s.Admin == "" {
		return cli.Misuse(errors.New("admin is not set: there is no address to ask"), `set admin = "127.0.0.1:9153"`)
	}
	answer, err := askStatus(ctx, s.Admin)
	if err != nil {
		return cli.Fail(fmt.Errorf("ask server: %w", err), "is vaernd serve running with this configuration?")
	}
	if o.json {
		return cli.PrintJSON(o.stdout, answer)
	}
	return answer.print(o.stdout)
}

func askStatus(ctx context.Context, address string) (answer statusJSON, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/status", nil)
	if err != nil {
		return answer, err
	}
	// No proxy: the address is on this machine.
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return answer, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return answer, fmt.Errorf("answered %s", resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<20)).Decode(&answer); err != nil {
		return answer, fmt.Errorf("read answer: %w", err)
	}
	return answer, nil
}

func (s statusJSON) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "LIST\tSERIAL\tCREATED\tEXPIRES")
	for _, l := range s.Lists {
		note := ""
		if l.Expired {
			note = " EXPIRED"
		}
		_, _ = fmt.Fprintf(w, "%s\t%v\t%s\t%s%s\n", l.Name, l.Serial, l.Created.Format(time.RFC3339), l.Expires.Format(time.RFC3339), note)
	}
	_, _ = fmt.Fprintln(w, "\nISP\tLIST\tSERVED\tWHEN\tBY\tFROM\tLAG\tACKED")
	for _, i := range s.ISPs {
		if i.Served == nil || i.At == nil || i.By == nil || i.Address == nil {
			_, _ = fmt.Fprintf(w, "%s\t%s\t-\t-\t-\t-\t-\t%s\n", i.Name, i.List, i.acked())
			continue
		}
		by, lag := *i.By, "-"
		if i.Transfer != nil && i.Transport != nil {
			by = *i.Transfer + " over " + *i.Transport
		}
		if i.Lag != nil {
			lag = (time.Duration(*i.Lag) * time.Second).String()
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%v\t%s\t%s\t%v\t%s\t%s\n", i.Name, i.List, *i.Served, i.At.Format(time.RFC3339), by, i.Address, lag, i.acked())
	}
	s.printNotify(w)
	s.printAlarms(w)
	return w.Flush()
}

func (i *ispStatus) acked() string {
	if i.Acked == nil {
		return "-"
	}
	return i.Acked.String()
}

// printAlarms prints what ISPs say is wrong, if they do.
func (s statusJSON) printAlarms(w io.Writer) {
	head := "\nALARM\tLIST\tSERIAL\tWHEN\tREASON\n"
	for _, i := range s.ISPs {
		if a := i.Alarm; a != nil {
			_, _ = fmt.Fprintf(w, "%s%s\t%s\t%v\t%s\t%s\n", head, i.Name, i.List, a.Serial, a.At.Format(time.RFC3339), a.Reason)
			head = ""
		}
	}
}

// printNotify prints how far the secondaries were told, if there are any.
func (s statusJSON) printNotify(w io.Writer) {
	head := "\nNOTIFY\tISP\tLIST\tSERIAL\tSTATE\tTRIES\tWHEN\n"
	for _, i := range s.ISPs {
		for _, n := range i.Notify {
			state, at := string(n.State), "-"
			if n.Error != "" {
				state += " (" + n.Error + ")"
			}
			if n.At != nil {
				at = n.At.Format(time.RFC3339)
			}
			_, _ = fmt.Fprintf(w, "%s%v\t%s\t%s\t%v\t%s\t%d\t%s\n", head, n.To, i.Name, i.List, n.Serial, state, n.Tries, at)
			head = ""
		}
	}
}
