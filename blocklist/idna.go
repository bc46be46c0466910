package blocklist

import (
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// idnaProfile is UTS #46 processing as browsers do it before a look-up, with
// every check on. Its result is trusted only after a round trip, see toASCII.
var idnaProfile = idna.New(append(idnaChecks, idna.BidiRule())...)

var idnaChecks = slices.Clip([]idna.Option{
	idna.MapForLookup(), // with CheckHyphens and CheckJoiners
	idna.Transitional(false),
	idna.VerifyDNSLength(true),
	idna.StrictDomainName(true),
})

// idnaFailures are profiles with one check left out: the first that accepts a
// name tells which one it failed. They serve the reason alone. The library's
// own errors hold a piece of the name.
var idnaFailures = []struct {
	without *idna.Profile
	failed  *Rejection
}{
	{
		idna.New(idnaChecks...),
		reject(RuleIDNA, "letters of both directions in one label (RFC 5893, section 2)"),
	},
	{
		idna.New(append(idnaChecks, idna.BidiRule(), idna.CheckHyphens(false))...),
		reject(RuleIDNA, "hyphen at an end of a label, or a reserved label with \"--\" in places 3 and 4"),
	},
	{
		idna.New(append(idnaChecks, idna.BidiRule(), idna.CheckJoiners(false))...),
		reject(RuleIDNA, "joiner out of place, or a label that begins with a combining mark"),
	},
	{
		idna.New(append(idnaChecks, idna.BidiRule(), idna.StrictDomainName(false))...),
		reject(RuleIDNA, "maps to a character that a host name cannot hold"),
	},
}

// acePrefix begins a label in punycode (RFC 5890, section 2.3.2.1).
const acePrefix = "xn--"

// toASCII maps a name by UTS #46, section 4.2, and accepts only what comes
// back the same from Unicode: anything else would let two spellings mean one
// name.
func toASCII(s string) (string, error) {
	if mixesPunycode(s) {
		return "", reject(RuleIDNA, "punycode with letters that are not ASCII")
	}
	if !strings.ContainsFunc(s, notASCII) { // most are in canonical form already, and come back as they are
		unicode, err := idnaProfile.ToUnicode(s)
		if again, e := idnaProfile.ToASCII(unicode); err == nil && e == nil && again == s {
			return s, nil
		}
	}
	ascii, err := idnaProfile.ToASCII(s)
	if err != nil {
		return "", whyNotIDNA(s)
	}
	unicode, err := idnaProfile.ToUnicode(ascii)
	if err != nil {
		return "", reject(RuleIDNA, "punycode that does not round-trip")
	}
	if again, err := idnaProfile.ToASCII(unicode); err != nil || again != ascii {
		return "", reject(RuleIDNA, "punycode that does not round-trip")
	}
	return ascii, nil
}

// mixesPunycode says whether a label, once it is mapped, has the prefix of
// punycode and is not ASCII. UTS #46 calls that an error (section 4, step 4);
// the library decodes it, to another name.
func mixesPunycode(s string) bool {
	for label := range strings.FieldsFuncSeq(s, func(r rune) bool { return strings.ContainsRune(".。．｡", r) }) {
		if !strings.ContainsFunc(label, notASCII) {
			continue
		}
		// With the letter before it the label is mapped and not decoded.
		mapped, _ := idnaProfile.ToUnicode("a" + label)
		if strings.HasPrefix(mapped, "a"+acePrefix) && strings.ContainsFunc(mapped, notASCII) {
			return true
		}
	}
	return false
}

func notASCII(r rune) bool { return r >= utf8.RuneSelf }

// idnaAnyLabel is idnaProfile without the checks that [checkLabels] makes too,
// and has better words for.
var idnaAnyLabel = idna.New(append(idnaChecks, idna.BidiRule(), idna.VerifyDNSLength(false), idna.CheckHyphens(false))...)

// whyNotIDNA finds the reason why idnaProfile does not accept s.
func whyNotIDNA(s string) error {
	if slices.Contains(strings.Split(strings.ToLower(s), "."), acePrefix) {
		return reject(RuleIDNA, "punycode of nothing")
	}
	if ascii, err := idnaAnyLabel.ToASCII(s); err == nil {
		if err := checkLabels(ascii); err != nil {
			return err
		}
	}
	for _, f := range idnaFailures {
		if _, err := f.without.ToASCII(s); err == nil {
			return f.failed
		}
	}
	return reject(RuleIDNA, "a character that IDNA does not allow, or punycode that does not decode")
}
