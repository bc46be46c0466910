package inbox

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/vaern/vaern/internal/source"
)

// PrivacyError refuses a file that has what no inbox keeps. It names the column
// and never the value.
type PrivacyError struct{ Column, Like string }

func (e *PrivacyError) Error() string {
	return fmt.Sprintf("column %s looks like %s", source.Shown(e.Column), e.Like)
}

// Hint says what to do.
func (e *PrivacyError) Hint() string {
	return "nothing was taken in: what says who reported, and images and their hashes, stay with the source; take the column out of the file"
}

// What a column or a value can look like.
const (
	likeName    = "the name of a person"
	likeMail    = "a mail address"
	likePhone   = "a phone number"
	likeAddress = "the address of a person"
	likeImage   = "an image"
	likeHash    = "a hash"
	likeDataURI = "a data URI"
)

// Words of column names, in English and Danish, that say enough alone.
var telling = map[string][]string{
	likeMail:    {"email", "mail", "mailto", "epost"},
	likePhone:   {"phone", "telephone", "tel", "telefon", "mobile", "mobil", "cellphone", "fax", "msisdn"},
	likeAddress: {"adresse", "street", "postcode", "postal", "zip", "zipcode", "postnummer"},
	likeName: {
		"reporter", "informant", "caller", "sender", "complainant", "submitter", "notifier", "victim", "witness", "person", "contact",
		"anmelder", "navn", "fornavn", "efternavn", "firstname", "lastname", "fullname", "surname", "forename", "cpr", "ssn", "birthdate", "birthday", "dob",
	},
	likeImage: {"image", "images", "img", "picture", "pictures", "photo", "photos", "foto", "billede", "billeder", "thumbnail", "screenshot", "attachment", "base64"},
	likeHash: {
		"hash", "hashes", "md5", "sha", "sha1", "sha224", "sha256", "sha384", "sha512", "phash", "dhash", "ahash", "photodna", "pdna", "pdq",
		"ssdeep", "checksum", "digest", "fingerprint",
	},
	likeDataURI: {"datauri", "dataurl"},
}

// within are words that are found inside others too: reporteremail.
var within = map[string][]string{
	likeMail:  {"email"},
	likePhone: {"phone", "telefon"},
	likeName:  {"reporter", "informant", "firstname", "lastname", "fullname", "surname"},
	likeImage: {"screenshot", "thumbnail", "base64"},
	likeHash:  {"photodna", "sha256", "sha512", "md5", "imagehash"},
}

// likes are the kinds in the order in which they are looked for.
var likes = []string{likeMail, likePhone, likeHash, likeDataURI, likeImage, likeName, likeAddress}

// technical are words that make an address, or a name, one of machines.
var technical = []string{
	"ip", "ipv4", "ipv6", "url", "web", "site", "website", "host", "hosting", "server", "network", "net", "domain", "page", "dns", "internet", "isp", "file",
}

// CheckColumn says what a column is refused for, or nil.
func CheckColumn(name string) error {
	if like := columnLike(name); like != "" {
		return &PrivacyError{name, like}
	}
	return nil
}

func columnLike(name string) string {
	words := wordsOf(name)
	has := func(list []string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(list, w) })
	}
	squeezed := strings.Join(words, "")
	for _, like := range likes {
		if has(telling[like]) || slices.ContainsFunc(within[like], func(w string) bool { return strings.Contains(squeezed, w) }) {
			return like
		}
	}
	switch {
	case has([]string{"name", "names", "username"}) && !has(technical):
		return likeName
	case has([]string{"address", "addresses", "addr"}) && !has(technical):
		return likeAddress
	case has([]string{"data"}) && has([]string{"uri", "url"}):
		return likeDataURI
	case has([]string{"reported", "submitted", "sent"}) && has([]string{"by"}):
		return likeName
	}
	return ""
}

// wordsOf divides the name of a column where it changes from small letters or
// digits to a capital, and at all that is no letter or digit.
func wordsOf(name string) []string {
	var words []string
	r := []rune(name)
	start := 0
	cut := func(i int) {
		if i > start {
			words = append(words, strings.ToLower(string(r[start:i])))
		}
	}
	for i, c := range r {
		switch {
		case !unicode.IsLetter(c) && !unicode.IsDigit(c):
			cut(i)
			start = i + 1
		case i > start && unicode.IsUpper(c) &&
			(!unicode.IsUpper(r[i-1]) || i+1 < len(r) && unicode.IsLower(r[i+1])):
			cut(i)
			start = i
		}
	}
	cut(len(r))
	return words
}

// CheckValue says what a value is refused for, whatever its column is called,
// or nil.
func CheckValue(column, value string) error {
	if like := valueLike(value); like != "" {
		return &PrivacyError{column, like}
	}
	return nil
}

// hashSizes are the lengths of MD5, SHA-1 and SHA-2 in hex.
var hashSizes = [129]bool{32: true, 40: true, 56: true, 64: true, 96: true, 128: true}

// imageMagic is how the usual formats of images begin in base64.
var imageMagic = []string{"iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR"}

func valueLike(value string) string {
	if len(value) < 6 {
		return ""
	}
	hex, at, colon := true, false, false
	for i := range len(value) {
		c := value[i]
		hex = hex && ('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F')
		at = at || c == '@'
		colon = colon || c == ':'
	}
	if hex && len(value) < len(hashSizes) && hashSizes[len(value)] {
		return likeHash
	}
	if colon {
		lower := strings.ToLower(value)
		for prefix, like := range map[string]string{
			"data:": likeDataURI, "mailto:": likeMail, "tel:": likePhone, "md5:": likeHash, "sha1:": likeHash, "sha256:": likeHash, "sha512:": likeHash,
		} {
			if strings.HasPrefix(lower, prefix) {
				return like
			}
		}
		if strings.Contains(lower, ";base64,") {
			return likeDataURI
		}
	}
	if at {
		for word := range strings.FieldsSeq(value) {
			if isMail(word) {
				return likeMail
			}
		}
	}
	if value[0] == '+' && isPhone(value[1:]) {
		return likePhone
	}
	if len(value) > 64 && slices.ContainsFunc(imageMagic, func(m string) bool { return strings.HasPrefix(value, m) }) {
		return likeImage
	}
	return ""
}

// isMail finds an address in text (RFC 5322 without what nobody types).
func isMail(word string) bool {
	word = strings.Trim(word, "<>()[],;:.\"'")
	local, domain, ok := strings.Cut(word, "@")
	return ok && local != "" && strings.Contains(domain, ".") && !strings.ContainsAny(word, "/:") && !strings.Contains(domain, "@")
}

func isPhone(digits string) bool {
	n := 0
	for _, c := range digits {
		switch {
		case '0' <= c && c <= '9':
			n++
		case !strings.ContainsRune(" ()-./", c):
			return false
		}
	}
	return n >= 7
}
