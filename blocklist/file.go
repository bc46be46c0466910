package blocklist

import "io"

// File is one file of an edition: its name and the function that writes it
// from the serial and the set, and from nothing else. The program that makes
// an edition hands in the files of the DNS side, so that this package knows
// no DNS library.
type File struct {
	Name string
	// Text files are stored as Name.gz and Name.zst; others as they are.
	Text  bool
	Write func(w io.Writer, serial Serial, set *Set) error
}
