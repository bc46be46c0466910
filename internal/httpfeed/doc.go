// Package httpfeed serves editions over HTTP: the texts for whoever does not
// take the zone by DNS, and what is needed to check them.
//
// # Paths
//
//	GET /v1/LIST/MANIFEST            the published edition's table of contents
//	GET /v1/LIST/MANIFEST.sig        its signature
//	GET /v1/LIST/FILE                a text of the published edition
//	GET /v1/LIST/SERIAL/FILE         the same of any edition that is kept
//
// FILE is domains.txt, hosts.txt, urls.txt, rpz.zone or entries.csv, or one of
// these with .gz or .zst, which comes as it is stored. Without the ending the
// text comes in the encoding that Accept-Encoding prefers: zstd and gzip are
// the stored files, identity is unpacked on the way. The second form of path is
// for programs: it takes MANIFEST and MANIFEST.sig as well, and what is
// fetched under it belongs together, even if a new edition is published
// between two requests.
//
// # Answers
//
// An answer names the edition in Vaern-Serial. Its ETag is strong: the first 32
// hex digits of the SHA-256 of the octets of the complete answer, from
// MANIFEST. If-None-Match, If-Match, Range of one range, and If-Range work as
// RFC 9110 says; several ranges at once are answered with the whole. Nothing
// may be cached by others (Cache-Control: private, no-store).
//
// # Who may ask
//
// A request carries Authorization: Bearer TOKEN and comes from one of the ISP's
// addresses, if it has any. Any other request below /v1, of whatever method
// and path, gets one and the same 401. With a credential, what is absent and
// what is another ISP's list get one and the same 404. Credentials are looked
// at before anything else, so that neither answer nor time tells what exists.
//
// # Use
//
//	feed := httpfeed.New(httpfeed.Options{Log: log, Now: time.Now})
//	feed.Set(&httpfeed.View{ISPs: table, Lists: map[string]*httpfeed.List{"csam": list}})
//	err := httpfeed.NewServer(feed, log).Serve(listener)
//
// Set swaps one pointer; an answer goes on with the edition it began with. If
// its ISP is gone from the new view, or has lost the list, the answer is cut
// short instead.
package httpfeed
