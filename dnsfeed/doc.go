// Package dnsfeed is the DNS side of a blocking list: it turns a set of names
// into a response policy zone, and gives that zone to the ISPs who may have
// it, and to nobody else.
//
// # From a set to a zone
//
// A [Zone] says how a list looks in the DNS. Its [Zone.Files] are two files of
// an edition, made from the serial and the set alone:
//
//   - rpz.zone, the master file, for people and for resolvers that load files;
//   - zone.image, the same records as the messages of a zone transfer, made
//     once, when the edition is built.
//
// At the apex stand SOA and NS and nothing else; for a domain NAME and *.NAME,
// for a host NAME, each with one CNAME. Anything more at the apex is a policy
// for the root to some resolvers, and a name of 256 octets stops others from
// loading: [Zone.MaxText] is the guard to hold entries against.
//
// # From a zone to an ISP
//
// A [Server] answers on sockets that it is handed. What it serves is a
// [Snapshot] of zones, each with its newest image and the way to earlier ones
// ([Versions]); who may ask is an [Access] table of clients; both are replaced
// whole, at any time. A transfer keeps the image that it began with.
//
// A client is known by the TSIG key that signs its request (RFC 8945:
// hmac-sha256, -sha384 or -sha512, whole MACs, at most 300 seconds old); or
// over TLS (RFC 9103: TLS 1.3 with the ALPN "dot") by the public key of its
// certificate, and then nothing is signed; or by both, which have to be of one
// client. A certificate of nobody counts as none. The table may also say from
// which addresses it asks, and that it may use TLS only. Each request is looked
// at by itself: what a client lost since it connected, it can not use any more,
// and a transfer that runs ends with its next batch. About its own zones it gets
//
//   - SOA and NS of the apex, over UDP, TCP and TLS;
//   - AXFR over TCP and TLS (RFC 5936);
//   - IXFR (RFC 1995): one SOA if it is up to date, the difference from any
//     version that is kept, condensed to one, else the full zone, also if that
//     is shorter; over UDP the difference if it is ready and fits, else one SOA.
//
// A difference is made from two images when it is first needed, at once for
// the version before the newest. Where messages end depends on the names
// around, so that most are the same in both images and are passed over.
//
// Everything else is REFUSED without data, in the same words whether a zone
// is foreign or absent, a name is listed or not, the opcode is NOTIFY or
// UPDATE, or all that is missing is TLS. A client with too many transfers at
// once gets SERVFAIL for one more. A TSIG that does not verify is NOTAUTH, what cannot be read is
// FORMERR; an unauthenticated reply over UDP is never longer than the request.
// A reply is signed if, and only if, the MAC of its request was right.
//
// A [Notifier] tells the clients' secondaries of a new serial (RFC 1996), signed
// with their key, and believes no answer that is not. The message names the
// zone and nothing else; whoever hears it asks as above. BIND, Knot, NSD and
// PowerDNS take it so and sign the answer.
//
// [Limits] bound what clients take. Nobody can take all: of connections and
// transfers a client has at most as many as are left for all others; guests,
// who have shown no credential yet, push out the oldest of their own network;
// differences are made for one client after the other; handshakes compute on
// half of the processors; the kernel holds 256 KiB for who does not read; and of
// a flood by UDP few are answered.
//
// There is one log line for each transfer, with ISP, zone, serial, octets,
// time and result. No name that was asked, and no name that is listed, is
// ever in a log or an error.
//
// # zone.image
//
// Integers are big-endian. Domain names are lower case. The file is
//
//	offset  octets
//	     0       8  magic: "vaernzi" and the version of the format, 0x01
//	     8       4  serial, not zero
//	    12       4  number of records in a transfer; the SOA counts twice
//	    16          items, to the end of the file
//
// and each item is a length of two octets, at most 16384, and so many octets:
//
//	item 0     the name of the zone on the wire, not compressed
//	item 1     the answer to the zone's SOA, a DNS message
//	item 2     the answer to its NS
//	item 3...  the messages of a full transfer, in order
//
// In every message the ID is zero, the flags are QR and AA, and authority and
// additional section are empty; OPT and TSIG are added when it is sent. Items
// 1, 2 and 3 have one question, with the zone's name spelt out at offset 12,
// and the type SOA, NS, AXFR; the others have none. The server puts ID, RD
// flag and the client's own question there and copies the rest.
//
// Item 3 begins with the SOA, the NS records follow, then the names in the
// canonical order of RFC 4034, section 6.1: for a domain NAME, then *.NAME in
// the same message. All records have the same TTL, and all CNAMEs the same
// target. A message ends before a name with which it would be longer than 16384
// octets, or once it is longer than 13312 and the text of the next name has an
// FNV-1a hash (32 bits) whose upper half is divisible by 20. The last record of
// the last message is the SOA again. Names are compressed against all earlier
// names of their message (RFC 1035, section 4.1.4); this order makes the
// messages small, about 21.3 octets a record at ten letters a label.
//
// The same zone, serial and set give the same file. There is no checksum: the
// signed MANIFEST of the edition has one.
package dnsfeed
