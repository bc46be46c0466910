package inbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/sqlitefile"
)

func TestOneReferenceIsOneReport(t *testing.T) {
	w := newWorld(t)
	const head = "target,source_ref\n"
	for _, c := range []struct {
		source, format, text string
		added, known, clash  int
	}{
		{"a", FormatCSV, head + "one.example,1\nOne.Example,1\n", 1, 1, 0},
		{"a", FormatCSV, head + "one.example,1\n", 0, 1, 0},
		{"a", FormatCSV, head + "other.example,1\n", 0, 0, 1},
		{"b", FormatCSV, head + "one.example,1\n", 1, 0, 0},
		{"a", FormatCSV, head + "one.example,2\n", 1, 0, 0},
		// Without a reference the target says what is the same.
		{"a", FormatCSV, head + "one.example,\ntwo.example,\none.example,\n", 2, 1, 0},
		// In ICCAM several URLs have one reference.
		{"a", FormatICCAM, `{"hotlineReference":"9","urls":[{"urlString":"http://x.example/1"},{"urlString":"http://x.example/2"},{"urlString":"http://x.example/1"}]}`, 2, 1, 0},
	} {
		added, known, clash := w.takes(c.source, c.format, c.text)
		if added != c.added || known != c.known || clash != c.clash {
			t.Errorf("%s %q: %d added, %d known, %d clash", c.source, c.text, added, known, clash)
		}
	}
	r, err := w.Get(1)
	if err != nil {
		t.Fatal(err)
	}
	others, err := w.Related(r)
	if err != nil || len(others) != 3 {
		t.Errorf("related: %v, %v", others, err)
	}
	if s := w.whole(Head{}); s.Reports != 7 || s.Events != 7 {
		t.Errorf("%+v", s)
	}
}

func TestAbandonedImportLeavesNothing(t *testing.T) {
	w := newWorld(t)
	w.takes("a", FormatCSV, "target\none.example\n")
	before, err := w.Head()
	if err != nil {
		t.Fatal(err)
	}
	imp, err := w.Begin("a", FormatCSV)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		target, err := blocklist.ParseTarget(blocklist.Domain, fmt.Sprintf("n%d.example", i))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := imp.Add(&Report{Target: target}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(imp.Abandon(), imp.Abandon()); err != nil {
		t.Fatal(err)
	}
	after, err := w.Head()
	if err != nil || after != before || w.whole(Head{}).Reports != 1 {
		t.Errorf("%v, %v", after, err)
	}
}

func TestStates(t *testing.T) {
	w := newWorld(t)
	w.takes("a", FormatCSV, "unit,target\nurl,https://www.one.example/x\ndomain,two.example\nurl,https://192.0.2.1/x\n")
	baseline := Assessment{Class: Baseline, Unit: blocklist.URL}
	try := func(id blocklist.ReportID, act Act, ok bool) {
		t.Helper()
		before, _ := w.Head()
		err := w.Change([]blocklist.ReportID{id}, act)
		if after, _ := w.Head(); (err == nil) != ok || (after != before) != ok {
			t.Errorf("%v: %v", id, err)
		}
		var refused *RefusedError
		if !ok && !errors.Is(err, ErrUnknown) && (!errors.As(err, &refused) || refused.ID != id) {
			t.Errorf("%v: not refused: %v", id, err)
		}
	}
	try(1, Act{Who: "anna", Assess: finding(baseline)}, true)
	try(1, Act{Who: "anna", Assess: finding(Assessment{Class: Doubtful, Unit: blocklist.Host})}, true)
	try(1, Act{Who: "anna", Assess: finding(Assessment{Class: "bad", Unit: blocklist.Host})}, false)
	try(2, Act{Who: "anna", Assess: finding(baseline)}, false)                                            // a name has no URL
	try(3, Act{Who: "anna", Assess: finding(Assessment{Class: Baseline, Unit: blocklist.Domain})}, false) // an address is no name
	try(3, Act{Who: "anna", Assess: finding(baseline)}, true)                                             // but a URL it is
	try(2, Act{Who: "anna", Assess: finding(Assessment{Class: Baseline, Unit: blocklist.Domain, Country: "dk"})}, false)
	try(2, Act{Who: "anna", Assess: finding(Assessment{Class: Baseline, Unit: blocklist.Domain, Dedicated: "maybe"})}, false)
	try(2, Act{Who: "bo", Why: "lawful"}, true)
	try(2, Act{Who: "bo", Why: "lawful"}, false)
	try(2, Act{Who: "bo", Assess: finding(Assessment{Class: Baseline, Unit: blocklist.Host})}, true)
	try(9, Act{Who: "bo"}, false)
	r, err := w.Get(1)
	if err != nil {
		t.Fatal(err)
	}
	a, err := w.Assessment(r)
	if err != nil || a.Class != Doubtful || a.Unit != blocklist.Host {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := a.Entry(r); err == nil {
		t.Error("what is doubtful became an entry")
	}
	history, err := w.History(r)
	if err != nil || len(history) != 3 || history[0].Who != "a" || history[1].From != Reported || history[2].From != Assessed {
		t.Errorf("%+v, %v", history, err)
	}
	w.whole(Head{})
}

// All or none: an error with the last leaves the first as it was.
func TestChangeOfSeveral(t *testing.T) {
	w := newWorld(t)
	w.takes("a", FormatCSV, "target\none.example\ntwo.example\n")
	if err := w.Change([]blocklist.ReportID{1, 2, 3}, Act{Who: "anna"}); !errors.Is(err, ErrUnknown) {
		t.Fatal(err)
	}
	if s := w.whole(Head{}); s.States[Rejected] != 0 || s.Events != 1 {
		t.Errorf("%+v", s)
	}
}

func TestSharedSites(t *testing.T) {
	target, err := blocklist.ParseTarget(blocklist.URL, "https://www.one.example/x")
	if err != nil {
		t.Fatal(err)
	}
	r := &Report{Source: "a", Target: target}
	shared := []string{"file host", "image host", "forum", "social", "blog", "archive", "search"}
	for _, s := range siteTypes {
		want := slices.Contains(shared, string(s.name))
		if s.name.Shared() != want {
			t.Errorf("%s: shared is %v", s.name, !want)
		}
		for _, unit := range []blocklist.Unit{blocklist.Domain, blocklist.Host, blocklist.URL} {
			for _, dedicated := range []string{"", "no", "yes"} {
				a := &Assessment{Class: Baseline, Unit: unit, SiteType: s.name, Dedicated: dedicated}
				ok := !want || unit == blocklist.URL || dedicated == "yes"
				if err := a.Check(r); (err == nil) != ok {
					t.Errorf("%s as %s, dedicated %q: %v", s.name, unit, dedicated, err)
				}
				// It is no other if only the report says so.
				said, called := *r, *a
				said.SiteType, called.SiteType = s.name, "website"
				if err := called.Check(&said); (err == nil) != ok {
					t.Errorf("%s called a website, as %s, dedicated %q: %v", s.name, unit, dedicated, err)
				}
				if _, err := a.Entry(r); (err == nil) != ok { // once more, when it is drafted
					t.Errorf("%s as %s, dedicated %q: entry: %v", s.name, unit, dedicated, err)
				}
			}
		}
	}
	for _, name := range SiteTypes() {
		if _, err := ParseSiteType(strings.ToUpper(name)); err != nil {
			t.Error(err)
		}
	}
}

func TestListing(t *testing.T) {
	w := newWorld(t)
	var b strings.Builder
	b.WriteString("target\n")
	for i := range 3*page + 7 {
		fmt.Fprintf(&b, "n%d.example\n", i)
	}
	w.takes("a", FormatCSV, b.String())
	w.takes("b", FormatCSV, "target\nn1.example\nn2.example\n")
	var all, assessed []blocklist.ReportID
	for id := blocklist.ReportID(1); id <= 3*page+9; id++ {
		all = append(all, id)
		if id%3 == 0 || id > 2*page {
			assessed = append(assessed, id)
		}
	}
	if err := w.Change(assessed, Act{Who: "anna", Assess: finding(Assessment{Class: National, Unit: blocklist.Domain})}); err != nil {
		t.Fatal(err)
	}
	state := Assessed
	for _, except := range [][]blocklist.ReportID{nil, {1}, all, assessed[:page], assessed[page:], {3, 6, 9, 3*page + 9}} {
		for _, ascending := range []bool{false, true} {
			for _, c := range []struct {
				f    Filter
				from []blocklist.ReportID
			}{
				{Filter{}, all},
				{Filter{State: &state}, assessed},
				{Filter{Source: "a"}, all[:3*page+7]},
				{Filter{Source: "b", State: &state}, all[3*page+7:]},
				{Filter{Source: "c"}, nil},
			} {
				want := slices.DeleteFunc(slices.Clone(c.from), func(id blocklist.ReportID) bool { return slices.Contains(except, id) })
				if !ascending {
					slices.Reverse(want)
				}
				c.f.Except, c.f.Ascending = except, ascending
				if got := w.listed(c.f); !slices.Equal(got, want) {
					t.Errorf("%+v: %d of %d", c.f, len(got), len(want))
				}
			}
		}
	}
}

// A program that dies in the middle of an import, when much of it is in the file
// already, leaves what was there before.
func TestKilledImport(t *testing.T) {
	if path := os.Getenv("INBOX_OF_VICTIM"); path != "" {
		victim(path)
		return
	}
	w := newWorld(t)
	w.takes("a", FormatCSV, "target\none.example\n")
	before, err := os.Stat(w.path)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^TestKilledImport$")
	cmd.Env = append(os.Environ(), "INBOX_OF_VICTIM="+w.path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make([]byte, 5)
	if _, err := out.Read(ready); err != nil || string(ready) != "ready" {
		t.Fatalf("%q, %v", ready, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	after, err := os.Stat(w.path)
	if err != nil || after.Size() <= before.Size() {
		t.Fatalf("nothing had been written: %v", err)
	}
	if s := w.whole(Head{}); s.Reports != 1 || s.Events != 1 {
		t.Errorf("%+v", s)
	}
	if added, _, _ := w.takes("b", FormatCSV, "target\nv1.example\n"); added != 1 {
		t.Error("what was never taken in is known")
	}
}

// victim fills an inbox until it is killed.
func victim(path string) {
	cacheSize = 64
	b, err := Open(path, time.Now)
	if err != nil {
		panic(err)
	}
	imp, err := b.Begin("b", FormatCSV)
	if err != nil {
		panic(err)
	}
	for i := range 5000 {
		target, _ := blocklist.ParseTarget(blocklist.Domain, fmt.Sprintf("v%d.example", i))
		if _, err := imp.Add(&Report{Target: target}); err != nil {
			panic(err)
		}
	}
	fmt.Print("ready")
	select {}
}

func TestSecondWriterWaits(t *testing.T) {
	w := newWorld(t)
	other := w.opened()
	imp, err := w.Begin("a", FormatCSV)
	if err != nil {
		t.Fatal(err)
	}
	defer func(d time.Duration) { sqlitefile.BusyTimeout = d }(sqlitefile.BusyTimeout)
	sqlitefile.BusyTimeout = 50 * time.Millisecond
	impatient := w.opened()
	if _, err := impatient.Begin("b", FormatCSV); err == nil || !strings.Contains(err.Error(), "another program has held the inbox") {
		t.Errorf("two imports at once: %v", err)
	}
	done := make(chan error, 1)
	go func() {
		i, err := other.Begin("b", FormatCSV)
		if err == nil {
			err = i.Commit()
		}
		done <- err
	}()
	if err := errors.Join(imp.Commit(), <-done); err != nil {
		t.Fatal(err)
	}
	if s := w.whole(Head{}); s.Events != 2 {
		t.Errorf("%+v", s)
	}
}

// Of several that make the inbox at the same time one is first, and nobody's
// import is lost.
func TestMadeByMany(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inbox.db")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			b, err := OpenOrCreate(path, time.Now)
			if err != nil {
				t.Error(err)
				return
			}
			defer b.Close()
			imp, err := b.Begin(fmt.Sprintf("s%d", i), FormatCSV)
			if err == nil {
				err = imp.Commit()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	b, err := Open(path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if s, err := b.Verify(Head{}); err != nil || s.Events != 8 {
		t.Errorf("%+v, %v", s, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := Open(path+"x", time.Now); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
