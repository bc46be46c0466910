package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// policyZones are the zones of the test: every action, the least and the greatest TTL, one and several servers, a zone so
// short and so long as can be, and one that looks like a part of RPZ.
func policyZones() []policyZone {
	long := strings.Repeat(strings.Repeat("z", 63)+".", 3) + "long-list.police.example."
	target := longName("stop", 252) + "." // so long that it would not fit into any policy zone as an owner
	return []policyZone{
		exampleZone,
		{"z.test.", ".", "hostmaster.police.example.", []string{"ns1.police.example.", "ns2.police.example.", "ns3.other.test."}, 1},
		{long, "*.", "a.b.c.police.example.", []string{"ns1.police.example.", "0.ns.police.example."}, 300},
		{"32.rpz-ip.police.example.", target, "host-master.police.example.", []string{"ns1.police.example."}, 300},
	}
}

// edits are what makes the example's configuration one of this zone.
func (z policyZone) edits() [][2]string {
	action := map[string]string{".": "nxdomain", "*.": "nodata"}[z.target]
	if action == "" {
		action = z.target
	}
	return [][2]string{
		{`zone = "` + zone + `"`, `zone = "` + z.name + `"`},
		{`action = "` + stopHost + `"`, `action = "` + action + `"`},
		{"ttl = 60", "ttl = " + strconv.Itoa(int(z.ttl))},
		{`ns = ["ns1.police.example."]`, `ns = ["` + strings.Join(z.ns, `", "`) + `"]`},
		{`hostmaster = "hostmaster.police.example."`, `hostmaster = "` + z.hostmaster + `"`},
	}
}

// Whatever is decided, three zone checkers that nobody here wrote take the zone without a word of doubt, it is by our own
// rules what the lists of the edition say, and what is transferred is the same.
func TestEveryZoneIsAccepted(t *testing.T) {
	t.Parallel()
	for _, z := range policyZones() {
		t.Run(z.name[:5], func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			lot := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // no secret
			w := newWorld(t, append(z.edits(), alone, noGrowthLimit)...)
			w.addISP("nordnet", "csam")
			limit := target{"domain", longName("first", z.room("domain"))}
			entries := w.adds("csv", limit)
			w.compile()
			s := w.serve()
			s.accepted(z)

			w.refuses("csv", target{"domain", longName("too", z.room("domain")+1)})
			w.refuses("csv", target{"host", longName("too", z.room("host")+1)})
			for i, format := range inputFormats {
				tag := fmt.Sprintf("q%d", i)
				entries += w.adds(format, append(z.extremes(tag), randomTargets(lot, tag, 60, z.room("domain"))...)...)
				w.compile()
				s.accepted(z)
			}
			if n := len(w.lines("domains.txt")); n < 100 {
				t.Errorf("only %d domains", n)
			}
			w.withdrawAll(entries)
			s.accepted(z)
			if names := w.lines("domains.txt"); !slices.Equal(names, []string{testName}) {
				t.Errorf("after all was withdrawn there are still %d domains", len(names))
			}
			for _, only := range []target{{"url", "http://only-a-url.test/"}, {"host", longName("only", z.room("host"))}} {
				entries += w.adds("csv", only)
				w.compile()
				s.accepted(z)
				w.withdrawAll(entries)
			}
		})
	}
}

// adds decides on targets in the words of a format. All that the format can say must be taken, and it returns how many that
// are.
func (w *world) adds(format string, targets ...target) int {
	w.t.Helper()
	for _, t := range targets {
		w.list(t.text)
	}
	w.write("list."+format, listOf(format, targets...))
	args := []string{"--add", "list." + format, "--format", format}
	d := w.decide([]string{"anna"}, args...)
	if d.Accepted == 0 || d.Rejected+d.Refused > 0 {
		w.t.Errorf("a list in the format %s became %+v", format, d)
	}
	return d.Accepted
}

// refuses says that a name is too long for the zone, and says it when it is proposed.
func (w *world) refuses(format string, t target) {
	w.t.Helper()
	w.list(t.text)
	w.write("list."+format, listOf(format, t))
	if r := w.vaern(3, "decision", "new", "--basis", "test", "--add", "list."+format); !strings.Contains(r.stderr, ":2: too-long: ") {
		w.t.Errorf("a %s of %d octets: %s", t.unit, len(t.text), r.stderr)
	}
}

// withdrawAll takes out all that is in force of the first so many entries, and publishes what is left.
func (w *world) withdrawAll(entries int) {
	w.t.Helper()
	var ids strings.Builder
	for id := range entries {
		fmt.Fprintf(&ids, "E%d\n", id+1)
	}
	w.write("gone.txt", ids.String())
	w.decide([]string{"anna"}, "--withdraw", "gone.txt", "--skip-invalid")
	w.compile()
}

// accepted judges the published edition's zone with everything there is.
func (s *server) accepted(z policyZone) {
	s.t.Helper()
	text := s.acceptedFile(z)
	if transferred, published := s.transferred(z), records(s.t, text); !slices.Equal(transferred, published) {
		s.t.Errorf("edition %s: %d records are transferred, and %d are in rpz.zone, and they differ", s.latest(), len(transferred), len(published))
	}
}

// acceptedFile judges rpz.zone, and returns it.
func (w *world) acceptedFile(z policyZone) string {
	w.t.Helper()
	dir := filepath.Join("editions", "csam", w.latest())
	text := w.tool("gzip", "-dc", filepath.Join(dir, "rpz.zone.gz"))
	if text != w.tool("zstd", "-dc", filepath.Join(dir, "rpz.zone.zst")) {
		w.t.Fatal("rpz.zone.gz and rpz.zone.zst are two texts")
	}
	if err := z.check(text, w.lines("domains.txt"), w.lines("hosts.txt")); err != nil {
		w.t.Errorf("edition %s: %v", w.latest(), err)
	}
	// Without -o kzonecheck takes the zone's name from that of the file.
	file := z.name + "zone"
	w.write(file, text)
	for _, check := range []struct {
		says string
		args []string
	}{
		{"zone " + strings.TrimSuffix(z.name, ".") + "/IN: loaded serial " + w.latest() + "\nOK\n", []string{"named-checkzone", "-k", "fail", "-m", "fail", "-n", "fail", "-r", "fail", z.name, file}},
		{"", []string{"kzonecheck", file}},
		{"", []string{"kzonecheck", "-o", z.name, file}},
		{"zone " + z.name + " is ok\n", []string{"nsd-checkzone", z.name, file}},
	} {
		r, err := finish(w.command(check.args[0], check.args[1:]...))
		if err != nil || r.status != 0 || r.stdout+r.stderr != check.says {
			w.t.Errorf("edition %s: %s: exit status %d, %v\n%.2000s%.2000s", w.latest(), check.args[0], r.status, err, r.stdout, r.stderr)
		}
	}
	return text
}

// records are those of a master file, each as one line, sorted.
func records(t testing.TB, text string) (all []string) {
	t.Helper()
	parser := dns.NewZoneParser(strings.NewReader(text), ".", "")
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		all = append(all, rr.String())
	}
	if err := parser.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// transferred are the records that the server gives nordnet, once it serves the latest edition.
func (s *server) transferred(z policyZone) (all []string) {
	s.t.Helper()
	host, port, _ := net.SplitHostPort(s.dns)
	serial := " " + s.latest() + " "
	await(s.t, "the latest edition is transferred", func() bool {
		text := s.tool("dig", "@"+host, "-p", port, "-k", s.file("nordnet.key"), "+noall", "+answer", "+onesoa", "+nosplit", z.name, "AXFR")
		soa, _, _ := strings.Cut(text, "\n")
		if !strings.Contains(soa, serial) {
			return false
		}
		all = records(s.t, text)
		return true
	})
	return all
}

// pieces are what ends, splits, hides or turns text in some program or other.
var pieces = []string{
	"", " ", "\t", "\r", "\x00", "\x0b", "\x1b[2J", "\x7f", "\xff", "\xc0\xaf", "\xed\xa0\x80", "\u0085", "\u00a0", "\u00ad", "\u200b", "\u200d", "\u2028", "\u202e",
	"\u3002", "\uff0e", "\ufeff", "\ufffd", "\U0001f600", "İ", "ß", "ẞ", "K", "а", "xn--", "--", ".", "..", ",", ";", ":", `"`, `""`, `\`, `\046`, `\u0000`, `\ud800`,
	"#", "##", "@", "@@", "||", "^", "$", "*", "*.", "/", "://", "%2e", "?", "!", "(", ")", "[", "]", "{", "}", "0.0.0.0", "::", "0x7f.1", "E1", "CNAME", " CNAME rpz-passthru.",
	".rpz-ip", ".rpz-nsdname", "$INCLUDE /dev/null", "$GENERATE 1-9 ", " IN ", " TXT ", " A 192.0.2.1", "http://", strings.Repeat("a", 70),
}

// hostileLine makes a line that somebody could hope to do harm with: a good one with pieces, other octets and other ends.
func hostileLine(lot *rand.Rand, good string) []byte {
	line := []byte(good)
	for range lot.IntN(4) {
		at := lot.IntN(len(line) + 1)
		switch lot.IntN(8) {
		case 0:
			line = line[:at]
		case 1:
			line = append(line[:at:at], append([]byte{byte(lot.Uint32())}, line[at:]...)...)
		case 2:
			line = append(line, good...)
		default:
			line = append(line[:at:at], append([]byte(pieces[lot.IntN(len(pieces))]), line[at:]...)...)
		}
	}
	return append(bytes.ReplaceAll(line, []byte("\n"), nil), '\n')
}

// A hundred thousand hostile lines, in every format: whatever of them becomes an entry, the zone is a good one (R7).
func TestHostileLinesMakeAGoodZone(t *testing.T) {
	t.Parallel()
	const lines = 15_000 // a format
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	lot := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // no secret
	w := newWorld(t, alone, noGrowthLimit)
	for i, format := range inputFormats {
		file := bytes.NewBufferString(listOf(format, target{"domain", "first-" + format + ".test"}))
		for n := range lines {
			name := fmt.Sprintf("%s%d-%d.test", marker, i, n)
			unit := []string{"domain", "host", "url"}[lot.IntN(3)]
			if !canSay(format, unit) {
				unit = "domain"
			}
			if unit == "url" {
				name = "http://" + name + "/a"
			}
			good := strings.TrimPrefix(listOf(format, target{unit, name}), listOf(format))
			for line := range strings.Lines(good) {
				file.Write(hostileLine(lot, strings.TrimSuffix(line, "\n")))
			}
		}
		if err := os.WriteFile(w.file("hostile."+format), file.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		args := []string{"--add", "hostile." + format, "--format", format, "--skip-invalid"}
		if format == "jsonl" { // an unknown key is an error of the whole file, unless the known ones are named
			args = append(args, "--columns", "unit=unit,target=target,note=note")
		}
		d := w.decide([]string{"anna"}, args...)
		t.Logf("%s: %+v", format, d)
		if d.Accepted < lines/10 || d.Rejected < lines/10 {
			t.Errorf("%s: too few of a kind: %+v", format, d)
		}
	}
	c := w.compile()
	t.Logf("%+v", c)
	w.acceptedFile(exampleZone)
	if strings.Contains(w.said.String(), marker) {
		t.Error("a message repeats a line")
	}
}
