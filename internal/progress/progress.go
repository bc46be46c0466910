// Package progress is about the person at a terminal: whether there is one,
// what they are told while something takes longer than a second, and the one
// secret they may be asked for.
package progress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// IsTerminal says whether a stream is a terminal.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Passphrase asks for a passphrase on a terminal, without showing it. If ctx
// ends first (Ctrl-C), the terminal shows again what is typed.
func Passphrase(ctx context.Context, in io.Reader, out io.Writer, path string) ([]byte, error) {
	f, ok := in.(*os.File)
	if !ok || !IsTerminal(f) {
		return nil, fmt.Errorf("key %s needs a passphrase, and there is no terminal to ask on", path)
	}
	before, err := term.GetState(int(f.Fd()))
	if err != nil {
		return nil, fmt.Errorf("ask for passphrase: %w", err)
	}
	fmt.Fprintf(out, "passphrase of %s: ", path)
	defer fmt.Fprintln(out)
	type answer struct {
		text []byte
		err  error
	}
	typed := make(chan answer, 1)
	go func() {
		text, err := term.ReadPassword(int(f.Fd()))
		typed <- answer{text, err}
	}()
	select {
	case a := <-typed:
		return a.text, a.err
	case <-ctx.Done():
		return nil, errors.Join(errors.New("interrupted"), term.Restore(int(f.Fd()), before))
	}
}

// patience is how long something may take without a word.
const patience = time.Second

// Begin tells a person at the terminal out, from one second on and until end
// is called, what is being done. On anything but a terminal it does nothing.
func Begin(out io.Writer, what string) (end func()) {
	if !IsTerminal(out) {
		return func() {}
	}
	done, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		tick := time.NewTicker(patience)
		defer tick.Stop()
		for seconds := 1; ; seconds++ {
			select {
			case <-done:
				if seconds > 1 {
					fmt.Fprint(out, "\r\x1b[K") // erase to the end of the line (ECMA-48, EL)
				}
				return
			case <-tick.C:
				fmt.Fprintf(out, "\r%s ... %d s", what, seconds)
			}
		}
	}()
	return func() {
		close(done)
		<-gone
	}
}
