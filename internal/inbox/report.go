package inbox

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vaern/vaern/blocklist"
)

// Report is one target as somebody reported it.
type Report struct {
	ID       blocklist.ReportID
	Source   string // who reported it: [CheckSource]
	Ref      string // the source's own reference, or empty
	Target   blocklist.Target
	Received string // YYYY-MM-DD or RFC 3339, or empty
	Format   string // of the file that it came in
	State    State
	Details
}

// Details are what else a report says. Empty means not said.
type Details struct {
	Category    string   `json:"category,omitempty"`
	EvidenceRef string   `json:"evidence_ref,omitempty"`
	Class       Class    `json:"class,omitempty"`
	SiteType    SiteType `json:"site_type,omitempty"`
	Dedicated   string   `json:"dedicated,omitempty"`
	Compromised string   `json:"compromised,omitempty"`
	Country     string   `json:"country,omitempty"` // where it is hosted, ISO 3166-1
	Note        string   `json:"note,omitempty"`    // may have several lines
	Agencies    string   `json:"agencies,omitempty"`
	ICCAM       *ICCAM   `json:"iccam,omitempty"`
}

// State is where a report is within the inbox.
type State uint8

// The states that the inbox knows.
const (
	Reported State = iota
	Assessed
	Rejected
)

var stateNames = [...]string{"reported", "assessed", "rejected"}

func (s State) String() string {
	if int(s) >= len(stateNames) {
		return fmt.Sprintf("state(%d)", uint8(s))
	}
	return stateNames[s]
}

// ParseState reads what String writes.
func ParseState(s string) (State, bool) {
	for i, name := range stateNames {
		if s == name {
			return State(i), true //nolint:gosec // three elements
		}
	}
	return 0, false
}

// Bounds of a report, in octets.
const (
	maxSource = 64
	maxRef    = 256
	maxText   = 4096
)

// CheckSource says whether a source may be called that: one word of 1 to 64
// letters, digits, dots, hyphens and underscores, which begins with a letter or
// a digit. It stands in the signed text of decisions.
func CheckSource(name string) error {
	ok := 0 < len(name) && len(name) <= maxSource && !strings.HasPrefix(name, "-") && !strings.HasPrefix(name, ".")
	for _, c := range []byte(name) {
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.", c) >= 0)
	}
	if !ok {
		return fmt.Errorf("source is not 1 to %d letters, digits, dots, hyphens and underscores", maxSource)
	}
	return nil
}

// check holds all but source and target to their form. The error holds nothing
// of the report.
func (r *Report) check() error {
	if r.Details == (Details{}) && r.Received == "" {
		return checkLine("source_ref", r.Ref, maxRef)
	}
	for _, f := range []struct {
		name, value string
		most        int
	}{{"source_ref", r.Ref, maxRef}, {"evidence_ref", r.EvidenceRef, maxText}, {"agencies", r.Agencies, maxRef}} {
		if err := checkLine(f.name, f.value, f.most); err != nil {
			return err
		}
	}
	if r.Category != "" && !isCategory(r.Category) {
		return syntax("category is not 1 to 32 of a-z, 0-9 and hyphen")
	}
	if !isAnswer(r.Dedicated) || !isAnswer(r.Compromised) {
		return syntax("dedicated and compromised are yes, no or empty")
	}
	if r.Country != "" && !isCountry(r.Country) {
		return syntax("country is not two capital letters")
	}
	if r.Received != "" {
		_, err := time.Parse(time.DateOnly, r.Received)
		if _, again := time.Parse(time.RFC3339, r.Received); err != nil && again != nil {
			return syntax("received is not a date like 2026-12-31, or a time like 2026-12-31T12:00:00Z")
		}
	}
	return checkLine("note", flat.Replace(r.Note), maxText)
}

// flat makes one line of a note, the one text that may have several.
var flat = strings.NewReplacer("\r\n", " ", "\n", " ", "\t", " ")

func checkLine(name, value string, most int) error {
	if value == "" {
		return nil
	}
	if len(value) > most {
		return syntax(fmt.Sprintf("%s is longer than %d octets", name, most))
	}
	if !utf8.ValidString(value) || blocklist.CheckLine(value) != nil {
		return syntax(name + " has a control character or invalid UTF-8")
	}
	return nil
}

// isCategory is the form that an entry's category has.
func isCategory(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return 0 < len(s) && len(s) <= 32
}

func isAnswer(s string) bool { return s == "" || s == "yes" || s == "no" }

func isCountry(s string) bool {
	return len(s) == 2 && 'A' <= s[0] && s[0] <= 'Z' && 'A' <= s[1] && s[1] <= 'Z'
}

func syntax(reason string) error {
	return &blocklist.Rejection{Rule: blocklist.RuleSyntax, Reason: reason}
}
