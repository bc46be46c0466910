package blocklist

import (
	"strings"
	"testing"
	"time"
)

func TestCheckSuccessor(t *testing.T) {
	for _, c := range []struct {
		what   string
		change func(old, next *Manifest)
		err    string // "" accepts
	}{
		{"as it should be", func(_, _ *Manifest) {}, ""},
		{"created at the same time", func(old, next *Manifest) { next.Created = old.Created }, ""},
		{"a gap", func(_, next *Manifest) { next.Previous = 150 }, ""},
		{"the serial wraps", func(old, next *Manifest) { old.Serial, next.Previous, next.Serial = 4294967295, 4294967295, 1 }, ""},
		{"other settle and counts", func(_, next *Manifest) { next.Settle, next.Domains = 0, 1 }, ""},
		{"only urls", func(_, next *Manifest) { next.Domains, next.Hosts = 0, 0 }, ""},
		{"expired", func(_, next *Manifest) { next.Expires = noon }, "expired"},
		{"about to expire", func(_, next *Manifest) { next.Expires = noon.Add(time.Second) }, ""},
		{"expires before it was made", func(_, next *Manifest) { next.Created = next.Expires }, "before it was created"},
		{"empty", func(_, next *Manifest) { next.Domains, next.Hosts, next.URLs = 0, 0, 0 }, "empty"},
		{"previous of the future", func(_, next *Manifest) { next.Previous = next.Serial }, "not after its own previous"},
		{"authority", func(_, next *Manifest) { next.Authority = "Other Police" }, "authority"},
		{"environment", func(_, next *Manifest) { next.Environment = "test" }, "environment"},
		{"list", func(_, next *Manifest) { next.List = "gambling" }, "list or zone"},
		{"zone", func(_, next *Manifest) { next.Zone = "other.example." }, "list or zone"},
		{"the same serial", func(old, next *Manifest) { next.Serial, next.Previous = old.Serial, 50 }, "not after"},
		{"a lower serial", func(_, next *Manifest) { next.Serial, next.Previous = 99, 50 }, "not after"},
		{"half-way round", func(old, next *Manifest) { next.Serial = old.Serial + 1<<31 }, "not after"},
		{"created before", func(old, next *Manifest) { next.Created = old.Created.Add(-time.Second) }, "created before"},
		{"no previous", func(_, next *Manifest) { next.Previous = 0 }, "does not know"},
		{"a branch", func(_, next *Manifest) { next.Previous = 99 }, "does not know"},
	} {
		old, next := exampleManifest(), exampleManifest()
		old.Serial, old.Previous, old.Created = 100, 90, noon.Add(-time.Hour)
		next.Serial, next.Previous, next.Created = 200, 100, noon.Add(-time.Minute)
		c.change(old, next)
		err := CheckSuccessor(old, next, noon)
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, want %q", c.what, err, c.err)
		}
	}
	first := exampleManifest()
	if err := CheckSuccessor(nil, first, noon); err != nil {
		t.Errorf("a client that begins in the middle: %v", err)
	}
	if err := CheckSuccessor(nil, first, first.Expires); err == nil {
		t.Error("an expired first edition is accepted")
	}
}
