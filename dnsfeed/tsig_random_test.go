package dnsfeed

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TS, R5: of 100,000 TSIG records made by lot none is taken. Half are anything at all; half are made with the right
// secret, and have one thing wrong with them.
func TestTS_RandomRecordsAreRefused(t *testing.T) {
	s := startServer(t).Server
	seed := uint64(time.Now().UnixNano())
	lot := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	requests := [][]byte{
		ask(ispOne.Zones[0], dns.TypeAXFR), ask(ispOne.Zones[0], dns.TypeIXFR), ask(ispOne.Zones[0], dns.TypeSOA),
		ask(ispOne.Zones[0], dns.TypeNS, func(m *dns.Msg) { m.SetEdns0(1232, true) }),
	}
	for n := range 100_000 {
		request := requests[lot.IntN(len(requests))]
		raw := anyTSIG(lot, request)
		if n%2 == 1 {
			raw = almostTSIG(lot, request)
		}
		p := peer{transport: []string{overUDP, overTCP, overTLS}[lot.IntN(3)]}
		out := s.answer(raw, p)
		if out.transfer != nil || out.client != nil || len(out.reply) >= headerLen && out.reply[3]&15 == 0 {
			t.Fatalf("seed %d, number %d is taken: %x", seed, n, raw)
		}
		if n%1000 == 0 { // and one with nothing wrong is
			good, _ := signed(request, signing{key: ispOne.Key})
			if s.answer(good, peer{transport: overTCP}).client == nil {
				t.Fatal("a good request is refused")
			}
		}
	}
}

// octets returns up to n octets by lot.
func octets(lot *rand.Rand, n int) []byte {
	b := make([]byte, lot.IntN(n+1))
	for i := range b {
		b[i] = byte(lot.Uint32())
	}
	return b
}

func oneOf[T any](lot *rand.Rand, all ...T) T { return all[lot.IntN(len(all))] }

// anyTSIG adds a record of fields by lot. Most are fields that there may be, or the record would be put aside as malformed.
func anyTSIG(lot *rand.Rand, request []byte) []byte {
	now := uint64(time.Now().Unix())
	name := oneOf(lot, wire(ispOne.Key.Name), wire(ispOne.Key.Name), wire(ispTwo.Key.Name), "\x00", "\xc0\x0c", "\x04none\x00", string(octets(lot, 20)))
	rdata := []byte(oneOf(lot, "\x0bhmac-sha256\x00", "\x0bhmac-sha256\x00", "\x0bhmac-sha512\x00", "\x09hmac-sha1\x00", "\x00", "\xc0\x0c", string(octets(lot, 20))))
	rdata = appendTimers(rdata, oneOf(lot, now, now, lot.Uint64()&(1<<48-1)), oneOf(lot, uint16(300), uint16(lot.Uint32())))
	mac := octets(lot, 70)
	if lot.IntN(2) == 0 {
		mac = make([]byte, 32)
		binary.BigEndian.PutUint64(mac, lot.Uint64())
	}
	size := len(mac)
	if lot.IntN(8) == 0 {
		size = lot.IntN(1 << 16)
	}
	rdata = append(binary.BigEndian.AppendUint16(rdata, uint16(size)), mac...)
	rdata = binary.BigEndian.AppendUint16(rdata, 0x4711)
	rdata = binary.BigEndian.AppendUint16(rdata, oneOf(lot, uint16(0), uint16(lot.IntN(30))))
	other := octets(lot, 8)
	rdata = append(binary.BigEndian.AppendUint16(rdata, oneOf(lot, uint16(len(other)), uint16(lot.Uint32()))), other...)
	raw := bytes.Clone(request)
	binary.BigEndian.PutUint16(raw[10:], binary.BigEndian.Uint16(raw[10:])+oneOf(lot, uint16(1), 1, 1, 2, 0xffff))
	raw = append(raw, name...)
	raw = append(raw, 0, typeTSIG, 0, classANY, 0, 0, 0, 0)
	return append(binary.BigEndian.AppendUint16(raw, uint16(len(rdata))), rdata...)
}

// almostTSIG signs with the right secret, and spoils one thing.
func almostTSIG(lot *rand.Rand, request []byte) []byte {
	how := signing{key: ispOne.Key}
	spoil := func(raw []byte) []byte { return raw }
	off := time.Duration(302+lot.IntN(1<<20)) * time.Second
	switch lot.IntN(9) {
	case 0: // too old
		how.at, how.fudge = time.Now().Add(-off), oneOf(lot, uint16(300), 65535)
	case 1: // of the future
		how.at, how.fudge = time.Now().Add(off), oneOf(lot, uint16(300), 65535)
	case 2: // a short MAC
		n := lot.IntN(32)
		how.mac = func(mac []byte) []byte { return mac[:n] }
	case 3: // a long one
		more := append(octets(lot, 20), 0)
		how.mac = func(mac []byte) []byte { return append(mac, more...) }
	case 4: // one bit of the MAC
		bit := lot.IntN(256)
		how.mac = func(mac []byte) []byte { mac[bit/8] ^= 1 << (bit % 8); return mac }
	case 5: // another key's name
		how.key.Name = oneOf(lot, ispTwo.Key.Name, ispFar.Key.Name, "nobody.key.example.")
	case 6: // another algorithm
		how.algorithm = oneOf(lot, dns.HmacSHA512, dns.HmacSHA384, dns.HmacSHA224, dns.HmacSHA1) //nolint:staticcheck // SHA-1 on purpose
	case 7: // one bit of the question
		spoil = func(raw []byte) []byte {
			raw[headerLen+lot.IntN(len(wire(ispOne.Zones[0]))+4)] ^= 1 << lot.IntN(8)
			return raw
		}
	case 8: // one bit of what says when, how long, and which error; and of the lengths
		spoil = func(raw []byte) []byte {
			at := len(raw) - 6 - 32 - 10 + oneOf(lot, lot.IntN(10), 10+32+2+lot.IntN(4))
			raw[at] ^= 1 << lot.IntN(8)
			return raw
		}
	}
	raw, _ := signed(request, how)
	return spoil(raw)
}
