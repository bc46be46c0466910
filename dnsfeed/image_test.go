package dnsfeed

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"github.com/vaern/vaern/blocklist"
)

func makeImage(t testing.TB, z Zone, serial blocklist.Serial, set *blocklist.Set) (*Image, []byte) {
	t.Helper()
	var b bytes.Buffer
	if err := z.WriteImage(&b, serial, set); err != nil {
		t.Fatal(err)
	}
	m, err := OpenImage(b.Bytes(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return m, b.Bytes()
}

// fataler is what testing.T and rapid.T have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// transferred parses the messages of an image with another library and
// returns their records as text, in order.
func transferred(t fataler, m *Image) (records []string) {
	t.Helper()
	for i, raw := range m.messages {
		var msg dns.Msg
		if err := msg.Unpack(raw); err != nil {
			t.Fatalf("message %d of %d: %v", i, len(m.messages), err)
		}
		if !msg.Response || !msg.Authoritative || msg.Truncated || msg.Rcode != 0 || len(msg.Ns)+len(msg.Extra) != 0 {
			t.Fatalf("message %d: wrong header: %v", i, msg.MsgHdr)
		}
		if want := min(1, max(0, 1-i)); len(msg.Question) != want {
			t.Fatalf("message %d has %d questions", i, len(msg.Question))
		}
		if len(raw) > maxMessage {
			t.Fatalf("message %d has %d octets", i, len(raw))
		}
		for _, rr := range msg.Answer {
			records = append(records, rr.String())
		}
	}
	return records
}

// parsed parses a master file with another library.
func parsed(t fataler, text []byte) (records []string) {
	t.Helper()
	p := dns.NewZoneParser(bytes.NewReader(text), "", "")
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		records = append(records, rr.String())
	}
	if err := p.Err(); err != nil {
		t.Fatalf("parse rpz.zone: %v", err)
	}
	return records
}

// expected is the naive way from a set to records.
func expected(t fataler, z Zone, serial blocklist.Serial, set *blocklist.Set) (records []string) {
	t.Helper()
	add := func(owner, rest string) {
		rr, err := dns.NewRR(owner + " " + rest)
		if err != nil {
			t.Fatalf("expected record: %v", err)
		}
		rr.Header().Ttl = z.TTL
		records = append(records, rr.String())
	}
	add(z.Name, "SOA "+z.NS[0]+" "+z.Hostmaster+" "+serial.String()+" 300 60 1209600 60")
	for _, ns := range z.NS {
		add(z.Name, "NS "+ns)
	}
	target := map[string]string{ActionNXDomain: ".", ActionNoData: "*."}[z.Action]
	if target == "" {
		target = z.Action
	}
	for _, row := range set.Rows(blocklist.Domain) {
		add(row.Target.Reveal()+"."+z.Name, "CNAME "+target)
		add("*."+row.Target.Reveal()+"."+z.Name, "CNAME "+target)
	}
	for _, row := range set.Rows(blocklist.Host) {
		add(row.Target.Reveal()+"."+z.Name, "CNAME "+target)
	}
	return records
}

// checkBoth holds both writers against the naive expectation.
func checkBoth(t fataler, z Zone, serial blocklist.Serial, set *blocklist.Set) *Image {
	t.Helper()
	var image, again, rpz bytes.Buffer
	for w, write := range map[*bytes.Buffer]func(io.Writer, blocklist.Serial, *blocklist.Set) error{
		&image: z.WriteImage, &again: z.WriteImage, &rpz: z.WriteRPZ,
	} {
		if err := write(w, serial, set); err != nil {
			t.Fatalf("write: %v", err)
		}
	}
	if !bytes.Equal(image.Bytes(), again.Bytes()) {
		t.Fatalf("two images of one set differ")
	}
	m, err := OpenImage(image.Bytes(), nil)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	want := expected(t, z, serial, set)
	if diff := cmp.Diff(want, parsed(t, rpz.Bytes())); diff != "" {
		t.Fatalf("rpz.zone (-want +got):\n%s", diff)
	}
	got := transferred(t, m)
	if m.Records() != len(got) || m.Serial() != serial || m.Zone() != z.Name {
		t.Fatalf("index says %d records, serial %d, zone %s", m.Records(), m.Serial(), m.Zone())
	}
	if first, last := got[0], got[len(got)-1]; first != want[0] || last != want[0] { // AX1
		t.Fatalf("transfer is not enclosed by its SOA")
	}
	got = got[:len(got)-1]
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" { // AX2
		t.Fatalf("zone.image (-want +got):\n%s", diff)
	}
	return m
}

func TestImageHoldsTheZone(t *testing.T) {
	label := strings.Repeat("a", 63)
	sets := map[string][]string{
		"empty": nil,
		"one":   {"bad.example"},
		"deep":  {"=a.example", "=b.a.example", "=c.b.a.example", "a.test", "b.a-b.test", "a-b.test.example", "=x.y.z.test"},
		"apex":  {"police.example", "csam.rpz.police.example", "stop.police.example"},
		"long":  {label + "." + label + "." + label + ".example", "=" + label + ".test", "x." + label + ".test"},
		"many":  append(manyNames(1500), "=www.host.example", "=host.example"),
	}
	for name, names := range sets {
		for _, action := range []string{"stop.police.example.", "walled.garden.test.", ActionNXDomain, ActionNoData} {
			t.Run(name+" "+action, func(t *testing.T) {
				z := testZone()
				z.Action = action
				checkBoth(t, z, 1795435200, testSet(t, names...))
			})
		}
	}
}

// anySet draws a set with much in common among its names.
func anySet(t *rapid.T, z Zone, least int) *blocklist.Set {
	var rows []blocklist.Row
	for range rapid.IntRange(least, 60).Draw(t, "rows") {
		unit := rapid.SampledFrom([]blocklist.Unit{blocklist.Domain, blocklist.Host}).Draw(t, "unit")
		name := rapid.SampledFrom([]string{"example", "test", "invalid", "b.example", "c.b.example"}).Draw(t, "top")
		for _, l := range rapid.SliceOfN(anyLabel, 1, 5).Draw(t, "labels") {
			if len(l)+1+len(name) > z.MaxText(unit) {
				break
			}
			name = l + "." + name
		}
		target, err := blocklist.ParseTarget(unit, name)
		if err != nil {
			t.Fatalf("own name refused: %v", err)
		}
		rows = append(rows, blocklist.Row{Target: target})
	}
	return blocklist.NewSet(rows)
}

var anyLabel = func() *rapid.Generator[string] {
	long := rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`).Filter(func(s string) bool {
		return len(s) < 4 || s[2:4] != "--"
	})
	short := rapid.StringMatching(`[a-c]{1,2}`)
	return rapid.OneOf(short, short, long)
}()

func TestImageOfAnySet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		z := testZone()
		z.Action = rapid.SampledFrom([]string{"stop.police.example.", "stop.test.", ActionNXDomain, ActionNoData}).Draw(t, "action")
		z.Name = rapid.SampledFrom([]string{"rpz.test.", "csam.rpz.police.example."}).Draw(t, "zone")
		serial := blocklist.Serial(rapid.Uint32Range(1, 1<<32-1).Draw(t, "serial"))
		checkBoth(t, z, serial, anySet(t, z, 0))
	})
}

// The greatest lengths that MaxText allows are those that other programs
// take: 255 octets on the wire.
func TestRZ1_MaxText(t *testing.T) {
	z := testZone()
	fill := func(n int) string { // a name of n octets
		name := "x.example"
		for len(name) < n {
			name = strings.Repeat("y", min(63, max(1, n-len(name)-1))) + "." + name
		}
		return name[len(name)-n:]
	}
	for _, unit := range []blocklist.Unit{blocklist.Domain, blocklist.Host} {
		prefix := map[blocklist.Unit]string{blocklist.Host: "="}[unit]
		longest := fill(z.MaxText(unit))
		checkBoth(t, z, 1, testSet(t, prefix+longest))
		owner := longest + "." + z.Name
		if unit == blocklist.Domain {
			owner = "*." + owner
		}
		wire := make([]byte, 512)
		if n, err := dns.PackDomainName(owner, wire, 0, nil, false); err != nil || n != 255 {
			t.Errorf("%v: longest owner has %d octets, %v", unit, n, err)
		}
		tooLong := testSet(t, prefix+fill(z.MaxText(unit)+1))
		for _, f := range z.Files() {
			err := f.Write(io.Discard, 1, tooLong)
			if !errors.Is(err, errNoRoom) || strings.Contains(err.Error(), "y") && strings.Contains(err.Error(), "yyy") {
				t.Errorf("%s, %v: %v", f.Name, unit, err)
			}
		}
	}
}

// In canonical order with pointers to any earlier suffix, an image comes to
// the floor that the goals name: 21.3 octets a record at 10 letters a label.
func TestImageIsSmall(t *testing.T) {
	set := testSet(t, manyNames(5_000)...)
	m, data := makeImage(t, testZone(), 1, set)
	letters := 0
	for _, row := range set.Rows(blocklist.Domain) {
		text := row.Target.Reveal()
		letters += strings.IndexByte(text, '.')
		if strings.HasPrefix(text, "www.") { // shares nothing but the top
			letters += 1 + strings.IndexByte(text[4:], '.')
		}
	}
	// 31 octets a domain and its own letters, plus what each message opens with.
	want := 31*len(set.Rows(blocklist.Domain)) + letters + 120*m.Messages()
	if len(data) > want {
		t.Errorf("image has %d octets, want at most %d", len(data), want)
	}
}

// Whatever octet of the index is changed, either OpenImage notices or the
// image is one that can be served: see FuzzOpenImage.
func TestOpenImageRefuses(t *testing.T) {
	m, good := makeImage(t, testZone(), 7, testSet(t, manyNames(800)...))
	zone := len(imageMagic) + 8 + 2
	soa := zone + len(m.wire) + 2
	change := func(at int, b ...byte) func([]byte) []byte {
		return func(data []byte) []byte { copy(data[at:], b); return data }
	}
	cases := map[string]func([]byte) []byte{
		"version":       change(7, 2),
		"serial":        change(8, 0, 0, 0, 8),
		"record count":  change(12, 0xff),
		"zone length":   change(zone-1, 200),
		"zone capital":  change(zone+1, 'C'),
		"zone pointer":  change(zone, 0xc0),
		"SOA header":    change(soa+2, 0),
		"SOA question":  change(soa+headerLen+1, 'x'),
		"SOA rcode":     change(soa+3, 3),
		"item too long": change(soa-2, 0xff, 0xff),
		"first ID":      func(b []byte) []byte { return editMessage(b, m, 0, func(msg []byte) { msg[0] = 1 }) },
		"first type": func(b []byte) []byte {
			return editMessage(b, m, 0, func(msg []byte) { msg[headerLen+m.question()-3] = typeIXFR })
		},
		"first SOA": func(b []byte) []byte {
			return editMessage(b, m, 0, func(msg []byte) { msg[headerLen+m.question()+3] = typeNS })
		},
		"last SOA":     func(b []byte) []byte { b[len(b)-1]++; return b },
		"ANCOUNT":      func(b []byte) []byte { return editMessage(b, m, 1, func(msg []byte) { msg[7]++ }) },
		"ARCOUNT":      func(b []byte) []byte { return editMessage(b, m, 1, func(msg []byte) { msg[11]++ }) },
		"QDCOUNT":      func(b []byte) []byte { return editMessage(b, m, 1, func(msg []byte) { msg[5]++ }) },
		"octet more":   func(b []byte) []byte { return append(b, 0) },
		"message more": func(b []byte) []byte { return append(b, 0, 0) },
		"nothing":      func([]byte) []byte { return nil },
	}
	for name, edit := range cases {
		if _, err := OpenImage(edit(bytes.Clone(good)), nil); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	for n := range len(good) {
		if n < 2000 || n > len(good)-2000 {
			if _, err := OpenImage(good[:n:n], nil); err == nil {
				t.Fatalf("opened the first %d octets of %d", n, len(good))
			}
		}
	}
}

// No record is believed: one octet of a name, type, class, length or pointer
// that no image has makes the whole file unusable.
func TestOpenImageRefusesRecords(t *testing.T) {
	m, good := makeImage(t, testZone(), 7, testSet(t, manyNames(3000)...))
	if m.Messages() < 3 {
		t.Fatal("want a message in the middle")
	}
	middle := m.messages[1]
	_, fixed, _ := readName(nil, middle, headerLen) // of its first record
	data := fixed + 10
	next := data + int(binary.BigEndian.Uint16(middle[fixed+8:]))
	zoneAt := fixed - len(m.wire)
	for what, edit := range map[string]func(msg []byte){
		"another zone":       func(msg []byte) { msg[zoneAt+1]++ },
		"capital":            func(msg []byte) { msg[headerLen+1] = 'A' },
		"octet in a label":   func(msg []byte) { msg[headerLen+1] = 0 },
		"space":              func(msg []byte) { msg[headerLen+1] = ' ' },
		"type A":             func(msg []byte) { msg[fixed+1] = 1 },
		"NS below the apex":  func(msg []byte) { msg[fixed+1] = typeNS },
		"class CH":           func(msg []byte) { msg[fixed+3] = 3 },
		"longer data":        func(msg []byte) { msg[fixed+9]++ },
		"shorter data":       func(msg []byte) { msg[fixed+9]-- },
		"reserved label":     func(msg []byte) { msg[headerLen] |= 0x80 },
		"pointer ahead":      func(msg []byte) { msg[next], msg[next+1] = 0xff, 0xff },
		"pointer to itself":  func(msg []byte) { msg[next], msg[next+1] = 0xc0|byte(next>>8), byte(next) },
		"pointer to no name": func(msg []byte) { msg[next], msg[next+1] = 0xc0, headerLen+1 },
		"pointer to a host":  func(msg []byte) { msg[next], msg[next+1] = 0xc0|byte(data>>8), byte(data) },
		"apex":               func(msg []byte) { msg[next], msg[next+1] = 0xc0|byte(zoneAt>>8), byte(zoneAt) },
	} {
		if _, err := OpenImage(editMessage(bytes.Clone(good), m, 1, edit), nil); err == nil {
			t.Errorf("%s: opened", what)
		}
	}
}

// The apex of the transfer is that of the answers, which differences go by.
func TestOpenImageRefusesAnotherApex(t *testing.T) {
	m, good := makeImage(t, testZone(), 7, testSet(t, manyNames(3000)...))
	last := len(m.messages) - 1
	for what, edit := range map[string]struct {
		message int
		of, to  string
	}{
		"another name server":   {0, "\x03ns2", "\x03ns3"},
		"another primary":       {last, "\x03ns1", "\x03ns3"},
		"another hostmaster":    {last, "\x0ahostmaster", "\x0ahostmastex"},
		"type of a name server": {0, "\x00\x02\x00\x01", "\x00\x05\x00\x01"},
	} {
		data := editMessage(bytes.Clone(good), m, edit.message, func(msg []byte) {
			at := bytes.LastIndex(msg, []byte(edit.of))
			if at < 0 {
				t.Fatalf("%s: not found", what)
			}
			copy(msg[at:], edit.to)
		})
		if _, err := OpenImage(data, nil); err == nil {
			t.Errorf("%s: opened", what)
		}
	}
}

// What is known from the edition before is not read again, and what is not, is:
// an image of nearly the same messages can not bring in a bad one.
func TestOpenImageAfterAnother(t *testing.T) {
	names := manyNames(4000)
	before, _ := makeImage(t, testZone(), 7, testSet(t, names...))
	_, data := makeImage(t, testZone(), 8, testSet(t, names[1:]...))
	m, err := OpenImage(data, before)
	if err != nil || inCommon(before, m) < 2 {
		t.Fatalf("%v, %d messages in common", err, inCommon(before, m))
	}
	for i := range m.messages {
		bad := editMessage(bytes.Clone(data), m, i, func(msg []byte) { msg[len(msg)-minRecord] ^= 0x40 })
		if _, err := OpenImage(bad, before); err == nil {
			t.Errorf("message %d was changed", i)
		}
	}
	other := testZone()
	other.TTL++
	stranger, _ := makeImage(t, other, 7, testSet(t, names...))
	if known := stranger.checked(&m.config); known(stranger.messages[1]) {
		t.Error("messages of another TTL are known")
	}
}

// A file that was cut short under its mapping takes nothing down: the next image
// is read without it, and there is no difference from it.
func TestNextImageWithoutTheOneBefore(t *testing.T) {
	dir, names := t.TempDir(), manyNames(4000)
	paths := [2]string{filepath.Join(dir, "before"), filepath.Join(dir, "next")}
	for i, path := range paths {
		_, data := makeImage(t, testZone(), blocklist.Serial(7+i), testSet(t, names[i:]...))
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before, err := MapImage(paths[0], nil)
	if err == nil {
		err = os.Truncate(paths[0], 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	next, err := MapImage(paths[1], before)
	if err != nil || next.Serial() != 8 {
		t.Fatalf("the next image: %v", err)
	}
	v := NewVersions(next, nil)
	v.Follow(before)
	if d, ok := v.since(7, "", 0); !ok || d != nil {
		t.Errorf("since 7: %v, %v; want the full zone", d, ok)
	}
}

// editMessage changes message i of the transfer in place.
func editMessage(data []byte, m *Image, i int, edit func([]byte)) []byte {
	at := bytes.Index(data, m.messages[i])
	edit(data[at : at+len(m.messages[i])])
	return data
}

// The answers to SOA and NS go out over UDP too, where nothing catches a
// fault: they must not lie in the mapping.
func TestAnswersOutliveTheFile(t *testing.T) {
	_, data := makeImage(t, testZone(), 7, testSet(t, "bad.example"))
	path := filepath.Join(t.TempDir(), "zone.image")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := MapImage(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	soa, ns := string(m.soa), string(m.ns)
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	if string(m.soa) != soa || string(m.ns) != ns || m.Zone() == "" { // a mapped octet would end the test with SIGBUS
		t.Error("answers changed with the file")
	}
	runtime.KeepAlive(m)
}

func TestMapImage(t *testing.T) {
	_, data := makeImage(t, testZone(), 7, testSet(t, "bad.example"))
	path := filepath.Join(t.TempDir(), "zone.image")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := MapImage(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := transferred(t, m); len(got) != m.Records() {
		t.Errorf("%d records, want %d", len(got), m.Records())
	}
	runtime.KeepAlive(m)
	if !mapped(t, path) {
		t.Error("not mapped while in use")
	}
	m = nil //nolint:ineffassign,wastedassign // the last reference
	for range 50 {
		runtime.GC()
		if !mapped(t, path) {
			break
		}
		runtime.Gosched()
	}
	if mapped(t, path) {
		t.Error("still mapped without a reference")
	}
	for name, content := range map[string][]byte{"empty": {}, "short": data[:40]} {
		bad := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(bad, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := MapImage(bad, nil); err == nil {
			t.Errorf("%s: mapped", name)
		}
	}
	if _, err := MapImage(path+".absent", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
}

func mapped(t *testing.T, path string) bool {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(maps), path)
}

// FuzzOpenImage feeds any octets. What opens must also be servable.
func FuzzOpenImage(f *testing.F) {
	for _, names := range [][]string{nil, {"bad.example"}, manyNames(500)} {
		_, data := makeImage(f, testZone(), 7, testSet(f, names...))
		f.Add(data)
		f.Add(data[:len(data)/2])
		wrong := bytes.Clone(data)
		binary.BigEndian.PutUint16(wrong[16:], 0xffff)
		f.Add(wrong)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := OpenImage(data, nil)
		if err != nil {
			return
		}
		if m.Messages() == 0 || m.Records() < 2 || m.Zone() == "" {
			t.Fatal("opened an image that is empty")
		}
		tr := &transfer{image: m, messages: m.messages, query: &query{question: m.soa[headerLen : headerLen+m.question()]}, signer: newSigner(testKey(t), nil)}
		for i := range m.messages {
			_, parts := tr.frame(make([]byte, 0, 2048), nil, i, time.Now())
			if n := len(slices.Concat(parts...)); n < headerLen || n > 0xffff {
				t.Fatalf("message %d is sent as %d octets", i, n)
			}
			if err := new(dns.Msg).Unpack(m.messages[i]); err != nil {
				t.Fatalf("message %d is none: %v", i, err)
			}
		}
		r := responder{query: &query{raw: m.soa, question: tr.query.question, size: udpSize}, now: time.Now()}
		r.ready(m.soa)
		r.ready(m.ns)
	})
}
