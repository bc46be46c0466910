package main

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

// Times of looking after.
const (
	lookEvery   = time.Minute // the metrics file is written at least so often
	remindEvery = time.Hour   // an alarm that stays is logged again
)

// lookAfter raises alarms and writes the metrics, each minute and after each
// compile.
func (r *runner) lookAfter(now bool) {
	at := r.clock()
	if !now && at.Sub(r.looked) < lookEvery {
		return
	}
	r.looked = at
	for _, w := range r.lists {
		r.raise(w, r.alarms(w))
	}
	if r.Metrics == "" {
		return
	}
	if err := writeMetrics(r.Metrics, r.metrics()); err != nil {
		r.log.Error("metrics could not be written", "error", err.Error())
	}
}

// alarms are those of a list now.
func (r *runner) alarms(w *watched) []alarm {
	var found []alarm
	now := r.now()
	if c := w.result; c != nil {
		found = guardAlarms(c.Refused, c.Flagged)
		if c.edition != nil {
			found = append(found, expiryAlarms(c.edition, now)...)
		}
	}
	if late(w.schedule, w.success, now) {
		found = append(found, lateAlarm("the last good compile ended at "+w.success.UTC().Format(time.RFC3339)))
	}
	return found
}

// raise logs alarms that are new, and again from time to time while they stay.
// A guard's reasons stand in the line of the compile.
func (r *runner) raise(w *watched, found []alarm) {
	at := r.clock()
	for _, al := range found {
		if before, known := w.raised[al.Kind]; known && at.Sub(before) < remindEvery {
			continue
		}
		w.raised[al.Kind] = at
		level := slog.LevelWarn
		if al.Severe {
			level = slog.LevelError
		}
		r.log.Log(context.Background(), level, al.Message, "alarm", al.Kind, "list", w.list.Name, "detail", al.Detail)
	}
	for kind := range w.raised {
		if !slices.ContainsFunc(found, func(al alarm) bool { return al.Kind == kind }) {
			delete(w.raised, kind)
			r.log.Info("alarm is over", "alarm", kind, "list", w.list.Name)
		}
	}
}
