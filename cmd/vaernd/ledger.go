package main

import (
	"sync"
	"time"

	"github.com/vaern/vaern/blocklist"
)

// ledger knows what each ISP got last of each list since the server started.
type ledger struct {
	now func() time.Time
	mu  sync.Mutex
	got map[[2]string]receipt // by ISP and list
}

type receipt struct {
	serial blocklist.Serial
	at     time.Time
	by     string // dns or http
}

func newLedger(now func() time.Time) *ledger {
	return &ledger{now: now, got: make(map[[2]string]receipt)}
}

func (l *ledger) note(isp, list string, serial blocklist.Serial, by string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got[[2]string{isp, list}] = receipt{serial, l.now().UTC().Truncate(time.Second), by}
}

func (l *ledger) last(isp, list string) (receipt, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, ok := l.got[[2]string{isp, list}]
	return r, ok
}
