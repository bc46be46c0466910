package blocklist

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// EntryID numbers an entry within its register, from 1, written E12. It is
// what messages use in place of a name.
type EntryID int64

func (id EntryID) String() string { return "E" + strconv.FormatInt(int64(id), 10) }

// DecisionID numbers a decision within its register, from 1, written D7.
type DecisionID int64

func (id DecisionID) String() string { return "D" + strconv.FormatInt(int64(id), 10) }

// ReportID numbers a report within its inbox, from 1, written R5.
type ReportID int64

func (id ReportID) String() string { return "R" + strconv.FormatInt(int64(id), 10) }

// ParseReportID reads R5.
func ParseReportID(s string) (ReportID, error) {
	n, err := parseID(s, "R")
	return ReportID(n), err
}

// CaseID numbers a case within its register, from 1, written C3.
type CaseID int64

func (id CaseID) String() string { return "C" + strconv.FormatInt(int64(id), 10) }

// ParseCaseID reads C3.
func ParseCaseID(s string) (CaseID, error) {
	n, err := parseID(s, "C")
	return CaseID(n), err
}

// ParseEntryID reads E12.
func ParseEntryID(s string) (EntryID, error) {
	n, err := parseID(s, "E")
	return EntryID(n), err
}

// ParseDecisionID reads D7.
func ParseDecisionID(s string) (DecisionID, error) {
	n, err := parseID(s, "D")
	return DecisionID(n), err
}

// parseID reads a number without sign or leading zeros behind a letter.
func parseID(s, letter string) (int64, error) {
	digits, ok := strings.CutPrefix(s, letter)
	ok = ok && digits != "" && digits[0] != '0' && len(digits) <= len("999999999999999999")
	n := int64(0)
	for i := 0; ok && i < len(digits); i++ {
		ok = '0' <= digits[i] && digits[i] <= '9'
		n = n*10 + int64(digits[i]-'0')
	}
	if !ok {
		return 0, fmt.Errorf("not an id like %s12", letter)
	}
	return n, nil
}

// Entry is one addition as it was decided: the target and why. Of all this
// only target and category ever leave the authority.
type Entry struct {
	ID       EntryID
	Target   Target
	Category string // [a-z0-9-]{1,32}, or empty
	Details
}

// Details are the fields of an entry that stay in the house. They are
// single-line texts without control characters; empty means not said.
type Details struct {
	Source      string // who reported it
	SourceRef   string // the reporter's reference
	EvidenceRef string // where the evidence is kept
	Dedicated   string // "yes", "no": the whole name serves the one purpose
	Compromised string // "yes", "no": a lawful site that was broken into
	RecheckBy   string // YYYY-MM-DD
	Note        string
}

// EntryColumns are the columns of an entry in CSV, in the order of a signed
// decision.
var EntryColumns = []string{
	"unit", "target", "category", "source", "source_ref", "evidence_ref",
	"dedicated", "compromised", "recheck_by", "note",
}

// maxFieldText bounds every free text of an entry or decision, in octets.
const maxFieldText = 4096

// isCategory says whether s is of the form [a-z0-9-]{1,32}.
func isCategory(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return 1 <= len(s) && len(s) <= 32
}

// NewEntry makes an entry, without an id yet, from the text of its columns in
// the order of [EntryColumns]. The error is a [Rejection].
func NewEntry(fields [10]string) (Entry, error) {
	unit, err := ParseUnit(fields[0])
	if err != nil {
		return Entry{}, err
	}
	target, err := ParseTarget(unit, fields[1])
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Target: target, Category: fields[2], Details: Details{
		fields[3], fields[4], fields[5], fields[6], fields[7], fields[8], fields[9],
	}}
	return e, e.check()
}

func (e *Entry) check() error {
	if e.Category != "" && !isCategory(e.Category) {
		return reject(RuleSyntax, "category is not 1 to 32 of a-z, 0-9 and hyphen")
	}
	if e.Category == StandingCategory {
		return reject(RuleSyntax, "category is reserved for the test name")
	}
	if e.Details == (Details{}) {
		return nil
	}
	for _, f := range e.texts() {
		switch {
		case len(*f) > maxFieldText:
			return reject(RuleSyntax, "a field is longer than 4096 octets")
		case checkField(*f) != nil:
			return reject(RuleSyntax, "control character or invalid UTF-8 in a field")
		}
	}
	for _, answer := range []string{e.Dedicated, e.Compromised} {
		if answer != "" && answer != "yes" && answer != "no" {
			return reject(RuleSyntax, "dedicated and compromised are yes, no or empty")
		}
	}
	if e.RecheckBy != "" {
		if _, err := time.Parse(time.DateOnly, e.RecheckBy); err != nil {
			return reject(RuleSyntax, "recheck_by is not a date like 2026-12-31")
		}
	}
	return nil
}

// texts lists the details in the order of [EntryColumns], for reading and
// writing alike.
func (e *Entry) texts() [7]*string {
	return [...]*string{
		&e.Source, &e.SourceRef, &e.EvidenceRef, &e.Dedicated, &e.Compromised, &e.RecheckBy, &e.Note,
	}
}
