package source

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vaern/vaern/blocklist"
)

// read returns what the file says, a word or two a line: "2 domain
// bad.example", "3 E12", "4 syntax".
func read(t testing.TB, text string, o Options) ([]string, Result, error) {
	t.Helper()
	said := []string{}
	result, err := Read(strings.NewReader(text), o, func(l Line) {
		var r *blocklist.Rejection
		switch {
		case errors.As(l.Err, &r):
			said = append(said, fmt.Sprintf("%d %s", l.N, r.Rule))
		case l.Err != nil:
			t.Errorf("line %d: %T is no rejection", l.N, l.Err)
		case l.ID != 0:
			said = append(said, fmt.Sprintf("%d %v", l.N, l.ID))
		default:
			said = append(said, fmt.Sprintf("%d %s", l.N, l.Entry.Target.RevealKey()))
		}
	})
	return said, result, err
}

func TestRead(t *testing.T) {
	host := Options{Unit: "host"}
	long := strings.Repeat("a", maxLine)
	for _, c := range []struct {
		what, text string
		o          Options
		format     string
		want       []string
	}{
		{"empty", "", Options{}, "empty", nil},
		{"only comments", "# a\n\n  # b\n", Options{}, "empty", nil},

		{"plain", "bad.example\n# comment\n\nBAD.test\n", Options{}, "plain", []string{"1 domain bad.example", "4 domain bad.test"}},
		{"plain, CRLF, BOM", "\ufeffbad.example\r\nworse.example\r\n", Options{}, "plain", []string{"1 domain bad.example", "2 domain worse.example"}},
		{"plain, no last LF", "a.example\nb.example", Options{}, "plain", []string{"1 domain a.example", "2 domain b.example"}},
		{"plain, unit", "a.example\nhttp://b.example/#x\n", host, "plain", []string{"1 host a.example", "2 url http://b.example/"}},
		{"plain, comments", "a.example # x\nb.example#x\n", Options{}, "plain", []string{"1 domain a.example", "2 syntax"}},
		{"plain, ids", "E12\nE0\nE012\nD7\ne12\n", Options{}, "plain", []string{"1 E12", "2 domain e0", "3 domain e012", "4 domain d7", "5 domain e12"}},
		{"plain, two words", "a.example\nb.example c.example\n", Options{}, "plain", []string{"1 domain a.example", "2 syntax"}},
		{"plain, bytes", "a.example\nb\xff.example\nb\x00.example\n\x01\n", Options{}, "plain", []string{"1 domain a.example", "2 syntax", "3 syntax", "4 syntax"}},
		{"plain, CR within", "a.example\rb.example\n", Options{}, "", nil},
		{"plain, long line", "a.example\n" + long + "\nb.example\n", Options{}, "plain", []string{"1 domain a.example", "2 too-long", "3 domain b.example"}},
		{"plain, long last line", "a.example\n" + long + long + "x", Options{}, "plain", []string{"1 domain a.example", "2 too-long"}},
		{"plain, just not too long", "a.example\n" + long[1:] + "\nb.example", Options{}, "plain", []string{"1 domain a.example", "2 too-long", "3 domain b.example"}},
		{"plain, longer than all look-ahead", "a.example\n" + strings.Repeat(long, 9) + "\nb.example\n" + strings.Repeat(long, 9), Options{}, "plain", []string{"1 domain a.example", "2 too-long", "3 domain b.example", "4 too-long"}},
		{"plain, IP", "192.0.2.1\n", Options{}, "plain", []string{"1 ip-literal"}},
		{"plain, other formats", "a.example\n0.0.0.0 b.example\n||c.example^\n! remark\n; remark\n{}\n1,d.example\n*.e.example\n", Options{}, "plain", []string{"1 domain a.example", "2 syntax", "3 syntax", "4 syntax", "5 syntax", "6 syntax", "7 syntax", "8 syntax"}},
		{
			"plain, white space of Unicode", "a.example\nb.example\u00a0\n\u2028c.example\nd.example\u0085\n\u3000e.example\nf.example\v\n\ufeffg.example\n",
			Options{},
			"plain",
			[]string{"1 domain a.example", "2 syntax", "3 syntax", "4 syntax", "5 syntax", "6 syntax", "7 syntax"},
		},
		{
			"plain, what is not seen", "a.example\n\u202eb.example\nc\u200b.example\nd\u00ad.example\n# \u202e x\n# x\re.example\n# \xff\nf.example\r\r\n\n",
			Options{},
			"plain",
			[]string{"1 domain a.example", "2 syntax", "3 syntax", "4 syntax", "5 syntax", "6 syntax", "7 syntax", "8 syntax"},
		},
		{"plain, old line ends", "# a remark\ra.example\rb.example", Options{Format: "plain"}, "plain", []string{"1 syntax"}},
		{"plain, remarks of others first", "! x\n; y\na.example\n", Options{}, "plain", []string{"1 syntax", "2 syntax", "3 domain a.example"}},
		{"plain, longest line", "a.example\n#" + long[1:] + "\r\n#" + long + "\nb.example", Options{}, "plain", []string{"1 domain a.example", "3 too-long", "4 domain b.example"}},
		{"plain, asked", "a.example,b\n", Options{Format: "plain"}, "plain", []string{"1 syntax"}},
		{"URL with a comma, asked", "http://a.example/x,y\n", Options{Format: "plain"}, "plain", []string{"1 url http://a.example/x,y"}},

		{
			"hosts", "# list\n0.0.0.0 bad.example\n127.0.0.1\tworse.example worst.example # x\n:: a.example\n::1 b.example\n",
			Options{},
			"hosts",
			[]string{"2 domain bad.example", "3 domain worse.example", "3 domain worst.example", "4 domain a.example", "5 domain b.example"},
		},
		{
			"hosts, others", "0.0.0.0 bad.example\n192.0.2.1 real.example\n0.0.0.0\nbad.example\n0.0.0.0 # x\n0.0.0.0 0.0.0.0\n", host, "hosts",
			[]string{"1 host bad.example", "2 syntax", "3 syntax", "4 syntax", "5 syntax", "6 ip-literal"},
		},

		{
			"hosts, names of the machine", "127.0.0.1 localhost\n127.0.0.1 localhost.localdomain\n255.255.255.255 broadcasthost\n::1 ip6-localhost IP6-Loopback\nff02::1 ip6-allnodes\n0.0.0.0 0.0.0.0\n0.0.0.0 a.example\n0.0.0.0 http://b.example/\n0.0.0.0 E12\n",
			Options{},
			"hosts",
			[]string{"1 syntax", "2 syntax", "3 syntax", "4 syntax", "4 syntax", "5 syntax", "6 ip-literal", "7 domain a.example", "8 syntax", "9 domain e12"},
		},

		{"csv", "unit,target\ndomain,BAD.example\nhost,www.shop.test\nurl,http://a.test/\n", Options{}, "csv", []string{"2 domain bad.example", "3 host www.shop.test", "4 url http://a.test/"}},
		{"csv, order, semicolons, BOM", "\ufeff# c\ntarget;unit\r\nbad.example;domain\r\n", Options{}, "csv", []string{"3 domain bad.example"}},
		{"csv, quotes", "unit,target,note\n\"domain\",\"bad.example\",\"a, \"\"b\"\"\"\n", Options{}, "csv", []string{"2 domain bad.example"}},
		{
			"csv, stray quotes", "unit,target,note\ndomain,a.example,\"x\ndomain,b.example,x\"y\ndomain,c.example,x\n",
			Options{},
			"csv",
			[]string{"2 syntax", "3 syntax", "4 domain c.example"},
		},
		{"csv, fields", "unit,target\ndomain\ndomain,a.example,x\n,b.example\ndomain,\n,\n", Options{}, "csv", []string{"2 syntax", "3 syntax", "4 syntax", "5 syntax", "6 syntax"}},
		{"csv, unit of the file", "target,note\na.example,x\n", host, "csv", []string{"2 host a.example"}},
		{"csv, one column", "target\na.example\n", host, "csv", []string{"2 host a.example"}},
		{
			"csv, mapped", "Domain,Malware,Date\nbad.example,emotet,2024\n",
			Options{Columns: map[string]string{"Domain": "target", "Malware": "category"}},
			"csv",
			[]string{"2 domain bad.example"},
		},
		{"csv, tabs", "target\tunit\nbad.example\tdomain\n", Options{}, "csv", []string{"2 domain bad.example"}},
		{"csv, BOM and quotes", "\ufeff\"unit\";\"target\"\r\n\"host\";\"a.example\"\r\n", Options{}, "csv", []string{"2 host a.example"}},
		{"csv, quotes in doubt", "unit,target\nhost,a.exa\"mple\n \"host\",a.example\nhost,\"a.example\" \nhost,\"a.example\"x\nhost,\"a.example\nhost,b.example\"\n", Options{}, "csv", []string{"2 syntax", "3 syntax", "4 syntax", "5 syntax", "6 syntax", "7 syntax"}},
		{"csv, row like a comment", "note,unit,target\n#1,host,a.example\n# a remark\n\"#1\",host,b.example\n", Options{}, "csv", []string{"2 syntax", "4 host b.example"}},
		{"csv, header again", "unit,target\nhost,a.example\nunit,target\n", Options{}, "csv", []string{"2 host a.example", "3 syntax"}},
		{"csv, bytes", "unit,target,note\ndomain,a.example,\xff\ndomain,b.example,\x00\ndomain,c.example,a\tb\n", Options{}, "csv", []string{"2 syntax", "3 syntax", "4 syntax"}},
		{"csv, long line", "unit,target\ndomain," + long + "\nhost,b.example\n", Options{}, "csv", []string{"2 too-long", "3 host b.example"}},
		{"csv, id", "unit,target\ndomain,E12\n", Options{}, "csv", []string{"2 domain e12"}},
	} {
		said, result, err := read(t, c.text, c.o)
		if (err == nil) != (c.format != "") || result.Format != c.format {
			t.Errorf("%s: format %q, %v", c.what, result.Format, err)
		}
		if diff := cmp.Diff(append([]string{}, c.want...), said); diff != "" {
			t.Errorf("%s:\n%s", c.what, diff)
		}
	}
}

// Detection is certain, or asks.
func TestReadAsks(t *testing.T) {
	for _, c := range []struct {
		text string
		o    Options
		err  string
	}{
		{"bad.example,malware\n", Options{}, "cannot tell"},
		{"bad.example;malware\n", Options{}, "cannot tell"},
		{"bad.example malware\n", Options{}, "cannot tell"},
		{"bad.example\tmalware\n", Options{}, "cannot tell"},
		{"bad.example|malware\n", Options{}, "cannot tell"},
		{"http://bad.example/,malware\n", Options{}, "cannot tell"},
		{"url,http://bad.example/\n", Options{}, "cannot tell"},
		{`[{"unit":"url","target":"http://bad.example/"}]` + "\n", Options{}, "cannot tell"},
		{"{bad.example\n", Options{}, "cannot tell"},
		{"1,google.example\n2,b.example\n", Options{}, "cannot tell the format: rank,name is a list of popular names"},
		{"/bad[a-z]/\n", Options{}, "cannot tell"},
		{"@@||good.example^\n", Options{}, "cannot tell"},
		{"##.banner\nbad.example##.x\n", Options{}, "cannot tell"},
		{"! only remarks\n", Options{}, "cannot tell"},
		{"\x00\n\xff\n", Options{}, "cannot tell"},
		{"; a\rb.example\rc.example", Options{}, "cannot tell"},
		{strings.Repeat("# x\n", lookAhead), Options{}, "cannot tell the format from the first 262144 octets"},
		{"Unit,Target\n", Options{}, "cannot tell"},
		{"Unit,Target\n", Options{Format: "csv"}, "no column target"},
		{"unit,target;x\n", Options{Format: "csv"}, "more than one of comma, semicolon and tab"},
		{"\xff\xfea\x00\n\x00", Options{}, "UTF-16"},
		{"\xfe\xff\x00a\x00\n", Options{Format: "plain"}, "UTF-16"},
		{"a.example\n", Options{Format: "plain", Columns: map[string]string{"a": "target"}}, "format plain has no columns"},
		{"bad.example,target\n", Options{}, `unknown column "[not shown]"`},
		{"bad。example,target\n", Options{}, `unknown column "[not shown]"`},
		{`{"target":"a.example","unit":"host","x":"y"}` + "\n", Options{}, `line 1: unknown key "x": map it with --columns x=`},
		{`{"target":"a.example","unit":"host"}` + "\n" + `{"bad.example":""}`, Options{Columns: map[string]string{"target": "target", "name": "note"}}, `no object of the file has the key "name"`},
		{"{}\n", Options{Columns: map[string]string{"x": "note"}}, "no key for the target"},
		{"x;y\n", Options{Format: "italian"}, "not serial;timestamp"},
		{"1;2;3\n", Options{Format: "italian"}, "not serial;timestamp"},
		{"1;2\n", Options{Format: "italian", Columns: map[string]string{"Domain": "target"}}, `no column "Domain"`},
		{"Domain,Malware\n", Options{}, "cannot tell"},
		{"a.example\n", Options{Format: "xml"}, `unknown format "xml": want one of csv, jsonl, plain, hosts, adblock, rpz, italian`},
		{"a.example\n", Options{Unit: "url"}, "unit must be"},
		{"a.example\n", Options{Unit: "Domain"}, "unit must be"},
		{strings.Repeat("a", 1<<17) + "\n", Options{}, "line 1"},
		{"target,note\na.example,x\n", Options{}, "no column unit"},
		{"unit,target,Malware\n", Options{}, `unknown column "Malware": map it with --columns Malware=`},
		{"unit,target,\n", Options{}, `unknown column ""`},
		{"unit,target,target\n", Options{}, `column "target" is there twice`},
		{"unit,note\n", Options{Format: "csv"}, "no column target"},
		{"\"unit,target\n", Options{Format: "csv"}, "not CSV"},
		{"Domain,X\n", Options{Columns: map[string]string{"Name": "target"}}, `no column "Name"`},
		{"Domain,X\n", Options{Columns: map[string]string{"Domain": "name"}}, `unknown column "name"`},
		{"Domain,X\n", Options{Columns: map[string]string{"X": "note"}}, "no column target"},
		{"Domain,X\n", Options{Columns: map[string]string{"Domain": "target", "X": "target"}}, "twice"},
	} {
		said, _, err := read(t, c.text, c.o)
		if err == nil || !strings.Contains(err.Error(), c.err) || len(said) != 0 && !strings.HasPrefix(c.text, "{") || strings.Contains(err.Error(), "bad.example") {
			t.Errorf("%.40q: %v, %v, want %q", c.text, said, err, c.err)
		}
	}
}

func TestCSVFields(t *testing.T) {
	var got blocklist.Entry
	text := "note,recheck_by,compromised,dedicated,evidence_ref,source_ref,source,category,target,unit\n" +
		"n,2026-12-31,no,yes,e,r,s,malware,bad.example,domain\n"
	if _, err := Read(strings.NewReader(text), Options{}, func(l Line) { got = l.Entry }); err != nil {
		t.Fatal(err)
	}
	want := blocklist.Details{Source: "s", SourceRef: "r", EvidenceRef: "e", Dedicated: "yes", Compromised: "no", RecheckBy: "2026-12-31", Note: "n"}
	if diff := cmp.Diff(want, got.Details); diff != "" || got.Category != "malware" {
		t.Error(diff)
	}
	result, err := Read(strings.NewReader("Domain,Date,X\na.example,1,2\n"), Options{Columns: map[string]string{"Domain": "target"}}, func(Line) {})
	if diff := cmp.Diff([]string{"Date", "X"}, result.Unused); err != nil || diff != "" {
		t.Errorf("%v, %s", err, diff)
	}
}

func TestUnitGiven(t *testing.T) {
	mapped := map[string]string{"Domain": "target"}
	for _, c := range []struct {
		text string
		o    Options
		want bool
	}{
		{"a.example\n", Options{}, false},
		{"a.example\n", Options{Unit: "domain"}, true},
		{"http://a.example/\n", Options{}, true},
		{"0.0.0.0 a.example\n", Options{}, false},
		{"unit,target\ndomain,a.example\n", Options{}, true},
		{"Domain\na.example\n", Options{Columns: mapped}, false},
		{"Domain\na.example\n", Options{Columns: mapped, Unit: "host"}, true},
	} {
		if _, err := Read(strings.NewReader(c.text), c.o, func(l Line) {
			if l.UnitGiven != c.want || l.Err != nil {
				t.Errorf("%q: unit is given: %v, %v", c.text, l.UnitGiven, l.Err)
			}
		}); err != nil {
			t.Error(err)
		}
	}
}

func sorted(said []string) []string { return slices.Sorted(slices.Values(said)) }

func TestReasons(t *testing.T) {
	for text, want := range map[string]string{
		"a\rb": errCR.Reason, "ü\rb": errCR.Reason, "a\x00": errControl.Reason, "\u202e": errControl.Reason, "\xff": errUTF8.Reason, "\x80\r": errUTF8.Reason,
		strings.Repeat("a", maxLine+1): errLong.Reason,
	} {
		_, err := Read(strings.NewReader(text), Options{Format: "plain"}, func(l Line) {
			if l.Err == nil || !strings.HasSuffix(l.Err.Error(), want) {
				t.Errorf("%.20q: %v, want %q", text, l.Err, want)
			}
		})
		if err != nil {
			t.Error(err)
		}
	}
}
