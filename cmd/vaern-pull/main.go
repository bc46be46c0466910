// Vaern-pull is the provider's client: it fetches the editions of one list,
// verifies them, and installs what the provider's resolver reads. It holds the
// public keys of the editions and the provider's own credential.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/pull"
)

// version is set when a release is built.
var version = "devel"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// program is what every command works with.
type program struct {
	stdout, stderr io.Writer
	configFile     string           // --config
	limits         pull.Limits      // those of a test
	now            func() time.Time // of a machine; decisions about editions use the clock of the configuration
}

// run is the whole program: it returns the exit status. It ends early when ctx
// does.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	p := &program{stdout: stdout, stderr: stderr, now: time.Now}
	return p.run(ctx, args)
}

func (p *program) run(ctx context.Context, args []string) int {
	return cli.Run(ctx, newRoot(p), args, p.stdout, p.stderr)
}
