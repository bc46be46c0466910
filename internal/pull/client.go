package pull

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/sshsig"
)

// Client pulls one list. Its fields are set before the first run and not
// changed; one goroutine uses it, and one process its State, see [Lock].
type Client struct {
	URL         *url.URL // of the list: https://HOST/v1/LIST, as [ParseURL] gives it
	HTTP        *http.Client
	Token       string // empty: the client certificate of HTTP
	Keys        *sshsig.AllowedSigners
	Environment string
	State       string // directory; exists
	Installs    []Install
	Reload      []string // argv; empty: nothing to do
	Guard       Guard
	Limits      Limits

	Now func() time.Time    // what expiry is held against
	Say func(notice string) // what a person should hear although it is no error; may be nil

	record *record
}

// Install is one file that the provider wants.
type Install struct {
	File   string      // a text of the edition, as it is; or
	Format Format      // rendered here
	Stop   netip.Addr  // of a Format: where blocked names lead to
	To     string      // absolute path
	Mode   fs.FileMode // zero: that of the file it replaces, or 0600
	UID    int         // -1: that of the file it replaces, or the program's
	GID    int         // likewise
	Check  []string    // argv with {file}; empty: none
}

// what names the source, for the record.
func (i Install) what() string {
	if i.Format != "" {
		return fmt.Sprintf("format %s %v", i.Format, i.Stop)
	}
	return "file " + i.File
}

// Limits bound how long others may take. Zero values mean those written behind.
type Limits struct {
	Patience time.Duration // 30 s: for an answer to begin, and for what is short
	Rate     int64         // 16 KiB: octets a second that a download must bring on average
	Command  time.Duration // 2 min: check, reload
}

func (l Limits) withDefaults() Limits {
	if l.Patience == 0 {
		l.Patience = 30 * time.Second
	}
	if l.Rate == 0 {
		l.Rate = 16 << 10
	}
	if l.Command == 0 {
		l.Command = 2 * time.Minute
	}
	return l
}

// Outcome is what a run came to. It is meaningful beside an error too: an edition
// may be installed, and the acknowledgement not get through.
type Outcome struct {
	List         string           `json:"list"`
	Serial       blocklist.Serial `json:"serial"`       // installed now; 0: nothing yet
	Unchanged    bool             `json:"unchanged"`    // all was in place already
	Domains      int              `json:"domains"`      // of Serial
	Hosts        int              `json:"hosts"`        // of Serial
	URLs         int              `json:"urls"`         // of Serial
	Acknowledged bool             `json:"acknowledged"` // the server knows of Serial
}

// List is the name of the list: the last part of the URL.
func (c *Client) List() string { return path.Base(c.URL.Path) }

// Run brings what is installed up to date. See the package's documentation for
// its steps. It ends early when ctx does, but not between install and record.
func (c *Client) Run(ctx context.Context) (out Outcome, err error) {
	c.Limits = c.Limits.withDefaults()
	if c.record, err = readRecord(c.State); err != nil {
		return Outcome{List: c.List()}, err
	}
	defer func() { out = c.outcome(out) }()
	if err := c.finish(ctx); err != nil {
		return out, err
	}
	if err := c.sweep(); err != nil {
		return out, err
	}
	// What a run before could not say; if it fails again, the end of this one tells.
	_ = c.acknowledge(ctx)

	m, err := c.fetchManifest(ctx)
	if err != nil {
		return out, err
	}
	if c.inPlace(m) {
		out.Unchanged = true
		return out, c.acknowledge(ctx)
	}
	if err := c.take(ctx, m); err != nil {
		return out, err
	}
	return out, c.acknowledge(ctx)
}

// outcome fills in what is on record.
func (c *Client) outcome(out Outcome) Outcome {
	out.List = c.List()
	if i := c.record.Installed; i != nil {
		m := i.Manifest
		out.Serial, out.Domains, out.Hosts, out.URLs, out.Acknowledged = m.Serial, m.Domains, m.Hosts, m.URLs, i.Acked
	}
	return out
}

// take fetches, verifies, stages, checks and installs an edition.
func (c *Client) take(ctx context.Context, m *manifest) (err error) {
	t := &texts{client: c, manifest: m}
	var staged []*staging
	defer func() {
		for _, s := range staged {
			s.discard()
		}
		t.discard()
	}()
	if err := c.checkGuard(ctx, t); err != nil {
		var hit *Refusal
		if errors.As(err, &hit) {
			err = errors.Join(err, c.alarm(ctx, m.Serial, hit))
		}
		return err
	}
	for _, i := range c.Installs {
		s, err := t.stage(ctx, i)
		if err != nil {
			return err
		}
		staged = append(staged, s)
	}
	for _, s := range staged {
		if err := c.check(ctx, s); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.install(context.WithoutCancel(ctx), t, staged)
}

func (c *Client) say(format string, args ...any) {
	if c.Say != nil {
		c.Say(fmt.Sprintf(format, args...))
	}
}
