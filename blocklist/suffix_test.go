package blocklist

import (
	"regexp"
	"strings"
	"testing"

	"github.com/weppos/publicsuffix-go/publicsuffix"
)

// What the guards know of public suffixes, and nothing else.
var suffixesOnly = &Policy{Protected: NewProtected()}

func knownSuffix(text string) bool {
	m, _ := suffixesOnly.look(text)
	return m&isSuffix != 0
}

func knownAboveSuffix(text string) bool {
	m, _ := suffixesOnly.look(text)
	return m&aboveSuffix != 0
}

func TestPublicSuffix(t *testing.T) {
	for _, c := range []struct {
		name      string
		is, above bool // is a suffix; has one below it
	}{
		{"com", true, true},
		{"uk", true, true},
		{"co.uk", true, true}, // private ones
		{"example.co.uk", false, false},
		{"www.example.co.uk", false, false},
		{"github.io", true, false}, // private part
		{"example.github.io", false, false},
		{"jp", true, true},
		{"kawasaki.jp", false, true},       // *.kawasaki.jp
		{"any.kawasaki.jp", true, false},   // the wildcard
		{"city.kawasaki.jp", false, false}, // its exception
		{"x.city.kawasaki.jp", false, false},
		{"x.any.kawasaki.jp", false, false},
		{"www.ck", false, false},
		{"any.ck", true, false},
		{"xn--55qx5d.cn", true, false},
		{"amazonaws.com", false, true},
		{"bad.example", false, false},
	} {
		if is, above := knownSuffix(c.name), knownAboveSuffix(c.name); is != c.is || above != c.above {
			t.Errorf("%s: is %v, above %v, want %v, %v", c.name, is, above, c.is, c.above)
		}
	}
}

// ruleTexts are the rules of a Public Suffix List as they are written in it, in
// A-labels: "uk", "*.ck", "!www.ck".
type ruleTexts map[string]bool

// longest is the algorithm of https://publicsuffix.org/list/ as it is written,
// but for its default rule "*": how many labels the public suffix of a name
// has, 0 if no rule matches.
func (rules ruleTexts) longest(text string) int {
	labels := strings.Split(text, ".")
	found := 0
	for i := range labels {
		below := strings.Join(labels[i:], ".")
		wild := strings.Join(append([]string{"*"}, labels[i+1:]...), ".")
		n := len(labels) - i
		if rules["!"+below] {
			return n - 1
		}
		if (rules[below] || rules[wild] && n > 1) && n > found {
			found = n
		}
	}
	return found
}

// above lists every name that has a public suffix strictly below it.
func (rules ruleTexts) above() map[string]bool {
	all := map[string]bool{}
	for rule := range rules {
		for !strings.HasPrefix(rule, "!") {
			_, parent, ok := strings.Cut(rule, ".")
			if !ok {
				break
			}
			all[parent], rule = true, parent
		}
	}
	return all
}

// about lists names that the rules of a list decide on: each rule's own, those
// above it, and one and two labels below it.
func (rules ruleTexts) about() map[string]bool {
	names := map[string]bool{}
	for rule := range rules {
		text := strings.Replace(strings.TrimPrefix(rule, "!"), "*", "any", 1)
		names["a.b."+text] = true
		names["b."+text] = true
		for ok := true; ok; _, text, ok = strings.Cut(text, ".") {
			names[text] = true
		}
	}
	return names
}

// carried is the list that the library carries.
func carried() ruleTexts {
	rules := ruleTexts{}
	for _, r := range publicsuffix.DefaultRules() {
		rules[map[int]string{
			publicsuffix.NormalType: "", publicsuffix.WildcardType: "*.", publicsuffix.ExceptionType: "!",
		}[r.Type]+r.Value] = true
	}
	return rules
}

// parseList reads a public_suffix_list.dat.
func parseList(t *testing.T, data string) ruleTexts {
	t.Helper()
	rules := ruleTexts{}
	for line := range strings.Lines(data) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "//") {
			continue
		}
		text := strings.TrimLeft(line, "*.!")
		rules[strings.TrimSuffix(line, text)+name(t, text).Reveal()] = true
	}
	return rules
}

// TestSuffixAlgorithm holds both questions against the algorithm as written,
// for every name that the list decides on.
func TestSuffixAlgorithm(t *testing.T) {
	rules := carried()
	above := rules.above()
	suffixes := 0
	for text := range rules.about() {
		want := rules.longest(text) == strings.Count(text, ".")+1
		if want {
			suffixes++
		}
		if is, isAbove := knownSuffix(text), knownAboveSuffix(text); is != want || isAbove != above[text] {
			t.Errorf("%s: is %v, above %v, want %v, %v", text, is, isAbove, want, above[text])
		}
		if n, err := ParseName(text); err != nil || n.Reveal() != text {
			t.Errorf("%s, of the list, is no canonical name: %v", text, err)
		}
	}
	if suffixes < 10_000 {
		t.Errorf("only %d suffixes", suffixes)
	}
}

// TestSuffixList compares with a list that is newer than the one that the
// library carries, of 2 March 2026: whatever we answer differently, a rule
// that was added or removed since explains.
func TestSuffixList(t *testing.T) {
	data, ok := vectors(t, "public_suffix_list.dat")
	if !ok {
		return // the algorithm is tested above
	}
	old, current := carried(), parseList(t, string(data))
	changed := ruleTexts{}
	added, removed := 0, 0
	for rule := range current {
		if !old[rule] {
			changed[rule] = true
			added++
		}
	}
	for rule := range old {
		if !current[rule] {
			changed[rule] = true
			removed++
		}
	}
	// Between 2 March and 19 August 2026. Another number means that one of the
	// two lists was replaced.
	if added != 127 || removed != 33 {
		t.Errorf("%d rules were added, %d removed", added, removed)
	}
	differ := 0
	for text := range current.about() {
		if knownSuffix(text) == (current.longest(text) == strings.Count(text, ".")+1) {
			continue
		}
		differ++
		if changed.longest(text) == 0 {
			t.Errorf("%s: a suffix is %v, and no rule about it changed", text, knownSuffix(text))
		}
	}
	if differ < added-10 || differ > added+removed {
		t.Errorf("%d answers differ", differ)
	}
}

// TestSuffixVectors goes through the list's own test, and a sample of our own:
// a name, and what of it can be registered.
func TestSuffixVectors(t *testing.T) {
	check := func(data string, vectors int) {
		t.Helper()
		tried := 0
		for _, m := range suffixVector.FindAllStringSubmatch(data, -1) {
			tried++
			n, err := ParseName(m[1])
			if strings.HasPrefix(m[1], ".") {
				if err == nil || m[2] != "" {
					t.Errorf("%s is a name", m[1])
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			// The algorithm's default rule: an unlisted top-level domain is a
			// suffix. Of ours RuleSingleLabel says so.
			suffix := func(n Name) bool { return n.Labels() == 1 || knownSuffix(n.Reveal()) }
			if m[2] == "" {
				if !suffix(n) {
					t.Errorf("%s is no suffix", m[1])
				}
				continue
			}
			r := name(t, m[2])
			_, parent, _ := strings.Cut(r.Reveal(), ".")
			if suffix(r) || !suffix(name(t, parent)) && !knownSuffix("any."+parent) || n.Compare(r) != 0 && !isBelow(n.Reveal(), r.Reveal()) {
				t.Errorf("%s, of %s, can be registered, and is a suffix, or not right below one", m[2], m[1])
			}
		}
		if tried != vectors {
			t.Errorf("%d vectors, want %d", tried, vectors)
		}
	}
	check(suffixSample, 8)
	if data, ok := vectors(t, "test_psl.txt"); ok {
		check(string(data), 77)
	}
}

var suffixVector = regexp.MustCompile(`(?m)^checkPublicSuffix\('([^']+)', (?:null|'([^']+)')\);`)

const suffixSample = `// A sample.
checkPublicSuffix(null, null);
checkPublicSuffix('COM', null);
checkPublicSuffix('.example', null);
checkPublicSuffix('example', null);
checkPublicSuffix('Bad.Example', 'bad.example');
checkPublicSuffix('a.b.bad.example', 'bad.example');
checkPublicSuffix('any.ck', null);
checkPublicSuffix('www.any.ck', 'www.any.ck');
checkPublicSuffix('a.city.kawasaki.jp', 'city.kawasaki.jp');
//checkPublicSuffix('example.local', null);
`
