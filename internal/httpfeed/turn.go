package httpfeed

import (
	"context"
	"sync"
)

// turn is had by one at a time.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

// take waits for the turn, and returns the function that passes it on.
func (t turn) take(ctx context.Context) (pass func(), err error) {
	select {
	case t <- struct{}{}:
		return func() { <-t }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// turns has a turn for each ISP: what all wait for, and what takes a while, one
// ISP asks for once at a time, so that those of the others come in between.
type turns struct {
	mu  sync.Mutex
	all map[string]turn
}

func (t *turns) of(isp string) turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = make(map[string]turn)
	}
	if t.all[isp] == nil {
		t.all[isp] = newTurn()
	}
	return t.all[isp]
}
