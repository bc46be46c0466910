package blocklist

import (
	"errors"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// idnaVector is a line of IdnaTestV2.txt: a source, and what toASCII without
// transitional processing makes of it.
type idnaVector struct {
	source, want string
	valid        bool
}

// parseIDNAVectors reads lines as the head of that file describes them:
// source; toUnicode; status; toAsciiN; status; toAsciiT; status. An empty
// field is like the one of its kind before it.
func parseIDNAVectors(t *testing.T, data string) []idnaVector {
	t.Helper()
	var all []idnaVector
	for line := range strings.Lines(data) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Split(line, ";")
		if len(f) == 1 && strings.TrimSpace(line) == "" {
			continue
		}
		if len(f) != 7 {
			t.Fatalf("%q has %d fields", line, len(f))
		}
		for i := range f {
			f[i] = unescape(strings.TrimSpace(f[i]))
		}
		for i, before := range []int{1: 0, 2: 2, 3: 1, 4: 2} {
			if f[i] == "" {
				f[i] = f[before]
			}
		}
		all = append(all, idnaVector{f[0], f[3], f[4] == "" || f[4] == "[]"})
	}
	return all
}

var escape = regexp.MustCompile(`\\u[0-9A-F]{4}|\\x\{[0-9A-F]+\}`)

func unescape(s string) string {
	return escape.ReplaceAllStringFunc(s, func(m string) string {
		n, _ := strconv.ParseUint(strings.Trim(m, `\ux{}`), 16, 21)
		return string(rune(n))
	})
}

// What becomes of a line. The first two agree with UTS #46. The others are
// all that we reject and it does not, each for the reason that is explained.
const (
	agreeValid   = "valid, and ours is the form it says"
	agreeInvalid = "not valid, and rejected"

	// UTS #46 lets a name end in the empty label of the root ("a.b.c.d.").
	// Our canonical form has no final dot; with two spellings one name would
	// be two. The vectors were made for VerifyDnsLength before it forbade it.
	finalDot = "ends in a dot"
	// A name whose last label is a number is an IPv4 address to every browser
	// (https://url.spec.whatwg.org/#ends-in-a-number-checker). UTS #46 knows
	// only names.
	lastNumber = "last label is a number"
	// UTS #46 drops soft hyphens, zero width spaces, variation selectors and
	// the like. We drop nothing that was typed.
	invisible = "has characters that would be dropped"
)

// classify says what becomes of a line, and fails for what must not be: a
// form that differs, a name accepted that is not valid, a rejection without
// an explanation.
func classify(t *testing.T, v idnaVector) string {
	t.Helper()
	canonical(t, v.source)
	n, err := ParseName(v.source)
	var r *Rejection
	switch isRejection := errors.As(err, &r); {
	case err == nil && v.valid && n.Reveal() == v.want:
		return agreeValid
	case err == nil && v.valid:
		t.Errorf("%+q gives %q, want %q", v.source, n.Reveal(), v.want)
	case err == nil:
		t.Errorf("%+q is not valid, and gives %q", v.source, n.Reveal())
	case !isRejection:
		t.Errorf("%+q is rejected by %T", v.source, err)
	case !v.valid:
		return agreeInvalid
	case strings.HasSuffix(v.want, ".") && r.Reason == "a final dot":
		return finalDot
	case lastIsNumber(v.want) && r.Rule == RuleIPLiteral:
		return lastNumber
	case strings.ContainsFunc(v.source, isInvisible) && r.Reason == "invisible character in a name":
		return invisible
	default:
		t.Errorf("%+q is rejected by %q, and nothing explains it", v.source, r)
	}
	return "not explained"
}

func lastIsNumber(name string) bool {
	name = strings.TrimSuffix(name, ".")
	return strings.Trim(name[strings.LastIndexByte(name, '.')+1:], "0123456789") == ""
}

// TestIDNAVectors runs every line of the conformance test of Unicode.
func TestIDNAVectors(t *testing.T) {
	check := func(data string, want map[string]int) {
		t.Helper()
		got := map[string]int{}
		for _, v := range parseIDNAVectors(t, data) {
			got[classify(t, v)]++
		}
		if diff := cmp.Diff(want, maps.Clone(got)); diff != "" {
			t.Errorf("want - got +:\n%s", diff)
		}
	}
	check(idnaSample, map[string]int{agreeValid: 7, agreeInvalid: 6, finalDot: 2, lastNumber: 2, invisible: 2})
	if data, ok := vectors(t, "IdnaTestV2.txt"); ok {
		check(string(data), map[string]int{agreeValid: 360, agreeInvalid: 5802, finalDot: 35, lastNumber: 23, invisible: 15})
	}
}

// idnaSample has each kind of line, with names of our own.
const idnaSample = `# source; toUnicode; status; toAsciiN; status; toAsciiT; status
bad.example; ; ; ; ; ;  # plain
bücher.example; ; ; xn--bcher-kva.example; ; ;
B\u00DCCHER.example; bücher.example; ; xn--bcher-kva.example; ; ;
bu\u0308cher。example; bücher.example; ; xn--bcher-kva.example; ; ;
xn--bcher-kva.example; bücher.example; ; xn--bcher-kva.example; ; ;
faß.example; ; ; xn--fa-hia.example; ; fass.example;
\x{1D41B}ad.example; bad.example; ; ; ; ;

a\u05D0.example; ; [B5, B6]; xn--a-0hc.example; ; ;
\u0308.example; ; [V5]; xn--ssa.example; ; ;
a\u200Db.example; ; [C2]; xn--ab-m1t.example; ; ab.example; []
xn--a.example; xn--a.example; [P4]; ; ; ;
-bad.example; ; [V3]; ; ; ;
bad..example; ; [X4_2]; ; [A4_2]; ;

bad.example.; ; ; ; ; ;
b\u00FCcher.example。; bücher.example.; ; xn--bcher-kva.example.; ; ;
bad.1; ; ; ; ; ;
\uFF11.\uFF12; 1.2; ; ; ; ;
b\u00ADad.example; bad.example; ; ; ; ;
bad\u200B.example; bad.example; ; ; ; ;
`
