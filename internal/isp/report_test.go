package isp

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vaern/vaern/blocklist"
)

func openReports(t *testing.T, dir string) *Reports {
	t.Helper()
	r, err := OpenReports(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func acked(r *Reports, isp, list string) blocklist.Serial {
	if a, _ := r.Last(isp, list); a != nil {
		return a.Serial
	}
	return 0
}

// An acknowledgement never goes back, over the wrap of serials too, and is
// there after a restart.
func TestAckNeverGoesBack(t *testing.T) {
	dir := t.TempDir()
	r := openReports(t, filepath.Join(dir, "state"))
	for _, c := range []struct{ said, want blocklist.Serial }{
		{math.MaxUint32 - 1, math.MaxUint32 - 1},
		{math.MaxUint32 - 5, math.MaxUint32 - 1},
		{math.MaxUint32 - 1, math.MaxUint32 - 1},
		{3, 3},
		{math.MaxUint32, 3},
		{2, 3},
		{7, 7},
	} {
		if err := r.Ack("nordnet", "csam", c.said, now); err != nil {
			t.Fatal(err)
		}
		for what, r := range map[string]*Reports{"now": r, "after a restart": openReports(t, filepath.Join(dir, "state"))} {
			if got := acked(r, "nordnet", "csam"); got != c.want {
				t.Errorf("said %v, %s: %v, want %v", c.said, what, got, c.want)
			}
		}
	}
	if acked(r, "nordnet", "other") != 0 || acked(r, "sudnet", "csam") != 0 {
		t.Error("an acknowledgement counts for somebody else")
	}
	for _, name := range []string{"state", "state/acks", "state/acks/csam"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "state/acks/csam/nordnet.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file: %v", err)
	}
}

func TestAlarm(t *testing.T) {
	dir := t.TempDir()
	r := openReports(t, dir)
	for _, c := range []struct {
		serial  blocklist.Serial
		reason  string
		another bool
	}{
		{7, "growth", true}, {7, "growth", false}, {7, "other", true}, {8, "other", true}, {7, "growth", true},
	} {
		another, err := r.Alarm("nordnet", "csam", c.serial, c.reason, now)
		if err != nil || another != c.another {
			t.Errorf("%v %s: %v, %v", c.serial, c.reason, another, err)
		}
	}
	want := Alarm{7, now, "growth"}
	for _, r := range []*Reports{r, openReports(t, dir)} {
		if ack, a := r.Last("nordnet", "csam"); ack != nil || a == nil || *a != want {
			t.Errorf("last is %v %v", ack, a)
		}
	}
}

// What can not be kept is not taken.
func TestReportThatCanNotBeKept(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "state"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := openReports(t, filepath.Join(dir, "state"))
	_, err := r.Alarm("nordnet", "csam", 7, "x", now)
	if r.Ack("nordnet", "csam", 7, now) == nil || err == nil {
		t.Error("no error")
	}
	if ack, alarm := r.Last("nordnet", "csam"); ack != nil || alarm != nil {
		t.Error("it counts all the same")
	}
	memory := openReports(t, "")
	if memory.Ack("nordnet", "csam", 7, now) != nil || acked(memory, "nordnet", "csam") != 7 {
		t.Error("without a folder nothing is known")
	}
}

func TestDamagedReportIsLeftOut(t *testing.T) {
	dir := t.TempDir()
	r := openReports(t, dir)
	for _, name := range []string{"nordnet", "sudnet"} {
		if err := r.Ack(name, "csam", 7, now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "acks/csam/nordnet.json"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "acks/csam/.new-sudnet.json-1"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := OpenReports(dir)
	if err == nil || acked(r, "nordnet", "csam") != 0 || acked(r, "sudnet", "csam") != 7 {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "acks/csam/.new-sudnet.json-1")); !os.IsNotExist(err) {
		t.Error("what a crash left is there for ever")
	}
}

func TestReason(t *testing.T) {
	for given, want := range map[string]string{
		"":                              "",
		"reload failed.":                "reload failed.",
		"  too\tmany\n new  names: 51!": "too many new names: 51!",
		"never-block has bad.example":   "never-block has [...]",
		"http://bad.example/x, again":   "[...] again",
		"bad%2eexample":                 "[...]",
		"bücher":                        "[...]",
		"例。example x":                   "[...] x",
		"\x1b[31mred":                   "[...]",
		"a\u2028b":                      "a b",
		strings.Repeat("y ", 300):       strings.TrimSpace(strings.Repeat("y ", 100)),
		strings.Repeat("z", 300):        "",
	} {
		if got := Reason(given); got != want || len(got) > 200 {
			t.Errorf("%q: got %q, want %q", given, got, want)
		}
	}
}
