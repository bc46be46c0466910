package e2e

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// poisonNames are what somebody could propose to block so that an odd record comes into the zone: a record at the apex, two
// at one owner, one outside, a trigger on addresses, another action, a name without room. All are refused in every format
// and as every unit of DNS.
func poisonNames() []string {
	names := []string{
		"@", ".", "*", "*.", "", " ", zone, strings.TrimSuffix(zone, "."), // the apex, and everything
		marker + ".test.", marker + ".test." + zone, "." + marker + ".test", marker + "..test", // outside
		"32.1.2.0.192.rpz-ip", "1.2.0.192.rpz-ip", "33.1.2.0.192.rpz-ip", "24.0.2.0.192.RPZ-IP", "32.zz.1.rpz-ip",
		"32.1.2.0.192.rpz-client-ip", "32.1.2.0.192.rpz-nsip", marker + ".test.rpz-nsdname", "rpz-ip", "32.1.2.0.192.ｒｐｚ-ip", "32。1。2。0。192。rpz-ip",
		"192.0.2.1", "0xc0000201", "2001:db8::1", "[2001:db8::1]", "192.0.2.0/24",
		"rpz-passthru", "rpz-passthru.", "rpz-drop.", "rpz-tcp-only.", "rpz-future.", "rpz-passthru." + zone,
		strings.TrimSuffix(stopHost, "."), "police.example", "ns1.police.example", // the blocking itself
		"*." + marker + ".test", "*.*." + marker + ".test", "a.*." + marker + ".test", "a*." + marker + ".test", marker + ".*", "＊." + marker + ".test",
		"%2a." + marker + ".test", `\*.` + marker + ".test", `\042.` + marker + ".test", "_a." + marker + ".test",
		marker + ".test IN A 192.0.2.1", marker + ".test\tCNAME\trpz-passthru.", marker + ".test;", marker + ".test)", "(" + marker + ".test", `"` + marker + ".test", `"` + marker + `.test"`,
		"$INCLUDE /dev/null", "$ORIGIN .", "$GENERATE 1-9 " + marker + "$.test", "$TTL 0", "@ A 192.0.2.1", "@ TXT " + marker, "@ ZONEMD 1 1 1 00",
		longName(marker, exampleZone.room("host")+1), longName(marker, 253), longName(marker, 254), strings.Repeat("x", 64) + "." + marker + ".test",
		marker + ".test\x00", marker + ".test\u200b", marker + ".test\u0085", marker + ".test\xff", marker + ".\u00adtest",
	}
	// A line in a line: the second one would be a record of its own.
	for _, end := range []string{"\n", "\r", "\r\n", "\u2028", `\n`, `\010`} {
		names = append(names, marker+".test"+end+"@ A 192.0.2.1", marker+".test CNAME ."+end+marker+".test CNAME *.")
	}
	return names
}

// poisonRecords are such records in a policy zone that is given as a list.
var poisonRecords = []string{
	"@ A 192.0.2.1", "@ AAAA 2001:db8::1", "@ TXT " + marker, "@ ZONEMD 1 1 1 " + "00", "@ CNAME .", "@ NS", "their.rpz.test. CNAME .",
	marker + ".test CNAME .\n" + marker + ".test CNAME *.", marker + ".test CNAME .\n" + marker + ".TEST CNAME .",
	marker + ".test CNAME .\n" + marker + ".test A 192.0.2.1", marker + ".test CNAME .\n*." + marker + ".test CNAME .\n*." + marker + ".test CNAME rpz-passthru.",
	marker + ".test A 192.0.2.1", marker + ".test TXT x", marker + ".test DNAME stop.test.", marker + ".test NS ns.test.", marker + ".test SOA a. b. 1 2 3 4 5",
	marker + ".test. CNAME .", marker + ".their.rpz.test.other.test. CNAME .",
	"32.1.2.0.192.rpz-ip CNAME .", "1.2.0.192.rpz-ip CNAME .", "33.1.2.0.192.rpz-ip CNAME .", "32.1.2.0.192.RPZ-IP.their.rpz.test. CNAME .",
	"32.1.2.0.192.rpz-client-ip CNAME rpz-drop.", "32.1.2.0.192.rpz-nsip CNAME .", "ns." + marker + ".test.rpz-nsdname CNAME .",
	marker + ".test CNAME rpz-future.", marker + ".test CNAME rpz-passthru.", marker + ".test CNAME RPZ-PASSTHRU.", marker + ".test CNAME rpz-tcp-only.", marker + ".test CNAME a.rpz-future.",
	marker + ".test CNAME " + marker + ".test.", marker + ".test CNAME *.other.test.", marker + ".test CNAME stop.their.rpz.test.", marker + ".test CNAME stop", marker + ".test CNAME", marker + ".test CNAME . .",
	"* CNAME .", "*." + marker + ".test CNAME .", "a.*." + marker + ".test CNAME .", "a*." + marker + ".test CNAME .", `\042.` + marker + ".test CNAME .", `\*.` + marker + ".test CNAME .",
	longName(marker, exampleZone.room("domain")+1) + " CNAME .\n*." + longName(marker, exampleZone.room("domain")+1) + " CNAME .", longName(marker, 253) + " CNAME .",
	"$INCLUDE /dev/null", "$INCLUDE policy.zone " + marker + ".test.", "$GENERATE 1-9 " + marker + "$.test CNAME .", "$ORIGIN .\n" + marker + ".test CNAME .", "$ORIGIN other.test.\n" + marker + " CNAME .",
	marker + ".test CH CNAME .", marker + ".test CNAME (\n.\n@ A 192.0.2.1", marker + ".test CNAME . ; x\n) @ A 192.0.2.1", " CNAME .",
}

// poisonConfig are lines of the configuration that would do it. Some of them name what is listed.
var poisonConfig = map[string][]string{
	"action": {
		"rpz-passthru.", "rpz-future.", "rpz-drop", "a.rpz-tcp-only.", "RPZ-PASSTHRU.", "a.RPZ-DROP.", "passthru", "NXDOMAIN",
		".", "*.", "*.example.", "a.*.example.", "stop", "stop.csam.rpz.police.example.", zone, "192.0.2.1", "stop..example.", "stöp.example.",
		"stop.police.example. A", `stop.police.example.\n@ A 192.0.2.1`, strings.Repeat("a.", 127) + "example.",
		"good.test.", "a.good.test.", // listed
		testName + ".", "a." + testName + ".", // blocked itself, and so nothing would lead anywhere
	},
	"ns": {"ns1." + zone, zone, ".", "*.example.", "192.0.2.1", "NS1.police.example.", `ns1.police.example.\n@ A 192.0.2.1`, "", testName},
	"hostmaster": {
		"host@police.example.", "a b.example.", `a\\.b.police.example.`, `h.example. 1 2 3 4 5\n@ TXT x\n;`, "*.example.", "",
		"h._x.police.example.", ".", "rpz-passthru.",
	},
	"zone": {
		".", "", "*.example.", "example.", "a..example.", `csam.rpz.police.example.\n@ A 192.0.2.1`, "CSAM.rpz.police.example.", "192.0.2.1",
		strings.Repeat("a.", 123) + "test.", strings.Repeat("a.", 127) + "test.", "longer-than-the-listed-names-leave-room-for." + zone,
	},
	"test_name": {
		"@", ".", "", "*.example.", "a.*.example.", "32.1.2.0.192.rpz-ip.", "ns.example.rpz-nsdname", "test.", "192.0.2.1",
		stopHost, "police.example.", "ns1.police.example.", zone, `blocktest.police.example\n@ A 192.0.2.1`,
		longName("test", exampleZone.room("domain")+1), strings.Repeat("x", 64) + ".police.example.",
	},
	"ttl": {"0.5", "-1", "301", "4294967297"},
}

// One odd record may cost a whole zone, or make a policy for everything. No input of any format, and no configuration, makes
// one: it is refused by the line, or as a whole, and the message does not repeat it.
func TestPoisonMatrix(t *testing.T) {
	t.Parallel()
	for _, format := range inputFormats {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, alone, noGrowthLimit)
			good := []target{{"domain", "good.test"}, {"domain", longName("fine", exampleZone.room("domain"))}, {"host", longName("just", exampleZone.room("host"))}}
			var all strings.Builder
			all.WriteString(listOf(format, good...))
			for _, unit := range []string{"domain", "host", "url"} {
				for _, text := range poisonNames() {
					quoted := strings.Trim(text, `"`) == marker+".test" // which says the name, where fields may be quoted
					if !canSay(format, unit) || format == "italian" && quoted {
						continue
					}
					if unit == "url" { // a URL is never in the zone, and may have nearly any host
						text = "http://" + text + "/"
					}
					all.WriteString(w.poisoned(format, target{unit, text}, unit != "url"))
				}
			}
			if format == "rpz" {
				for _, record := range poisonRecords {
					w.notTaken(format, record+"\n")
					all.WriteString(record + "\n$ORIGIN their.rpz.test.\n")
				}
			}
			// All in one, and only the bad lines are left out.
			w.write("all."+format, all.String())
			args := []string{"--add", "all." + format, "--format", format, "--skip-invalid"}
			if format == "jsonl" {
				args = append(args, "--columns", "unit=unit,target=target,note=note")
			}
			d := w.decide([]string{"anna"}, args...)
			t.Logf("all in one: %+v", d)
			w.compile()
			w.acceptedFile(exampleZone)
			if names := w.lines("domains.txt"); !slices.Contains(names, good[0].text) || !slices.Contains(names, good[1].text) {
				t.Error("the good lines beside the bad ones are not published")
			}
			if strings.Contains(w.said.String(), marker) {
				t.Error("a message repeats a line")
			}
		})
	}
	t.Run("units and formats", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, alone, noGrowthLimit)
		// The same owner over and over: in every unit, spelling and format, in one decision and in several.
		same := []target{{"host", "both.test"}, {"domain", "both.test"}, {"host", "BOTH.test"}, {"domain", "xn--bcher-kva.test"}, {"domain", "bücher.test"}, {"host", "BÜCHER.test"}, {"domain", "a.both.test"}, {"host", "b.a.both.test"}}
		w.adds("csv", same...)
		w.compile()
		w.acceptedFile(exampleZone)
		for _, format := range inputFormats {
			if format != "rpz" { // there a second record at one owner is a bad line
				w.adds(format, append(same, target{"domain", format + ".test"})...)
			}
		}
		w.compile()
		w.acceptedFile(exampleZone)
		// Withdrawn as a domain it is still there as a host, and the other way round.
		for _, t := range same[:2] {
			w.write("gone.csv", listOf("csv", t))
			w.decide([]string{"anna"}, "--withdraw", "gone.csv")
			w.compile()
			w.acceptedFile(exampleZone)
		}
	})
	t.Run("configuration", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, alone, noGrowthLimit)
		w.adds("csv", target{"domain", "good.test"}, target{"domain", longName("fine", exampleZone.room("domain"))})
		w.compile()
		config, before := w.read("vaern.toml"), w.latest()
		for key, values := range poisonConfig {
			line := regexp.MustCompile(`(?m)^` + key + ` = .*$`)
			for _, value := range values {
				text := map[string]string{"ns": `["` + value + `"]`, "ttl": value}[key]
				if text == "" {
					text = `"` + value + `"`
				}
				w.write("vaern.toml", line.ReplaceAllLiteralString(config, key+" = "+text))
				r := w.run(w.command("vaern", "compile"))
				if r.status < 1 || r.status > 3 || strings.Contains(r.stderr, "goroutine") || w.latest() != before {
					t.Errorf("%s = %.100s: exit status %d: %s%s", key, text, r.status, r.stdout, r.stderr)
					before = w.latest()
				}
			}
		}
		w.write("vaern.toml", config)
		if c := w.compile(); !c.Unchanged {
			t.Errorf("after all that: %+v", c)
		}
		w.acceptedFile(exampleZone)
	})
}

// poisoned tries a target in a format by itself, and returns what it is there for a file of many.
func (w *world) poisoned(format string, t target, refused bool) string {
	w.t.Helper()
	line := strings.TrimPrefix(listOf(format, t), listOf(format))
	if refused {
		w.notTaken(format, line)
	}
	return line
}

// notTaken says that a list of this alone is no decision, and that the message does not tell what it said.
func (w *world) notTaken(format, line string) {
	w.t.Helper()
	head := listOf(format)
	if format == "jsonl" {
		head = ""
	}
	w.write("poison."+format, head+line)
	r := w.run(w.command("vaern", "decision", "new", "--basis", "test", "--add", "poison."+format, "--format", format))
	if r.status != 2 && r.status != 3 || strings.Contains(r.stderr, "goroutine") {
		w.t.Errorf("%q: exit status %d: %s%s", line, r.status, r.stdout, r.stderr)
	}
	if strings.Contains(strings.ToLower(r.stdout+r.stderr), marker) {
		w.t.Errorf("%q: the message tells it: %s%s", line, r.stdout, r.stderr)
	}
}
