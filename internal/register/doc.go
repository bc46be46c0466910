// Package register keeps what the authority decided: an append-only,
// hash-chained history, and the state that follows from it.
//
// The history is the only thing stored. Each record holds a kind, a subject
// and a body: the signed text of a decision, an officer's signature over it,
// a rejection, a reserved serial. Opening a register replays the whole
// history: the chain of hashes, every signature, every quorum. State that is
// not in the history can not exist, and a record that was changed, removed or
// moved is found before any command does anything.
//
//	record 1  register   its id, 128 random bits
//	record 2  officer    anna, police, her public key, the environment
//	record 3  officer    bo, police, his public key: founded
//	record 4  draft D1   the text that officers sign
//	record 5  approve D1 anna's signature
//	record 6  approve D1 bo's signature: quorum, D1 is in force
//	record 7  serial     edition 1795435200 of list csam is reserved
//
// A hash covers the one before it and a random nonce, so that the hash that
// every MANIFEST publishes commits to the history and tells nothing of it.
// Who can write the database and knows no officer's key can destroy the
// register, and can cut its end off; he can not put an entry into it.
// Cutting the end off is found by comparing with any MANIFEST published
// since.
//
// A Register is used by one goroutine. Several processes may use the same
// register: appending fails if somebody else appended since, and is then
// tried again on the new state.
package register
