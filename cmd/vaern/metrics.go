package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/durable"
)

// metric is a family of samples in the text format of Prometheus, version
// 0.0.4. It counts and names lists and rules; it never names what is listed.
type metric struct {
	name, kind, help string
	samples          []sample
}

type sample struct {
	labels []string // name, value, name, value...
	value  float64
}

func (m *metric) add(value float64, labels ...string) {
	m.samples = append(m.samples, sample{labels, value})
}

// heldRules are the rules that can hold back a build.
var heldRules = []blocklist.Rule{
	blocklist.RuleGrowth, blocklist.RuleVanished, blocklist.RuleEmpty, blocklist.RuleClock, blocklist.RuleNeverBlockSet,
	blocklist.RuleNeverBlock, blocklist.RulePublicSuffix, blocklist.RuleOwn, blocklist.RuleSingleLabel, blocklist.RuleTooLong,
}

// metrics is what the runner knows, as metrics.
func (r *runner) metrics() []*metric {
	var all []*metric
	gauge := func(name, help string) *metric {
		m := &metric{name: name, kind: "gauge", help: help}
		all = append(all, m)
		return m
	}
	serial := gauge("vaern_edition_serial", "Serial of the published edition.")
	created := gauge("vaern_edition_created_timestamp_seconds", "When the published edition was made.")
	expires := gauge("vaern_edition_expires_timestamp_seconds", "When the published edition expires.")
	rows := gauge("vaern_edition_rows", "Lines of the published edition by unit.")
	entries := gauge("vaern_entries", "Decided entries in force.")
	expiring := gauge("vaern_entries_expiring", "Entries that end within 14 days.")
	flagged := gauge("vaern_entries_flagged", "Published entries that a guard would refuse today.")
	success := gauge("vaern_compile_last_success_timestamp_seconds", "When the list was last compiled, or found unchanged.")
	duration := gauge("vaern_compile_duration_seconds", "How long the last good compile took.")
	failures := gauge("vaern_compile_failures_total", "Compiles that failed since the start.")
	failures.kind = "counter"
	held := gauge("vaern_guard_held", "Whether the guard holds additions back: 1 or 0.")
	alarms := gauge("vaern_alarm", "Whether a person has to look at the list: 1 or 0.")
	for _, w := range r.lists {
		list := []string{"list", w.list.Name}
		raised := r.alarms(w)
		for _, kind := range alarmKinds {
			is := slices.ContainsFunc(raised, func(a alarm) bool { return a.Kind == kind })
			alarms.add(truth(is), append(list[:2:2], "kind", kind)...)
		}
		failures.add(float64(w.failures), list...)
		c := w.result
		if c == nil {
			continue
		}
		success.add(seconds(w.success), list...)
		duration.add(c.took.Seconds(), list...)
		entries.add(float64(c.Entries), list...)
		expiring.add(float64(c.expiring), list...)
		flagged.add(float64(len(c.Flagged)), list...)
		for _, rule := range heldRules {
			is := slices.ContainsFunc(c.Refused, func(f blocklist.Refusal) bool { return f.Rule == rule })
			held.add(truth(is), append(list[:2:2], "rule", string(rule))...)
		}
		if e := c.edition; e != nil {
			serial.add(float64(e.Serial), list...)
			created.add(seconds(e.Created), list...)
			expires.add(seconds(e.Expires), list...)
			for u, n := range []int{blocklist.Domain: e.Domains, blocklist.Host: e.Hosts, blocklist.URL: e.URLs} {
				rows.add(float64(n), append(list[:2:2], "unit", blocklist.Unit(u).String())...) //nolint:gosec // three units
			}
		}
	}
	return all
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 { return float64(t.Unix()) }

var escapeLabel = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// text is the family as Prometheus reads it. A family without samples is left
// out.
func (m *metric) text() []byte {
	if len(m.samples) == 0 {
		return nil
	}
	b := fmt.Appendf(nil, "# HELP %s %s\n# TYPE %s %s\n", m.name, m.help, m.name, m.kind)
	for _, s := range m.samples {
		b = append(b, m.name...)
		for i := 0; i < len(s.labels); i += 2 {
			b = fmt.Appendf(b, `%c%s="%s"`, "{,"[min(i, 1)], s.labels[i], escapeLabel.Replace(s.labels[i+1]))
		}
		if len(s.labels) > 0 {
			b = append(b, '}')
		}
		b = append(strconv.AppendFloat(append(b, ' '), s.value, 'f', -1, 64), '\n')
	}
	return b
}

// writeMetrics replaces the file in one step. Its neighbour has one name, so
// that a crash leaves at most one, which the next time takes; and not the
// ending for which collectors look. Nothing is lost if the machine dies: it is
// written again each minute.
func writeMetrics(path string, all []*metric) error {
	var b bytes.Buffer
	for _, m := range all {
		b.Write(m.text())
	}
	hidden := filepath.Join(filepath.Dir(path), durable.TempPrefix+filepath.Base(path)+".part")
	_ = os.Remove(hidden)
	f, err := os.OpenFile(hidden, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	_, err = f.Write(b.Bytes())
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(hidden, path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write metrics: %w", err), os.Remove(hidden))
	}
	return nil
}
