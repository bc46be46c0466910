package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type sample struct {
	Name  string
	Every Duration
	Inner struct{ Count int }
}

func load(t *testing.T, text string) (sample, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var s sample
	return s, Load(path, &s)
}

func TestLoadNamesLineAndKey(t *testing.T) {
	for text, want := range map[string]string{
		"name = \"a\"\nmax_grwth = 3\n":   `x.toml:2: unknown key "max_grwth"`,
		"[inner]\ncount = 1\nextra = 2\n": `x.toml:3: unknown key "inner.extra"`,
		"name = 3\n":                      "x.toml:1: ",
		"every = \"-5m\"\n":               "write it like",
		"every = \n":                      "x.toml:1: ",
	} {
		if _, err := load(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q in it", text, err, want)
		}
	}
}

func TestDurationIsWrittenShort(t *testing.T) {
	for _, s := range []string{"72h", "1h", "15m", "1h30m", "10s", "1m30s", "0s"} {
		var d Duration
		if err := d.UnmarshalText([]byte(s)); err != nil || d.String() != s {
			t.Errorf("%s: wrote %s, %v", s, d, err)
		}
	}
}

func TestClock(t *testing.T) {
	now := func() time.Time { return time.Unix(99, 0) }
	if c, err := Clock(Production, now); err != nil || !c().Equal(now()) {
		t.Fatalf("without the variable: %v", err)
	}
	t.Setenv(ClockVariable, "2026-11-23T12:00:00Z")
	if _, err := Clock(Production, now); err == nil {
		t.Error("production took a test clock")
	}
	c, err := Clock("test", now)
	if err != nil || c().Unix() != 1795435200 {
		t.Errorf("got %v, want the moment of the variable", err)
	}
	file := filepath.Join(t.TempDir(), "clock")
	t.Setenv(ClockVariable, "@"+file)
	if _, err := Clock("test", now); err == nil {
		t.Error("a missing clock file passed")
	}
	write := func(s string) {
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("2026-11-23T12:00:00Z\n")
	if c, err = Clock("test", now); err != nil || c().Unix() != 1795435200 {
		t.Fatalf("got %v", err)
	}
	write("2026-11-23T12:00:01Z\n")
	if c().Unix() != 1795435201 {
		t.Error("a changed file was not seen")
	}
}
