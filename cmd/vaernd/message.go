package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// How this program speaks. Results go to stdout and nothing else does. An error
// is one line on stderr, lower case, "vaernd: " before it, and what to do about
// it, if we know, in a second one. No message shows a secret or a listed name.

// Exit statuses.
const (
	statusDone = iota
	statusFailed
	statusMisused
	statusRefused
)

const exitStatus = `EXIT STATUS
  0  done
  1  failed
  2  wrong usage or configuration
  3  refused
`

// outcome is an error with the exit status it leads to and what to do.
type outcome struct {
	error
	status int
	hint   string
}

func (o outcome) Unwrap() error { return o.error }

func misused(err error, hint string) error { return outcome{err, statusMisused, hint} }
func refused(err error, hint string) error { return outcome{err, statusRefused, hint} }
func failed(err error, hint string) error  { return outcome{err, statusFailed, hint} }

// report prints err, if there is one, and returns the exit status.
func report(stderr io.Writer, err error) int {
	if err == nil {
		return statusDone
	}
	_, _ = fmt.Fprintf(stderr, "vaernd: %v\n", err)
	if h := hintOf(err); h != "" {
		_, _ = fmt.Fprintf(stderr, "hint: %s\n", h)
	}
	var o outcome
	if errors.As(err, &o) {
		return o.status
	}
	return statusFailed
}

// hintOf returns the hint that this program or a package below gave.
func hintOf(err error) string {
	var o outcome
	if errors.As(err, &o) && o.hint != "" {
		return o.hint
	}
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// printJSON writes v as one line.
func printJSON(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }
