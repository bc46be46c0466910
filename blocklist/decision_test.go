package blocklist

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func entry(t testing.TB, id EntryID, fields ...string) Entry {
	t.Helper()
	var f [10]string
	copy(f[:], fields)
	e, err := NewEntry(f)
	if err != nil {
		t.Fatal(err)
	}
	e.ID = id
	return e
}

func exampleDecision(t testing.TB) *Decision {
	return &Decision{
		Register: strings.Repeat("0f", 16), Environment: "production", List: "csam", ID: 7, Basis: "order 12/2026 of the court",
		Add: []Entry{
			entry(t, 12, "domain", "bad.example", "malware", "hotline", "H-1", "vault/9", "yes", "no", "2026-12-31", "a note, with ü"),
			entry(t, 13, "url", "http://shop.example/a,b"),
		},
		Withdraw: []Withdrawal{{3, target(t, "domain old.example")}, {11, target(t, "host www.old.example")}},
		Suspend:  []Withdrawal{{4, target(t, "domain doubt.example")}, {5, target(t, "url http://doubt.example/")}},
		Resume:   []Withdrawal{{2, target(t, "domain back.example")}, {6, target(t, "host www.back.example")}},
		Rechecks: []Recheck{
			{7, target(t, "domain seen.example"), Still, noon.Truncate(24 * time.Hour), "as before"},
			{8, target(t, "url http://seen.example/"), ChangedOwner, noon.Truncate(24 * time.Hour), ""},
		},
		Cases: []CaseStep{{1, Suspend}, {3, Reject}},
		Officers: []OfficerChange{
			{Name: "alice", Role: Police, Key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5"}, {Revoke: true, Name: "bob@police", Since: noon},
		},
		Overrides: []Override{{RuleGrowth, "D5", strings.Repeat("ab", 32)}},
	}
}

func TestDecisionText(t *testing.T) {
	want := strings.ReplaceAll(`vaern decision 1
register: 0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f
environment: production
list: csam
id: D7
basis: order 12/2026 of the court
+ E12|domain|bad.example|malware|hotline|H-1|vault/9|yes|no|2026-12-31|a note, with ü
+ E13|url|http://shop.example/a,b||||||||
- E3|domain|old.example
- E11|host|www.old.example
~ E4|domain|doubt.example
~ E5|url|http://doubt.example/
^ E2|domain|back.example
^ E6|host|www.back.example
= E7|domain|seen.example|still|2026-11-23|as before
= E8|url|http://seen.example/|changed-owner|2026-11-23|
case|C1|suspend
case|C3|reject
officer add|alice|police|ssh-ed25519 AAAAC3NzaC1lZDI1NTE5
officer revoke|bob@police|2026-11-23T12:00:00Z
override|growth|D5|`+strings.Repeat("ab", 32)+"\n", "|", "\t")
	d := exampleDecision(t)
	if got := string(d.Bytes()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	back, err := ParseDecision([]byte(want))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(back.Bytes(), []byte(want)) || len(back.Add) != 2 || back.Add[0].Note != "a note, with ü" || !back.Officers[1].Since.Equal(noon) {
		t.Error("it does not come back")
	}
	if len(Digest([]byte(want))) != 64 {
		t.Error("digest is not a sha256")
	}
}

func TestDecisionIsWrittenByID(t *testing.T) {
	d := exampleDecision(t)
	want := d.Bytes()
	d.Add[0], d.Add[1] = d.Add[1], d.Add[0]
	d.Withdraw[0], d.Withdraw[1] = d.Withdraw[1], d.Withdraw[0]
	d.Suspend[0], d.Suspend[1] = d.Suspend[1], d.Suspend[0]
	d.Rechecks[0], d.Rechecks[1] = d.Rechecks[1], d.Rechecks[0]
	d.Resume[0], d.Resume[1] = d.Resume[1], d.Resume[0]
	if !bytes.Equal(d.Bytes(), want) {
		t.Error("order of the fields shows in the text")
	}
	if d.Add[0].ID != 13 {
		t.Error("writing changed the decision")
	}
}

func TestParseDecisionRefuses(t *testing.T) {
	good := string(exampleDecision(t).Bytes())
	replace := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in the decision", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	lines := strings.SplitAfter(good, "\n")
	for what, text := range map[string]string{
		"empty":               "",
		"magic":               replace("decision 1", "decision 2"),
		"no last LF":          strings.TrimSuffix(good, "\n"),
		"empty line":          good + "\n",
		"CRLF":                strings.ReplaceAll(good, "\n", "\r\n"),
		"tab in the basis":    replace("order ", "order\t"),
		"control in basis":    replace("order ", "order\x1b"),
		"control in note":     replace("a note", "a\x07note"),
		"NUL in a note":       replace("a note", "a\x00note"),
		"C1 in a note":        replace("a note", "a\u0085note"),
		"UTF-8":               replace("a note", "a\xffnote"),
		"line separator":      replace("a note", "a\u2028note"),
		"one field more":      replace("a note", "a\tnote"),
		"one field less":      replace("\tvault/9", ""),
		"spelling":            replace("bad.example", "Bad.example"),
		"spelling of a URL":   replace("http://shop", "HTTP://shop"),
		"spelling, withdraw":  replace("old.example", "OLD.example"),
		"spelling, suspend":   replace("doubt.example", "Doubt.example"),
		"suspended twice":     strings.Join(append(append([]string{}, lines[:6]...), lines[10], lines[10]), ""),
		"suspended, then -":   strings.Join(append(append([]string{}, lines[:6]...), lines[10], lines[8]), ""),
		"suspended, 2 fields": replace("E4\tdomain\t", "E4\t"),
		"spelling, recheck":   replace("seen.example", "Seen.example"),
		"result":              replace("\tstill\t", "\tthere\t"),
		"day of a recheck":    replace("\t2026-11-23\tas before", "\t2026-11-31\tas before"),
		"day and hour":        replace("\t2026-11-23\tas before", "\t2026-11-23T12:00:00Z\tas before"),
		"before 1970":         replace("\t2026-11-23\tas before", "\t1969-12-31\tas before"),
		"recheck, 5 fields":   replace("\tas before", ""),
		"recheck, 7 fields":   replace("as before", "as\tbefore"),
		"long note":           replace("as before", strings.Repeat("x", 4097)),
		"rechecked twice":     replace("= E8", "= E7"),
		"recheck before ^":    replace("^ E2\tdomain\tback.example\n", "= E2\tdomain\tback.example\tstill\t2026-11-23\t\n"),
		"step":                replace("C3\treject", "C3\tforget"),
		"case":                replace("C3", "C03"),
		"case twice":          replace("C3", "C1"),
		"case, 4 fields":      replace("C3\treject", "C3\treject\t"),
		"rollback, and +":     strings.Join(append(append([]string{}, lines[:7]...), "rollback\t5\n", lines[10]), ""),
		"id":                  replace("E12", "E012"),
		"id of the decision":  replace("D7", "7"),
		"id 0":                replace("E3", "E0"),
		"unit":                replace("E12\tdomain", "E12\tname"),
		"category":            replace("malware", "Malware"),
		"category reserved":   replace("malware", StandingCategory),
		"answer":              replace("\tyes\t", "\tperhaps\t"),
		"date":                replace("2026-12-31", "2026-12-32"),
		"ids out of order":    strings.Join(append(append([]string{}, lines[:6]...), lines[7], lines[6]), ""),
		"id twice":            strings.Join(append(append([]string{}, lines[:6]...), lines[6], lines[6]), ""),
		"withdrawn twice":     strings.Join(append(append([]string{}, lines[:6]...), lines[8], lines[8]), ""),
		"kinds out of order":  strings.Join(append(append([]string{}, lines[:6]...), lines[8], lines[7]), ""),
		"unknown kind":        good + "expire\tE12\n",
		"role":                replace("\tpolice\t", "\tadmin\t"),
		"officer's name":      replace("alice", "../alice"),
		"key":                 replace("AAAAC3", "AAAA C3"),
		"fraction":            replace("12:00:00Z", "12:00:00.000Z"),
		"revoke, no time":     replace("2026-11-23T12:00:00Z", "now"),
		"rule":                replace("growth", "root"),
		"digest":              replace("abab", "ABAB"),
		"key order":           replace("list: csam\nid: D7\n", "id: D7\nlist: csam\n"),
	} {
		_, err := ParseDecision([]byte(text))
		if err == nil {
			t.Errorf("%s is accepted", what)
		} else if strings.Contains(err.Error(), ".example") {
			t.Errorf("%s: the error tells the name", what)
		}
	}
}

// A rollback needs one signature whatever it takes out, so nothing else may
// ride on it.
func TestRollbackDoesNothingElse(t *testing.T) {
	full := exampleDecision(t)
	d := &Decision{Register: full.Register, Environment: "test", List: "csam", ID: 9, Basis: "drill", Rollback: 1795435200, Suspend: full.Suspend}
	text := string(d.Bytes())
	if !strings.HasSuffix(text, "\nrollback\t1795435200\n~ E4\tdomain\tdoubt.example\n~ E5\turl\thttp://doubt.example/\n") {
		t.Errorf("got\n%s", text)
	}
	back, err := ParseDecision([]byte(text))
	if err != nil || back.Rollback != d.Rollback || len(back.Suspend) != 2 || string(back.Bytes()) != text {
		t.Errorf("it does not come back: %v", err)
	}
	fail := fmt.Errorf("enough")
	if _, err := ScanDecision([]byte(text), Each{Rollback: func(Serial) error { return fail }}); err == nil {
		t.Error("the error is lost")
	}
	for what, change := range map[string]func(*Decision){
		"an addition": func(d *Decision) { d.Add = full.Add }, "a withdrawal": func(d *Decision) { d.Withdraw = full.Withdraw },
		"a recheck": func(d *Decision) { d.Rechecks = full.Rechecks }, "a case": func(d *Decision) { d.Cases = full.Cases },
		"an officer": func(d *Decision) { d.Officers = full.Officers[:1] }, "a revocation": func(d *Decision) { d.Officers = full.Officers[1:] },
		"an override": func(d *Decision) { d.Overrides = full.Overrides },
	} {
		more := *d
		change(&more)
		if _, err := ParseDecision(more.Bytes()); err == nil || !strings.Contains(err.Error(), "does more than suspend") {
			t.Errorf("with %s: %v", what, err)
		}
	}
	for what, line := range map[string]string{
		"twice": "rollback\t1795435200\nrollback\t1795435200", "serial 0": "rollback\t0", "zeros": "rollback\t01", "no serial": "rollback\t",
		"two": "rollback\t1\t2", "space": "rollback 1795435200",
	} {
		if _, err := ParseDecision([]byte(strings.Replace(text, "rollback\t1795435200", line, 1))); err == nil {
			t.Errorf("%s is accepted", what)
		}
	}
	late := strings.Replace(text, "rollback\t1795435200\n", "", 1) + "rollback\t1795435200\n"
	if _, err := ParseDecision([]byte(late)); err == nil {
		t.Error("a rollback line behind what it is about is accepted")
	}
}

func TestEntryDigestIsOfTheLine(t *testing.T) {
	d := exampleDecision(t)
	text := d.Bytes()
	n := 0
	EntryDigests(text, func(id EntryID, digest func() string) {
		line := strings.SplitAfter(string(text), "\n")[6+n]
		if e := d.Add[n]; id != e.ID || digest() != Digest([]byte(strings.TrimSuffix(line, "\n"))) || digest() != e.Digest() {
			t.Errorf("%v: %s", id, digest())
		}
		n++
	})
	if n != len(d.Add) {
		t.Errorf("%d entries", n)
	}
	EntryDigests([]byte("+ \n+ E\t\n+ E1\n- E1\tx\n~ E1\tx\n+ E01\t"), func(id EntryID, _ func() string) { t.Errorf("found %v", id) })
}

// What the quick way takes, the thorough one takes too, for the same entry.
func TestBareLines(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	taken, left := 0, 0
	for range 50_000 {
		id := pick("E7", "E7", "E8", "E6", "E07", "E", "e7", "")
		name := pick("a.example", "1.example", "a-b.example", "a.b.c.example", "example", "A.example", "a..example", "-a.example", "a-.example",
			"a--b.example", "xn--bcher-kva.example", "bücher.example", "a.1", "a.0x1", ".", "", "a.example.", "a.rpz-ip", strings.Repeat("a", 63)+".example",
			strings.Repeat("a", 64)+".example", strings.Repeat("a.", 126)+"b", strings.Repeat("a.", 126)+"bc", "a b.example", "http://a.example/")
		line := pick("+ ", "+ ", "+ ", "- ", "~ ", "+") + id + "\t" + pick("domain", "domain", "host", "url", "Domain", "") + "\t" + name + "\t" +
			pick("", "", "malware", "other", "Malware", StandingCategory, strings.Repeat("c", 33)) + pick(noDetails, noDetails, noDetails, noDetails+"\t", noDetails[1:], "\tx"+noDetails[1:])
		text := line + pick("\n", "\n", "\n", "", "\nmore\n")
		var got, want Entry
		begin := scanner{rest: text, kind: random.IntN(2), last: EntryID(5 + random.IntN(3)), category: pick("", "malware"), bodies: 3, line: 9}
		quick, thorough := begin, begin
		quick.each.Add = func(e Entry) error { got = e; return nil }
		thorough.each.Add = func(e Entry) error { want = e; return nil }
		ok, err := quick.bare()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			left++
			if quick.rest != text || quick.last != begin.last || quick.line != begin.line || quick.bodies != begin.bodies {
				t.Fatalf("%q: left, and changed", text)
			}
			continue
		}
		taken++
		first, err := thorough.next()
		if err == nil {
			err = thorough.body(first)
		}
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if got.ID != want.ID || got.Target.Compare(want.Target) != 0 || got.Category != want.Category || got.Details != want.Details {
			t.Fatalf("%q: another entry", text)
		}
		if quick.rest != thorough.rest || quick.last != thorough.last || quick.line != thorough.line || quick.bodies != thorough.bodies || quick.kind != thorough.kind {
			t.Fatalf("%q: another state", text)
		}
	}
	if taken < 100 || left < 100 {
		t.Fatalf("%d taken, %d left", taken, left)
	}
}

func TestScanDecisionStopsAtAnError(t *testing.T) {
	text := exampleDecision(t).Bytes()
	fail := fmt.Errorf("enough")
	for i, each := range []Each{
		{Add: func(Entry) error { return fail }},
		{Withdraw: func(Withdrawal) error { return fail }},
		{Suspend: func(Withdrawal) error { return fail }},
		{Recheck: func(Recheck) error { return fail }},
		{Case: func(CaseStep) error { return fail }},
		{Officer: func(OfficerChange) error { return fail }},
		{Override: func(Override) error { return fail }},
	} {
		if _, err := ScanDecision(text, each); err == nil {
			t.Errorf("%d: the error is lost", i)
		}
	}
	if d, err := ScanDecision(text, Each{}); err != nil || d.ID != 7 || d.Add != nil {
		t.Errorf("skipping everything: %v, %v", d, err)
	}
}

func TestDecisionCheck(t *testing.T) {
	for basis, ok := range map[string]bool{
		"order 12": true, "": false, "a\nb": false, "a\tb": false, strings.Repeat("x", 4096): true, strings.Repeat("x", 4097): false, "\xff": false,
	} {
		if err := (&Decision{Basis: basis}).Check(); (err == nil) != ok {
			t.Errorf("%.10q: %v", basis, err)
		}
	}
	since := OfficerChange{Revoke: true, Name: "bob", Since: noon.Add(time.Millisecond)}
	if since.Check() == nil {
		t.Error("a fraction of a second is accepted")
	}
}

func TestNewEntry(t *testing.T) {
	ok := [10]string{"domain", "BAD.example", "malware", "s", "r", "e", "yes", "no", "2026-02-28", "n"}
	for what, c := range map[string]struct {
		field int
		text  string
		ok    bool
	}{
		"good": {9, "n", true}, "unit": {0, "Domain", false}, "no unit": {0, "", false}, "target": {1, "bad_.example", false},
		"longest category": {2, strings.Repeat("a", 32), true}, "category too long": {2, strings.Repeat("a", 33), false}, "category, LF": {2, "a\n", false},
		"empty": {3, "", true}, "longest": {3, strings.Repeat("a", 4096), true}, "too long": {3, strings.Repeat("a", 4097), false},
		"tab": {4, "a\tb", false}, "LF": {5, "a\n", false}, "answer": {6, "Yes", false}, "no answer": {7, "", true}, "no date": {8, "2026-02-30", false},
		"date, short": {8, "2026-2-3", false}, "replacement": {9, "\ufffd", false},
	} {
		f := ok
		f[c.field] = c.text
		e, err := NewEntry(f)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", what, err)
		}
		if c.ok && (e.Target.Reveal() != "bad.example" || *e.texts()[0] != f[3] || *e.texts()[6] != f[9]) {
			t.Errorf("%s: fields are mixed up", what)
		}
	}
}

func FuzzDecision(f *testing.F) {
	good := exampleDecision(f).Bytes()
	f.Add(good)
	f.Add(bytes.Replace(good, []byte("12:00:00Z"), []byte("12:00:00.0Z"), 1))
	f.Add(good[:bytes.Index(good, []byte("+ "))])
	f.Add((&Decision{Register: "r", Environment: "e", List: "l", ID: 1, Basis: "b", Rollback: 5, Suspend: exampleDecision(f).Suspend}).Bytes())
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := ParseDecision(text)
		if err == nil && !bytes.Equal(d.Bytes(), text) {
			t.Fatalf("written again it is\n%q\nnot\n%q", d.Bytes(), text)
		}
	})
}
