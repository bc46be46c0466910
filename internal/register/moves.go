package register

import (
	"fmt"
	"maps"
	"time"

	"github.com/vaern/vaern/blocklist"
)

// Move is an entry that came into force or left.
type Move struct {
	Entry    blocklist.EntryID
	List     string
	At       time.Time
	Decision blocklist.DecisionID // that moved it; zero: its time was over
	In       bool
	Ended    bool // it was suspended, so it had left, and is withdrawn
}

// Moves replays the history, and returns how entries came into force and left,
// the first move first, by what is known now: what a void decision added never
// came.
func (r *Register) Moves() ([]Move, error) {
	var all []Move
	h := &hindsight{r.head, maps.Clone(r.hindsight.voids), maps.Clone(r.hindsight.carried), nil}
	if _, err := replayWith(r.store, h, &all); err != nil {
		return nil, fmt.Errorf("read register: %w", err)
	}
	return all, nil
}

// moved notes a move, if somebody wants to know.
func (l *list) moved(e blocklist.EntryID, in, ended bool) {
	if m := l.moves; m != nil {
		move := l.moving
		move.Entry, move.In, move.Ended = e, in, ended
		*m = append(*m, move)
	}
}
