package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vaern/vaern/blocklist"
)

// jsonl is JSON Lines: an object of strings a line, its keys our columns.
type jsonl struct {
	lineByLine
	o      Options
	result *Result
	unit   string          // of an object that does not say it
	wanted map[string]bool // keys of the mapping that no object had so far
	some   bool            // there was an object
}

func newJSONL(o Options, result *Result) (*jsonl, error) {
	j := &jsonl{o: o, result: result, unit: o.Unit, wanted: map[string]bool{}}
	if o.Columns != nil && !o.mapsTo("target") {
		return nil, errors.New("there is no key for the target")
	}
	if j.unit == "" && o.Columns != nil && !o.mapsTo("unit") {
		j.unit = "domain"
	}
	for theirs := range o.Columns {
		j.wanted[theirs] = true
	}
	return j, nil
}

func (j *jsonl) line(n int, text string, each func(Line)) error {
	members, reason := object(text)
	if reason != "" {
		each(reject(n, reason))
		return nil
	}
	j.some = true
	var f [10]string
	var has [10]bool
	for _, m := range members {
		delete(j.wanted, m.key)
		i, err := j.o.column("key", m.key)
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if i < 0 {
			j.result.addUnused(m.key)
			continue
		}
		f[i], has[i] = trim(m.value), true
	}
	switch {
	case !has[targetColumn]:
		each(reject(n, "no target"))
		return nil
	case !has[unitColumn] && j.unit == "":
		each(reject(n, "no unit: add it, or say --unit for the whole file"))
		return nil
	case !has[unitColumn]:
		f[unitColumn] = j.unit
	}
	e, err := blocklist.NewEntry(f)
	each(Line{N: n, Entry: e, Err: err, UnitGiven: has[unitColumn] || j.o.Unit != ""})
	return nil
}

// end misses a key of the mapping that is nowhere: a slip there would lose a
// column of the whole file.
func (j *jsonl) end(func(Line)) error {
	if missing := slices.Sorted(maps.Keys(j.wanted)); j.some && len(missing) > 0 {
		return fmt.Errorf("no object of the file has the key %q", missing[0])
	}
	return nil
}

type member struct{ key, value string }

// object reads an object (RFC 8259, section 4) that has nothing but strings,
// and every key once.
func object(text string) (members []member, reason string) {
	const broken = "not a JSON object"
	text, ok := strings.CutPrefix(trim(text), "{")
	if !ok {
		return nil, broken
	}
	text = trim(text)
	for !strings.HasPrefix(text, "}") {
		if len(members) > 0 {
			if text, ok = strings.CutPrefix(text, ","); !ok {
				return nil, broken
			}
		}
		var m member
		if m.key, text, ok = literal(trim(text)); !ok {
			return nil, broken
		}
		if text, ok = strings.CutPrefix(trim(text), ":"); !ok {
			return nil, broken
		}
		if m.value, text, ok = literal(trim(text)); !ok {
			return nil, "a value that is not a string"
		}
		text = trim(text)
		// An escape brings back what the line itself was checked for, and half
		// of a surrogate pair comes out as U+FFFD.
		if strings.ContainsFunc(m.key+m.value, func(r rune) bool { return r == '\t' || invisible(r) }) {
			return nil, errControl.Reason
		}
		if slices.ContainsFunc(members, func(other member) bool { return other.key == m.key }) {
			return nil, "a key twice in an object"
		}
		if members = append(members, m); len(members) > maxUnused {
			return nil, "too many keys in an object"
		}
	}
	if text != "}" {
		return nil, "something behind the object"
	}
	return members, ""
}

// literal reads a string (RFC 8259, section 7) from the beginning of text.
func literal(text string) (value, rest string, ok bool) {
	if !strings.HasPrefix(text, `"`) {
		return "", "", false
	}
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			value, rest = text[1:i], text[i+1:]
			if strings.IndexByte(value, '\\') >= 0 {
				return value, rest, json.Unmarshal([]byte(text[:i+1]), &value) == nil
			}
			return value, rest, true
		}
	}
	return "", "", false
}
