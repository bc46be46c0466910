package pull

import (
	"regexp"
	"slices"
	"strings"
)

var (
	words    = regexp.MustCompile(`[^\s"'():;,<>\[\]{}|=]+`)
	controls = regexp.MustCompile(`[^\P{Cc}\n\t]`)
	numbers  = regexp.MustCompile(`^[0-9.#@%/-]+$`) // an address, a port, a version
)

// nameless takes whatever may be a listed name out of a text: each word with a
// dot or a slash in it that is not a word of argv. Checks say where something is
// wrong by the name that stands there.
func nameless(text string, argv []string) string {
	return words.ReplaceAllStringFunc(controls.ReplaceAllString(text, "?"), func(word string) string {
		bare := strings.Trim(word, ".")
		known := slices.ContainsFunc(argv, func(arg string) bool { return bare == strings.Trim(arg, ".") })
		if known || !strings.ContainsAny(bare, "./") || numbers.MatchString(bare) {
			return word
		}
		return "[...]"
	})
}
