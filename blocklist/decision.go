package blocklist

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unsafe"
)

// DecisionNamespace is the namespace of an officer's signature over a
// decision (PROTOCOL.sshsig).
const DecisionNamespace = "vaern-decision"

const decisionMagic = "vaern decision 1"

// Decision is a batch of changes that officers approve and that takes effect
// whole or not at all. Its text, [Decision.Bytes], is exactly what they sign;
// it names the register and the environment, so that a signature is worth
// nothing anywhere else.
//
// Below the header stands a line for each change, tabs between the fields, in
// this order of their kinds:
//
//   - E12	domain	bad.example	malware	source	source_ref	evidence_ref	yes	no	2026-12-31	note
//   - E3	domain	old.example
//     rollback	1795435200
//     ~ E9	host	www.example
//     ^ E8	host	back.example
//     = E7	domain	checked.example	still	2026-11-23	note
//     case	C3	uphold
//     officer add	alice	police	ssh-ed25519 AAAA...
//     officer revoke	bob	2026-11-23T12:00:00Z
//     override	growth	D5	<sha256 of the text of D5>
//     override	never-block	E12	<sha256 of the line "+ E12...">
//     override	clock	csam	<sha256 that the refusal is bound to>
//
// What is suspended (~) is out of force like what is withdrawn (-), and not
// forgotten: a later decision can resume it (^). A rollback takes everything out that was added since an edition;
// because it needs one signature however much that is, it says nothing else:
// a decision with a rollback line has only ~ lines beside it.
type Decision struct {
	Register    string // 128 random bits of the register in hex
	Environment string
	List        string // "-" if the decision is not about a list
	ID          DecisionID
	Basis       string
	Add         []Entry
	Withdraw    []Withdrawal
	Rollback    Serial // the edition that it leads back to; 0: it is no rollback
	Suspend     []Withdrawal
	Resume      []Withdrawal // of suspensions; it puts the entries back in force
	Rechecks    []Recheck
	Cases       []CaseStep
	Officers    []OfficerChange
	Overrides   []Override
}

// NoList stands in the place of the list in a decision about officers.
const NoList = "-"

// Withdrawal takes one entry out, for good or, as a suspension, until
// something else is decided. It names the target too: officers sign what they
// read, not a number.
type Withdrawal struct {
	ID     EntryID
	Target Target
}

// Role is what an officer may do.
type Role string

// Only police decide what is listed; a hotline drafts.
const (
	Police  Role = "police"
	Hotline Role = "hotline"
)

// OfficerChange adds an officer, or revokes one since a moment.
type OfficerChange struct {
	Revoke bool
	Name   string
	Role   Role      // when added
	Key    string    // when added: "type base64" as in an OpenSSH public key
	Since  time.Time // when revoked: approvals recorded later are void
}

// Override lets something through one rule: a decision, an entry or a list as
// it is now, by [Rule.Subject]. It is bound to what it lets through.
type Override struct {
	Rule   Rule
	For    string // D7, E12 or the list
	Digest string // sha256 of the text of that decision, of the line of that entry, or Refusal.Digest; in hex
}

// Each is called for every line of a decision's body; nil functions skip
// their kind.
type Each struct {
	Add      func(Entry) error
	Withdraw func(Withdrawal) error
	Rollback func(Serial) error
	Suspend  func(Withdrawal) error
	Resume   func(Withdrawal) error
	Recheck  func(Recheck) error
	Case     func(CaseStep) error
	Officer  func(OfficerChange) error
	Override func(Override) error
}

// Digest returns the sha256 of a decision's text in hex, as officers compare
// it on different machines.
func Digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Bytes writes the signed text: header lines, then one line for each change,
// entries by id, tabs between fields, LF at the end of each line.
func (d *Decision) Bytes() []byte {
	var b bytes.Buffer
	b.WriteString(decisionMagic + "\n")
	for _, f := range d.header() {
		b.WriteString(f.key + ": " + f.write() + "\n")
	}
	for _, e := range byID(d.Add, func(e Entry) EntryID { return e.ID }) {
		e.write(&b)
		b.WriteByte('\n')
	}
	writeWithdrawals(&b, "- ", d.Withdraw)
	if d.Rollback != 0 {
		writeLine(&b, "rollback", d.Rollback.String())
	}
	writeWithdrawals(&b, "~ ", d.Suspend)
	writeWithdrawals(&b, "^ ", d.Resume)
	for _, c := range byID(d.Rechecks, func(c Recheck) EntryID { return c.ID }) {
		writeLine(&b, "= "+c.ID.String(), c.Target.Unit.String(), c.Target.Reveal(), c.Result.String(), c.Day.Format(time.DateOnly), c.Note)
	}
	for _, c := range d.Cases {
		writeLine(&b, "case", c.Case.String(), string(c.Step))
	}
	for _, o := range d.Officers {
		if o.Revoke {
			writeLine(&b, "officer revoke", o.Name, o.Since.UTC().Format(time.RFC3339))
		} else {
			writeLine(&b, "officer add", o.Name, string(o.Role), o.Key)
		}
	}
	for _, o := range d.Overrides {
		writeLine(&b, "override", string(o.Rule), o.For, o.Digest)
	}
	return b.Bytes()
}

// byID returns the lines of one kind in the order of their ids.
func byID[T any](lines []T, id func(T) EntryID) []T {
	order := func(a, b T) int { return cmp.Compare(id(a), id(b)) }
	if slices.IsSortedFunc(lines, order) {
		return lines
	}
	return slices.SortedStableFunc(slices.Values(lines), order)
}

// write writes the entry's line, without its LF.
func (e *Entry) write(b *bytes.Buffer) {
	b.WriteString("+ " + e.ID.String() + "\t" + e.Target.Unit.String() + "\t" + e.Target.Reveal() + "\t" + e.Category)
	for _, text := range e.texts() {
		b.WriteString("\t" + *text)
	}
}

// Digest returns the sha256 of the entry's line in a decision, in hex: what an
// override of a rule about the entry is bound to.
func (e *Entry) Digest() string {
	var b bytes.Buffer
	e.write(&b)
	return Digest(b.Bytes())
}

// EntryDigests calls each with the id of every entry that a decision's text
// adds. Its digest, the sha256 of its line, is computed when it is asked for.
func EntryDigests(text []byte, each func(id EntryID, digest func() string)) {
	for len(text) > 0 {
		var line []byte
		line, text, _ = bytes.Cut(text, []byte("\n"))
		rest, ok := bytes.CutPrefix(line, []byte("+ "))
		word, _, tab := bytes.Cut(rest, []byte("\t"))
		if !ok || !tab {
			continue
		}
		if id, err := ParseEntryID(string(word)); err == nil {
			each(id, func() string { return Digest(line) })
		}
	}
}

func writeWithdrawals(b *bytes.Buffer, sign string, all []Withdrawal) {
	for _, w := range byID(all, func(w Withdrawal) EntryID { return w.ID }) {
		writeLine(b, sign+w.ID.String(), w.Target.Unit.String(), w.Target.Reveal())
	}
}

func writeLine(b *bytes.Buffer, fields ...string) {
	b.WriteString(strings.Join(fields, "\t"))
	b.WriteByte('\n')
}

func (d *Decision) header() []headerField {
	return []headerField{
		textField("register", &d.Register),
		textField("environment", &d.Environment),
		textField("list", &d.List),
		{"id", func() string { return d.ID.String() }, func(s string) (err error) {
			d.ID, err = ParseDecisionID(s)
			return err
		}},
		textField("basis", &d.Basis),
	}
}

// Check says whether the basis can stand in the text. The other fields were
// checked where they were made.
func (d *Decision) Check() error {
	if err := CheckLine(d.Basis); err != nil {
		return fmt.Errorf("basis: %w", err)
	}
	return nil
}

// ParseDecision reads a signed text whole. It accepts only what Bytes writes.
func ParseDecision(text []byte) (*Decision, error) {
	var body Decision
	d, err := ScanDecision(text, Each{
		Add:      func(e Entry) error { body.Add = append(body.Add, e); return nil },
		Withdraw: func(w Withdrawal) error { body.Withdraw = append(body.Withdraw, w); return nil },
		Rollback: func(s Serial) error { body.Rollback = s; return nil },
		Suspend:  func(w Withdrawal) error { body.Suspend = append(body.Suspend, w); return nil },
		Resume:   func(w Withdrawal) error { body.Resume = append(body.Resume, w); return nil },
		Recheck:  func(c Recheck) error { body.Rechecks = append(body.Rechecks, c); return nil },
		Case:     func(c CaseStep) error { body.Cases = append(body.Cases, c); return nil },
		Officer:  func(o OfficerChange) error { body.Officers = append(body.Officers, o); return nil },
		Override: func(o Override) error { body.Overrides = append(body.Overrides, o); return nil },
	})
	if err != nil {
		return nil, err
	}
	d.Add, d.Withdraw, d.Rollback, d.Suspend = body.Add, body.Withdraw, body.Rollback, body.Suspend
	d.Resume, d.Rechecks, d.Cases, d.Officers, d.Overrides = body.Resume, body.Rechecks, body.Cases, body.Officers, body.Overrides
	return d, nil
}

// ScanDecision reads a signed text line by line, so that the entries of a
// million need not be held in full. The decision it returns has the header
// only. What it hands out are parts of text, which must not change afterwards.
func ScanDecision(text []byte, each Each) (*Decision, error) {
	s := scanner{rest: unsafe.String(unsafe.SliceData(text), len(text)), each: each}
	d, err := s.run()
	if err != nil {
		return nil, fmt.Errorf("parse decision line %d: %w", s.line, err)
	}
	return d, nil
}

type scanner struct {
	rest     string
	line     int
	kind     int     // of the last body line: kinds come in a fixed order
	last     EntryID // of that line, if it is about an entry: ids go up within a kind
	lastCase CaseID
	back     bool // a rollback line was seen
	bodies   int  // lines of the body before this one
	each     Each

	category string // of the last line that [scanner.bare] took, which was held to its form
}

// Kinds of lines in their order.
const (
	kindAdd = iota
	kindWithdraw
	kindRollback
	kindSuspend
	kindResume
	kindRecheck
	kindCase
	kindOfficer
	kindOverride
)

// next returns the next line without its LF.
func (s *scanner) next() (string, error) {
	s.line++
	line, rest, ok := strings.Cut(s.rest, "\n")
	if !ok {
		return "", errors.New("text ends before the end of a line")
	}
	s.rest = rest
	return line, nil
}

func (s *scanner) run() (*Decision, error) {
	if line, err := s.next(); err != nil || line != decisionMagic {
		return nil, errors.New("not a vaern decision 1")
	}
	d := &Decision{}
	for _, f := range d.header() {
		line, err := s.next()
		if err != nil {
			return nil, err
		}
		value, ok := strings.CutPrefix(line, f.key+": ")
		if !ok {
			return nil, fmt.Errorf("want key %q", f.key)
		}
		if err := f.read(value); err != nil {
			return nil, fmt.Errorf("key %q: %w", f.key, err)
		}
	}
	for len(s.rest) > 0 {
		if bare, err := s.bare(); err != nil {
			return nil, err
		} else if bare {
			continue
		}
		line, err := s.next()
		if err == nil {
			err = s.body(line)
		}
		if err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (s *scanner) body(line string) error {
	var kind int
	var err error
	switch {
	case strings.HasPrefix(line, "+ "):
		kind, err = kindAdd, s.add(line[2:])
	case strings.HasPrefix(line, "- "):
		kind, err = kindWithdraw, s.takeOut(kindWithdraw, line[2:], s.each.Withdraw)
	case strings.HasPrefix(line, "rollback\t"):
		kind, err = kindRollback, s.rollback(line)
	case strings.HasPrefix(line, "~ "):
		kind, err = kindSuspend, s.takeOut(kindSuspend, line[2:], s.each.Suspend)
	case strings.HasPrefix(line, "^ "):
		kind, err = kindResume, s.takeOut(kindResume, line[2:], s.each.Resume)
	case strings.HasPrefix(line, "= "):
		kind, err = kindRecheck, s.recheck(line[2:])
	case strings.HasPrefix(line, "case\t"):
		kind, err = kindCase, s.caseStep(line)
	case strings.HasPrefix(line, "officer "):
		kind, err = kindOfficer, s.officer(line)
	case strings.HasPrefix(line, "override\t"):
		kind, err = kindOverride, s.override(line)
	default:
		err = errors.New("unknown kind of line")
	}
	switch {
	case err != nil:
	case kind < s.kind:
		err = errors.New("lines are not in order of their kind")
	case s.back && kind > kindSuspend:
		err = errors.New("a rollback does more than suspend")
	}
	s.kind = kind
	s.bodies++
	return err
}

// id reads the id of an entry at the beginning of a line. Ids go up, so that
// a decision says each thing once and in one order.
func (s *scanner) id(kind int, text string) (EntryID, error) {
	id, err := ParseEntryID(text)
	if err == nil && kind == s.kind && id <= s.last {
		err = errors.New("entries are not in order of their ids")
	}
	s.last = id
	return id, err
}

// bare reads the next line if it is one of a plain name of which only id, unit,
// target and category are said, as most of a large list are. "No" only means
// that [scanner.body] has to look at the line.
func (s *scanner) bare() (bool, error) {
	line, ok := strings.CutPrefix(s.rest, "+ ")
	word, line, tab := strings.Cut(line, "\t")
	id, err := ParseEntryID(word)
	if !ok || !tab || err != nil || s.kind != kindAdd || id <= s.last {
		return false, nil
	}
	unit := Domain
	line, ok = strings.CutPrefix(line, "domain\t")
	if !ok {
		unit = Host
		line, ok = strings.CutPrefix(line, "host\t")
	}
	n := plainName(line)
	name, line := line[:n], line[n:]
	line, tab = strings.CutPrefix(line, "\t")
	if !ok || n == 0 || !tab {
		return false, nil
	}
	end := max(0, strings.IndexByte(line, '\t'))
	e := Entry{ID: id, Target: Target{unit, seal(name)}, Category: line[:end]}
	line, ok = strings.CutPrefix(line[end:], noDetails+"\n")
	if !ok || e.Category != s.category && e.check() != nil {
		return false, nil
	}
	s.rest, s.last, s.category = line, id, e.Category
	s.line++
	s.bodies++
	if s.each.Add == nil {
		return true, nil
	}
	return true, s.each.Add(e)
}

func (s *scanner) add(line string) error {
	var f [11]string
	if !cutFields(line, f[:]) {
		return errors.New("an addition has not its eleven fields")
	}
	id, err := s.id(kindAdd, f[0])
	if err != nil {
		return err
	}
	e, err := NewEntry([10]string(f[1:]))
	if err != nil {
		return err
	}
	if e.Target.Reveal() != f[2] {
		return errors.New("target is not in canonical form")
	}
	e.ID = id
	if s.each.Add == nil {
		return nil
	}
	return s.each.Add(e)
}

// noDetails ends the line of an entry of which only id, unit, target and
// category are said, as most of a large list are.
const noDetails = "\t\t\t\t\t\t\t"

// cutFields cuts a line at its tabs into exactly so many fields.
func cutFields(line string, f []string) bool {
	for i := range f {
		var more bool
		f[i], line, more = strings.Cut(line, "\t")
		if more == (i == len(f)-1) {
			return false
		}
	}
	return true
}

// takeOut reads a withdrawal or a suspension, or that one ends.
func (s *scanner) takeOut(kind int, line string, each func(Withdrawal) error) error {
	f := strings.Split(line, "\t")
	if len(f) != 3 {
		return errors.New("a withdrawal, suspension or resumption has not its three fields")
	}
	w, err := s.named(kind, f)
	if err != nil || each == nil {
		return err
	}
	return each(w)
}

// named reads the id, unit and target of an entry that was added before.
func (s *scanner) named(kind int, f []string) (w Withdrawal, err error) {
	if w.ID, err = s.id(kind, f[0]); err != nil {
		return w, err
	}
	unit, err := ParseUnit(f[1])
	if err != nil {
		return w, err
	}
	if w.Target, err = ParseTarget(unit, f[2]); err != nil {
		return w, err
	}
	if w.Target.Reveal() != f[2] {
		return w, errors.New("target is not in canonical form")
	}
	return w, nil
}

// rollback reads the line that says that all that is suspended was added since
// an edition. It comes first.
func (s *scanner) rollback(line string) error {
	serial, err := ParseSerial(strings.TrimPrefix(line, "rollback\t"))
	switch {
	case err != nil:
		return errors.New("a rollback has no serial")
	case s.bodies > 0:
		return errors.New("a rollback does more than suspend")
	}
	s.back = true
	if s.each.Rollback == nil {
		return nil
	}
	return s.each.Rollback(serial)
}

// officerName is what an officer may be called: a principal of an OpenSSH
// allowed_signers file, and safe in a file name.
var officerName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$`)

// publicKey is the form of a key inside a decision.
var publicKey = regexp.MustCompile(`^[a-z0-9@.-]+ [A-Za-z0-9+/]+=*$`)

// Check says whether the change can stand in a decision.
func (o *OfficerChange) Check() error {
	switch {
	case !officerName.MatchString(o.Name):
		return errors.New("officer's name is not made of letters, digits and . _ @ -")
	case o.Revoke && o.Since.Nanosecond() != 0:
		return errors.New("revocation is not at a whole second")
	case o.Revoke:
		return nil
	case o.Role != Police && o.Role != Hotline:
		return errors.New("role is not police or hotline")
	case !publicKey.MatchString(o.Key):
		return errors.New("not an OpenSSH public key")
	}
	return nil
}

func (s *scanner) officer(line string) error {
	f := strings.Split(line, "\t")
	var o OfficerChange
	switch {
	case f[0] == "officer add" && len(f) == 4:
		o = OfficerChange{Name: f[1], Role: Role(f[2]), Key: f[3]}
	case f[0] == "officer revoke" && len(f) == 3:
		since, err := time.Parse("2006-01-02T15:04:05Z", f[2])
		if err != nil {
			return errors.New("revocation has no time")
		}
		o = OfficerChange{Revoke: true, Name: f[1], Since: since}
		if since.Format(time.RFC3339) != f[2] { // Parse takes a fraction that the layout has not
			return errors.New("revocation is not at a whole second")
		}
	default:
		return errors.New("unknown change of an officer")
	}
	if err := o.Check(); err != nil {
		return err
	}
	if s.each.Officer == nil {
		return nil
	}
	return s.each.Officer(o)
}

var sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)

func (s *scanner) override(line string) error {
	f := strings.Split(line, "\t")
	if len(f) != 4 || !sha256Hex.MatchString(f[3]) {
		return errors.New("not an override")
	}
	o := Override{Rule(f[1]), f[2], f[3]}
	if err := o.Check(); err != nil {
		return err
	}
	if s.each.Override == nil {
		return nil
	}
	return s.each.Override(o)
}

// Check says whether the override is for something that its rule has one for.
func (o *Override) Check() (err error) {
	switch o.Rule.Subject() {
	case OfEntry:
		_, err = ParseEntryID(o.For)
	case OfDecision:
		_, err = ParseDecisionID(o.For)
	case OfTheList:
		err = CheckListName(o.For)
	default:
		err = fmt.Errorf("rule %q has no override", o.Rule)
	}
	return err
}
