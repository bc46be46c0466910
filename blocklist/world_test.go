package blocklist

import (
	"testing"
)

// name parses a name of a test.
func name(t testing.TB, s string) Name {
	t.Helper()
	n, err := ParseName(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return n
}

// target parses a target of a test, written as in entries.csv: "domain bad.example".
func target(t interface {
	Helper()
	Fatalf(string, ...any)
}, s string,
) Target {
	t.Helper()
	for u := range unitNames {
		prefix := unitNames[u] + " "
		if len(s) > len(prefix) && s[:len(prefix)] == prefix {
			parsed, err := ParseTarget(Unit(u), s[len(prefix):])
			if err != nil {
				t.Fatalf("%s: %v", s, err)
			}
			return parsed
		}
	}
	t.Fatalf("%s: want unit and text", s)
	return Target{}
}

// rows makes rows of targets.
func rows(t interface {
	Helper()
	Fatalf(string, ...any)
}, targets ...string,
) []Row {
	t.Helper()
	var all []Row
	for _, s := range targets {
		all = append(all, Row{Target: target(t, s), Category: "malware", Added: "2026-11-01"})
	}
	return all
}

// keys lists what a set holds, in order, as target takes it.
func keys(s *Set) []string {
	all := []string{}
	for u := range unitNames {
		for _, r := range s.Rows(Unit(u)) {
			all = append(all, r.Target.RevealKey())
		}
	}
	return all
}
