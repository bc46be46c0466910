package main

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/vaern/vaern/blocklist"
)

// reviewItem is one change of a draft, as a page.
type reviewItem struct {
	entryJSON
	entry  *blocklist.Entry // of an addition
	listed string           // of what is in force or suspended: who listed it
	other  string           // a line about an officer or an override, in place of an entry
	stays  string           // why it can not be removed
}

// pageWidth is the width of a terminal, in columns. Names are not broken: they
// are what is copied.
const pageWidth = 80

var unitWords = map[string]string{
	"domain": "domain: the name and everything below it",
	"host":   "host: exactly that name",
	"url":    "url: never in DNS",
}

// page shows one change. There are no colours and nothing moves: it is the
// same over ssh, in a log of the session, and for a screen reader.
func (r *review) page(at int) {
	it := r.items[at]
	title := fmt.Sprintf("-- %d of %d ", at+1, len(r.items))
	switch r.answers[at] {
	case approved:
		title += "-- approved "
	case removed:
		title += "-- removed "
	}
	fmt.Fprintf(r.out, "%s%s\n", title, strings.Repeat("-", max(0, pageWidth-1-len(title))))
	if it.other != "" {
		what, _, _ := strings.Cut(it.other, " with digest ") // the text to sign has it
		fmt.Fprintln(r.out, what)
		return
	}
	fmt.Fprintf(r.out, "%s %s, %s\n\n    %s\n\n", it.Change, it.ID, unitWords[it.Unit], it.Target)
	if e := it.entry; e != nil {
		field(r, "category", e.Category)
		field(r, "source", strings.TrimSpace(e.Source+" "+e.SourceRef))
		field(r, "evidence", e.EvidenceRef)
		field(r, "dedicated", e.Dedicated)
		field(r, "compromised", e.Compromised)
		field(r, "recheck by", e.RecheckBy)
		field(r, "note", e.Note)
	}
	field(r, "listed", it.listed)
	for _, f := range it.Findings {
		mark := "guards"
		if strings.HasPrefix(f, "refused") || strings.HasPrefix(f, "flagged") {
			mark = "! guards"
		}
		field(r, mark, f)
	}
}

// field prints a field that says something.
func field(r *review, name, text string) {
	if text != "" {
		fmt.Fprintln(r.out, wrap(fmt.Sprintf("%-13s", name), text))
	}
}

// wrap breaks a text between words, below the end of what stands before it.
func wrap(before, text string) string {
	indent := utf8.RuneCountInString(before)
	lines, width := before, indent
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case width+1+n >= pageWidth:
			lines, width = lines+"\n"+strings.Repeat(" ", indent), indent
		default:
			lines, width = lines+" ", width+1
		}
		lines, width = lines+word, width+n
	}
	return lines
}

// columns is how wide a line is on a terminal, where a tab leads to the next
// multiple of eight.
func columns(line string) int {
	n := 0
	for _, r := range line {
		if r == '\t' {
			n += 8 - n%8
		} else {
			n++
		}
	}
	return n
}
