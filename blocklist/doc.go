// Package blocklist is the data of a blocking list: names and what is decided
// about them, the guards that hold a decision against common sense, the set
// that results, and the edition, a signed directory of plain files in which
// the set travels. It knows no network, no database and no clock.
//
// # Names and targets
//
// A [Name] has one spelling: lower case, A-labels, no final dot. What cannot be
// brought into it for certain is rejected, by a [Rejection] that names a
// [Rule] and never the name. A [Target] is a name or a URL with its [Unit]:
//
//	domain   the name and everything below it
//	host     exactly that name
//	url      exactly that URL; never in DNS
//
// Names and targets print as "[listed]" in every way that Go has of printing.
// The one way to the text is Reveal.
//
// # The signed decision
//
// A [Decision] is a batch of additions and withdrawals that takes effect whole
// or not at all. Officers sign its text, in the namespace [DecisionNamespace]:
//
//	vaern decision 1
//	register: <random bits of the register>
//	environment: production
//	list: csam
//	id: D7
//	basis: order 12/2026
//	+ E12	domain	bad.example	malware	source	source_ref	evidence_ref	yes	no	2026-12-31	note
//	- E3	domain	old.example
//	~ E9	host	www.example
//	^ E8	host	back.example
//	officer add	alice	police	ssh-ed25519 AAAA...
//	officer revoke	bob	2026-11-23T12:00:00Z
//	override	growth	D5	<sha256 of the text of D5>
//	override	never-block	E12	<sha256 of the line "+ E12...">
//	override	clock	csam	<sha256 that the refusal is bound to>
//
// It is UTF-8, each line ends in LF, tabs part the fields, no field holds a
// control character. Kinds of lines come in the order above, entries by id,
// each once, targets in canonical form: a decision has one text, and
// [ParseDecision] accepts only what [Decision.Bytes] writes. What is suspended
// (~) is out of force like what is withdrawn (-), and not forgotten: it can be
// resumed (^), which takes the signatures of an addition. A rollback
// takes out everything added since an edition: its first line is "rollback" and
// the serial of that, a tab between; and because it needs one signature however
// much it takes out, all its other lines are ~ lines.
//
// # Sets
//
// A [Set] is what an edition blocks. Each target is in it once, in the order of
// LC_ALL=C sort, and what a domain covers is left out: hosts and domains below
// it, and the host of the same name. A URL covers and is covered by nothing.
// Withdraw a domain, and the decided names below it are in the next set again.
// That adds nothing: they were blocked before. To add means to block some name
// that was not.
//
// # Guards
//
// [Policy.CheckTarget] holds one target against the names that must not be
// blocked: single labels, public suffixes and what is above them, protected
// names and what is above or below them, the blocking's own names and what is
// above them, names too long for the zone. A URL is only flagged, and so is a
// name that may not be the one that was meant: mixed scripts, a missing dot.
//
// [Build.Run] holds a whole list against growth (beyond both numbers of a
// [Limit], counted against the edition of a day ago), entries that vanish
// without a decision, an empty list, a clock that is not believed, a
// never-block file that is lost, and each target once more. Guards hold back
// what adds, and nothing ever holds back a withdrawal: if one refuses, the
// outcome is the previous set less everything that was withdrawn. An override is
// a decision of its own, bound to what it lets through; [Rule.Subject] says
// which rules have one.
//
// An urgent build ([Build.Within]) only takes out: what it leaves was in every
// edition that somebody may still be served.
//
// # Editions
//
// An edition is a directory called after its [Serial]. It holds MANIFEST,
// MANIFEST.sig, and the files that MANIFEST lists:
//
//	domains.txt  hosts.txt  urls.txt   the set, one target a line
//	entries.csv                        unit,target,category,added: the set and when each row came
//
// and what [Publication.Files] adds. A text is stored as .gz, in one member,
// and as .zst; its plain form is listed, not stored. It is compressed in
// chunks that end where the text says so: the same text gives the same file,
// and the next edition takes from this one what has not changed.
//
// MANIFEST is UTF-8 with LF. Its keys come in this order, each once, in this
// spelling; a reader keeps unknown "# key: value" lines. Then come the sizes of
// all files, and their sums in the same order:
//
//	# vaern edition 1
//	# authority: Example National Police
//	# environment: production
//	# list: csam
//	# zone: csam.rpz.police.example.
//	# serial: 1795435200
//	# previous: 1795434300
//	# created: 2026-11-23T12:00:00Z
//	# expires: 2026-11-26T12:00:00Z
//	# settle: 1h
//	# register: 8812 <sha256, the head of the register's history>
//	# domains: 4021
//	# hosts: 133
//	# urls: 211
//	# bytes: domains.txt 71234
//	# bytes: domains.txt.gz 30111
//	...
//	<sha256>  domains.txt
//	<sha256>  domains.txt.gz
//	...
//
// Anybody can check it without this package:
//
//	ssh-keygen -Y verify -f FILE -I edition -n vaern-edition -s MANIFEST.sig < MANIFEST
//	sha256sum -c --ignore-missing MANIFEST
//
// [Publish] writes an edition so that a crash at any moment leaves the last one
// published; [Open] accepts exactly what it writes, whatever else is missing,
// more or different; [Edition.CheckContents] looks inside the texts as well;
// and [CheckSuccessor] is the one gate that says whether an edition may follow
// another.
//
// # Example
//
// The example of this package makes a set, publishes it, reads it, and lets a
// withdrawal pass while a guard holds back an addition. In short:
//
//	outcome := (&blocklist.Build{Policy: policy, Entries: entries, ...}).Run()
//	edition, err := blocklist.Publish(publication, outcome.Set)
//	...
//	edition, err = blocklist.OpenLatest(dir, keys)
//	err = edition.CheckContents()
//	err = blocklist.CheckSuccessor(old, edition.Manifest, now)
//	set, err := edition.Set()
package blocklist
