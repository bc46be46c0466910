// Package blocklist is the data of a blocking list.
package blocklist
