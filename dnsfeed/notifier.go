package dnsfeed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/vaern/vaern/blocklist"
)

// Notice is what one secondary of a client is to be told: that a zone has a
// new serial.
type Notice struct {
	Client string         // the ISP's name, for the log
	To     netip.AddrPort // where the secondary takes NOTIFY, over UDP
	Zone   string         // lower case with the final dot
	Serial blocklist.Serial
	// Keys are those the secondary may know, at least one, the likeliest first:
	// two while it is being given another one. If the first is refused the next
	// one is tried.
	Keys []Key
}

// Told is how far a notice is.
type Told struct {
	Client string
	To     netip.AddrPort
	Zone   string
	Serial blocklist.Serial
	State  NotifyState
	Tries  int       // messages sent
	At     time.Time // of the last one; zero: none yet
	Error  string    // what came of it, in constant words; empty once acknowledged
}

// Notifier tells secondaries of new serials (RFC 1996). [Notifier.Set] hands it
// all that is to be told at the moment, and Run does it:
//
// Notices that are new start at random within 5 ms for each of them, a second
// at most, so that many secondaries do not come back at once. A message that
// is not answered is sent again after 1, 2, 4, 8 and 16 seconds, then every 10
// minutes. One that is refused with each key is sent again every 10 minutes
// too, since the reason may be a secondary that is not configured yet. A
// notice ends when it is acknowledged, or when there is another serial to tell
// or nothing any more.
//
// Its methods are safe for concurrent use.
type Notifier struct {
	log     *slog.Logger
	now     func() time.Time
	from    []netip.Addr
	changed chan struct{}
	sockets chan struct{} // a place for each that is open

	// Observe, if not nil, is told what each message came to: acknowledged,
	// refused or no answer. Set it before Run.
	Observe func(client string, result NotifyState)

	first, slow, window, spread time.Duration
	dial                        dialer

	mu    sync.Mutex
	tasks map[target]*task
}

const (
	notifyRetries = 5                // RFC 1996, section 3.6
	notifyFirst   = time.Second      // until the first of them; each takes twice as long as the one before
	notifySlow    = 10 * time.Minute // between those that follow
	notifyWindow  = 2 * time.Second  // for an answer; a later one is lost
	notifySpread  = 5 * time.Millisecond
	notifySockets = 512
)

// dialer connects a socket from one of our addresses, if it is valid, to a
// secondary.
type dialer func(ctx context.Context, from netip.Addr, to netip.AddrPort) (net.Conn, error)

// target is a secondary of a client, for one zone.
type target struct {
	client string
	to     netip.AddrPort
	zone   string
}

// task is the telling of one serial to one target.
type task struct {
	zone string // on the wire
	keys []*wireKey
	wait time.Duration // before the first message
	stop func()        // nil: not begun

	told Told // guarded by the Notifier
}

// NewNotifier makes a notifier that sends from the given addresses, those at
// which secondaries expect their primary: for each message from the first that
// can reach the secondary, else from what the system chooses. now is the time
// of TSIG.
func NewNotifier(log *slog.Logger, now func() time.Time, from ...netip.Addr) *Notifier {
	return &Notifier{
		log: log, now: now, from: from,
		changed: make(chan struct{}, 1), sockets: make(chan struct{}, notifySockets),
		first: notifyFirst, slow: notifySlow, window: notifyWindow, spread: notifySpread, dial: dialUDP,
	}
}

// Set replaces what is to be told. Call it when the editions are durable and
// served (NO2), with all notices each time: those that were there with the
// same serial and keys go on or stay done, others of the same secondary and zone
// are superseded, those missing are forgotten. If one is invalid, nothing
// changes.
func (n *Notifier) Set(notices []Notice) error {
	tasks := make(map[target]*task, len(notices))
	for _, o := range notices {
		t, err := newTask(o)
		if err != nil {
			return fmt.Errorf("notify %s of %s: %w", o.To, o.Client, err)
		}
		tasks[target{o.Client, o.To, o.Zone}] = t
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	fresh := 0
	for id, t := range tasks {
		if old := n.tasks[id]; old != nil && old.same(t) {
			tasks[id] = old
		} else {
			fresh++
		}
	}
	for id, old := range n.tasks {
		if tasks[id] != old && old.stop != nil {
			old.stop()
		}
	}
	for _, t := range tasks {
		if t.told.Tries == 0 && t.stop == nil {
			t.wait = rand.N(1 + min(time.Duration(fresh)*n.spread, time.Second)) //nolint:gosec // spreads load
		}
	}
	n.tasks = tasks
	select {
	case n.changed <- struct{}{}:
	default: // Run will see this change with the one before
	}
	return nil
}

func newTask(o Notice) (t *task, err error) {
	t = &task{told: Told{Client: o.Client, To: o.To, Zone: o.Zone, Serial: o.Serial, State: NotifyPending}}
	if t.zone, err = wireName(o.Zone); err != nil {
		return nil, err
	}
	if !o.To.IsValid() || o.To.Port() == 0 {
		return nil, errors.New("not an address and a port")
	}
	if len(o.Keys) == 0 {
		return nil, errors.New("no key")
	}
	for _, k := range o.Keys {
		key, err := k.wire()
		if err != nil {
			return nil, err
		}
		t.keys = append(t.keys, key)
	}
	return t, nil
}

// same says whether another task of this target would do nothing else. With
// other keys an acknowledged one would not either.
func (t *task) same(o *task) bool {
	return t.told.Serial == o.told.Serial && (t.told.State == NotifyAcknowledged ||
		slices.EqualFunc(t.keys, o.keys, func(a, b *wireKey) bool {
			return a.name == b.name && a.algorithm == b.algorithm && string(a.secret) == string(b.secret)
		}))
}

// Told returns how far all notices are, by client, zone and address.
func (n *Notifier) Told() []Told {
	n.mu.Lock()
	all := make([]Told, 0, len(n.tasks))
	for _, t := range n.tasks {
		all = append(all, t.told)
	}
	n.mu.Unlock()
	slices.SortFunc(all, func(a, b Told) int {
		return cmp.Or(cmp.Compare(a.Client, b.Client), cmp.Compare(a.Zone, b.Zone), a.To.Compare(b.To))
	})
	return all
}

// Run tells what Set says until ctx ends. Nothing of it goes on afterwards.
func (n *Notifier) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.changed:
			n.begin(ctx, &running)
		}
	}
}

// begin starts the tasks that have not been started.
func (n *Notifier) begin(ctx context.Context, running *sync.WaitGroup) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, t := range n.tasks {
		if t.stop != nil {
			continue
		}
		ctx, cancel := context.WithCancel(ctx)
		t.stop = cancel
		running.Go(func() {
			defer cancel()
			n.run(ctx, t)
		})
	}
}

// run sends messages until one is acknowledged or ctx ends.
func (n *Notifier) run(ctx context.Context, t *task) {
	timer := time.NewTimer(t.wait)
	defer timer.Stop()
	refusals, retries, pause := 0, 0, n.first
	for key := 0; ; key = (key + 1) % len(t.keys) {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		select { // many that are silent must not take all sockets of the process
		case <-ctx.Done():
			return
		case n.sockets <- struct{}{}:
		}
		timer.Reset(pause)
		o := n.try(ctx, t, t.keys[key], pause)
		<-n.sockets
		if ctx.Err() != nil {
			return
		}
		state := NotifyPending
		switch {
		case o.state == NotifyAcknowledged:
			n.note(t, o.state, o)
			return
		case o.state == NotifyRefused && refusals+1 < len(t.keys):
			refusals++
			timer.Reset(0)
		case o.state == NotifyRefused:
			state, refusals = o.state, 0
			retries, pause = notifyRetries, n.slow
			timer.Reset(pause)
		case retries < notifyRetries:
			if retries++; retries < notifyRetries {
				pause *= 2
			} else {
				pause = n.slow
			}
		default:
			state = o.state
		}
		n.note(t, state, o)
	}
}

// try sends one message and waits for the answer.
func (n *Notifier) try(ctx context.Context, t *task, key *wireKey, pause time.Duration) notifyOutcome {
	ctx, cancel := context.WithTimeout(ctx, min(pause, n.window))
	defer cancel()
	c, err := n.dial(ctx, n.source(t.told.To.Addr()), t.told.To)
	if err != nil {
		return notifyOutcome{state: NotifyUnanswered, words: "not sent"}
	}
	defer c.Close()
	return newNotify(t.zone, key, n.now()).exchange(ctx, c, n.now)
}

// source returns from which of our addresses to send, if it matters. From
// loopback nothing can be sent elsewhere.
func (n *Notifier) source(to netip.Addr) netip.Addr {
	for _, a := range n.from {
		if a.Is4() == to.Is4() && !a.IsUnspecified() && a.IsLoopback() == to.IsLoopback() {
			return a
		}
	}
	return netip.Addr{}
}

// note records what a message came to, and the state that follows.
func (n *Notifier) note(t *task, state NotifyState, o notifyOutcome) {
	n.mu.Lock()
	before := t.told.State
	t.told.State, t.told.Error, t.told.At = state, o.words, n.now()
	t.told.Tries++
	told := t.told
	n.mu.Unlock()
	if n.Observe != nil {
		n.Observe(told.Client, o.state)
	}
	if state == before {
		return
	}
	level := slog.LevelWarn
	if state == NotifyAcknowledged {
		level = slog.LevelDebug // the transfer that follows has its line
	}
	n.log.Log(context.Background(), level, "notify",
		slog.String("isp", told.Client), slog.String("zone", told.Zone), slog.Uint64("serial", uint64(told.Serial)),
		slog.String("to", told.To.String()), slog.String("state", string(state)), slog.Int("tries", told.Tries),
		slog.String("error", told.Error))
}
