package main

import (
	"math/rand/v2"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/vaern/vaern/blocklist"
)

// watched is what vaern run knows of a list.
type watched struct {
	list     *ListConfig
	schedule cron.Schedule

	due     time.Time // of the next ordinary compile; zero: now
	last    time.Time // when the last one ended
	success time.Time // when the last good one ended, or when all began
	locked  time.Time // since when another vaern holds the list; zero: none does
	handled int64     // records of the register that urgent builds have seen
	hurry   time.Time // no urgent compile before, by the real clock

	result   *compiled // of the last good compile; nil: there was none
	failures int       // since the start
	raised   map[string]time.Time
}

func newWatched(l *ListConfig, now time.Time) *watched {
	return &watched{list: l, schedule: l.times(), success: now, raised: map[string]time.Time{}}
}

// isDue says whether it is time for an ordinary compile. After the clock was
// set back it is: nobody knows how long the time that it showed before will
// not come.
func (w *watched) isDue(now time.Time) bool { return !now.Before(w.due) || now.Before(w.last) }

// Times of vaern run.
const (
	maxJitter  = 5 * time.Second  // so that authorities do not all publish in the same second
	retryAfter = 5 * time.Minute  // after a compile that failed, if the schedule does not come first
	hurryAfter = 10 * time.Second // after an urgent one that failed
	lockedWait = time.Second      // while another vaern compiles the list
)

// next plans the compile after a good one: at its scheduled time and a little
// more, or earlier, as soon as half of the time of the edition has passed, if
// the schedule is too rare for that.
func (w *watched) next(now time.Time, m *blocklist.Manifest) {
	w.last = now
	w.due = w.schedule.Next(now.UTC())
	w.due = w.due.Add(jitter(w.schedule.Next(w.due).Sub(w.due)))
	if m == nil {
		return
	}
	if renew := renewal(m).Add(time.Second); renew.After(now) && renew.Before(w.due) {
		w.due = renew
	}
}

// again plans the compile after one that failed.
func (w *watched) again(now time.Time, after time.Duration) {
	w.next(now, nil)
	if soon := now.Add(after); soon.Before(w.due) {
		w.due = soon
	}
}

// jitter is less than a tenth of an interval.
func jitter(interval time.Duration) time.Duration {
	most := min(maxJitter, interval/10)
	if most <= 0 {
		return 0
	}
	return rand.N(most)
}
