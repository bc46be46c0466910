package pull

import "fmt"

// Refusal says that an edition must not be installed, whoever offers it. What is
// wrong with the network or with this machine is never one.
type Refusal struct {
	Err    error
	advice string
}

func (r *Refusal) Error() string { return r.Err.Error() }

func (r *Refusal) Unwrap() error { return r.Err }

// Hint says what a person can do.
func (r *Refusal) Hint() string { return r.advice }

// refuse makes a Refusal of err, or returns nil if there is none.
func refuse(err error, advice string) error {
	if err == nil {
		return nil
	}
	return &Refusal{err, advice}
}

func refusef(format string, args ...any) error { return &Refusal{Err: fmt.Errorf(format, args...)} }

// advised is an ordinary error with a hint.
type advised struct {
	error
	hint string
}

func (a *advised) Unwrap() error { return a.error }

// Hint says what a person can do.
func (a *advised) Hint() string { return a.hint }

func advise(err error, hint string) error { return &advised{err, hint} }
