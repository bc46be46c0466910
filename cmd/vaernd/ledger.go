package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/dnsfeed"
	"github.com/vaern/vaern/internal/durable"
)

// ledger knows what each ISP got last of each list. It is information, which
// nothing depends on; a file of it outlives a restart.
type ledger struct {
	now  func() time.Time
	path string // of the file; empty: none

	mu    sync.Mutex
	got   map[[2]string]receipt // by ISP and list
	dirty bool                  // since it was written
}

// receipt is what one ISP got last of one list. It holds no name that is
// listed, and no credential.
type receipt struct {
	ISP       string           `json:"isp"`
	List      string           `json:"list"`
	Serial    blocklist.Serial `json:"serial"`
	At        time.Time        `json:"at"`
	By        string           `json:"by"`        // byDNS or byHTTP
	Transfer  string           `json:"transfer"`  // axfr, ixfr, ixfr as axfr; empty by http
	Transport string           `json:"transport"` // udp, tcp or tls; empty by http
	Address   netip.Addr       `json:"address"`
}

// How an ISP got something.
const (
	byDNS  = "dns"
	byHTTP = "http"
)

const (
	ledgerName = "ledger.json"
	// keepEvery is how often the ledger is written at most.
	keepEvery = 5 * time.Second
	maxLedger = 64 << 20
)

// openLedger reads the ledger in the folder, if there is one. One that can not
// be read begins anew, and the error says why.
func openLedger(dir string, now func() time.Time) (*ledger, error) {
	l := &ledger{now: now, got: make(map[[2]string]receipt)}
	if dir == "" {
		return l, nil
	}
	l.path = filepath.Join(dir, ledgerName)
	text, err := durable.ReadRegular(l.path, maxLedger)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	var all []receipt
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		return l, fmt.Errorf("read %s: %w", l.path, err)
	}
	for _, r := range all {
		l.got[[2]string{r.ISP, r.List}] = r
	}
	return l, nil
}

func (l *ledger) note(r receipt) {
	r.At = l.now().UTC().Truncate(time.Second)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got[[2]string{r.ISP, r.List}] = r
	l.dirty = true
}

// noteTransfer notes a transfer of a list.
func (l *ledger) noteTransfer(t dnsfeed.Transfer, list string) {
	l.note(receipt{
		ISP: t.Client, List: list, Serial: t.Serial,
		By: byDNS, Transfer: t.Type, Transport: t.Transport, Address: t.From.Addr(),
	})
}

func (l *ledger) last(isp, list string) (receipt, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, ok := l.got[[2]string{isp, list}]
	return r, ok
}

// keep writes the ledger while it changes, until ctx ends. Write it once more
// when the last transfer has ended.
func (l *ledger) keep(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			l.write(log)
		}
	}
}

// write writes the ledger if it changed. What fails is tried again the next
// time.
func (l *ledger) write(log *slog.Logger) {
	l.mu.Lock()
	changed := l.dirty && l.path != ""
	l.dirty = false
	all := make([]receipt, 0, len(l.got))
	for _, r := range l.got {
		all = append(all, r)
	}
	l.mu.Unlock()
	if !changed {
		return
	}
	slices.SortFunc(all, func(a, b receipt) int { return cmp.Or(cmp.Compare(a.ISP, b.ISP), cmp.Compare(a.List, b.List)) })
	text, err := json.Marshal(all)
	if err == nil {
		err = durable.WriteFile(l.path, append(text, '\n'), 0o600)
	}
	if err != nil {
		log.Error("ledger not written", "error", err)
		l.mu.Lock()
		l.dirty = true
		l.mu.Unlock()
	}
}
