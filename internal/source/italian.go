package source

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/vaern/vaern/blocklist"
)

// italianColumns are the columns of the Italian list. No row need name them.
var italianColumns = []string{"url", "domain", "ip-url", "ip"}

// italian is the list that the Italian police hand to providers.
type italian struct {
	table
	first   bool // the row with the serial is behind us
	columns bool // and so is the first row after it
}

func newItalian(o Options, result *Result) (*italian, error) {
	f := &italian{table: table{o: o, result: result, comma: ';'}}
	if o.Columns == nil {
		f.column = make([]int, len(italianColumns))
		return f, nil
	}
	return f, f.header(slices.Clone(italianColumns))
}

// serialRow is what the file begins with: serial and timestamp.
var serialRow = regexp.MustCompile(`^"?([0-9]{1,32})"?[ \t]*;[ \t]*"?[0-9]{1,32}"?$`)

func isSerialRow(text string) bool { return serialRow.MatchString(text) }

// namesItalian says whether the mapping, if there is one, can be meant for an
// Italian list.
func (o Options) namesItalian() bool {
	for theirs := range o.Columns {
		if !slices.Contains(italianColumns, theirs) {
			return false
		}
	}
	return true
}

func (f *italian) line(n int, text string, each func(Line)) error {
	if !f.first {
		f.first = true
		m := serialRow.FindStringSubmatch(trim(text))
		if m == nil {
			return errors.New("the first row is not serial;timestamp")
		}
		f.result.Serial = m[1]
		return nil
	}
	named := !f.columns && trim(text) == strings.Join(italianColumns, ";")
	f.columns = true
	switch {
	case named: // a header: not one of its fields could be an entry
		return nil
	case f.o.Columns != nil || text[0] == '#':
		return f.table.line(n, text, each)
	}
	fields, ok := split(f.fields[:0], text, ';')
	f.fields = fields
	if !ok || len(fields) != len(italianColumns) {
		each(reject(n, fmt.Sprintf("not %s, or a stray quotation mark", strings.Join(italianColumns, ";"))))
		return nil
	}
	url, domain := trim(fields[0]), trim(fields[1])
	address := trim(fields[2]) != "" || trim(fields[3]) != ""
	if url != "" || domain != "" {
		each(f.row(n, url, domain))
	} else if !address {
		each(reject(n, "a row that says nothing"))
	}
	if address {
		each(Line{N: n, Err: &blocklist.Rejection{Rule: blocklist.RuleIPLiteral, Reason: "addresses are not blocked"}})
	}
	return nil
}

// row decides how much a row blocks, and never more than it says; the package
// comment gives the reasons.
func (f *italian) row(n int, url, domain string) Line {
	name := one(n, domain, Options{Unit: f.o.Unit})
	if url == "" {
		return f.nameOnly(name)
	}
	if domain == "" {
		return lineOf(n, blocklist.URL, url, true)
	}
	if name = f.nameOnly(name); name.Err != nil {
		return name
	}
	if url == domain {
		return name
	}
	whole := lineOf(n, blocklist.URL, url, true)
	if whole.Err != nil {
		return whole
	}
	text := whole.Entry.Target.Reveal()
	host := name.Entry.Target.Reveal()
	switch {
	case whole.Entry.Target.Name().Reveal() != host:
		return reject(n, "url is not at domain")
	case text == "http://"+host+"/" || text == "https://"+host+"/":
		return name
	}
	return whole
}

// nameOnly refuses what [one] takes for something else than a name.
func (f *italian) nameOnly(name Line) Line {
	if name.ID != 0 || name.Err == nil && name.Entry.Target.Unit == blocklist.URL {
		return reject(name.N, "domain is not a name")
	}
	return name
}
