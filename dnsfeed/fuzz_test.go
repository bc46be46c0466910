package dnsfeed

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/vaern/vaern/blocklist"
)

// FuzzIXFR feeds all that stands behind the question of an IXFR, first without
// a key and then signed as it is: there is an error, one SOA, the zone, or a
// difference that leads to it from the serial that another library reads.
func FuzzIXFR(f *testing.F) {
	ts := startServer(f)
	all := editions(f)
	ts.history(all...)
	zone := ispOne.Zones[0]
	soa, full := transferred(f, all[2])[0], transferred(f, all[2])
	head := len(ask(zone, dns.TypeSOA))
	opt := []byte{0, 0, typeOPT, 4, 208, 0, 0, 0, 0, 0, 0}
	for _, have := range []blocklist.Serial{all[0].serial, all[1].serial, 3, 5, 9} {
		authority := ixfrQuery(zone, have)[head:]
		f.Add(authority, byte(1), byte(0))
		f.Add(slices.Concat(authority, authority), byte(2), byte(0))
		f.Add(slices.Concat(authority, opt), byte(1), byte(1))
		f.Add(slices.Concat(opt, authority), byte(0), byte(2))
		f.Add(authority[:len(authority)-1], byte(1), byte(0))
	}
	key := testKey(f)
	f.Fuzz(func(t *testing.T, rest []byte, authority, additional byte) {
		raw := ask(zone, dns.TypeSOA)
		raw[head-3], raw[9], raw[11] = typeIXFR, authority, additional%0xff
		if raw = append(raw, rest...); len(raw) > 0xffff-maxTSIG {
			return
		}
		for _, transport := range []string{overTCP, overUDP} {
			if out := ts.answer(raw, peer{transport: transport}); out.transfer != nil || out.reply == nil || out.reply[7] != 0 {
				t.Fatal("granted without a key")
			}
		}
		request := newSigner(key, nil).sign(bytes.Clone(raw), 0x4711, uint64(time.Now().Unix()), 0, nil, raw)
		request[11]++
		for _, transport := range []string{overTCP, overUDP} {
			out := ts.answer(request, peer{transport: transport})
			var got []string
			switch {
			case out.transfer != nil && transport == overUDP, out.transfer == nil && out.reply == nil:
				t.Fatal("no reply, or one too long for a datagram")
			case out.transfer != nil:
				got = transferred(t, &Image{messages: out.transfer.messages})
			case out.reply[7] == 0: // an error
				continue
			default:
				var m dns.Msg
				if err := m.Unpack(out.reply); err != nil {
					t.Fatal(err)
				}
				got = texts(m.Answer)
			}
			if slices.Equal(got, full) || slices.Equal(got, []string{soa}) {
				continue
			}
			have, ok := readSerial(t, raw)
			if !ok {
				continue
			}
			i := slices.IndexFunc(all, func(m *Image) bool { return m.serial == have })
			if i < 0 || !slices.Equal(apply(t, transferred(t, all[i]), got), recordsOf(t, all[2])) {
				t.Fatalf("the difference from %v does not give the zone", have)
			}
		}
	})
}

// readSerial reads the only SOA of the authority section with another library,
// which knows more types and so refuses some records that stand there.
func readSerial(t *testing.T, raw []byte) (have blocklist.Serial, ok bool) {
	t.Helper()
	var m dns.Msg
	if m.Unpack(raw) != nil {
		return 0, false
	}
	n := 0
	for _, rr := range m.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			have = blocklist.Serial(soa.Serial)
			n++
		}
	}
	if n != 1 {
		t.Fatalf("a difference, and %d serials", n)
	}
	return have, true
}

// FuzzDifference feeds two images, the second to be opened after the first as a
// server does. If both open, the second is the same image as if it were opened
// alone, and the difference takes the first to it or is an error.
func FuzzDifference(f *testing.F) {
	sets := [][]string{nil, {"bad.example"}, {"=bad.example", "worse.example"}, manyNames(40)[:30], manyNames(40)[5:], manyNames(1500), manyNames(1501)}
	for i, old := range sets {
		for j, now := range sets {
			if (i < 5) != (j < 5) {
				continue
			}
			_, a := makeImage(f, testZone(), 7, testSet(f, old...))
			_, b := makeImage(f, testZone(), 9, testSet(f, now...))
			f.Add(a, b)
		}
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		old, err := OpenImage(a, nil)
		if err != nil {
			return
		}
		now, err := OpenImage(b, old)
		alone, errAlone := OpenImage(b, nil)
		if (err == nil) != (errAlone == nil) {
			t.Fatalf("after another %v, alone %v", err, errAlone)
		}
		if err != nil {
			return
		}
		if now.serial != alone.serial || now.records != alone.records || !now.config.equal(&alone.config) {
			t.Fatal("another image than if it were opened alone")
		}
		d, err := newDifference(old, now)
		if err != nil {
			return
		}
		for i, msg := range d.messages {
			if len(msg) > maxMessage {
				t.Fatalf("message %d has %d octets", i, len(msg))
			}
		}
		holds(t, old, now, d)
	})
}
