package source

import (
	"strings"

	"github.com/vaern/vaern/blocklist"
)

// adblock is the rule syntax of Adblock Plus and AdGuard, of which only
// ||name^ says nothing but a name. Entries wait for the end of the file: an
// exception may stand anywhere.
type adblock struct {
	blocks    []block
	exempt    exemptions
	condition int  // how many !#if are open
	hint      bool // the line before is a hint for this one
}

type block struct {
	n      int
	target blocklist.Target
}

func isAdblockHeader(text string) bool {
	return len(text) > 8 && strings.EqualFold(text[:8], "[adblock") && strings.IndexByte(text, ']') == len(text)-1
}

// comment tells a comment from a directive, !#if or !+, and from a cosmetic
// rule for all sites, ##.
func (a *adblock) comment(text string) bool {
	switch text[0] {
	case '!':
		return !strings.HasPrefix(text, "!#") && !strings.HasPrefix(text, "!+")
	case '#':
		return len(text) == 1 || text[1] == ' ' || text[1] == '\t'
	}
	return isAdblockHeader(text)
}

// lost changes nothing but that a hint is for the line that is lost.
func (a *adblock) lost(func(Line)) { a.hint = false }

func (a *adblock) line(n int, text string, each func(Line)) error {
	text = trim(text)
	hint := a.hint
	a.hint = strings.HasPrefix(text, "!+")
	if strings.HasPrefix(text, "@@") {
		a.except(text)
	}
	reason := a.refuse(text)
	if reason == "" && (a.condition > 0 || hint) {
		reason = "a rule that holds under a condition only"
	}
	if reason != "" {
		each(reject(n, reason))
		return nil
	}
	target, err := blocklist.ParseTarget(blocklist.Domain, text[2:len(text)-1])
	if err != nil {
		each(Line{N: n, Err: err})
		return nil
	}
	a.blocks = append(a.blocks, block{n, target})
	return nil
}

// refuse says why a rule is not ||name^, or "".
func (a *adblock) refuse(text string) string {
	inner, anchored := strings.CutPrefix(text, "||")
	inner, closed := strings.CutSuffix(inner, "^")
	switch {
	case strings.HasPrefix(text, "!#if"):
		a.condition++
		return "a directive"
	case strings.HasPrefix(text, "!#endif"):
		a.condition = max(0, a.condition-1)
		return "a directive"
	case text[0] == '!':
		return "a directive"
	case strings.HasPrefix(text, "@@"):
		return "an exception is not a block"
	case strings.Contains(text, "##"), strings.Contains(text, "#@#"), strings.Contains(text, "#?#"), strings.Contains(text, "#$#"), strings.Contains(text, "#%#"):
		return "a rule about parts of a page"
	case strings.HasPrefix(text, "/"):
		return "a regular expression"
	case strings.Contains(text, "$"):
		return "a rule with options"
	case strings.Contains(text, "*"):
		return "a wildcard"
	case strings.Contains(inner, "/"):
		return "a path"
	case !anchored || !closed:
		return "not of the form ||name^"
	}
	return ""
}

// except remembers the name of an exception, as far as there is one.
func (a *adblock) except(text string) {
	text, ok := strings.CutPrefix(text, "@@||")
	if !ok {
		return
	}
	text = strings.TrimPrefix(text, "*.")
	if end := strings.IndexAny(text, "^/$|*:"); end >= 0 {
		text = text[:end]
	}
	if name, err := blocklist.ParseName(text); err == nil {
		a.exempt.add(name.Reveal())
	}
}

func (a *adblock) end(each func(Line)) error {
	for _, b := range a.blocks {
		if name := b.target.Reveal(); a.exempt.within(name) || a.exempt.above(name) {
			each(reject(b.n, "an exception takes back a part of this or all of it"))
			continue
		}
		each(Line{N: b.n, Entry: blocklist.Entry{Target: b.target}, UnitGiven: true})
	}
	return nil
}
