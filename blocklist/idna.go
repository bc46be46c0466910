package blocklist

import (
	"slices"

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

// toASCII maps a name by UTS #46, section 4.2, and accepts only what comes
// back the same from Unicode: anything else would let two spellings mean one
// name.
func toASCII(s string) (string, error) {
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

// idnaAnyLength is idnaProfile for labels of any length: [checkLabels] has the
// better words for those.
var idnaAnyLength = idna.New(append(idnaChecks, idna.BidiRule(), idna.VerifyDNSLength(false))...)

// whyNotIDNA finds the reason why idnaProfile does not accept s.
func whyNotIDNA(s string) error {
	if ascii, err := idnaAnyLength.ToASCII(s); err == nil {
		if err := checkLabels(ascii); err != nil {
			return err
		}
	}
	for _, f := range idnaFailures {
		if _, err := f.without.ToASCII(s); err == nil {
			return f.failed
		}
	}
	return reject(RuleIDNA, "a character that IDNA does not allow, or punycode of none")
}
