package register

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vaern/vaern/blocklist"
)

// Origins say from which reports of the inbox the entries of a draft come. They
// are a record of their own, appended together with the draft, so that there is
// no moment in which one of the two says what the other does not: what became
// of a report is known from the register alone, and the inbox is never written
// when something is drafted.
type Origins struct {
	Inbox   InboxHead // of the inbox that the reports were read from
	Reports []Origin
}

// Origin says from which report an entry comes. Several reports may lead to one
// entry.
type Origin struct {
	Report blocklist.ReportID
	Entry  int // in Decision.Add
}

// InboxHead names the end of the inbox's history. An inbox that does not know
// it is an old copy, or was cut off.
type InboxHead struct {
	Events int64
	Hash   [32]byte
}

// Drafted says where a report went last: it stays there as long as the draft is
// not rejected or replaced.
type Drafted struct {
	Decision blocklist.DecisionID
	Entry    blocklist.EntryID
}

// Drafted returns what the register knows of a report.
func (s *State) Drafted(id blocklist.ReportID) (Drafted, bool) {
	d, ok := s.drafted[id]
	return d, ok
}

// Holds is Drafted for a report that nobody else may touch: its draft waits, or
// its entry is in force or suspended. What was decided and is gone for good may
// be reported, and drafted, once more.
func (s *State) Holds(id blocklist.ReportID) (Drafted, bool) {
	at, ok := s.drafted[id]
	if !ok {
		return at, false
	}
	d, err := s.Decision(at.Decision)
	if err != nil {
		return at, false
	}
	held := d.Status == Draft
	if l := s.lists[d.List]; l != nil && !held {
		_, inForce := l.find(at.Entry)
		_, suspended := place(l.suspended, at.Entry)
		held = inForce || suspended
	}
	return at, held
}

// DraftedReports returns, in order, all reports that drafts and decisions come
// from, but for those of one draft.
func (s *State) DraftedReports(except blocklist.DecisionID) []blocklist.ReportID {
	var all []blocklist.ReportID
	for id, d := range s.drafted {
		if d.Decision != except {
			all = append(all, id)
		}
	}
	slices.Sort(all)
	return all
}

// OriginsOf calls each for every report that an open draft was made from, and
// the entry that came of it.
func (s *State) OriginsOf(d *Decision, each func(blocklist.ReportID, blocklist.EntryID)) {
	for _, id := range d.reports {
		each(id, s.drafted[id].Entry)
	}
}

// Leaving returns the entries that open drafts would withdraw.
func (s *State) Leaving() map[blocklist.EntryID]blocklist.DecisionID {
	all := map[blocklist.EntryID]blocklist.DecisionID{}
	for _, d := range s.Decisions {
		if d.Status == Draft {
			for _, w := range d.withdrawn {
				all[w.ID] = d.ID
			}
		}
	}
	return all
}

// Inbox returns the furthest head of the inbox that a draft was made from; the
// zero InboxHead if there is none.
func (s *State) Inbox() InboxHead { return s.inbox }

// bytes writes "inbox", the number of events and their hash in hex, then for
// each report a line with its entry: "R5 E12".
func (o Origins) bytes(add []blocklist.Entry) []byte {
	b := fmt.Appendf(nil, "inbox %d %x\n", o.Inbox.Events, o.Inbox.Hash)
	for _, r := range o.Reports {
		b = append(b, r.Report.String()...)
		b = append(b, ' ')
		b = append(b, add[r.Entry].ID.String()...)
		b = append(b, '\n')
	}
	return b
}

// parseOrigins calls each for every report of a record's body.
func parseOrigins(body []byte, each func(blocklist.ReportID, blocklist.EntryID) error) (InboxHead, error) {
	errForm := errors.New("not the reports of a draft")
	first, rest, ok := strings.Cut(string(body), "\n")
	f := strings.Split(first, " ")
	if !ok || len(f) != 3 || f[0] != "inbox" {
		return InboxHead{}, errForm
	}
	events, err := strconv.ParseInt(f[1], 10, 64)
	hash, errHash := hex.DecodeString(f[2])
	if err != nil || errHash != nil || len(hash) != 32 {
		return InboxHead{}, errForm
	}
	head := InboxHead{events, [32]byte(hash)}
	for rest != "" {
		var line string
		line, rest, ok = strings.Cut(rest, "\n")
		report, entry, both := strings.Cut(line, " ")
		r, errReport := blocklist.ParseReportID(report)
		e, errEntry := blocklist.ParseEntryID(entry)
		if !ok || !both || errReport != nil || errEntry != nil {
			return head, errForm
		}
		if err := each(r, e); err != nil {
			return head, err
		}
	}
	return head, nil
}

// origins takes in the reports of the draft right before it.
func (s *State) origins(r record) error {
	d, err := s.draftOf(r.subject)
	if err != nil {
		return err
	}
	if d.seq != r.seq-1 {
		return errors.New("reports do not follow their draft")
	}
	head, err := parseOrigins(r.body, func(report blocklist.ReportID, entry blocklist.EntryID) error {
		if entry < d.first || entry >= d.first+blocklist.EntryID(d.Adds) {
			return errors.New("a report is of an entry that the draft does not add")
		}
		if other, ok := s.drafted[report]; ok && s.Decisions[other.Decision-1].Status == Draft {
			return errors.New("a report is in two drafts")
		}
		s.drafted[report] = Drafted{d.ID, entry}
		d.reports = append(d.reports, report)
		return nil
	})
	if head.Events > s.inbox.Events {
		s.inbox = head
	}
	return err
}

// giveBack makes the reports of a draft that is rejected free for another one.
func (s *State) giveBack(d *Decision) {
	for _, id := range d.reports {
		delete(s.drafted, id) // of a draft, so that it is the last one
	}
}

func (s *State) checkOrigins(from Origins, replaces blocklist.DecisionID) error {
	seen := map[blocklist.ReportID]bool{}
	for _, o := range from.Reports {
		if d, ok := s.Holds(o.Report); ok && d.Decision != replaces {
			return fmt.Errorf("%v is drafted as %v in %v already", o.Report, d.Entry, d.Decision)
		}
		if seen[o.Report] {
			return fmt.Errorf("%v is there twice", o.Report)
		}
		seen[o.Report] = true
	}
	return nil
}

// Drafting is what happened to a report: it was drafted, and perhaps given
// back when the draft was rejected or replaced.
type Drafting struct {
	Drafted
	Inbox  int64 // how many events the inbox had: later ones came after this
	At     time.Time
	Back   time.Time // zero: it was not given back
	Reason string    // of the rejection
}

// Draftings are all drafts that were made from reports.
type Draftings struct {
	drafts  []*drafting
	current map[blocklist.ReportID]Drafted
}

type drafting struct {
	id      blocklist.DecisionID
	inbox   int64
	at      time.Time
	back    time.Time
	reason  string
	entries map[blocklist.ReportID]blocklist.EntryID
}

// Current returns where a report is now.
func (d *Draftings) Current(id blocklist.ReportID) (Drafted, bool) {
	c, ok := d.current[id]
	return c, ok
}

// Len returns how many reports are drafted now.
func (d *Draftings) Len() int { return len(d.current) }

// All calls each for every report that is drafted now, in no order.
func (d *Draftings) All(each func(blocklist.ReportID, Drafted)) {
	for id, c := range d.current {
		each(id, c)
	}
}

// Of returns all that happened to a report, in order.
func (d *Draftings) Of(id blocklist.ReportID) []Drafting {
	var all []Drafting
	for _, x := range d.drafts {
		if e, ok := x.entries[id]; ok {
			all = append(all, Drafting{Drafted{x.id, e}, x.inbox, x.at, x.back, x.reason})
		}
	}
	return all
}

// ReadDraftings reads from the register in the file path what became of
// reports, and nothing else: it replays no history and verifies no signature,
// so that it takes milliseconds where opening takes a second. It is for showing
// where something is; whoever drafts or decides opens the register.
func ReadDraftings(path string) (*Draftings, error) {
	s, err := openSQLite(path)
	if err != nil {
		return nil, fmt.Errorf("read register: %w", err)
	}
	d := &Draftings{current: map[blocklist.ReportID]Drafted{}}
	err = errors.Join(s.readDraftings(d), s.close())
	if err != nil {
		return nil, fmt.Errorf("read register: %w", explain(err))
	}
	return d, nil
}

func (s *sqlite) readDraftings(d *Draftings) error {
	rows, err := s.db.Query("SELECT time, kind, subject, body FROM history WHERE kind IN (?, ?) ORDER BY seq", kindReports, kindReject)
	if err != nil {
		return err
	}
	defer rows.Close()
	drafts := map[string]*drafting{}
	for rows.Next() {
		var unix int64
		var kind, subject string
		var body []byte
		if err := rows.Scan(&unix, &kind, &subject, &body); err != nil {
			return err
		}
		at := time.Unix(unix, 0).UTC()
		if kind == kindReports {
			x := &drafting{at: at, entries: map[blocklist.ReportID]blocklist.EntryID{}}
			if x.id, err = blocklist.ParseDecisionID(subject); err != nil {
				return fmt.Errorf("%w: %w", ErrTampered, err)
			}
			head, err := parseOrigins(body, func(r blocklist.ReportID, e blocklist.EntryID) error {
				x.entries[r] = e
				d.current[r] = Drafted{x.id, e}
				return nil
			})
			if err != nil {
				return fmt.Errorf("%w: %w", ErrTampered, err)
			}
			x.inbox = head.Events
			drafts[subject] = x
			d.drafts = append(d.drafts, x)
		} else if x := drafts[subject]; x != nil {
			x.back, x.reason = at, string(body)
			for r := range x.entries {
				if d.current[r].Decision == x.id {
					delete(d.current, r)
				}
			}
		}
	}
	return rows.Err()
}
