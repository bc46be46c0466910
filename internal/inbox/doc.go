// Package inbox keeps what hotlines and other police forces report, and what
// was made of it, until somebody drafts a decision from it.
//
// A report alone is in no output. Data flows one way: file, inbox, draft,
// register. The inbox is an SQLite file beside the register and no part of it:
// there may be a million reports a year, and the register is replayed as a
// whole.
//
//	box, err := inbox.OpenOrCreate("inbox.db", time.Now)
//	imp, err := box.Begin("hotline", "csv")
//	outcome, err := imp.Add(report)          // for each
//	result, err := imp.Commit()
//	err = box.Change(ids, inbox.Act{Who: "anna", Assess: &assessment})
//
// # States
//
// A report is reported, then assessed or rejected; it may be assessed again
// and rejected after all. Each of these steps is an event that says who, when,
// from, to and why. That a report is drafted, in which entry, and what became
// of that entry, the inbox does not know: the register does, because a draft
// and the reports that it comes from are one change there. So the two can not
// disagree, whatever happens between them.
//
// # One report
//
// What is reported is a target in canonical form, under the source's own
// reference. The same source, reference and target is one report, however
// often it comes. The same target from another source, or under another
// reference, is another report, and both are related.
//
// # Nothing about persons
//
// A file with a column that looks like the name, mail, phone or address of a
// reporter, or like an image or the hash of one, is refused as a whole, and so
// is one with such a value in any column: see [CheckColumn] and [CheckValue].
//
// # History
//
// The file is append-only, which triggers make a rule for other programs too:
// no row is ever changed but for the state of a report, which only repeats what
// its last event says. Events are chained by SHA-256. An import is one event,
// with a digest of all rows that it brought, so that a million of them cost one
// link of the chain. [Inbox.Verify] finds what was changed, removed or added by
// anything else; that events were cut off at the end, the register shows, which
// names the head of the inbox with each draft.
package inbox
