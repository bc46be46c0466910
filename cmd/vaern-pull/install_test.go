package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vaern/vaern/internal/pull"
)

func owner(t testing.TB, path string) (mode os.FileMode, uid, gid uint32) {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	stat := info.Sys().(*syscall.Stat_t)
	return info.Mode().Perm(), stat.Uid, stat.Gid
}

func TestModeAndOwner(t *testing.T) {
	t.Parallel()
	_, p, _, two := installedWith(t, "")
	if mode, _, _ := owner(t, p.file("zone")); mode != 0o600 {
		t.Errorf("a new file has mode %v", mode)
	}
	// Those of the file that is replaced.
	must(t, os.Chmod(p.file("zone"), 0o644))
	gid := os.Getegid()
	if os.Geteuid() == 0 {
		gid = 4321
		must(t, os.Chown(p.file("zone"), 1234, gid))
	}
	p.feed.offer(two)
	p.pull(0)
	mode, uid, has := owner(t, p.file("zone"))
	if mode != 0o644 || int(has) != gid || os.Geteuid() == 0 && uid != 1234 {
		t.Errorf("replaced: mode %v, owner %d, group %d", mode, uid, has)
	}
	// Those of the configuration.
	p.configure(fmt.Sprintf("[[install]]\nfile = \"rpz.zone\"\nto = \"new\"\nmode = \"0640\"\nowner = \"%d\"\ngroup = \"%d\"\n", os.Geteuid(), os.Getegid()))
	p.pull(0)
	if mode, uid, gid := owner(t, p.file("new")); mode != 0o640 || int(uid) != os.Geteuid() || int(gid) != os.Getegid() {
		t.Errorf("as configured: mode %v, owner %d, group %d", mode, uid, gid)
	}
	for _, name := range []string{"state", "state/record.json", "state/lock"} {
		if mode, _, _ := owner(t, p.file(name)); mode&0o077 != 0 {
			t.Errorf("%s has mode %v", name, mode)
		}
	}
}

func TestUnchanged(t *testing.T) {
	t.Parallel()
	_, p, one, _ := installedWith(t, "")
	p.configure("reload = [\"touch\", \"" + p.file("reloaded") + "\"]\n")
	before, err := os.Stat(p.file("zone"))
	must(t, err)
	p.feed.asked = nil
	if out := p.pull(0); !strings.Contains(out, "csam: edition "+one.Serial.String()+" unchanged: 1 domain, 0 hosts, 0 URLs\n") {
		t.Errorf("says %q", out)
	}
	after, err := os.Stat(p.file("zone"))
	must(t, err)
	if !os.SameFile(before, after) || len(p.feed.reports()) != 1 {
		t.Error("the file was replaced, or acknowledged once more")
	}
	if _, err := os.Stat(p.file("reloaded")); err == nil {
		t.Error("reloaded for nothing")
	}
	if got := p.feed.asked; len(got) != 2 {
		t.Errorf("asked for %v", got)
	}
	// What somebody took away or changed comes again.
	for _, harm := range []func() error{
		func() error { return os.Remove(p.file("zone")) },
		func() error { return os.WriteFile(p.file("zone"), []byte("; nothing\n"), 0o600) },
	} {
		must(t, harm())
		p.pull(0)
		if p.read("zone") != plain(t, one, "rpz.zone") {
			t.Error("not mended")
		}
	}
}

func TestAcknowledgedLater(t *testing.T) {
	t.Parallel()
	_, p, one, two := installedWith(t, "")
	p.feed.refuse = http.StatusServiceUnavailable
	p.feed.offer(two)
	p.pull(1)
	if !strings.Contains(p.said.String(), "is installed, and that could not be acknowledged") || p.read("zone") != plain(t, two, "rpz.zone") {
		t.Errorf("said %s", p.said.String())
	}
	p.pull(1)
	p.feed.lie(nil)
	p.pull(0)
	if got := p.feed.reports(); !slices.Equal(got, []string{"ack " + one.Serial.String(), "ack " + two.Serial.String()}) {
		t.Errorf("posted %v", got)
	}
}

// holds is a check that a zone passes.
const holds = "check = [\"grep\", \"-q\", \"CNAME\", \"{file}\"]\n"

func TestCheckThatFails(t *testing.T) {
	t.Parallel()
	_, p, one, two := installedWith(t, holds)
	p.feed.offer(two)
	p.configure("check = [\"sh\", \"-c\", \"echo zone.test:17: worse.example. and x.bad.example: bad owner; cat $1; exit 7\", \"check\", \"{file}\"]\n")
	p.pull(1)
	said := p.said.String()
	for _, want := range []string{"exit status 7", "17:", "[...]", "bad owner", "hint: nothing was installed"} {
		if !strings.Contains(said, want) {
			t.Errorf("does not say %q: %s", want, said)
		}
	}
	if p.read("zone") != plain(t, one, "rpz.zone") || len(p.feed.reports()) != 1 {
		t.Error("installed all the same")
	}
	p.configure("check = [\"/nonexistent/check\", \"{file}\"]\n")
	p.pull(1)
	p.configure("check = [\"sh\", \"-c\", \"sleep 1000\", \"{file}\"]\n")
	p.limits.Command = 50 * time.Millisecond
	p.pull(1)
	if !strings.Contains(p.said.String(), "did not end within") {
		t.Error(p.said.String())
	}
	p.limits = pull.Limits{}
	p.configure("check = [\"false\", \"{file}\"]\n[[install]]\nfile = \"rpz.zone\"\nto = \"zone\"\ncheck = []\n")
	p.pull(0)
}

// The daemon of a test is a script that copies what it reads.
const loads = "reload = [\"sh\", \"-c\", \"cp {dir}/zone {dir}/loaded; cp {dir}/hosts {dir}/loaded-hosts; ! test -e {dir}/sick || { echo worse.example failed; false; }\"]\n" +
	rpz + "[[install]]\nformat = \"hosts\"\nstop = \"192.0.2.99\"\nto = \"hosts\"\n"

func TestReloadThatFails(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	now := time.Now()
	one := a.publish(now.Add(-2*time.Hour), "domain bad.example")
	two := a.follows(a.publish(now.Add(-time.Hour), "domain worse.example"), one)
	p := newProvider(t, a, "")
	p.configure(strings.ReplaceAll(loads, "{dir}", p.dir))

	// Nothing was there before.
	p.feed.offer(one)
	p.write("sick", "")
	p.pull(1)
	if p.read("zone")+p.read("hosts") != "" {
		t.Error("a file that could not be loaded is there")
	}
	must(t, os.Remove(p.file("sick")))
	p.pull(0)
	zone, hosts := p.read("zone"), p.read("hosts")

	p.feed.offer(two)
	p.write("sick", "")
	must(t, os.Chmod(p.file("zone"), 0o644))
	for range 2 {
		p.pull(1)
		if !strings.Contains(p.said.String(), "the previous files are back") || !strings.Contains(p.said.String(), "[...] failed") {
			t.Error(p.said.String())
		}
		if p.read("zone") != zone || p.read("hosts") != hosts || p.read("loaded") != zone || p.read("loaded-hosts") != hosts {
			t.Error("the previous files are not back, or not loaded")
		}
		if mode, _, _ := owner(t, p.file("zone")); mode != 0o644 {
			t.Errorf("back with mode %v", mode)
		}
		if got := p.feed.reports(); len(got) != 1 {
			t.Errorf("posted %v", got)
		}
	}
	must(t, os.Remove(p.file("sick")))
	p.pull(0)
	if p.read("loaded") != plain(t, two, "rpz.zone") || len(p.feed.reports()) != 2 {
		t.Error("not installed when the daemon was well again")
	}
	// One previous copy of each, in the state.
	previous, err := filepath.Glob(p.file("state/previous-*"))
	must(t, err)
	if len(previous) != 2 {
		t.Errorf("previous copies: %v", previous)
	}
	for _, path := range previous {
		data, err := os.ReadFile(path)
		must(t, err)
		if strings.HasSuffix(path, "-zone") && string(data) != zone || strings.HasSuffix(path, "-hosts") && string(data) != hosts {
			t.Errorf("%s is not what was there before", path)
		}
	}
}

// All is checked before the first is renamed: if the second file can not be made,
// the first stays.
func TestAllOrNothing(t *testing.T) {
	t.Parallel()
	_, p, one, two := installedWith(t, "")
	p.feed.offer(two)
	p.configure(rpz + "[[install]]\nfile = \"nonsense.txt\"\nto = \"second\"\n")
	p.pull(1)
	p.configure(rpz + "[[install]]\nfile = \"hosts.txt\"\nto = \"nowhere/second\"\n")
	p.pull(1)
	p.configure(rpz + "[[install]]\nfile = \"hosts.txt\"\nto = \"second\"\n")
	must(t, os.Symlink("elsewhere", p.file("second")))
	p.pull(1)
	if !strings.Contains(p.said.String(), "is not a regular file") {
		t.Error(p.said.String())
	}
	if p.read("zone") != plain(t, one, "rpz.zone") || len(p.feed.reports()) != 1 {
		t.Error("installed by halves")
	}
	must(t, os.Remove(p.file("second")))
	p.pull(0)
	if p.read("second") != "host.example\n" {
		t.Errorf("second is %q", p.read("second"))
	}
}

// A link that somebody put where the new file is made is not followed.
func TestHiddenFileIsNobodysLink(t *testing.T) {
	t.Parallel()
	_, p, _, two := installedWith(t, "")
	p.write("precious", "precious")
	must(t, os.Symlink(p.file("precious"), p.file(".new-zone")))
	p.feed.offer(two)
	p.pull(0)
	if p.read("precious") != "precious" || p.read("zone") != plain(t, two, "rpz.zone") {
		t.Error("a link was followed")
	}
}

// What is installed is what was verified, whatever a check does to its file.
func TestCheckThatWrites(t *testing.T) {
	t.Parallel()
	_, p, one, two := installedWith(t, "")
	p.feed.offer(two)
	for _, writes := range []string{"echo more >> $1", "echo other > $1.x; mv $1.x $1", "mv $1 $1.x; ln -s $1.x $1", "cp $1 $1.x; mv $1.x $1"} {
		p.configure("check = [\"sh\", \"-c\", \"" + writes + "\", \"check\", \"{file}\"]\n")
		p.pull(1)
		if !strings.Contains(p.said.String(), "was changed after it was verified") || p.read("zone") != plain(t, one, "rpz.zone") || len(p.feed.reports()) != 1 {
			t.Errorf("%s: %s", writes, p.said.String())
		}
		_ = os.Remove(p.file(".new-zone.x"))
	}
	p.configure("")
	p.pull(0)
}

// A plan in the record moves nothing outside the configuration, forwards or back.
func TestPlanIsOfWhatIsConfigured(t *testing.T) {
	t.Parallel()
	_, p, one, _ := installedWith(t, "")
	sum := func(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }
	target := p.file("elsewhere")
	id := sum(target)[:8]
	for what, file := range map[string]string{
		"forwards": fmt.Sprintf(`{"to": %q, "what": "file rpz.zone", "sum": %q}`, target, sum("staged")),
		"back":     fmt.Sprintf(`{"to": %q, "what": "file rpz.zone", "sum": %q, "previous": {"sum": %q, "mode": 493, "uid": 0, "gid": 0}}`, target, sum("lost"), sum("kept")),
		"away":     fmt.Sprintf(`{"to": %q, "what": "file rpz.zone", "sum": %q}`, target, sum("precious")),
	} {
		p.write("elsewhere", "precious")
		p.write(".new-elsewhere", "staged")
		p.write("state/previous-"+id+"-elsewhere", "kept")
		var record map[string]any
		must(t, json.Unmarshal([]byte(p.read("state/record.json")), &record))
		record["pending"] = json.RawMessage(fmt.Sprintf(`{"manifest": %s, "files": [%s]}`, must1(json.Marshal(string(one.Bytes()))), file))
		p.write("state/record.json", string(must1(json.Marshal(record))))
		p.pull(0)
		if p.read("elsewhere") != "precious" || p.read("zone") != plain(t, one, "rpz.zone") {
			t.Errorf("%s: elsewhere is %q", what, p.read("elsewhere"))
		}
	}
	must(t, os.Remove(p.file(".new-elsewhere")))
}

func must1[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A run that was killed has left files behind; and a command that a service manager
// started does not speak with it for us.
func TestSweepsAndEnvironment(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "/nonexistent")
	_, p, _, two := installedWith(t, "reload = [\"sh\", \"-c\", \"test -z \\\"$NOTIFY_SOCKET\\\"\"]\n")
	p.write(".new-zone", "half of it")
	p.write("state/.new-17-rpz.zone.zst", "half of it")
	p.pull(0) // leaks looks for what is left
	p.feed.offer(two)
	p.pull(0)
}

func TestOneInstance(t *testing.T) {
	t.Parallel()
	_, p, _, _ := installedWith(t, "")
	unlock, err := pull.Lock(p.file("state"))
	must(t, err)
	p.pull(1)
	if !strings.Contains(p.said.String(), "another vaern-pull works with this state") {
		t.Error(p.said.String())
	}
	unlock()
	p.pull(0)
}

// What can not be read is not taken for nothing: an older edition would get in.
func TestBrokenRecord(t *testing.T) {
	t.Parallel()
	_, p, one, two := installedWith(t, "")
	record := p.read("state/record.json")
	for _, broken := range []string{"", "{", "{}", "{}{", record + "{}", `{"unknown": 1}`, `{"installed": {}}`, record[:len(record)/2]} {
		p.write("state/record.json", broken)
		p.feed.offer(two)
		status, _ := p.run("--once")
		if status != 1 || p.read("zone") != plain(t, one, "rpz.zone") || !strings.Contains(p.said.String(), "hint: restore it") {
			t.Errorf("%q: exit status %d: %s", broken, status, p.said.String())
		}
	}
}

func TestGuard(t *testing.T) {
	t.Parallel()
	a, p, one, two := installedWith(t, "")
	p.write("never", "# ours\n1,worse.example\nlawful.test\n")
	guard := func(text string) { p.configure(rpz + "[guard]\n" + text) }
	refused := func(what string) {
		t.Helper()
		p.pull(3)
		if !strings.Contains(p.said.String(), what) || p.read("zone") != plain(t, one, "rpz.zone") {
			t.Errorf("installed, or not refused for %q: %s", what, p.said.String())
		}
	}
	p.feed.offer(two)
	guard("never_block = [\"never\"]\n")
	refused("never_block refuses edition " + two.Serial.String() + ": line 3 of its entries is a protected name")
	refused("never_block")
	if got := p.feed.reports(); len(got) != 2 || !strings.HasPrefix(got[1], "alarm "+two.Serial.String()+" guard never_block refuses") {
		t.Errorf("posted %v", got)
	}
	p.write("never", "x.worse.example\n") // above it
	refused("is above a protected name")
	p.write("never", "lawful.test\n")

	// One of three is added to one. Percent and count have both to be passed.
	guard("max_growth = {count = 1, percent = 100}\n")
	p.feed.posted = nil
	must(t, os.Remove(p.file("state/record.json")))
	p.feed.offer(one)
	p.pull(0) // the first edition may be of any size
	p.feed.offer(two)
	refused("max_growth refuses edition " + two.Serial.String() + ": it adds 2 to 1, more than 1 and 100 %")
	if got := p.feed.reports(); len(got) != 2 || !strings.HasPrefix(got[1], "alarm ") {
		t.Errorf("posted %v", got)
	}
	// The kept entries are gone, and the server has not the old edition any more.
	must(t, os.Remove(p.file("state/entries.csv.zst")))
	refused("max_growth") // fetched again
	delete(p.feed.kept, one.Serial.String())
	p.pull(1)
	if !strings.Contains(p.said.String(), "hint: the server does not have it any more") {
		t.Error(p.said.String())
	}
	p.feed.offer(one)
	p.feed.offer(two)
	guard("max_growth = {count = 2, percent = 0}\nnever_block = [\"never\"]\n")
	p.pull(0)
	if p.read("state/entries.csv.zst") == "" {
		t.Error("no entries are kept for the next guard")
	}
	// What is installed already is said, and does not hold a withdrawal back.
	p.write("never", "worse.example\n")
	three := a.follows(a.publish(time.Now().Add(-time.Minute), "domain worse.example"), two)
	p.feed.offer(three)
	p.pull(0)
	if !strings.Contains(p.said.String(), "1 of what is installed would be refused by never_block") {
		t.Error(p.said.String())
	}
	p.write("never", "not a name!\n")
	p.pull(2)
	p.write("never", "")
	p.pull(2)
}

func TestFormats(t *testing.T) {
	t.Parallel()
	a, p, _, two := installedWith(t, "")
	two = a.follows(a.publish(two.Created.Add(time.Minute), "domain bad.example", "domain xn--bcher-kva.example", "host www.host.test", "url https://page.test/x"), two)
	p.feed.offer(two)
	for _, c := range []struct{ format, stop, want string }{
		{"unbound", "192.0.2.99", `# URLs left out, because DNS can not block one: 1
server:
local-zone: "bad.example." redirect
local-data: "bad.example. 60 IN A 192.0.2.99"
local-zone: "xn--bcher-kva.example." redirect
local-data: "xn--bcher-kva.example. 60 IN A 192.0.2.99"
local-zone: "www.host.test." transparent
local-data: "www.host.test. 60 IN A 192.0.2.99"
`},
		{"dnsmasq", "2001:db8::99", `# hosts left out, because dnsmasq can not block a name without those below it: 1
# URLs left out, because DNS can not block one: 1
address=/bad.example/2001:db8::99
local=/bad.example/
address=/xn--bcher-kva.example/2001:db8::99
local=/xn--bcher-kva.example/
`},
		{"hosts", "192.0.2.99", `# domains blocked without the names below them, which a hosts file can not say: 2
# URLs left out, because DNS can not block one: 1
192.0.2.99 bad.example
192.0.2.99 xn--bcher-kva.example
192.0.2.99 www.host.test
`},
	} {
		p.configure(fmt.Sprintf("[[install]]\nformat = %q\nstop = %q\nto = %q\n", c.format, c.stop, c.format))
		p.pull(0)
		text := p.read(c.format)
		want := fmt.Sprintf("# vaern: list csam, edition %v, of %s\n# Made by vaern-pull. What is changed here is lost with the next edition.\n",
			two.Serial, two.Created.Format("2006-01-02 15:04 MST")) + c.want
		if text != want {
			t.Errorf("%s: %s", c.format, text)
		}
		must(t, os.Remove(p.file(c.format)))
		p.pull(0)
		if p.read(c.format) != text {
			t.Errorf("%s: another text for the same edition", c.format)
		}
	}
}

// Whatever the texts of an edition say, rightly signed: a rendered file has the
// targets in canonical form or is not made.
func TestFormatsTakeNoNonsense(t *testing.T) {
	t.Parallel()
	for name, entries := range map[string]string{
		"line in a name":  "domain,\"bad.example\"\" redirect\nserver:\",,2026-11-23\n",
		"not a name":      "domain,bad_name.example/1.2.3.4,,2026-11-23\n",
		"covered":         "domain,bad.example,,2026-11-23\ndomain,x.bad.example,,2026-11-23\n",
		"not in order":    "domain,worse.example,,2026-11-23\ndomain,bad.example,,2026-11-23\n",
		"not lower case":  "domain,Bad.example,,2026-11-23\n",
		"another count":   "domain,bad.example,,2026-11-23\n",
		"public suffixes": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, p, _, two := installedWith(t, "")
			text := []byte("unit,target,category,added\n" + entries)
			two = a.replace(two, map[string][]byte{"entries.csv": text, "entries.csv.zst": compress(t, text)})
			if lines := strings.Count(entries, "\n"); name != "another count" {
				two = a.resign(two, func(s string) string {
					return editLine("domains", fmt.Sprint(lines))(editLine("hosts", "0")(s))
				})
			}
			p.feed.offer(two)
			p.configure("[[install]]\nformat = \"unbound\"\nstop = \"192.0.2.99\"\nto = \"out\"\n")
			p.pull(3)
			if p.read("out") != "" {
				t.Error("a file was made")
			}
		})
	}
}
