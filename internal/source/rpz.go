package source

import (
	"cmp"
	"slices"
	"strings"

	"github.com/vaern/vaern/blocklist"
)

// maxRecord bounds the lines of one record: an SOA takes seven.
const maxRecord = 64

// rpz is a policy zone as a master file. Entries wait for the end of the file:
// NAME and *.NAME may be far apart, and an exception may stand anywhere.
type rpz struct {
	origin owner // of relative names
	given  bool  // $ORIGIN said it
	apex   owner // known from the first record on
	last   owner // for a record that begins with white space
	stop   string
	pairs  map[string]*pair
	exempt exemptions
	exact  map[string]bool // exempt itself, whatever is below

	// The record that is being read.
	open   bool // within parentheses
	lines  []int
	over   bool // longer than maxRecord, and rejected line by line
	blank  bool // begins with white space
	tokens []token
}

// pair holds the two names of a domain.
type pair struct {
	target     blocklist.Target // as a domain
	name, wild int              // line of NAME and of *.NAME, or 0
}

func (p *pair) first() int {
	if p.name == 0 || p.wild != 0 && p.wild < p.name {
		return p.wild
	}
	return p.name
}

func newRPZ() *rpz {
	return &rpz{origin: owner{known: true}, pairs: map[string]*pair{}, exact: map[string]bool{}}
}

func (z *rpz) comment(text string) bool { return text[0] == ';' }

func (z *rpz) line(n int, text string, each func(Line)) error {
	if !z.open {
		z.lines, z.tokens, z.over = z.lines[:0], z.tokens[:0], false
		z.blank = text[0] == ' ' || text[0] == '\t'
	}
	z.lines = append(z.lines, n)
	tokens, ok := tokenize(z.tokens, text, &z.open)
	z.tokens = tokens
	switch {
	case !ok:
		z.drop("a stray quotation mark, parenthesis or backslash", each)
	case z.over || len(z.lines) > maxRecord:
		z.refuse(syntax("a record of too many lines"), each)
		z.over = true
		z.lines, z.tokens = z.lines[:0], z.tokens[:0]
	case !z.open && len(z.tokens) == 0:
		z.refuse(syntax("parentheses around nothing"), each)
	case !z.open:
		if err := z.record(); err != nil {
			z.refuse(err, each)
		}
	}
	return nil
}

// refuse rejects every line of the record, so that none is lost that stands
// between parentheses by mistake.
func (z *rpz) refuse(err error, each func(Line)) {
	for _, n := range z.lines {
		each(Line{N: n, Err: err})
	}
}

// drop gives up the record that is being read: where it ends and whose it is
// can not be told.
func (z *rpz) drop(reason string, each func(Line)) {
	z.refuse(syntax(reason), each)
	z.open, z.last = false, owner{}
}

func (z *rpz) lost(each func(Line)) {
	if z.open {
		z.drop("a record with a line that can not be read", each)
	}
	z.last = owner{}
}

// record takes in one record or directive, or says why not.
func (z *rpz) record() error {
	t := z.tokens
	if !z.blank && strings.HasPrefix(t[0].text, "$") && !t[0].quoted {
		return z.directive(t)
	}
	if !z.blank {
		z.last = z.origin.resolve(t[0])
		t = t[1:]
	}
	if !z.last.known {
		return syntax("an owner that is missing, relative to an unknown origin, or no host name")
	}
	kind, data, err := typeOf(t)
	if err != nil {
		return err
	}
	if err := z.place(kind); err != nil {
		return err
	}
	name, inside := z.last.below(z.apex)
	switch {
	case !inside:
		return syntax("owner outside the zone")
	case kind == "SOA" && name == "" && len(data) == 7, kind == "NS" && name == "" && len(data) == 1:
		return nil
	case kind == "SOA" || kind == "NS":
		return syntax("SOA or NS that is not at the apex or not whole")
	case kind != "CNAME":
		return syntax("a record of another type than CNAME")
	case name == "":
		return syntax("a CNAME at the apex")
	case len(data) != 1:
		return syntax("a CNAME without one target")
	}
	return z.cname(name, data[0])
}

// place fixes the apex with the first record.
func (z *rpz) place(kind string) error {
	switch {
	case z.apex.known:
	case kind == "SOA":
		z.apex = z.last
		if !z.given {
			z.origin = z.apex
		}
	case z.given && z.origin.known:
		z.apex = z.origin
	default:
		return syntax("neither $ORIGIN nor SOA stands before it")
	}
	return nil
}

func (z *rpz) directive(t []token) error {
	switch strings.ToUpper(t[0].text) {
	case "$ORIGIN":
		var to owner
		if len(t) == 2 {
			to = z.origin.resolve(t[1])
		}
		if z.origin, z.given = to, true; !to.known {
			return syntax("an $ORIGIN that is no name")
		}
		return nil
	case "$TTL": // RFC 2308, section 4
		if len(t) == 2 && !t[1].quoted && ttlForm.MatchString(t[1].text) {
			return nil
		}
		return syntax("a $TTL that is no time")
	case "$INCLUDE":
		z.last = owner{}
		return syntax("$INCLUDE is not followed")
	case "$GENERATE":
		z.last = owner{}
		return syntax("$GENERATE is not followed")
	}
	return syntax("an unknown directive")
}

// typeOf reads what stands before the data of a record: TTL and class in
// either order, each at most once, then the type.
func typeOf(t []token) (kind string, data []token, err error) {
	ttl, class := false, false
	for i, word := range t {
		text := strings.ToUpper(word.text)
		switch {
		case word.quoted:
			return "", nil, syntax("a record without a type")
		case text == "IN" && !class:
			class = true
		case text == "CH" || text == "CS" || text == "HS" || text == "ANY" || text == "NONE" || strings.HasPrefix(text, "CLASS"):
			return "", nil, syntax("a record of another class than IN")
		case !ttl && ttlForm.MatchString(text):
			ttl = true
		default:
			return text, t[i+1:], nil
		}
	}
	return "", nil, syntax("a record without a type")
}

// cname takes in one policy.
func (z *rpz) cname(text string, target token) error {
	text, wild := strings.CutPrefix(text, "*.")
	if text == "*" {
		return syntax("a policy for all names")
	}
	name, err := blocklist.ParseTarget(blocklist.Domain, text)
	if err != nil {
		return err
	}
	key := name.Reveal()
	if reason, exception := z.policy(key, target); reason != "" {
		if exception {
			z.exempt.add(key)
			z.exact[key] = z.exact[key] || !wild
		}
		return syntax(reason)
	}
	p := z.pairs[key]
	if p == nil {
		p = &pair{target: name}
		z.pairs[key] = p
	}
	line := &p.name
	if wild {
		line = &p.wild
	}
	if *line != 0 {
		return syntax("a second CNAME at one owner")
	}
	*line = z.lines[0]
	return nil
}

// policy says why a target is no block, and whether it is an exception from
// one.
func (z *rpz) policy(name string, t token) (reason string, exception bool) {
	to := z.origin.resolve(t)
	inside := false
	if to.known {
		_, inside = to.below(z.apex)
	}
	switch {
	case !to.known:
		return "a target that is no host name", false
	case to.absolute && (to.text == "" || to.text == "*" || to.text == "rpz-drop"):
		return "", false
	case to.absolute && strings.HasPrefix(to.text[strings.LastIndexByte(to.text, '.')+1:], "rpz-"):
		return "an exception is not a block", true
	case to.absolute && to.text == name: // what passthru was called before
		return "an exception is not a block", true
	case inside || !to.absolute:
		return "a target within the zone: is there a final dot missing?", false
	case strings.Contains(to.text, "*"):
		return "a target with a wildcard", false
	case z.stop != "" && z.stop != to.text:
		return "a target that is not the stop host of the other records", false
	}
	z.stop = to.text
	return "", false
}

func (z *rpz) end(each func(Line)) error {
	if z.open {
		z.refuse(syntax("a parenthesis that is not closed"), each)
	}
	pairs := make([]*pair, 0, len(z.pairs))
	for _, p := range z.pairs {
		pairs = append(pairs, p)
	}
	slices.SortFunc(pairs, func(a, b *pair) int { return cmp.Compare(a.first(), b.first()) })
	for _, p := range pairs {
		name := p.target.Reveal()
		switch {
		case p.name == 0:
			each(reject(p.wild, "*.NAME without NAME: there is no unit for what is below a name alone"))
		case p.wild != 0 && z.exempt.within(name):
			each(reject(min(p.name, p.wild), "an exception takes back a part of this"))
			each(reject(max(p.name, p.wild), "an exception takes back a part of this"))
		case p.wild == 0 && z.exact[name]:
			each(reject(p.name, "an exception takes back this"))
		default:
			if p.wild == 0 {
				p.target.Unit = blocklist.Host
			}
			each(Line{N: p.first(), Entry: blocklist.Entry{Target: p.target}, UnitGiven: true})
		}
	}
	return nil
}
