// Package httpfeed serves editions over HTTP: the texts for whoever does not
// take the zone by DNS, and what is needed to check them.
//
// # Paths
//
//	GET  /v1/LIST/MANIFEST            the published edition's table of contents
//	GET  /v1/LIST/MANIFEST.sig        its signature
//	GET  /v1/LIST/FILE                a text of the published edition
//	GET  /v1/LIST/SERIAL/FILE         the same of any edition that is kept
//	GET  /v1/LIST/changes?from=SERIAL what changed since an edition that is kept
//	POST /v1/LIST/ack                 {"serial":N}: the ISP has it in force
//	POST /v1/LIST/alarm               {"serial":N,"reason":"..."}: something is wrong with it
//	GET  /v1/t/TOKEN/LIST/rpz.zone    the zone, for clients that can not send a header
//
// FILE is domains.txt, hosts.txt, urls.txt, rpz.zone or entries.csv, or one of
// these with .gz or .zst, which comes as it is stored. Without the ending the
// text comes in the encoding that Accept-Encoding prefers: zstd and gzip are
// the stored files, identity is unpacked on the way. The second form of path is
// for programs: it takes MANIFEST and MANIFEST.sig as well, and what is
// fetched under it belongs together, even if a new edition is published
// between two requests.
//
// The changes are text: "# from SERIAL", "# to SERIAL", and then a line
// "- unit target" or "+ unit target" for each target that is no longer blocked
// or newly so, in the order of the files (see [blocklist.WriteChanges]). From a
// serial that is not kept, or if they are longer than the whole or 16 MiB, they
// are a 404 that has Vaern-Serial and says to take the whole; if they are not
// ready within 5 s, for others ask too, a 503.
//
// ack and alarm take a strict JSON object of at most 1 KiB about an edition that
// is kept, and answer 204 when it is on disk.
//
// # Answers
//
// An answer names the edition in Vaern-Serial. Its ETag is strong: the first 32
// hex digits of the SHA-256 of the octets of the complete answer, from
// MANIFEST. If-None-Match, If-Match, Range of one range, and If-Range work as
// RFC 9110 says; several ranges at once are answered with the whole. So is a
// range without If-Range if the client was last sent the beginning of another
// edition: what has no serial in its path may have been published in between.
// Nothing may be cached by others (Cache-Control: private, no-store).
//
// # Who may ask
//
// An ISP is known by Authorization: Bearer TOKEN, or over TLS by the key of the
// certificate that it shows. One of them is enough; if there are both, they must
// be of one ISP (see [isp.Table.Authenticate]). The request has to come from one of
// the ISP's addresses, if it has any. Any other request, of whatever method
// and path, gets one and the same 401. With a credential, what is absent and
// what is another ISP's list get one and the same 404. Credentials are looked
// at before anything else, so that neither answer nor time tells what exists, and
// at every request: a connection outlives nothing. What is no HTTP (a path with
// %zz, HTTP/1.1 without Host) is refused by net/http with a 400 that is the same
// for everybody.
//
// # Use
//
//	feed := httpfeed.New(httpfeed.Options{Log: log, Now: time.Now})
//	feed.Set(&httpfeed.View{ISPs: table, Lists: map[string]*httpfeed.List{"csam": list}})
//	server := httpfeed.NewServer(feed)
//	server.TLSConfig = httpfeed.TLS(certificate, tls.VersionTLS13)
//	err := server.ServeTLS(feed.Listen(listener), "", "")
//
// Set swaps one pointer; an answer goes on with the edition it began with. If
// its ISP is gone from the new view, or has lost the list, the answer is cut
// short instead.
package httpfeed
