package inbox

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/source"
)

// The formats of files with reports.
const (
	FormatCSV   = "csv"
	FormatJSONL = "jsonl"
	FormatICCAM = "iccam"
	FormatIWOL  = "iwol"
)

// Formats are all of them.
var Formats = []string{FormatCSV, FormatJSONL, FormatICCAM, FormatIWOL}

// Columns are the columns of a report in csv, and its keys in jsonl; only
// target must be there. Without a unit, what has a scheme is a url and
// everything else a domain. source and recheck_by, which a list of entries has,
// are read over: the source is said once, with the file.
var Columns = []string{
	"unit", "target", "category", "source_ref", "evidence_ref", "dedicated", "compromised", "note",
	"class", "site_type", "country", "received",
}

// ListColumns are the columns of a list of INTERPOL's kind: a domain, at least
// two agencies that found it unlawful, and the day of the last confirmation,
// which is at most [MaxAge] ago. Other units there are none.
var ListColumns = []string{"domain", "agencies", "confirmed"}

var ignored = []string{"source", "recheck_by"}

// Options say how to read a file.
type Options struct {
	Format  string
	Columns map[string]string // csv, jsonl, iwol: column in the file → column of ours
	Now     time.Time
}

// Line is one report of a file, or why there is none.
type Line struct {
	Where  string // the number of the line, or "report 3, url 2"
	Report Report
	Err    error
}

// Read reads a file, and calls each for every report and every rejection; it
// holds one at a time. It returns the columns and keys that were not used. An
// error is about the file as a whole, and then nothing that each was told
// counts; one of type [*PrivacyError] refuses it.
func Read(r io.Reader, o Options, each func(Line) error) (unused []string, err error) {
	if o.Format == FormatICCAM {
		if len(o.Columns) > 0 {
			return nil, errors.New("format iccam has no columns to map")
		}
		return readICCAM(r, each)
	}
	t := &table{options: o, columns: Columns, each: each}
	format := o.Format
	switch o.Format {
	case FormatIWOL:
		t.columns, format = ListColumns, FormatCSV
	case FormatCSV, FormatJSONL:
	default:
		return nil, fmt.Errorf("unknown format: want one of %s", strings.Join(Formats, ", "))
	}
	for _, theirs := range slices.Sorted(maps.Keys(o.Columns)) {
		if !slices.Contains(t.columns, o.Columns[theirs]) {
			return nil, fmt.Errorf("unknown column %s: ours are %s", source.Shown(o.Columns[theirs]), strings.Join(t.columns, ", "))
		}
	}
	if err := source.ReadRows(r, format, t.header, t.row); err != nil {
		return nil, err
	}
	return t.unused, t.mapped()
}

// table reads csv, jsonl and iwol.
type table struct {
	options Options
	columns []string
	at      map[string]int // column of the file → place in columns; -1: not used
	unused  []string
	each    func(Line) error
}

func (t *table) header(names []string) error {
	t.at, t.unused = map[string]int{}, nil
	found := map[string]bool{}
	for _, name := range names {
		ours, mapped := t.options.Columns[name]
		// A column that is said to hold the target may be called what it likes.
		if !mapped || ours != t.columns[t.targetColumn()] {
			if err := CheckColumn(name); err != nil {
				return err
			}
		}
		if !mapped && t.options.Columns == nil {
			ours = name
			if t.options.Format == FormatIWOL && name == "target" {
				ours = "domain"
			}
		}
		i := slices.Index(t.columns, ours)
		switch {
		case i < 0 && t.options.Columns == nil && !slices.Contains(ignored, name):
			return fmt.Errorf("unknown column %s: map it with --columns, or name there only those to use; ours are %s", source.Shown(name), strings.Join(t.columns, ", "))
		case i < 0:
			t.unused = append(t.unused, strings.Trim(source.Shown(name), `"`))
		case found[ours]:
			return fmt.Errorf("column %q is there twice", ours)
		default:
			found[ours] = true
		}
		t.at[name] = i
	}
	if t.options.Format == FormatJSONL {
		return nil // an object may leave out what another has
	}
	if err := t.mapped(); err != nil {
		return err
	}
	for _, ours := range t.needed() {
		if !found[ours] {
			return fmt.Errorf("there is no column %s", ours)
		}
	}
	return nil
}

// mapped says whether the file has the columns that options name.
func (t *table) mapped() error {
	for theirs := range t.options.Columns {
		if _, ok := t.at[theirs]; !ok && t.at != nil { // nil: the file is empty
			return fmt.Errorf("the file has no column %s", source.Shown(theirs))
		}
	}
	return nil
}

func (t *table) needed() []string {
	if t.options.Format == FormatIWOL {
		return ListColumns
	}
	return []string{"target"}
}

func (t *table) targetColumn() int {
	if t.options.Format == FormatIWOL {
		return 0
	}
	return 1
}

func (t *table) row(row source.Row) error {
	line := Line{Where: strconv.Itoa(row.N), Err: row.Err}
	if line.Err == nil {
		var f [12]string
		for _, field := range row.Fields {
			if err := CheckValue(field.Name, field.Value); err != nil {
				return fmt.Errorf("line %d: %w", row.N, err)
			}
			if i := t.at[field.Name]; i >= 0 {
				f[i] = field.Value
			}
		}
		if t.options.Format == FormatIWOL {
			line.Report, line.Err = t.listed(f)
		} else {
			line.Report, line.Err = reportOf(f)
		}
	}
	return t.each(line)
}

func reportOf(f [12]string) (r Report, err error) {
	unit := blocklist.Domain
	switch {
	case f[1] == "":
		return r, syntax("no target")
	case f[0] != "":
		if unit, err = blocklist.ParseUnit(f[0]); err != nil {
			return r, err
		}
	case strings.Contains(f[1], "://"):
		unit = blocklist.URL
	}
	if r.Target, err = blocklist.ParseTarget(unit, f[1]); err != nil {
		return r, err
	}
	r.Category, r.Ref, r.EvidenceRef, r.Dedicated, r.Compromised, r.Note = f[2], f[3], f[4], f[5], f[6], f[7]
	if f[8] != "" {
		if r.Class, err = ParseClass(f[8]); err != nil {
			return r, syntax(err.Error())
		}
	}
	if f[9] != "" {
		if r.SiteType, err = ParseSiteType(f[9]); err != nil {
			return r, syntax(err.Error())
		}
	}
	r.Country, r.Received = f[10], f[11]
	return r, r.check()
}

// listed reads a row of a list of INTERPOL's kind.
func (t *table) listed(f [12]string) (r Report, err error) {
	if r.Target, err = blocklist.ParseTarget(blocklist.Domain, f[0]); err != nil {
		return r, err
	}
	agencies := map[string]bool{}
	for _, a := range strings.FieldsFunc(f[1], func(c rune) bool { return strings.ContainsRune(",;+/|", c) }) {
		if a = strings.TrimSpace(a); a != "" {
			agencies[strings.ToLower(a)] = true
		}
	}
	day, err := time.Parse(time.DateOnly, f[2])
	switch {
	case len(agencies) < 2:
		return r, syntax("fewer than two agencies")
	case err != nil:
		return r, syntax("confirmed is not a date like 2026-12-31")
	case day.After(t.options.Now):
		return r, syntax("confirmed in the future")
	case t.options.Now.Sub(day) > MaxAge+24*time.Hour: // of the whole day
		return r, syntax("confirmed more than 92 days ago")
	}
	r.Agencies, r.Received = f[1], f[2]
	return r, r.check()
}

// Detect tells csv, jsonl and iccam from how a file begins; iwol it does not
// know.
func Detect(begin []byte) string {
	text := strings.TrimLeft(strings.TrimPrefix(string(begin), "\ufeff"), " \t\r\n")
	switch {
	case strings.HasPrefix(text, "["):
		return FormatICCAM
	case strings.HasPrefix(text, "{"):
		line, _, _ := strings.Cut(text, "\n")
		if strings.HasSuffix(strings.TrimSpace(line), "}") && !strings.Contains(line, `"hotlineReference"`) {
			return FormatJSONL
		}
		return FormatICCAM
	}
	return FormatCSV
}
