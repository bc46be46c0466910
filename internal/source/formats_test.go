package source

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lineTest is one line of a format, and what it says: without the number.
type lineTest struct{ text, want string }

// testLines reads every line in a file of its own, between two good ones.
func testLines(t *testing.T, format, before, good, said string, o Options, tests []lineTest) {
	t.Helper()
	o.Format = format
	for _, c := range tests {
		got, result, err := read(t, before+good+"\n"+c.text+"\n", o)
		if err != nil || result.Format != format {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		var want []string
		for _, w := range append([]string{"@" + said}, strings.Split(c.want, "|")...) {
			if w != "" {
				want = append(want, w)
			}
		}
		for i, g := range got {
			n, rest, _ := strings.Cut(g, " ")
			if got[i] = rest; n == "1" && before == "" || before != "" && n == "2" {
				got[i] = "@" + rest
			}
		}
		if diff := cmp.Diff(sorted(want), sorted(got)); diff != "" {
			t.Errorf("%q:\n%s", c.text, diff)
		}
	}
}

func TestJSONL(t *testing.T) {
	testLines(t, "jsonl", "", `{"unit":"host","target":"good.example"}`, "host good.example", Options{}, []lineTest{
		{`{"target":"a.example","unit":"domain"}`, "domain a.example"},
		{` { "unit" : "url" , "target" : "http://a.example/" } `, "url http://a.example/"},
		{`{"unit":"domain","target":"\u0061.example"}`, "domain a.example"},
		{`{"unit":"domain","target":" a.example "}`, "domain a.example"},
		{`# remark`, ""},
		{`{}`, "syntax"},
		{`{"unit":"domain"}`, "syntax"},
		{`{"target":"a.example"}`, "syntax"},
		{`{"unit":"","target":"a.example"}`, "syntax"},
		{`{"unit":"Domain","target":"a.example"}`, "syntax"},
		{`{"unit":"domain","target":"a.example","target":"b.example"}`, "syntax"},
		{`{"unit":"domain","target":"a.example","\u0074arget":"a.example"}`, "syntax"},
		{`{"unit":"domain","target":["a.example"]}`, "syntax"},
		{`{"unit":"domain","target":{"a":"b"}}`, "syntax"},
		{`{"unit":"domain","target":"a.example","note":1}`, "syntax"},
		{`{"unit":"domain","target":"a.example","note":null}`, "syntax"},
		{`{"unit":"domain","target":"a.example"} x`, "syntax"},
		{`{"unit":"domain","target":"a.example"}{}`, "syntax"},
		{`{"unit":"domain","target":"a.example"},`, "syntax"},
		{`{"unit":"domain","target":"a.example",}`, "syntax"},
		{`{"unit":"domain","target":"a.example"`, "syntax"},
		{`{"unit":"domain" "target":"a.example"}`, "syntax"},
		{`{'unit':'domain','target':'a.example'}`, "syntax"},
		{`["domain","a.example"]`, "syntax"},
		{`"a.example"`, "syntax"},
		{`null`, "syntax"},
		{`a.example`, "syntax"},
		{`{"unit":"url","target":"http://a.example/\ud800"}`, "syntax"},
		{`{"unit":"url","target":"http://a.example/\ufffd"}`, "syntax"},
		{`{"unit":"domain","target":"a.example","note":"\u202e"}`, "syntax"},
		{`{"unit":"domain","target":"a.example","note":"a\tb"}`, "syntax"},
		{`{"unit":"domain","target":"a.example\u000a"}`, "syntax"},
	})
	columns := map[string]string{"Domain": "target", "Kind": "category"}
	said, result, err := read(t, `{"Domain":"a.example","Kind":"x","Seen":"1","bad.example":""}`+"\n"+`{"Domain":"b.example","Seen":"2"}`, Options{Columns: columns})
	if diff := cmp.Diff([]string{"1 domain a.example", "2 domain b.example"}, said); diff != "" || err != nil || result.Format != "jsonl" {
		t.Error(result, err, diff)
	}
	if diff := cmp.Diff([]string{"Seen", "[not shown]"}, result.Unused); diff != "" {
		t.Error(diff)
	}
}

func TestAdblock(t *testing.T) {
	testLines(t, "adblock", "", "||good.example^", "domain good.example", Options{Unit: "host"}, []lineTest{
		{"||a.example^", "domain a.example"},
		{" ||A.Example^ ", "domain a.example"},
		{"! remark", ""},
		{"!", ""},
		{"# remark", ""},
		{"[Adblock Plus 2.0]", ""},
		{"||a.example", "syntax"},
		{"|a.example^", "syntax"},
		{"a.example^", "syntax"},
		{"a.example", "syntax"},
		{"0.0.0.0 a.example", "syntax"},
		{"||^", "syntax"},
		{"||", "syntax"},
		{"|", "syntax"},
		{"^", "syntax"},
		{"||a.example^|", "syntax"},
		{"||a.example^$third-party", "syntax"},
		{"||a.example^$important", "syntax"},
		{"||a.example/path^", "syntax"},
		{"||http://a.example^", "syntax"},
		{"||*.a.example^", "syntax"},
		{"||a*.example^", "syntax"},
		{"||a.example^*", "syntax"},
		{"||a.example^^", "syntax"},
		{"||a.example.^", "syntax"},
		{"||a.example:80^", "syntax"},
		{"||a.example^ # remark", "syntax"},
		{"|| a.example^", "syntax"},
		{"||192.0.2.1^", "ip-literal"},
		{"/a[b-c]/", "syntax"},
		{"@@||a.example^", "syntax"},
		{"a.example##.banner", "syntax"},
		{"##.banner", "syntax"},
		{"#@#.banner", "syntax"},
		{"#a.example", "syntax"},
		{"[$path=/x]##.y", "syntax"},
		{"!#include other.txt", "syntax"},
		{"!#if x\n||a.example^\n!#if y\n!#endif\n||b.example^\n!#endif\n||c.example^", "syntax|syntax|syntax|syntax|syntax|syntax|domain c.example"},
		{"!#endif\n||c.example^", "syntax|domain c.example"},
		{"!#endif\n!#if x\n||c.example^", "syntax|syntax|syntax"},
		{"!+ PLATFORM(x)\n||a.example^\n||b.example^", "syntax|syntax|domain b.example"},
		// An exception takes back what it is about, wherever it stands.
		{"@@||sub.a.example^\n||a.example^\n||b.example^", "syntax|syntax|domain b.example"},
		{"||a.example^\n||b.example^\n@@||sub.a.example^$important", "syntax|syntax|domain b.example"},
		{"||a.example^\n||b.example^\n@@||a.example^", "syntax|syntax|domain b.example"},
		{"||sub.a.example^\n@@||a.example/x", "syntax|syntax"},
	})
}

const zone = "$ORIGIN z.test.\n"

func TestRPZ(t *testing.T) {
	testLines(t, "rpz", zone, "good CNAME .", "host good", Options{}, []lineTest{
		{"a.example CNAME .", "host a.example"},
		{"a.example CNAME .\n*.a.example CNAME .", "domain a.example"},
		{"*.a.example CNAME .\nb.example CNAME .\na.example CNAME .", "domain a.example|host b.example"},
		{"*.a.example CNAME .", "syntax"},
		{"A.Example.Z.test. 60 IN cname .", "host a.example"},
		{"a.example IN 1h30m CNAME *.", "host a.example"},
		{"a.example CNAME rpz-drop.", "host a.example"},
		{"a.example CNAME stop.test.\n\tIN TXT x", "host a.example|syntax"},
		{"a.example CNAME stop.test. ; x", "host a.example"},
		{"a.example (\n CNAME ; x\n\n . )", "host a.example"},
		{"a.example CNAME (.)", "host a.example"},
		{"; remark", ""},
		{"$TTL 1d", ""},
		{"@ NS ns.test.", ""},
		{"@ SOA a. b. 1 2 3 4 5", ""},
		{"@ SOA a. b. (1 2\n 3\n 4 5)\n NS a.", ""},
		{"$ORIGIN example\na CNAME .\n$ORIGIN z.test.\nb.example CNAME .", "host a.example|host b.example"},
		{"a.example TXT x\n CNAME .", "syntax|host a.example"},

		{"a.example CNAME rpz-passthru.", "syntax"},
		{"a.example CNAME RPZ-TCP-Only.", "syntax"},
		{"a.example CNAME rpz-future.", "syntax"},
		{"a.example CNAME a.example.", "syntax"},
		{"a.example CNAME stop.test.\nb.example CNAME other.test.", "host a.example|syntax"},
		{"a.example CNAME *.stop.test.", "syntax"},
		{"a.example CNAME stop.test", "syntax"},
		{"a.example CNAME stop.z.test.", "syntax"},
		{"a.example CNAME", "syntax"},
		{"a.example CNAME . .", "syntax"},
		{"a.example CNAME \".\"", "syntax"},
		{"a.example CNAME .\na.example CNAME .", "host a.example|syntax"},
		{"a.example CH CNAME .", "syntax"},
		{"a.example ANY CNAME .", "syntax"},
		{"a.example 60 60 CNAME .", "syntax"},
		{"a.example IN IN CNAME .", "syntax"},
		{"a.example A 192.0.2.1", "syntax"},
		{"a.example DNAME .", "syntax"},
		{"a.example", "syntax"},
		{"a.example.other.test. CNAME .", "syntax"},
		{"a.example. CNAME .", "syntax"},
		{"z.test. CNAME .", "syntax"},
		{"@ CNAME .", "syntax"},
		{"* CNAME .", "syntax"},
		{"a.*.example CNAME .", "syntax"},
		{"*.*.example CNAME .", "syntax"},
		{"32.1.2.0.192.rpz-ip CNAME .", "syntax"},
		{"ns.a.example.RPZ-NSDNAME CNAME .", "syntax"},
		{"192.0.2.1 CNAME .", "ip-literal"},
		{"a_b.example CNAME .", "syntax"},
		{"a\\.b.example CNAME .", "syntax"},
		{"\\097.example CNAME .", "syntax"},
		{"\"a.example\" CNAME .", "syntax"},
		{"bücher.example CNAME .", "syntax"},
		{"sub NS ns.test.", "syntax"},
		{"@ NS", "syntax"},
		{"sub SOA a. b. 1 2 3 4 5", "syntax"},
		{"@ SOA a. b. 1 2 3 4", "syntax"},
		{"$INCLUDE other.zone\n CNAME .", "syntax|syntax"},
		{"$GENERATE 1-9 a$ CNAME .", "syntax"},
		{"$ORIGIN\na CNAME .\n$ORIGIN z.test.\nb CNAME .", "syntax|syntax|host b"},
		{"$TTL x", "syntax"},
		{"$X", "syntax"},
		{"a.example CNAME . \"", "syntax"},
		{"a.example CNAME .)", "syntax"},
		{"a.example ((CNAME .))", "syntax"},
		{"()", "syntax"},
		{"a.example CNAME .\\", "syntax"},
		{"a.example CNAME (\nb.example CNAME .\nc.example CNAME .", "syntax|syntax|syntax"},
		{"a.example CNAME (\nb.example CNAME .)\nc.example CNAME .", "syntax|syntax|host c.example"},
		{"a.example CNAME ( \n\x00\n . )", "syntax|syntax|syntax"},
		{"a.example (\n" + strings.Repeat("x\n", maxRecord+3) + ")\nb CNAME .", strings.Repeat("syntax|", maxRecord+5) + "host b"},
		{"\x01 CNAME .\n CNAME .", "syntax|syntax"},
		{"b.example TXT x\n\x01\n CNAME .", "syntax|syntax|syntax"},
		{"b.example TXT x\n$INCLUDE other.zone\n CNAME .", "syntax|syntax|syntax"},
		{"b.example TXT x\nc.example TXT \"x\n CNAME .", "syntax|syntax|syntax"},
		{"b.example CNAME stop\\.x.test.", "syntax"},
		{"# remark", "syntax"},

		// Exceptions take back what they are about, and no more.
		{"sub.a.example CNAME rpz-passthru.\na.example CNAME .\n*.a.example CNAME .\nb.example CNAME .", "syntax|syntax|syntax|host b.example"},
		{"a.example CNAME .\n*.a.example CNAME rpz-passthru.", "host a.example|syntax"},
		{"a.example CNAME .\na.example CNAME rpz-passthru.", "syntax|syntax"},
		{"a.example CNAME .\n*.a.example CNAME .\n*.a.example CNAME rpz-passthru.", "syntax|syntax|syntax"},
		{"sub.a.example CNAME rpz-passthru.\na.example CNAME .", "syntax|host a.example"},
	})
}

// The zone is named by $ORIGIN or by the SOA, or hangs where the SOA does.
func TestRPZOrigin(t *testing.T) {
	const soa = " SOA localhost. root.localhost. 1 2 3 4 5\n"
	for _, c := range []struct {
		text string
		want []string
	}{
		{"@" + soa + " NS localhost.\n;\na.example CNAME .\n", []string{"4 host a.example"}},
		{"$TTL 300\n@" + soa + "a.example CNAME .\nb.example. CNAME .\n", []string{"4 syntax", "3 host a.example"}},
		{"z.test." + soa + "a.example.z.test. CNAME .\nb.example CNAME .\nz.test." + soa, []string{"2 host a.example", "3 host b.example"}},
		{"$ORIGIN test.\nz" + soa + "a.z CNAME .\nb CNAME .\n$ORIGIN z.test.\nc CNAME .\n", []string{"4 syntax", "3 host a", "6 host c"}},
		{"a.example CNAME .\n@" + soa + "b.example CNAME .\n", []string{"1 syntax", "3 host b.example"}},
		{"$ORIGIN z.test.\na CNAME .\nother.test." + soa, []string{"3 syntax", "2 host a"}},
	} {
		said, result, err := read(t, c.text, Options{})
		if diff := cmp.Diff(c.want, said); diff != "" || err != nil || result.Format != "rpz" {
			t.Errorf("%q: %v, %v\n%s", c.text, result, err, diff)
		}
	}
}

func TestItalian(t *testing.T) {
	testLines(t, "italian", "12345;20240521101500\n", "http://good.example/;good.example;;", "domain good.example", Options{}, []lineTest{
		{";a.example;;", "domain a.example"},
		{"http://a.example/x;;;", "url http://a.example/x"},
		{"http://a.example/x;a.example;;", "url http://a.example/x"},
		{"http://a.example:8080/;a.example;;", "url http://a.example:8080/"},
		{"http://a.example/?q;a.example;;", "url http://a.example/?q"},
		{"https://A.example;a.Example;;", "domain a.example"},
		{"a.example;a.example;;", "domain a.example"},
		{"\"http://a.example/x;y\";\"a.example\";;", "url http://a.example/x;y"},
		{"http://a.example/;a.example;http://192.0.2.1/;192.0.2.1", "domain a.example|ip-literal"},
		{";;http://192.0.2.1/;192.0.2.1", "ip-literal"},
		{";;;192.0.2.1", "ip-literal"},
		{"http://www.a.example/;a.example;;", "syntax"},
		{"http://192.0.2.1/;a.example;;", "syntax"},
		{"a.example/x;a.example;;", "syntax"},
		{"a.example/x;;;", "syntax"},
		{";http://a.example/;;", "syntax"},
		{";E12;;", "syntax"},
		{";;;", "syntax"},
		{";a.example", "syntax"},
		{";a.example;;;", "syntax"},
		{"a.example", "syntax"},
		{";\"a.example;;", "syntax"},
		{"url;domain;ip-url;ip", "syntax|ip-literal"}, // a header comes first or not at all
		{"#a;b.example;;", "syntax"},
		{"# remark", ""},
		{"2;3", "syntax"},
	})
	said, result, err := read(t, "\ufeff77;20240521\r\nurl;domain;ip-url;ip\r\n;a.example;;\r\n", Options{Unit: "host"})
	if diff := cmp.Diff([]string{"3 host a.example"}, said); diff != "" || err != nil || result.Serial != "77" || result.Format != "italian" {
		t.Error(result, err, diff)
	}
	said, result, err = read(t, "77;1\nhttp://a.example/x;a.example;;1\n", Options{Columns: map[string]string{"domain": "target"}})
	if diff := cmp.Diff([]string{"2 domain a.example"}, said); diff != "" || err != nil || result.Format != "italian" || len(result.Unused) != 3 {
		t.Error(result, err, diff)
	}
}

func TestDetect(t *testing.T) {
	for text, want := range map[string]string{
		`{"unit":"domain","target":"a.example"}`:          "jsonl",
		"{ \"target\":\"a.example\",\"unit\":\"domain\"}": "jsonl",
		"! Title: x\n\n||a.example^":                      "adblock",
		"[Adblock Plus 2.0]\na.example":                   "adblock",
		"; x\n$TTL 1h\n@ IN SOA a. b. 1 2 3 4 5":          "rpz",
		"z. 300 IN SOA a. b. 1 2 3 4 5":                   "rpz",
		"a.example 60 cname .":                            "rpz",
		"1;2\n;a.example;;":                               "italian",
		"\"1\";\"2\"\n;a.example;;":                       "italian",
		"target\tunit\n":                                  "csv",
		"http://a.example/$x^":                            "",
		"E12":                                             "plain",
		"2001:db8::1":                                     "plain",
		"::1 localhost":                                   "hosts",
		"\x00\na.example":                                 "plain",
		"# \xff\na.example":                               "plain",
		"a.example;b":                                     "",
		"cname a.example":                                 "",
		"# x\n" + strings.Repeat("#y\n", 1000) + "\na.example": "plain",
	} {
		if _, result, err := read(t, text, Options{}); result.Format != want || (err == nil) != (want != "") {
			t.Errorf("%.40q is %q, %v, want %q", text, result.Format, err, want)
		}
	}
}
