// Package source reads the files in which people hand in names and URLs, one
// file of this package for each format.
//
//	csv     header row; columns unit,target,category,... in any order
//	plain   one name or URL a line, # begins a comment
//	hosts   "0.0.0.0 name ..." as in hosts(5)
//
// Every line that is not empty and not a comment becomes an entry or a
// rejection with its number; none is dropped silently, and none is repaired.
// A quoted CSV field does not span lines: a stray quotation mark would
// swallow the lines behind it.
package source
