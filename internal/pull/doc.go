// Package pull is the provider's side of a blocking list: it fetches an edition
// over HTTP, believes nothing that it was not shown, and puts files where the
// provider's resolver reads them.
//
// # A run
//
// [Client.Run] goes from the top to the bottom, and what fails leaves all above
// as it is:
//
//	finish      what a run that was killed had begun
//	MANIFEST    signature, environment, list; CheckSuccessor against the newest on record
//	texts       size and sum of NAME.zst, then of what it unpacks to; entries in order, counted
//	guard       the provider's own never-block names and growth limit
//	stage       each file beside its target, hidden, 0600
//	check       the provider's command on each of them
//	--- nothing was changed up to here
//	install     previous copies and the plan to the state; rename each; fsync
//	reload      the provider's command; if it fails, the previous files and reload again
//	record      edition and files
//	acknowledge
//
// MANIFEST names the serial, and everything else is asked for under that serial,
// so that what is put together belongs together.
//
// What came whole and is not what it must be is a [Refusal]. What did not come,
// or can not be done here, is an ordinary error.
//
// # State
//
// The directory holds
//
//	lock                    held while the program runs
//	record.json             the newest MANIFEST that was verified; what is installed;
//	                        what is being installed and not yet reloaded
//	previous-HASH-NAME      what each file replaced
//	entries.csv.zst         of the edition that is installed, for the growth limit
//
// and nothing else of a list. Whoever deletes record.json lets an older edition in.
//
// # Files
//
// An [Install] with File takes a text of the edition as it is. One with Format
// is rendered here, from the same rows for everybody:
//
//	unbound   domain: local-zone redirect; host: local-zone transparent; local-data for both
//	dnsmasq   domain: address and local; a host can not be said, and is left out
//	hosts     the name itself; of a domain nothing below it
//
// A rendered file never blocks more than was decided; what it can not say is
// counted in its header.
package pull
