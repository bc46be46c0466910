// Package cli is what the command lines of all Vaern programs have in common:
// exit status, messages, help.
//
// Results go to stdout. Everything else goes to stderr: an error as
// "vaern: what went wrong", below it a hint what to do.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit status of every command.
const (
	Done    = 0
	Failed  = 1
	Misused = 2 // wrong usage or configuration
	Refused = 3 // by a guard, for missing approval; an edition that must not be used
)

const exitHelp = `
EXIT STATUS
  0  done
  1  failed
  2  wrong usage or configuration
  3  refused by a guard, for missing approval, or an edition that must not be used
`

// Error carries the exit status and a hint with an error.
type Error struct {
	Status int
	Err    error
	Hint   string
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// Misuse makes err one of usage or configuration.
func Misuse(err error, hint string) error { return &Error{Misused, err, hint} }

// Refuse makes err a refusal.
func Refuse(err error, hint string) error { return &Error{Refused, err, hint} }

// Fail adds a hint to an ordinary error.
func Fail(err error, hint string) error { return &Error{Failed, err, hint} }

// Run runs a program and returns its exit status.
func Run(ctx context.Context, root *cobra.Command, args []string, stdout, stderr io.Writer) int {
	started := false
	beforeRun(root, func() { started = true })
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.SetHelpTemplate(root.HelpTemplate() + exitHelp)

	c, err := root.ExecuteContextC(ctx)
	if err == nil {
		return Done
	}
	if !started { // unknown command, flag or argument
		err = Misuse(err, "see "+c.CommandPath()+" --help")
	}
	fmt.Fprintf(stderr, "%s: %v\n", root.Name(), err)
	if hint := HintOf(err); hint != "" {
		fmt.Fprintf(stderr, "hint: %s\n", hint)
	}
	return StatusOf(err)
}

// StatusOf returns the exit status that an error leads to.
func StatusOf(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return Failed
}

// Join makes one error of several, with the worst of their statuses: failed
// before misused before refused. It returns nil if there are none.
func Join(errs ...error) error {
	joined := errors.Join(errs...)
	if joined == nil {
		return nil
	}
	worst := Refused
	for _, err := range errs {
		if err != nil {
			worst = min(worst, StatusOf(err))
		}
	}
	return &Error{worst, joined, HintOf(joined)}
}

// HintOf returns the hint that a command, or a package below it, gave.
func HintOf(err error) string {
	var e *Error
	if errors.As(err, &e) && e.Hint != "" {
		return e.Hint
	}
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "free space on the disk, and run the command again"
	case errors.Is(err, syscall.EIO):
		return "is the disk failing? look at the system's log, mend it, and run the command again"
	}
	return ""
}

// beforeRun calls before when a command below root begins its own work: what
// fails earlier is cobra refusing flags or arguments.
func beforeRun(root *cobra.Command, before func()) {
	if run := root.RunE; run != nil {
		root.RunE = func(c *cobra.Command, args []string) error {
			before()
			return run(c, args)
		}
	}
	for _, c := range root.Commands() {
		beforeRun(c, before)
	}
}

// Group is a command that only has commands below it: alone it is misuse.
func Group(use, short string, below ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return Misuse(fmt.Errorf("%s needs a command below it", c.CommandPath()), "see "+c.CommandPath()+" --help")
		},
	}
	c.AddCommand(below...)
	return c
}

// PrintJSON writes v as one line.
func PrintJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// Plural is "1 entry", "2 entries".
func Plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Text returns a flag's value, or standard input, as one line, if it is "-".
func Text(value string, stdin io.Reader) (string, error) {
	if value != "-" {
		return value, nil
	}
	data, err := io.ReadAll(io.LimitReader(stdin, 64<<10))
	if err != nil {
		return "", fmt.Errorf("read standard input: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}
