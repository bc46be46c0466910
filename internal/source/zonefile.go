package source

import (
	"regexp"
	"strings"
)

// token is a word of a master file.
type token struct {
	text   string
	quoted bool
}

// ttlForm is a time: seconds, or as name servers also write them, 1h30m.
var ttlForm = regexp.MustCompile(`^[0-9]+([smhdwSMHDW]([0-9]+[smhdwSMHDW])*([0-9]+)?)?$`)

// tokenize appends the tokens of one line of a master file (RFC 1035, section
// 5.1). open says whether it begins within parentheses, and whether it ends
// so. A backslash stays in the token with what it escapes. Not ok is a quoted
// string that does not end on the line, a backslash at its end, and
// parentheses that close nothing or stand within others.
func tokenize(tokens []token, text string, open *bool) (_ []token, ok bool) {
	for i := 0; i < len(text); {
		switch text[i] {
		case ' ', '\t':
			i++
		case ';':
			return tokens, true
		case '(', ')':
			if *open == (text[i] == '(') {
				return tokens, false
			}
			*open = !*open
			i++
		case '"':
			end := tokenEnd(text, i+1, `"`)
			if end >= len(text) {
				return tokens, false
			}
			tokens = append(tokens, token{text[i+1 : end], true})
			i = end + 1
		default:
			end := tokenEnd(text, i, " \t;()\"")
			if end > len(text) {
				return tokens, false
			}
			tokens = append(tokens, token{text[i:end], false})
			i = end
		}
	}
	return tokens, true
}

// tokenEnd finds the first of the octets of stop, from i on, that no backslash
// escapes. It is beyond the line if the line ends in a backslash.
func tokenEnd(text string, i int, stop string) int {
	for i < len(text) && strings.IndexByte(stop, text[i]) < 0 {
		if text[i] == '\\' {
			i++
		}
		i++
	}
	return i
}

// isZoneLine says whether words can only be a line of a master file: a
// directive, or a record of the kinds that a policy zone begins with.
func isZoneLine(said []string) bool {
	for i, word := range said {
		switch word = strings.ToUpper(word); {
		case i == 0 && (word == "$ORIGIN" || word == "$TTL" || word == "$INCLUDE" || word == "$GENERATE"):
			return len(said) > 1
		case i == 0, word == "IN", ttlForm.MatchString(word):
		default:
			return len(said) > i+1 && (word == "SOA" || word == "NS" || word == "CNAME")
		}
	}
	return false
}

// owner is a domain name of a master file, lower case. Until an $ORIGIN or the
// owner of the SOA says where the zone hangs, names are relative to its apex,
// wherever that is.
type owner struct {
	text     string // without the final dot; "" is the root, or the apex
	absolute bool
	known    bool
}

// resolve reads a name (RFC 1035, section 5.1): @ is the origin, and without a
// final dot the origin follows. Quoted, escaped and other than ASCII it is not
// known: no host name needs that.
func (origin owner) resolve(t token) owner {
	for _, c := range []byte(t.text) {
		if c <= ' ' || c >= 0x7f || c == '\\' {
			return owner{}
		}
	}
	text := strings.ToLower(t.text)
	switch {
	case t.quoted || text == "":
		return owner{}
	case text == "@":
		return origin
	case strings.HasSuffix(text, "."):
		return owner{text[:len(text)-1], true, true}
	case !origin.known:
		return owner{}
	case origin.text != "":
		text += "." + origin.text
	}
	return owner{text, origin.absolute, true}
}

// below returns what stands before the apex in a name: "" at the apex itself.
// Not ok is a name outside.
func (o owner) below(apex owner) (text string, ok bool) {
	if !o.known || o.absolute != apex.absolute {
		return "", false
	}
	if o.text == apex.text {
		return "", true
	}
	if apex.text == "" {
		return o.text, true
	}
	return strings.CutSuffix(o.text, "."+apex.text)
}
