// Vaernd serves the editions that a police force publishes to the ISPs that
// may have them: as DNS zone transfers and over HTTP. It holds the ISPs'
// credentials; it holds no signing key, and hands out only what was signed.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/vaern/vaern/cmd/internal/cli"
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
	configFile     string // --config
}

// run is the whole program: it returns the exit status. It ends early when ctx
// does.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	p := &program{stdout: stdout, stderr: stderr}
	return cli.Run(ctx, newRoot(p), args, stdout, stderr)
}

// realNow is the clock of sockets and of TSIG (both are about the network as it
// is); decisions about editions and ISPs use the clock of the configuration.
var realNow = time.Now
