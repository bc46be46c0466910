package blocklist

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// canary is a name that must not come out of any of the ways below.
const canary = "canary-in-a-mine.example"

type holder struct {
	Open   any
	closed any
	name   Name
	target Target
	set    *Set
	list   []Name
	table  map[string]Target
}

// printed returns everything that holds the canary, in every nesting.
func printed(t *testing.T) []any {
	n := name(t, canary)
	host := target(t, "host "+canary)
	url := target(t, "url http://"+canary+"/path-of-canary")
	domain := target(t, "domain "+canary)
	row := Row{Target: domain, Category: "malware"}
	set := NewSet([]Row{row, {Target: url}})
	h := holder{n, domain, n, url, set, []Name{n}, map[string]Target{"x": host}}
	d := Decision{Add: []Entry{{ID: 1, Target: domain}}, Withdraw: []Withdrawal{{1, url}}}
	return []any{
		n, &n, n.sealed, host, &url, domain, row, &row, set, *set,
		[]Row{row},
		map[string]Name{"x": n},
		[1]Target{url},
		h, &h,
		[]*holder{&h},
		[]any{n, url},
		d, &d,
		Listed{Target: domain},
		&Build{Previous: set, Entries: []Listed{{Target: url}}},
		Outcome{Set: set},
		Changes{Added: []Row{row}},
		struct{ n *Name }{&n},
		struct{ set Set }{},
		Entry{Target: url},
		&Policy{Own: []Name{n}},
		func() (c chan Name) { c = make(chan Name, 1); c <- n; return }(),
	}
}

func leaks(text string) bool { return strings.Contains(strings.ToLower(text), "canary") }

func TestPrintingIsRedacted(t *testing.T) {
	hexOf := fmt.Sprintf("%x", "canary")
	for i, v := range printed(t) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%t", "%T", "%p", "%08.3v", "%c", "%U"} {
			text := fmt.Sprintf(verb, v)
			if leaks(text) || strings.Contains(strings.ToLower(strings.ReplaceAll(text, " ", "")), hexOf) {
				t.Errorf("value %d, %T, is told by %s", i, v, verb)
			}
		}
		for how, text := range map[string]string{
			"Sprint": fmt.Sprint(v), "Sprintln": fmt.Sprintln(v, v), "error": fmt.Errorf("fail: %v", v).Error(), "panic": panicText(v),
			"json": marshal(json.Marshal, v), "xml": marshal(xml.Marshal, v),
			"slog json": logged(v, func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) }),
			"slog text": logged(v, func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) }),
		} {
			if leaks(text) {
				t.Errorf("value %d, %T, is told by %s", i, v, how)
			}
		}
	}
}

func marshal(how func(any) ([]byte, error), v any) string {
	text, err := how(v)
	return string(text) + fmt.Sprint(err)
}

func logged(v any, handler func(*bytes.Buffer) slog.Handler) string {
	var b bytes.Buffer
	l := slog.New(handler(&b))
	l.Info("message", "value", v, slog.Group("group", "value", v))
	l.With("value", v).Error("message", "err", fmt.Errorf("fail: %v", v))
	return b.String()
}

func panicText(v any) (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	panic(v)
}

func TestPrintingSaysThatItIsRedacted(t *testing.T) {
	n, u := name(t, canary), target(t, "host "+canary)
	for text, want := range map[string]string{
		fmt.Sprint(n):              "[listed]",
		fmt.Sprint(u):              "host [listed]",
		n.String():                 "[listed]",
		u.String():                 "host [listed]",
		marshal(json.Marshal, n):   `"[listed]"<nil>`,
		marshal(json.Marshal, u):   `"[listed]"<nil>`,
		fmt.Sprint(NewSet(nil)):    "set of 0",
		fmt.Sprint((*Set)(nil)):    "<nil>",
		fmt.Sprint(Unit(9)):        "unit(9)",
		fmt.Sprint(Name{}):         "[listed]",
		Name{}.Reveal():            "",
		fmt.Sprint(name(t, "a.b")): "[listed]",
	} {
		if text != want {
			t.Errorf("prints %q, want %q", text, want)
		}
	}
	if n.Reveal() != canary || u.Reveal() != canary || n.IsZero() || !(Name{}).IsZero() {
		t.Error("a name does not reveal itself")
	}
}

// Rejections quote nothing of what they reject.
func TestRejectionsDoNotTell(t *testing.T) {
	for _, in := range []string{
		"canary..example", "canary.example.", "canary_.example", "canary.example:80", "xn--canary-.example", "-canary.example",
		strings.Repeat("canary", 20) + ".example", "canary.1", "cänary\u202e.example", "canary\x00",
	} {
		for u := range unitNames {
			for _, prefix := range []string{"", "http://", "ftp://", "http://user@"} {
				if _, err := ParseTarget(Unit(u), prefix+in); err != nil && leaks(err.Error()+fmt.Sprintf("%+v %#v", err, errors.Unwrap(err))) {
					t.Errorf("%s: %v", in, err)
				}
			}
		}
	}
}
