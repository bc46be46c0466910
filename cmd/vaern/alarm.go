package main

import (
	"fmt"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/register"
)

// alarm is something about a list that a person has to look at. vaern run logs
// it and sets a metric; to vaern check it is a problem.
type alarm struct {
	Kind    string // one of alarmKinds: the label of the metric
	Message string // always the same for a kind
	Detail  string
	Severe  bool
}

// alarmKinds are the kinds of alarm: a guard holds additions back; a guard
// would refuse today what is published; what is published was not confirmed
// for too long; it expires soon, or has.
var alarmKinds = []string{"held", "flagged", "late", "expires"}

func (a alarm) String() string { return a.Message + ": " + a.Detail }

// lateMargin is how long after its time a compile may end.
const lateMargin = time.Minute

// late says whether two scheduled times have passed since a moment, without
// what should have happened at the first of them.
func late(schedule cron.Schedule, since, now time.Time) bool {
	return now.After(schedule.Next(schedule.Next(since.UTC())).Add(lateMargin))
}

// times is the schedule of a list. It was checked when the configuration was
// read.
func (l *ListConfig) times() cron.Schedule {
	s, err := cron.ParseStandard(l.Schedule)
	if err != nil {
		panic(err)
	}
	return s
}

// guardAlarms are about the guards, as a build found them.
func guardAlarms(refused, flagged []blocklist.Refusal) (found []alarm) {
	if len(refused) > 0 {
		found = append(found, alarm{"held", "additions are held back by a guard", reasons(refused), false})
	}
	if len(flagged) > 0 {
		found = append(found, alarm{"flagged", "published entries would be refused today: decide on these, or mend the never-block files", reasons(flagged), false})
	}
	return found
}

// expiryAlarms are about the time that is left to an edition.
func expiryAlarms(m *blocklist.Manifest, now time.Time) []alarm {
	quarter := m.Expires.Add(-m.Expires.Sub(m.Created) / 4)
	switch at := m.Expires.Format(time.RFC3339); {
	case !now.Before(m.Expires):
		return []alarm{{"expires", "the edition has expired", fmt.Sprintf("edition %v expired at %s", m.Serial, at), true}}
	case !now.Before(quarter):
		return []alarm{{"expires", "the edition expires soon", fmt.Sprintf("edition %v expires at %s and was not renewed", m.Serial, at), true}}
	}
	return nil
}

func lateAlarm(detail string) alarm {
	return alarm{"late", "the published edition is not up to date", detail, true}
}

// lateEdition tells, from the register and the editions alone, whether a list
// was not compiled when it should have been: an edition that was not renewed
// at half of its time, or a change that was decided and is not published.
// changed says that a build today has another outcome.
func (a *authority) lateEdition(l *ListConfig, m *blocklist.Manifest, changed bool, now time.Time) []alarm {
	schedule := l.times()
	if half := renewal(m); late(schedule, half, now) {
		return []alarm{lateAlarm(fmt.Sprintf("edition %v was to be renewed from %s on: does vaern run?", m.Serial, half.Format(time.RFC3339)))}
	}
	if since := a.decidedSince(l, m.Created); changed && !since.IsZero() && late(schedule, since, now) {
		return []alarm{lateAlarm(fmt.Sprintf("what was decided at %s is not in edition %v: does vaern run?", since.Format(time.RFC3339), m.Serial))}
	}
	return nil
}

// decidedSince returns when the first decision after a moment took effect, or
// the zero time if none did. A decision about officers can change every list.
func (a *authority) decidedSince(l *ListConfig, after time.Time) time.Time {
	var first time.Time
	for _, d := range a.reg.Decisions {
		took := d.Status == register.Approved || d.Status == register.Void
		if took && (d.List == l.Name || len(d.Officers) > 0) && !d.Decided.Before(after) && (first.IsZero() || d.Decided.Before(first)) {
			first = d.Decided
		}
	}
	return first
}
