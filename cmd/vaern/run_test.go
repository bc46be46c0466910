package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/register"
	"github.com/vaern/vaern/internal/sshsig"
)

// office is an authority in a directory, opened in this process, with a clock
// that the test sets. Two officers sign with keys of their own.
type office struct {
	*authority
	t    *testing.T
	at   time.Time
	log  bytes.Buffer
	keys map[string]func([]byte) []byte
}

func newOffice(t *testing.T, edits ...string) *office {
	t.Helper()
	o := &office{t: t, at: noon, keys: map[string]func([]byte) []byte{}}
	dir := filepath.Join(t.TempDir(), "authority")
	a := &app{in: strings.NewReader(""), out: &bytes.Buffer{}, err: &o.log, clock: func() time.Time { return o.at }}
	o.must(a.initAuthority(dir, "Example National Police", "test"))
	a.config = filepath.Join(dir, "vaern.toml")
	data, err := os.ReadFile(a.config)
	o.must(err)
	o.must(os.WriteFile(a.config, []byte(strings.NewReplacer(edits...).Replace(string(data))), 0o600))
	o.authority, err = a.open()
	o.must(err)
	t.Cleanup(func() { _ = o.reg.Close() })
	for _, name := range []string{"anna", "bo"} {
		private, public, err := sshsig.GenerateEd25519(name)
		o.must(err)
		path := filepath.Join(dir, name)
		o.must(os.WriteFile(path, private, 0o600))
		signer, _, err := sshsig.LoadSigner(path, nil)
		o.must(err)
		o.keys[name] = func(text []byte) []byte {
			sig, err := sshsig.Sign(signer, blocklist.DecisionNamespace, text)
			o.must(err)
			return sig
		}
		key := strings.Join(strings.Fields(string(public))[:2], " ")
		o.must(o.reg.Found(blocklist.OfficerChange{Name: name, Role: blocklist.Police, Key: key}))
	}
	o.must(o.writeOfficers())
	return o
}

func (o *office) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// decide adds names, or takes entries of the list out.
func (o *office) decide(add []string, withdraw ...string) {
	o.t.Helper()
	d := blocklist.Decision{List: "csam", Basis: "test"}
	for _, name := range add {
		target, err := blocklist.ParseTarget(blocklist.Domain, name)
		o.must(err)
		d.Add = append(d.Add, blocklist.Entry{Target: target})
	}
	for _, name := range withdraw {
		for _, e := range o.reg.InForce("csam") {
			if e.Target.Reveal() == name {
				d.Withdraw = append(d.Withdraw, blocklist.Withdrawal{ID: e.ID, Target: e.Target})
			}
		}
	}
	made, err := o.reg.NewDraft(d, 0)
	o.must(err)
	text, err := o.reg.Text(made.ID)
	o.must(err)
	for _, name := range []string{"anna", "bo"} {
		if made.Status == register.Draft {
			made, err = o.reg.Approve(made.ID, name, o.keys[name](text), o.needs)
			o.must(err)
		}
	}
}

// published returns what the latest edition blocks.
func (o *office) published() string {
	o.t.Helper()
	keys, err := o.editionKeys()
	o.must(err)
	e, err := blocklist.OpenLatest(filepath.Join(o.Editions, "csam"), keys)
	o.must(err)
	if e == nil {
		return ""
	}
	set, err := e.Set()
	o.must(err)
	var names []string
	for _, row := range set.Rows(blocklist.Domain) {
		names = append(names, strings.TrimSuffix(row.Target.Reveal(), ".example"))
	}
	return strings.Join(names, " ")
}

func (o *office) runner() *runner {
	o.t.Helper()
	r, err := newRunner(o.authority)
	o.must(err)
	return r
}

func (o *office) wants(step, published string) {
	o.t.Helper()
	if got := o.published(); got != published {
		o.t.Errorf("%s: published is %q, want %q\n%s", step, got, published, o.log.String())
	}
}

func TestRunFollowsTheScheduleAndRenews(t *testing.T) {
	o := newOffice(t, `"*/15 * * * *"`, `"0 0 1 1 *"`)
	o.decide([]string{"a.example"})
	r := o.runner()
	r.beat(t.Context())
	o.wants("at the start", "a blocktest.police")
	first := r.lists[0].result.Serial

	o.decide([]string{"b.example"})
	o.at = o.at.Add(35 * time.Hour)
	r.beat(t.Context())
	o.wants("before half of the time", "a blocktest.police")
	o.at = o.at.Add(time.Hour + 2*time.Second)
	r.beat(t.Context())
	o.wants("at half of the time", "a b blocktest.police")
	o.at = o.at.Add(37 * time.Hour)
	r.beat(t.Context())
	if last := r.lists[0].result; last.Serial == first || last.Unchanged {
		t.Errorf("not renewed: %+v", last)
	}

	// The clock goes back by a week: withdrawals do not wait for a week.
	o.decide(nil, "b.example")
	o.at = o.at.Add(-7 * 24 * time.Hour)
	r.beat(t.Context())
	o.wants("after the clock went back", "a blocktest.police")
}

func TestRunPublishesWhatIsUrgent(t *testing.T) {
	o := newOffice(t)
	o.decide([]string{"a.example", "gone.example"})
	r := o.runner()
	asked := int64(0)
	r.asked = func(*ListConfig) int64 { return asked }
	r.beat(t.Context())
	o.at = o.at.Add(2 * time.Hour)
	o.decide([]string{"b.example"})
	r.beat(t.Context())
	o.wants("ordinary", "a b blocktest.police gone")

	// Asked between two scheduled times: at the next beat, and once.
	o.at = o.at.Add(2 * time.Second)
	o.decide(nil, "gone.example")
	asked = o.reg.Head().Records
	r.beat(t.Context())
	o.wants("urgent", "a blocktest.police")
	serial := r.lists[0].result.Serial
	o.at = o.at.Add(2 * time.Second)
	r.beat(t.Context())
	if r.lists[0].result.Serial != serial || !r.lists[0].result.Urgent {
		t.Error("one request was answered twice, or the schedule was not kept")
	}
	o.at = o.at.Add(16 * time.Minute)
	r.beat(t.Context())
	o.wants("at the next time", "a b blocktest.police")

	// Asked while an ordinary compile had begun: that one is no answer.
	o.decide([]string{"late.example"})
	o.at = o.at.Add(16 * time.Minute)
	during := o.reg.Head().Records
	r.beat(t.Context())
	o.wants("ordinary meanwhile", "a b blocktest.police late")
	asked = during
	r.beat(t.Context())
	o.wants("urgent after an ordinary one", "a blocktest.police")
	o.at = o.at.Add(16 * time.Minute)
	r.beat(t.Context())
	o.decide(nil, "late.example")

	// Asked while nothing ran: answered before the lists are compiled.
	o.decide([]string{"c.example"}, "b.example")
	asked = o.reg.Head().Records
	again := o.runner()
	again.asked = r.asked
	again.beat(t.Context())
	o.wants("urgent at the start", "a blocktest.police")
	again.beat(t.Context())
	o.wants("and then ordinary", "a blocktest.police c")
}

// A fault of the program ends one compile. Its message may hold anything, so it
// is not told.
func TestRunSurvivesAFault(t *testing.T) {
	o := newOffice(t)
	o.decide([]string{"a.example"})
	r := o.runner()
	real := r.clock
	r.clock = func() time.Time {
		r.clock = real
		panic("secret.example")
	}
	r.beat(t.Context())
	o.wants("after the fault", "")
	if text := o.log.String(); !strings.Contains(text, "a fault in the program: string at") || strings.Contains(text, "secret") {
		t.Errorf("log: %s", text)
	}
	o.at = o.at.Add(retryAfter)
	r.beat(t.Context())
	o.wants("the next time", "a blocktest.police")
}

// The zone's files of an edition are held against its entries as long as the
// configuration makes them.
func TestZoneFilesAreChecked(t *testing.T) {
	o := newOffice(t)
	o.decide([]string{"bad.example"})
	o.must(o.compile(compileOptions{}))
	l := &o.Lists[0]
	keys, err := o.editionKeys()
	o.must(err)
	old, err := o.previous(o.listDir(l), keys)
	o.must(err)
	files := zoneFiles(l, old)
	if len(files) != 2 {
		t.Fatalf("%d files are checked", len(files))
	}
	o.must(old.CheckContents(files...))
	write := files[1].Write
	files[1].Write = func(w io.Writer, s blocklist.Serial, _ *blocklist.Set) error {
		return write(w, s, blocklist.NewSet(nil))
	}
	if err := old.CheckContents(files...); err == nil || !strings.Contains(err.Error(), "zone.image and entries.csv do not agree") {
		t.Errorf("an image of nothing: %v", err)
	}
	l.TTL++
	if files := zoneFiles(l, old); len(files) != 0 {
		t.Errorf("of another configuration %d files are checked", len(files))
	}
}
