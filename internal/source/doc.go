// Package source reads the files in which people hand in names and URLs, one
// file of this package for each format.
//
//	csv      header row; columns unit,target,category,... in any order
//	jsonl    an object a line; the same words as keys, strings as values
//	plain    one name or URL a line, # begins a comment
//	hosts    "0.0.0.0 name ..." as in hosts(5)
//	adblock  ||name^ of Adblock Plus and AdGuard
//	rpz      a response policy zone as a master file
//	italian  serial;timestamp, then url;domain;ip-url;ip
//
// [Open] opens a file and decompresses it, [Read] reads it.
//
// # What holds for every format
//
// Every line that is not empty and not a comment becomes an entry or a
// rejection with its number; none is dropped silently, and none is repaired.
// What is in doubt is a rejection. Where the file as a whole is in doubt,
// reading it is an error, and nothing of it counts. No listed name stands in an
// error or a rejection.
//
// A line ends in LF or CRLF, the last one may lack its end, and has at most
// 65,536 octets of UTF-8. A carriage return, a control character or an
// invisible one within a line (Unicode Cc, Cf, Zl, Zp; not the tab, nor the two
// joiners that names may have) rejects the line, be it a comment: a person
// would see something else than a program reads. Spaces and tabs around a
// field are no part of it; any other white space is. A byte order mark of
// UTF-8 is skipped; UTF-16 is an error.
//
// The format is told from the first line that says something, if only one can
// begin so; otherwise Read asks for [Options].Format. A later line of another
// format is a rejection. A list of popular names, rank,name, is never taken
// for entries. Comments begin with #, but as the formats below say otherwise.
//
// # csv
//
// Fields are divided by comma, semicolon or tab, whichever the header row has.
// Quotation marks (RFC 4180) stand around a whole field, which does not span
// lines: a stray one would swallow the lines behind it. Without a mapping every
// column must be one of ours, by exactly that name, and target and unit must be
// there; with one, what is not mapped is not used, and named in
// [Result].Unused, and the unit is domain unless it is mapped or given. A row
// that begins with # and has all the fields of a row is a rejection.
//
// # jsonl
//
// The keys of an object are as the columns of a CSV. A value that is not a
// string, a key twice, and anything behind the object reject the line; an
// unknown key is an error of the file.
//
// # plain and hosts
//
// A name is a domain, or what [Options].Unit says; in plain text a URL is a
// URL, and E12 the id of an entry. A # begins a comment only after white space.
// In a hosts file addresses that lead somewhere are refused, and so are the
// names of the machine itself with which such files begin.
//
// # adblock
//
// ||name^ is a domain. Comments begin with "!" or "# "; the header [Adblock
// Plus 2.0] is one. Everything else is a rejection: options, paths, wildcards,
// regular expressions, cosmetic rules, directives, rules under !#if, and
// exceptions. A name of which an exception takes back a part, or all, is a
// rejection too: without its exception it would block more than was decided.
//
// # rpz
//
// A master file as in RFC 1035, section 5. The zone is that of the SOA, or of
// $ORIGIN if no SOA comes first. SOA and NS at its apex are no entries. A CNAME
// to ".", "*.", "rpz-drop." or the one stop host of the file is a block: NAME
// and *.NAME together are a domain, NAME alone is a host. Rejections are *.NAME
// alone, which no unit means; every other target, type and owner; a second
// CNAME at an owner; $INCLUDE and $GENERATE, which are not followed; and a name
// of which an exception (rpz-passthru. and the like) takes back a part. A
// record that spans lines in parentheses is rejected with all its lines.
// Comments begin with ;.
//
// # italian
//
// The list of the Italian police: CSV with semicolons, and no header but the
// serial ([Result].Serial). Other readers of it take the column domain, and
// block all of the domain, also where url says a single page. Here a row never
// blocks more than it says:
//
//   - domain alone is a domain (or what Options.Unit says), url alone is a URL;
//   - with both, the column url says how much: the bare name or the front page
//     of domain is the domain, anything more is that URL only. A url that is
//     not at domain is a rejection;
//   - ip-url and ip are one rejection, apart from the entry of the same row:
//     there are no address triggers.
//
// Whoever decides to block the domains all the same says so by a mapping:
// domain=target.
package source
