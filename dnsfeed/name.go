package dnsfeed

import (
	"errors"
	"fmt"
	"strings"
)

// Limits of RFC 1035, section 2.3.4, in octets on the wire, root included.
const (
	maxName  = 255
	maxLabel = 63
)

// wireName encodes a fully qualified name of the configuration (a zone, a
// host, a key; never a listed name) as uncompressed wire octets. Text is
// lower case already and needs no escapes.
func wireName(text string) (string, error) {
	if text == "" || text[len(text)-1] != '.' {
		return "", fmt.Errorf("name %q must end with a dot", text)
	}
	if len(text) > maxName-1 {
		return "", fmt.Errorf("name %q is longer than 255 octets", text)
	}
	if text == "." {
		return "\x00", nil
	}
	b := make([]byte, 0, len(text)+1)
	for label := range strings.SplitSeq(text[:len(text)-1], ".") {
		if label == "" || len(label) > maxLabel {
			return "", fmt.Errorf("name %q has a label of %d octets: want 1 to 63", text, len(label))
		}
		if strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "", fmt.Errorf("name %q: use lower-case letters, digits, hyphens and underscores", text)
		}
		b = append(b, byte(len(label)))
		b = append(b, label...)
	}
	return string(append(b, 0)), nil
}

// textName is the inverse of wireName. It fails on octets that wireName does
// not produce, and on anything but one uncompressed name.
func textName(wire string) (string, error) {
	var b strings.Builder
	for rest := wire; rest != ""; {
		n := int(rest[0])
		if n > maxLabel || n >= len(rest) {
			break
		}
		b.WriteString(rest[1 : 1+n])
		b.WriteByte('.')
		rest = rest[1+n:]
		if n == 0 && rest != "" {
			break
		}
	}
	text := strings.TrimSuffix(b.String(), ".")
	if text == "" {
		text = "."
	}
	if again, err := wireName(text); err != nil || again != wire {
		return "", errors.New("not a lower-case host name on the wire")
	}
	return text, nil
}

// maxPointers is how many pointers a name may go through. There is no reason
// for more than it can have labels; and a message of nothing but names that
// each go through all of it would take a tenth of a second to read.
const maxPointers = maxName / 2

// readName appends the name at msg[off:] to dst in lower case and
// uncompressed, and returns the offset after it. Each pointer must lead to an
// earlier place than the one before it, so it ends on any input.
func readName(dst, msg []byte, off int) (name []byte, next int, ok bool) {
	start, limit, pointers := len(dst), off, 0
	for {
		if off >= len(msg) {
			return dst, 0, false
		}
		n := int(msg[off])
		switch {
		case n == 0:
			if next == 0 {
				next = off + 1
			}
			dst = append(dst, 0)
			return dst, next, len(dst)-start <= maxName
		case n <= maxLabel:
			if off+1+n > len(msg) || len(dst)-start+1+n >= maxName {
				return dst, 0, false
			}
			dst = append(dst, msg[off])
			for _, c := range msg[off+1 : off+1+n] {
				dst = append(dst, lower(c))
			}
			off += 1 + n
		case n >= 0xc0:
			if off+2 > len(msg) {
				return dst, 0, false
			}
			if next == 0 {
				next = off + 2
			}
			to := (n&0x3f)<<8 | int(msg[off+1])
			if pointers++; to >= limit || pointers > maxPointers {
				return dst, 0, false
			}
			off, limit = to, to
		default: // 0x40 and 0x80 are not in use (RFC 6891, section 5)
			return dst, 0, false
		}
	}
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c |= 0x20
	}
	return c
}
