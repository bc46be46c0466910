package blocklist

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Limits of a domain name in text without the final dot (RFC 1035, section
// 2.3.4: 255 octets on the wire with the root).
const (
	maxNameText  = 253
	maxLabelText = 63
	// maxNameInput bounds what is handed to IDNA processing, in octets. A
	// legal A-label name of 253 octets comes from far less than this.
	maxNameInput = 1024
)

// Name is a domain name in canonical form: lower case, A-labels (RFC 5890,
// section 2.3.2.1), no final dot, at most 253 octets, each label letters,
// digits and inner hyphens. It prints as a redaction; see [Name.Reveal].
// Names are immutable.
type Name struct{ sealed }

// idnaProfile is UTS #46 processing as browsers do it before a look-up, with
// every check on. Its result is trusted only after a round trip, see toASCII.
var idnaProfile = idna.New(
	idna.MapForLookup(),
	idna.Transitional(false),
	idna.BidiRule(),
	idna.CheckJoiners(true),
	idna.VerifyDNSLength(true),
	idna.StrictDomainName(true),
)

// ParseName brings s into canonical form or rejects it; it never guesses.
// Internationalised names are mapped by UTS #46 (non-transitional) and must
// survive a round trip through Unicode. The error is a [Rejection]; it never
// holds the name.
func ParseName(s string) (Name, error) {
	switch {
	case s == "":
		return Name{}, reject(RuleSyntax, "empty name")
	case s == ".":
		return Name{}, reject(RuleRoot, "the root cannot be blocked")
	case len(s) > maxNameInput:
		return Name{}, reject(RuleTooLong, "longer than a name can be")
	case !utf8.ValidString(s):
		return Name{}, reject(RuleSyntax, "not valid UTF-8")
	}
	if looksLikeIPv6(s) {
		return Name{}, reject(RuleIPLiteral, "an IP address is not a name")
	}
	plain, err := lowerLDH(s)
	if err != nil {
		return Name{}, err
	}
	if !plain {
		if s, err = toASCII(s); err != nil {
			return Name{}, err
		}
	} else {
		s = strings.ToLower(s)
	}
	if err := checkLabels(s); err != nil {
		return Name{}, err
	}
	return Name{seal(s)}, nil
}

// lowerLDH says whether s is made of ASCII letters, digits, hyphens and dots
// with no label that IDNA has to look at; an ASCII octet that no host name
// may hold is rejected at once.
func lowerLDH(s string) (plain bool, err error) {
	plain = true
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '.', 'A' <= c && c <= 'Z':
		case c == '-':
			// "??--" is a label reserved for encodings (RFC 5890, section
			// 2.3.1): only IDNA can say whether it is one we know.
			if i+1 < len(s) && s[i+1] == '-' {
				plain = false
			}
		case c < 0x20 || c == 0x7f:
			return false, reject(RuleSyntax, "control character in a name")
		case c < 0x80:
			return false, reject(RuleSyntax, "character that a host name cannot hold")
		default:
			plain = false
		}
	}
	return plain, nil
}

// toASCII maps a name by UTS #46 and accepts only what comes back the same
// from Unicode: anything else would let two spellings mean one name.
func toASCII(s string) (string, error) {
	if strings.ContainsRune(s, '\u1e9e') {
		// Capital sharp s: "ss" until Unicode 15.0, sharp s from 15.1 on.
		return "", reject(RuleIDNA, "a letter that programs map to different names")
	}
	ascii, err := idnaProfile.ToASCII(s)
	if err != nil {
		return "", reject(RuleIDNA, "not a valid internationalised name")
	}
	unicode, err := idnaProfile.ToUnicode(ascii)
	if err != nil {
		return "", reject(RuleIDNA, "not a valid internationalised name")
	}
	if again, err := idnaProfile.ToASCII(unicode); err != nil || again != ascii {
		return "", reject(RuleIDNA, "punycode that does not round-trip")
	}
	return ascii, nil
}

// checkLabels holds the canonical form against RFC 1035 (lengths), RFC 1123
// section 2.1 (letters, digits, inner hyphens) and the WHATWG rule that a
// name whose last label is a number is an IPv4 address.
func checkLabels(s string) error {
	if len(s) > maxNameText {
		return reject(RuleTooLong, "longer than 253 octets")
	}
	start := 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != '.' {
			continue
		}
		label := s[start:i]
		switch {
		case label == "":
			return reject(RuleSyntax, "empty label or final dot")
		case len(label) > maxLabelText:
			return reject(RuleTooLong, "label longer than 63 octets")
		case label[0] == '-' || label[len(label)-1] == '-':
			return reject(RuleSyntax, "label begins or ends with a hyphen")
		}
		start = i + 1
	}
	last := s[strings.LastIndexByte(s, '.')+1:]
	switch {
	case isNumber(last):
		return reject(RuleIPLiteral, "an IP address is not a name")
	case strings.HasPrefix(last, "rpz-"):
		// In a policy zone such an owner is no name but a trigger on addresses
		// or name servers (rpz-ip, rpz-client-ip, rpz-nsip, rpz-nsdname): it
		// would block whole networks, and one that is not well formed makes a
		// resolver drop the zone.
		return reject(RuleSyntax, "a name below rpz-* is a trigger of policy zones")
	}
	return nil
}

// isNumber tells whether a last label would make a URL parser read the host
// as an IPv4 address: decimal (octal included) or 0x and hex digits.
func isNumber(label string) bool {
	if rest, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(rest, "0123456789abcdef") == ""
	}
	return label != "" && strings.Trim(label, "0123456789") == ""
}

func looksLikeIPv6(s string) bool {
	s, _, _ = strings.Cut(s, "%") // RFC 4007, section 11: a zone follows
	return strings.Contains(s, ":") && strings.Trim(s, "0123456789abcdefABCDEF:.[]%") == ""
}

// Compare orders names by the octets of their canonical text, the order of
// every sorted file in an edition (and of LC_ALL=C sort).
func (n Name) Compare(m Name) int { return strings.Compare(n.Reveal(), m.Reveal()) }

// Labels returns the number of labels.
func (n Name) Labels() int { return strings.Count(n.Reveal(), ".") + 1 }

// IsBelow says whether n lies strictly below m in the tree of names.
func (n Name) IsBelow(m Name) bool {
	a, b := n.Reveal(), m.Reveal()
	return len(a) > len(b) && strings.HasSuffix(a, b) && a[len(a)-len(b)-1] == '.'
}

// ancestors calls yield for every name strictly above s, nearest first, until
// yield returns false. It works on text, because callers look the result up.
func ancestors(s string, yield func(string) bool) {
	for {
		i := strings.IndexByte(s, '.')
		if i < 0 {
			return
		}
		s = s[i+1:]
		if !yield(s) {
			return
		}
	}
}
