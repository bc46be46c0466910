// Package register keeps what the authority decided: an append-only,
// hash-chained history, and the state that follows from it.
//
// The history is the only thing stored. Each record holds a kind, a subject
// and a body: the signed text of a decision, an officer's signature over it,
// a rejection, a reserved serial, an expiry, an urgent request. Opening a
// register replays the whole history: the chain of hashes, every signature,
// every quorum. State that is not in the history can not exist, and a record
// that was changed, removed or moved is found before any command does anything.
//
//	record 1  register   its id, 128 random bits
//	record 2  officer    anna, police, her public key, the environment
//	record 3  officer    bo, police, his public key: founded
//	record 4  draft D1   the text that officers sign
//	record 5  approve D1 anna's signature
//	record 6  approve D1 bo's signature: quorum, D1 is in force
//	record 7  serial     edition 1795435200 of list csam is reserved
//	record 8  draft D2   which only withdraws
//	record 9  approve D2 bo's signature: quorum, D2 is in force
//	record 10 urgent     list csam, D2: to be published at once
//	record 11 expire     list csam, E1 and E2: three months have passed
//
// A hash covers the one before it and a random nonce, so that the hash that
// every MANIFEST publishes commits to the history and tells nothing of it.
// Who can write the database and knows no officer's key can destroy the
// register, and can cut its end off; he can not put an entry into it.
// What no signature covers (a rejection, a reservation, an expiry, an urgent
// request, that a case was opened or closed, the time of a record, the quorum above the least that production
// allows, and that a record was there at all) he can change if he makes all
// hashes anew, and he can found another register with founders of his own.
// Both give another history, which is found by comparing its head with any
// MANIFEST published before ([Register.Includes]), and other founders by the
// officers file as well.
//
// Each record is held against the rules with what was known when it was
// written, and is worth what is known now: if a key is revoked since a moment
// in the past, its approvals from then on are void, and so are the decisions
// that lack their quorum without them, the officers whom those added, and
// what these approved. What a void decision took away, entries and keys, stays
// away: to bring it back is to add.
//
// An expire record names entries that were in force for [MaxAge], or that nobody
// found to be still so for as long; replay holds
// it against the time of the record, so that what is in force follows from the
// history alone and not from a clock. An urgent record asks for an urgent
// build, for a decision in force that adds nothing.
//
// What was found when somebody looked at an entry again is a decision like
// others, for which one signature suffices: it extends the time of entries in
// force by no more than [MaxAge] from that day, and brings none back. A hotline
// officer may sign that much, and suspend what has changed its owner, alone;
// nothing else counts with that signature.
//
// A case is opened by a record that no signature covers, as a draft is, and
// closed by one. What becomes of its entry is decided: the lines of a decision
// that suspend by a case, uphold or reject it are signed, and a verdict not by
// who approved the listing. So who writes the database can invent a case, leave
// one out or close it, which the published heads show; he can give no verdict,
// and neither take an entry out by a case nor put it back.
//
// Who left stays known: withdrawn, expired or void by its target
// ([State.Former]), suspended as a whole ([State.Suspended]), so that a later
// decision can resume it as it was. An override counts while its decision is in force and
// what it is bound to is what it was; see [State.Overridden].
//
// A Register is used by one goroutine. Several processes may use the same
// register: appending fails if somebody else appended since, and is then
// tried again on the new state.
package register
