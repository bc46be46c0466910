package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The text format of Prometheus, as far as it is used, and what promtool check
// metrics asks for beyond it.
var (
	helpLine   = regexp.MustCompile(`^# HELP (vaern_[a-z_]+) [A-Z].*\.$`)
	typeLine   = regexp.MustCompile(`^# TYPE (vaern_[a-z_]+) (gauge|counter)$`)
	sampleLine = regexp.MustCompile(`^(vaern_[a-z_]+)(\{[a-z]+="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-z]+="(?:[^"\\\n]|\\[\\"n])*")*\})? (\S+)$`)
)

// checkMetrics reads the text as strictly as a collector, and returns the
// samples.
func checkMetrics(t *testing.T, text string) map[string]float64 {
	t.Helper()
	samples, families := map[string]float64{}, map[string]bool{}
	family, described := "", ""
	if !strings.HasSuffix(text, "\n") {
		t.Error("no line feed at the end")
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if m := helpLine.FindStringSubmatch(line); m != nil {
			described, family = m[1], ""
			continue
		}
		if m := typeLine.FindStringSubmatch(line); m != nil {
			family = m[1]
			if family != described || families[family] || (m[2] == "counter") != strings.HasSuffix(family, "_total") {
				t.Errorf("%s: not below its HELP, there twice, or of the wrong type", line)
			}
			families[family] = true
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		if m == nil || m[1] != family {
			t.Errorf("no sample of %q: %q", family, line)
			continue
		}
		value, err := strconv.ParseFloat(m[3], 64)
		if _, twice := samples[m[1]+m[2]]; err != nil || twice {
			t.Errorf("%s: no number, or there twice", line)
		}
		samples[m[1]+m[2]] = value
	}
	return samples
}

func TestMetrics(t *testing.T) {
	o := newOffice(t, "# metrics", "metrics")
	r := o.runner()
	r.lookAfter(true)
	checkMetrics(t, o.metricsFile())

	o.decide([]string{"a.example", "b.example"})
	r.beat(t.Context())
	got := checkMetrics(t, o.metricsFile())
	for name, want := range map[string]float64{
		`vaern_edition_serial{list="csam"}`:                         float64(noon.Unix()),
		`vaern_edition_created_timestamp_seconds{list="csam"}`:      float64(noon.Unix()),
		`vaern_edition_expires_timestamp_seconds{list="csam"}`:      float64(noon.Unix() + 72*3600),
		`vaern_edition_rows{list="csam",unit="domain"}`:             3,
		`vaern_edition_rows{list="csam",unit="url"}`:                0,
		`vaern_entries{list="csam"}`:                                2,
		`vaern_compile_last_success_timestamp_seconds{list="csam"}`: float64(noon.Unix()),
		`vaern_compile_failures_total{list="csam"}`:                 0,
		`vaern_guard_held{list="csam",rule="growth"}`:               0,
		`vaern_alarm{list="csam",kind="late"}`:                      0,
	} {
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("%s is %v, want %v", name, value, want)
		}
	}

	// Nothing can be compiled any more: it is late, and at last expires.
	o.must(os.Rename(o.Editions, o.Editions+".gone"))
	for _, step := range []struct {
		after         time.Duration
		late, expires float64
	}{{20 * time.Minute, 0, 0}, {40 * time.Minute, 1, 0}, {55 * time.Hour, 1, 1}} {
		o.at = noon.Add(step.after)
		r.beat(t.Context())
		got = checkMetrics(t, o.metricsFile())
		if got[`vaern_alarm{list="csam",kind="late"}`] != step.late || got[`vaern_alarm{list="csam",kind="expires"}`] != step.expires {
			t.Errorf("%v later: %v", step.after, got)
		}
	}
	if got[`vaern_compile_failures_total{list="csam"}`] != 3 {
		t.Errorf("failures: %v", got)
	}
	for _, line := range []string{
		`"level":"ERROR","msg":"the published edition is not up to date","alarm":"late","list":"csam"`,
		`"level":"ERROR","msg":"the edition expires soon","alarm":"expires","list":"csam"`,
	} {
		if strings.Count(o.log.String(), line) == 0 {
			t.Errorf("the log does not say %s", line)
		}
	}
}

func (o *office) metricsFile() string {
	o.t.Helper()
	data, err := os.ReadFile(o.Metrics)
	o.must(err)
	if found, _ := filepath.Glob(filepath.Join(filepath.Dir(o.Metrics), "*.part")); len(found) > 0 || bytes.Contains(data, []byte("example")) {
		o.t.Errorf("left over: %v, or a name in the metrics", found)
	}
	return string(data)
}

func TestMetricsEscape(t *testing.T) {
	m := &metric{name: "vaern_test", kind: "gauge", help: "Test."}
	m.add(1795435200, "list", "a\"b\\c\nd", "kind", "x")
	m.add(0.25)
	got := checkMetrics(t, string(m.text()))
	if got[`vaern_test{list="a\"b\\c\nd",kind="x"}`] != 1795435200 || got["vaern_test"] != 0.25 {
		t.Errorf("got %v", got)
	}
}
