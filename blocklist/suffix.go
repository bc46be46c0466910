package blocklist

import (
	"sync"

	"github.com/weppos/publicsuffix-go/publicsuffix"
)

// suffixRules is the Public Suffix List cut for two questions, which
// [Policy.look] answers: is a name a public suffix, and does one lie below it
// (https://publicsuffix.org/list/, "Algorithm"). The library parses the list
// and carries a copy; its own look-up keeps one rule a name, and the list has
// names with two ("foo" and "*.foo").
type suffixRules struct {
	exact     map[string]struct{} // "co.uk", and what a wildcard's exception would be
	wildcard  map[string]struct{} // "ck" for the rule "*.ck"
	exception map[string]struct{} // "www.ck" for the rule "!www.ck"
	above     map[string]struct{} // every name with a suffix strictly below it
}

// publicSuffixes holds the ICANN and the private part of the list.
var publicSuffixes = sync.OnceValue(func() *suffixRules {
	s := &suffixRules{map[string]struct{}{}, map[string]struct{}{}, map[string]struct{}{}, map[string]struct{}{}}
	for _, r := range publicsuffix.DefaultRules() {
		switch r.Type {
		case publicsuffix.WildcardType:
			s.wildcard[r.Value] = struct{}{}
			s.above[r.Value] = struct{}{}
		case publicsuffix.ExceptionType:
			s.exception[r.Value] = struct{}{}
			continue
		default:
			s.exact[r.Value] = struct{}{}
		}
		ancestors(r.Value, func(above string) bool {
			s.above[above] = struct{}{}
			return true
		})
	}
	return s
})
