package blocklist

import (
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a domain name in text without the final dot (RFC 1035, section
// 2.3.4: 255 octets on the wire with the root).
const (
	maxNameText  = 253
	maxLabelText = 63
	// maxNameInput bounds what is handed to IDNA processing, in octets. No
	// composed name of 253 octets in A-labels is longer.
	maxNameInput = 1024
)

// Name is a domain name in canonical form: lower case, A-labels (RFC 5890,
// section 2.3.2.1), no final dot, at most 253 octets, each label letters,
// digits and inner hyphens. It prints as a redaction; see [Name.Reveal].
// Names are immutable.
type Name struct{ sealed }

// ParseName brings s into canonical form or rejects it; it never guesses and
// never drops a character. Letters become lower case. Names that are not
// ASCII are mapped by UTS #46, section 4 (non-transitional, all checks on), as
// browsers do; so the ideographic and the wide full stop part labels as a dot
// does, and A-labels are checked like what they stand for. The error is a
// [Rejection]; it never holds the name.
func ParseName(s string) (Name, error) {
	if !isPlain(s) {
		var err error
		if s, err = canonicalName(s); err != nil {
			return Name{}, err
		}
	}
	return Name{seal(s)}, nil
}

// isPlain recognises in one pass a name that is in canonical form beyond
// doubt, as nearly every name of a list is. "No" only means that
// [canonicalName] has to look at it.
func isPlain(s string) bool { return s != "" && plainName(s) == len(s) }

// plainName returns the length of the plain name that s begins with, up to the
// first octet that no such name has; zero if there is none.
func plainName(s string) int {
	label := 0          // where the label begins
	before := byte('.') // the octet before
	n := 0
	for ; n < len(s); n++ {
		c := s[n]
		if !plainOctet[c] {
			if c != '-' && c != '.' {
				break
			}
			// Two of them side by side are an empty label, a hyphen at an end
			// of one, or "--", which IDNA has to look at.
			if before == '-' || before == '.' {
				return 0
			}
			if c == '.' {
				if n-label > maxLabelText {
					return 0
				}
				label = n + 1
			}
		}
		before = c
	}
	last := s[label:n]
	if before == '-' || before == '.' || n > maxNameText || len(last) > maxLabelText ||
		last[0] < 'a' || strings.HasPrefix(last, triggerPrefix) {
		return 0
	}
	return n
}

// plainOctet has the small letters and the digits. Comparing would be slower
// on a list: a processor cannot guess which of the two comes next.
var plainOctet = func() (is [256]bool) {
	for _, c := range "abcdefghijklmnopqrstuvwxyz0123456789" {
		is[c] = true
	}
	return is
}()

// canonicalName is [ParseName] on text, for every name that is not plain.
func canonicalName(s string) (string, error) {
	s, err := mapName(s)
	if err != nil {
		return "", err
	}
	if err := checkLabels(s); err != nil {
		return "", err
	}
	return s, nil
}

// mapName returns s in lower case and A-labels, without a look at the lengths
// and the order of what is ASCII.
func mapName(s string) (string, error) {
	switch {
	case s == "":
		return "", reject(RuleSyntax, "empty name")
	case s == ".":
		return "", reject(RuleRoot, "the root cannot be blocked")
	case len(s) > maxNameInput:
		return "", reject(RuleTooLong, "longer than 1024 octets")
	case !utf8.ValidString(s):
		return "", reject(RuleSyntax, "not valid UTF-8")
	case isAddress(s):
		return "", reject(RuleIPLiteral, "an IP address is not a name")
	}
	ascii := true
	for i, r := range s {
		if err := checkCharacter(s, i, r); err != nil {
			return "", err
		}
		ascii = ascii && r < utf8.RuneSelf
	}
	// "??--" is a label reserved for encodings (RFC 5890, section 2.3.1): only
	// IDNA can say whether it is one we know.
	if !ascii || strings.Contains(s, "--") {
		return toASCII(s)
	}
	return strings.ToLower(s), nil
}

// checkCharacter rejects what no name holds in any place, for the most helpful
// reason: r stands at s[i:].
func checkCharacter(s string, i int, r rune) error {
	if '\uff01' <= r && r <= '\uff5e' { // full width; UTS #46 maps it to ASCII
		r -= '\uff01' - '!'
	}
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '.':
		return nil
	case unicode.IsControl(r):
		return reject(RuleSyntax, "control character in a name")
	case unicode.IsSpace(r):
		return reject(RuleSyntax, "space in a name")
	case isInvisible(r):
		return reject(RuleIDNA, "invisible character in a name")
	case r == '\u1e9e':
		// Capital sharp s: "ss" until Unicode 15.0, sharp s from 15.1 on. No
		// other character means one thing in 15.0 and another in 17.0.
		return reject(RuleIDNA, "a letter that programs map to different names")
	case r >= utf8.RuneSelf:
		return nil // for IDNA to say
	}
	_, size := utf8.DecodeRuneInString(s[i:])
	after := s[i+size:]
	switch {
	case strings.Contains(s, "://"):
		return reject(RuleSyntax, "a URL is not a name")
	case strings.Contains(s, "@"), r == '@':
		return reject(RuleSyntax, "credentials or a mail address, not a name")
	case r == '%':
		return reject(RuleSyntax, "percent-encoding in a name")
	case r == '*':
		return reject(RuleSyntax, "a wildcard is not a name; a domain includes all below it")
	case r == '_':
		return reject(RuleSyntax, "underscore, which a host name cannot hold")
	case r == ':' && after != "" && strings.Trim(after, "0123456789") == "":
		return reject(RuleSyntax, "a port is no part of a name")
	case r == '/', r == '?', r == '#':
		return reject(RuleSyntax, "a path is no part of a name")
	}
	return reject(RuleSyntax, "character that a host name cannot hold")
}

// isInvisible tells characters without a shape of their own, most of which
// UTS #46 drops (soft hyphen, zero width space, variation selectors) or
// forbids (marks of direction). The two joiners are not among them: they make
// a difference, and IDNA allows them where they do (RFC 5892, appendix A).
func isInvisible(r rune) bool {
	return r >= utf8.RuneSelf && r != '\u200c' && r != '\u200d' &&
		unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
}

// isAddress tells IP addresses and networks in the spellings that are no names
// by their characters: IPv6 with and without brackets, a zone (RFC 4007,
// section 11) or an IPv4 tail, either kind with a port or a prefix length.
// What looks like a name and is an IPv4 address is for [checkLabels].
func isAddress(s string) bool {
	if !strings.ContainsAny(s, ":/") {
		return false
	}
	_, err := netip.ParseAddr(strings.Trim(s, "[]"))
	_, errPort := netip.ParseAddrPort(s)
	_, errPrefix := netip.ParsePrefix(s)
	return err == nil || errPort == nil || errPrefix == nil
}

// triggerPrefix begins the last label of an owner that is no name in a policy
// zone but a trigger on addresses or name servers (rpz-ip, rpz-client-ip,
// rpz-nsip, rpz-nsdname): it would block whole networks, and one that is not
// well formed makes a resolver drop the zone.
const triggerPrefix = "rpz-"

// checkLabels holds the canonical form against RFC 1035 (lengths), RFC 1123
// section 2.1 (inner hyphens) and the WHATWG rule that a name whose last label
// is a number is an IPv4 address.
func checkLabels(s string) error {
	trimmed := strings.TrimSuffix(s, ".")
	last := trimmed[strings.LastIndexByte(trimmed, '.')+1:]
	switch {
	case isNumber(last):
		return reject(RuleIPLiteral, "a name whose last label is a number is an IP address")
	case len(trimmed) > maxNameText:
		return reject(RuleTooLong, "longer than 253 octets")
	}
	for label := range strings.SplitSeq(trimmed, ".") {
		switch {
		case label == "":
			return reject(RuleSyntax, "empty label")
		case len(label) > maxLabelText:
			return reject(RuleTooLong, "label longer than 63 octets")
		case label[0] == '-' || label[len(label)-1] == '-':
			return reject(RuleSyntax, "label begins or ends with a hyphen")
		}
	}
	switch {
	case trimmed != s:
		return reject(RuleSyntax, "a final dot")
	case strings.HasPrefix(last, triggerPrefix):
		return reject(RuleSyntax, "a name below rpz-* is a trigger of policy zones")
	}
	return nil
}

// isNumber tells whether a last label would make a URL parser read the host
// as an IPv4 address: decimal (octal included) or 0x and hex digits
// (https://url.spec.whatwg.org/#ends-in-a-number-checker).
func isNumber(label string) bool {
	if rest, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(rest, "0123456789abcdef") == ""
	}
	return label != "" && strings.Trim(label, "0123456789") == ""
}

// Compare orders names by the octets of their canonical text, the order of
// every sorted file in an edition (and of LC_ALL=C sort).
func (n Name) Compare(m Name) int { return strings.Compare(n.Reveal(), m.Reveal()) }

// Labels returns the number of labels.
func (n Name) Labels() int { return strings.Count(n.Reveal(), ".") + 1 }

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
