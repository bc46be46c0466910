package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/dnsfeed"
	"github.com/vaern/vaern/internal/peers"
)

// primary is the server under test, in this process, so that editions can follow each other quickly. It has one zone.
type primary struct {
	t      testing.TB
	dir    string
	addr   string
	server *dnsfeed.Server
	audit  *auditLog
	keys   map[string]dnsfeed.Key // by client

	newest *dnsfeed.Image
	kept   map[blocklist.Serial]string // images of editions that are kept
	order  []blocklist.Serial          // the same, the oldest first

	stop context.CancelFunc // nil: it does not answer
	done sync.WaitGroup
}

// newPrimary makes a server for clients of these names, which has no zone yet and does not answer yet.
func newPrimary(t testing.TB, clients ...string) *primary {
	t.Helper()
	p := &primary{
		t: t, dir: t.TempDir(), addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(peers.FreePort(t))),
		audit: &auditLog{}, keys: map[string]dnsfeed.Key{}, kept: map[blocklist.Serial]string{},
	}
	var table []dnsfeed.Client
	for i, name := range clients {
		key := dnsfeed.Key{
			Name: name + ".key.example.", Algorithm: []string{"hmac-sha256.", "hmac-sha384.", "hmac-sha512."}[i%3],
			Secret: make([]byte, 32+16*(i%3)),
		}
		_, _ = rand.Read(key.Secret) // never fails
		p.keys[name] = key
		table = append(table, dnsfeed.Client{Name: name, Key: key, Zones: []string{zone}})
	}
	access, err := dnsfeed.NewAccess(table)
	if err != nil {
		t.Fatal(err)
	}
	p.server = &dnsfeed.Server{Log: slog.New(p.audit), Now: time.Now}
	p.server.SetAccess(access)
	t.Cleanup(p.close)
	return p
}

// secondary is how a daemon is told of this primary.
func (p *primary) secondary(client string) peers.SecondaryConfig {
	key := p.keys[client]
	return peers.SecondaryConfig{
		Zone: zone, Primary: p.addr, KeyName: key.Name, Algorithm: key.Algorithm[:len(key.Algorithm)-1],
		Secret: base64.StdEncoding.EncodeToString(key.Secret),
	}
}

// open has it answer.
func (p *primary) open() {
	p.t.Helper()
	tcp, err := net.Listen("tcp4", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp4", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.done.Go(func() {
		if err := p.server.ServeTCP(ctx, tcp); err != nil {
			p.t.Errorf("ServeTCP: %v", err)
		}
	})
	p.done.Go(func() {
		if err := p.server.ServeUDP(ctx, udp); err != nil {
			p.t.Errorf("ServeUDP: %v", err)
		}
	})
}

// close has it not answer. A second call does nothing.
func (p *primary) close() {
	if p.stop != nil {
		p.stop()
		p.done.Wait()
		p.stop = nil
	}
}

// publish serves the next edition, and keeps so many of those before.
func (p *primary) publish(z dnsfeed.Zone, serial blocklist.Serial, set *blocklist.Set, keep int) {
	p.t.Helper()
	path := filepath.Join(p.dir, serial.String()+".image")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := errors.Join(z.WriteImage(f, serial, set), f.Close()); err != nil {
		p.t.Fatal(err)
	}
	before := p.newest
	if p.newest, err = dnsfeed.MapImage(path, before); err != nil {
		p.t.Fatal(err)
	}
	p.kept[serial] = path
	p.order = append(p.order, serial)
	p.forget(keep, before)
}

// forget serves the newest edition, and keeps so many of those before.
func (p *primary) forget(keep int, before *dnsfeed.Image) {
	p.t.Helper()
	for len(p.order) > 1+keep {
		if err := os.Remove(p.kept[p.order[0]]); err != nil {
			p.t.Fatal(err)
		}
		delete(p.kept, p.order[0])
		p.order = p.order[1:]
	}
	kept := maps.Clone(p.kept)
	versions := dnsfeed.NewVersions(p.newest, func(serial blocklist.Serial) (*dnsfeed.Image, error) {
		if path, ok := kept[serial]; ok {
			return dnsfeed.MapImage(path, nil)
		}
		return nil, nil
	})
	versions.Follow(before)
	snapshot, err := dnsfeed.NewSnapshot(versions)
	if err != nil {
		p.t.Fatal(err)
	}
	p.server.SetZones(snapshot)
}

// sent is what the server says of one transfer.
type sent struct {
	client, kind, result string
	serial               blocklist.Serial
	octets               int64
}

// auditLog keeps what the server says of transfers.
type auditLog struct {
	mu  sync.Mutex
	all []sent
}

// Enabled and the others make it a slog.Handler.
func (*auditLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (a *auditLog) WithAttrs([]slog.Attr) slog.Handler             { return a }
func (a *auditLog) WithGroup(string) slog.Handler                  { return a }

// Handle keeps a transfer.
func (a *auditLog) Handle(_ context.Context, r slog.Record) error {
	if r.Message != "zone transfer" {
		return nil
	}
	var s sent
	r.Attrs(func(attr slog.Attr) bool {
		switch attr.Key {
		case "isp":
			s.client = attr.Value.String()
		case "type":
			s.kind = attr.Value.String()
		case "result":
			s.result = attr.Value.String()
		case "serial":
			s.serial = blocklist.Serial(attr.Value.Uint64()) //nolint:gosec // it was one
		case "bytes":
			s.octets = attr.Value.Int64()
		}
		return true
	})
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = append(a.all, s)
	return nil
}

// since returns the transfers after the first n.
func (a *auditLog) since(n int) []sent {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.all[n:])
}

// follower is a daemon that follows the primary's zone.
type follower struct {
	name    string
	daemon  *peers.Daemon
	notify  func()
	records func() ([]dns.RR, error)
	serial  func() (uint32, bool)

	policies bool             // records are but the policies
	forgets  bool             // what it had, when it is stopped
	has      blocklist.Serial // which edition; zero: none
	whole    int              // how often it asked for a whole zone though it had one
}

// The followers, by the name of the program.
var followers = []string{"named", "knotd", "nsd", "pdns_server", "pdns_recursor"}

// startFollowers starts one daemon of each kind.
func (p *primary) startFollowers() (all []*follower) {
	p.t.Helper()
	up := peers.StartUpstream(p.t, nil)
	for _, name := range followers {
		c := p.secondary(name)
		var s *peers.Secondary
		switch name {
		case "named":
			s = p.startNamed(up)
		case "knotd":
			s = peers.StartKnot(p.t, c)
		case "nsd":
			s = peers.StartNSDSecondary(p.t, c)
		case "pdns_server":
			s = peers.StartPDNS(p.t, c)
		case "pdns_recursor":
			all = append(all, p.recursorFollows(up))
			continue
		}
		all = append(all, &follower{name: name, daemon: s.Daemon, notify: s.Notify, records: s.Records, serial: s.Serial})
	}
	return all
}

func (p *primary) startNamed(up *peers.Upstream) *peers.Secondary {
	p.t.Helper()
	c := p.secondary("named")
	return peers.StartNamed(p.t, peers.NamedConfig{
		Zone: c.Zone, Primary: c.Primary, KeyName: c.KeyName, Algorithm: c.Algorithm, Secret: c.Secret, Upstream: up.Addr,
	})
}

func (p *primary) startRecursor(up *peers.Upstream) *peers.Recursor {
	p.t.Helper()
	c := p.secondary("pdns_recursor")
	return peers.StartRecursor(p.t, peers.RecursorConfig{
		Zone: c.Zone, Primary: c.Primary, KeyName: c.KeyName, Algorithm: c.Algorithm, Secret: c.Secret, Upstream: up.Addr,
	})
}

// recursorFollows starts PowerDNS Recursor, which asks for news every second and keeps the zone in memory alone.
func (p *primary) recursorFollows(up *peers.Upstream) *follower {
	p.t.Helper()
	r := p.startRecursor(up)
	f := &follower{name: "pdns_recursor", daemon: r.Daemon, notify: func() {}, records: r.Policies, policies: true, forgets: true}
	f.serial = func() (uint32, bool) {
		records, err := r.Policies()
		if err != nil || len(records) == 0 {
			return 0, false
		}
		soa, ok := records[0].(*dns.SOA)
		if !ok {
			return 0, false
		}
		return soa.Serial, true
	}
	return f
}

// awaits waits until it has an edition. A NOTIFY that came while it was busy may be lost on it.
func (f *follower) awaits(t testing.TB, serial blocklist.Serial) {
	t.Helper()
	f.notify()
	told := time.Now()
	await(t, fmt.Sprintf("%s has edition %v", f.name, serial), func() bool {
		if time.Since(told) > 3*time.Second {
			f.notify()
			told = time.Now()
		}
		has, ok := f.serial()
		return ok && blocklist.Serial(has) == serial
	})
}

// holds says what is wrong with its zone, or nothing. NSD has other processes for each version of a zone: for a moment one
// may still answer with the version before, or end in the middle of a transfer.
func (f *follower) holds(t testing.TB, serial blocklist.Serial, apex, policies []string) error {
	t.Helper()
	var records []dns.RR
	await(t, f.name+" gives its zone", func() bool {
		var err error
		records, err = f.records()
		if err != nil || len(records) == 0 {
			return false
		}
		soa, ok := records[0].(*dns.SOA)
		return ok && blocklist.Serial(soa.Serial) == serial
	})
	if f.policies {
		records, apex = records[1:], nil
	}
	want := slices.Sorted(slices.Values(append(slices.Clone(apex), policies...)))
	got := lines(records)
	if slices.Equal(got, want) {
		return nil
	}
	return fmt.Errorf("%d records are missing, for one %q, and %d are too many, for one %q",
		len(without(want, got)), first(without(want, got)), len(without(got, want)), first(without(got, want)))
}

// NSD keeps the time of a transfer in whole seconds. When a second one comes within the same, it may believe that the first
// one failed, and asks for the whole zone. What it says when a difference is not to its liking is something else. The others
// ask for the whole zone for no other reason than that.
const (
	nsdBeginsAnew = "update failed, restarting transfer"
	nsdDislikes   = "Failed to apply IXFR cleanly"
)

// likes says whether it had no reason but its own for asking for a whole zone so often.
func (f *follower) likes(t testing.TB) bool {
	t.Helper()
	log, err := os.ReadFile(f.daemon.Log)
	if err != nil {
		t.Fatal(err)
	}
	return f.whole <= bytes.Count(log, []byte(nsdBeginsAnew)) && !bytes.Contains(log, []byte(nsdDislikes))
}

// without returns the lines that are not among others; what is there twice must be there twice.
func without(all, others []string) (rest []string) {
	count := map[string]int{}
	for _, line := range others {
		count[line]++
	}
	for _, line := range all {
		if count[line]--; count[line] < 0 {
			rest = append(rest, line)
		}
	}
	return rest
}

func first(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return lines[0]
}
