package dnsfeed

import (
	"encoding/binary"
	"testing"

	"github.com/miekg/dns"
)

// ladder is a message of the greatest length that is full of records whose
// name is a chain of so many pointers, each to the one before.
func ladder(pointers int) []byte {
	raw := ask(ispOne.Zones[0], dns.TypeSOA)
	record := []byte{0, 99, 0, classIN, 0, 0, 0, 0}
	raw = append(append(raw, 0), record...)
	raw = binary.BigEndian.AppendUint16(raw, uint16(1+2*pointers)) // the chain is data of the first
	raw = append(raw, 0)
	for at := len(raw) - 1; pointers > 1; pointers-- {
		raw = binary.BigEndian.AppendUint16(raw, 0xc000|uint16(at))
		at = len(raw) - 2
	}
	top := uint16(len(raw) - 2)
	raw = append(raw, 0, 0)
	records := 1
	for ; len(raw)+12 <= 0xffff; records++ {
		raw = append(binary.BigEndian.AppendUint16(raw, 0xc000|top), record...)
		raw = append(raw, 0, 0)
	}
	binary.BigEndian.PutUint16(raw[10:], uint16(records))
	return raw
}

// A name goes through as many pointers as it can have labels. Without that
// limit a stranger's message of 65,535 octets would be 35 million steps.
func TestReadNameThroughPointers(t *testing.T) {
	for pointers, want := range map[int]verdict{2: readable, maxPointers: readable, maxPointers + 1: malformed, 8000: malformed} {
		if _, v := readQuery(ladder(pointers)); v != want {
			t.Errorf("names through %d pointers: verdict %d, want %d", pointers, v, want)
		}
	}
}
