package blocklist

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// suspicious returns flags on a name that may not be the one that was meant:
// one that looks like another, or one that was typed with a slip. Both kinds
// are lawful names, so it never refuses. Most names are told from these by two
// short searches.
func suspicious(n Name) []Finding {
	text := n.Reveal()
	international := strings.Contains(text, acePrefix)
	if !international && !strings.HasPrefix(text, "www") {
		return nil
	}
	var flags []Finding
	flag := func(rule Rule, reason string) {
		if reason != "" {
			flags = append(flags, Finding{rule, reason, true})
		}
	}
	if international {
		text, _ = idnaProfile.ToUnicode(text) // each name of ours has a form in Unicode
		flag(RuleLookalike, lookalike(text))
	}
	flag(RuleGlued, glued(text))
	return flags
}

// glued says what is odd about the "www" at the head of a name in Unicode.
// Hosts like www2.bad.example are not odd.
func glued(text string) string {
	rest, ok := strings.CutPrefix(text, "www")
	next, _ := utf8.DecodeRuneInString(rest)
	switch {
	case !ok:
		return ""
	case unicode.IsLetter(next):
		return "begins with www and a letter: a dot may be missing"
	case next == '.' && !strings.Contains(rest[1:], "."):
		return "www below a top-level domain: a label may be missing"
	case strings.HasPrefix(rest, ".www."):
		return "begins with www twice"
	}
	return ""
}

// lookalike says what is odd about the letters of a name in Unicode.
func lookalike(text string) string {
	labels := strings.Split(text, ".")
	home := scriptsOf(labels[len(labels)-1])
	for _, label := range labels {
		scripts := scriptsOf(label)
		switch {
		case !readTogether(scripts):
			return "a label mixes " + strings.Join(scripts, " and ")
		case mixesDigits(label):
			return "a label mixes digits of several systems"
		case passesForLatin(label, scripts) && !slices.Equal(scripts, home):
			// Below a top-level domain in the same script such a label is an
			// ordinary word.
			return "a label in " + scripts[0] + " that looks like Latin"
		}
	}
	return ""
}

// scriptsOf lists the scripts of a label, sorted, each once. What is common to
// several scripts (digits, hyphen, marks) counts for none.
func scriptsOf(label string) []string {
	var found []string
	var table *unicode.RangeTable // of the last letter: the next is likely in it
	for _, r := range label {
		if table != nil && unicode.Is(table, r) || unicode.In(r, unicode.Common, unicode.Inherited) {
			continue
		}
		for name, t := range unicode.Scripts {
			if unicode.Is(t, r) {
				found, table = append(found, name), t
				break
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// together are the sets of scripts that readers know side by side: level
// "highly restrictive" of UTS #39, section 5.2.
var together = [][]string{
	{"Latin", "Han", "Hiragana", "Katakana"},
	{"Latin", "Han", "Bopomofo"},
	{"Latin", "Han", "Hangul"},
}

// readTogether says whether one label may hold these scripts.
func readTogether(scripts []string) bool {
	if len(scripts) <= 1 {
		return true
	}
	return slices.ContainsFunc(together, func(set []string) bool {
		return !slices.ContainsFunc(scripts, func(s string) bool { return !slices.Contains(set, s) })
	})
}

// likeLatin are small letters of other scripts that are drawn like Latin ones.
var likeLatin = map[string]string{
	"Cyrillic": "асԁеһіјӏорԛѕԝхуѵ",
	"Greek":    "αικνορυ",
}

// passesForLatin says whether every letter of a label looks like a Latin one,
// and none is.
func passesForLatin(label string, scripts []string) bool {
	if len(scripts) != 1 || likeLatin[scripts[0]] == "" {
		return false
	}
	return strings.Trim(label, likeLatin[scripts[0]]+"-0123456789") == ""
}

// mixesDigits says whether a label has decimal digits of several systems
// (UTS #39, section 5.3).
func mixesDigits(label string) bool {
	var system rune // its zero
	for _, r := range label {
		if !unicode.Is(unicode.Nd, r) {
			continue
		}
		zero := zeroOf(r)
		if system != 0 && zero != system {
			return true
		}
		system = zero
	}
	return false
}

// zeroOf returns the zero of the system that a decimal digit belongs to:
// systems are runs of ten, and each range of [unicode.Nd] is made of whole ones.
func zeroOf(digit rune) rune {
	for _, r := range unicode.Nd.R16 {
		if rune(r.Lo) <= digit && digit <= rune(r.Hi) {
			return digit - (digit-rune(r.Lo))%10
		}
	}
	for _, r := range unicode.Nd.R32 {
		if rune(r.Lo) <= digit && digit <= rune(r.Hi) {
			return digit - (digit-rune(r.Lo))%10
		}
	}
	return digit
}
