package dnsfeed

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"

	"github.com/vaern/vaern/blocklist"
)

// imageMagic opens every image; its last octet is the version of the format.
const imageMagic = "vaernzi\x01"

// soaNumbers is the length of serial and timers, which end a SOA's RDATA.
const soaNumbers = 20

// Image is one edition of one zone, ready to be served. It is immutable and
// safe for concurrent use.
//
// The messages are parts of the octets given to [OpenImage], most often a
// mapped file, which stays mapped as long as the Image can be reached and not
// longer. So whoever uses them holds the *Image until done; nothing outside
// this package sees them.
type Image struct {
	zone     string // text
	wire     string
	config   wireZone // the zone but for its names
	size     int      // octets of the file
	serial   blocklist.Serial
	records  int
	soa, ns  []byte   // answers to SOA and NS, ready but for header and question; not mapped
	messages [][]byte // the transfer, without length prefixes
}

// Zone returns the name of the zone with the final dot.
func (m *Image) Zone() string { return m.zone }

// Serial returns the serial of the SOA.
func (m *Image) Serial() blocklist.Serial { return m.serial }

// Records returns how many records a full transfer holds, the SOA counted
// twice as it is sent twice.
func (m *Image) Records() int { return m.records }

// Messages returns how many messages a full transfer takes.
func (m *Image) Messages() int { return len(m.messages) }

// question returns how long the question section is.
func (m *Image) question() int { return len(m.wire) + 4 }

// OpenImage reads the index of an image and checks everything that serving
// relies on and everything that reaches a resolver: lengths, counts, headers,
// questions, the SOA at both ends, every name and record between them. It takes
// any input without panicking. That the names are the ones that were signed is
// what the MANIFEST's sum is for. The data must not change afterwards. An error
// tells where, and shows no octets.
//
// Messages that are those of before, an image of the same zone that was opened
// already, are not read once more: of two editions one after the other that is
// nearly all. It may be nil.
func OpenImage(data []byte, before *Image) (*Image, error) {
	m, err := openImage(data, before.checked)
	if err != nil {
		return nil, fmt.Errorf("open zone image: %w", err)
	}
	return m, nil
}

// openImage does it; known returns a function that says of which messages it
// needs to know no more than how many records they hold.
func openImage(data []byte, known func(*wireZone) func(msg []byte) bool) (*Image, error) {
	const head = len(imageMagic) + 8
	if len(data) < head || string(data[:len(imageMagic)]) != imageMagic {
		return nil, errors.New("not a zone image of version 1; build the edition again")
	}
	m := &Image{
		size:    len(data),
		serial:  blocklist.Serial(binary.BigEndian.Uint32(data[head-8:])),
		records: int(binary.BigEndian.Uint32(data[head-4:])),
	}
	items, err := splitItems(data[head:])
	if err != nil {
		return nil, err
	}
	if len(items) < 4 {
		return nil, errors.New("no messages")
	}
	m.wire = string(items[0])
	if m.zone, err = textName(m.wire); err != nil {
		return nil, fmt.Errorf("zone: %w", err)
	}
	// Answers outlive the mapping, and are given out where a page that can not
	// be read would end the process.
	m.soa, m.ns, m.messages = bytes.Clone(items[1]), bytes.Clone(items[2]), items[3:]
	if err := m.checkAnswers(); err != nil {
		return nil, err
	}
	if m.config, err = m.readConfig(); err != nil {
		return nil, err
	}
	return m, m.checkTransfer(known(&m.config))
}

// splitItems cuts data into the octets behind each length prefix.
func splitItems(data []byte) (items [][]byte, err error) {
	for off := 0; off < len(data); {
		if len(data)-off < 2 {
			return nil, errors.New("cut short in a length")
		}
		n := int(binary.BigEndian.Uint16(data[off:]))
		off += 2
		if n > maxMessage || n > len(data)-off {
			return nil, fmt.Errorf("item %d: %d octets, want at most %d and no more than the file has", len(items), n, maxMessage)
		}
		items = append(items, data[off:off+n:off+n])
		off += n
	}
	return items, nil
}

// checkAnswers checks the two messages that answer SOA and NS queries.
func (m *Image) checkAnswers() error {
	if n, err := m.checkMessage(m.soa, typeSOA); err != nil || n != 1 {
		return errors.New("SOA answer: not one answer to one question")
	}
	if n, err := m.checkMessage(m.ns, typeNS); err != nil || n == 0 {
		return errors.New("NS answer: not an answer to one question")
	}
	rr := m.soaRecord()
	// Owner pointer, type SOA, and RDATA that ends with the message.
	fixed := string([]byte{0xc0, headerLen, 0, typeSOA, 0, classIN})
	if len(rr) < 12+soaNumbers || string(rr[:6]) != fixed || int(binary.BigEndian.Uint16(rr[10:])) != len(rr)-12 {
		return errors.New("SOA answer: not a SOA record")
	}
	if serial := binary.BigEndian.Uint32(rr[len(rr)-soaNumbers:]); serial != uint32(m.serial) || serial == 0 {
		return errors.New("SOA answer: serial differs from the header, or is zero")
	}
	return nil
}

// soaRecord is the SOA record, compressed against the question.
func (m *Image) soaRecord() []byte { return m.soa[headerLen+m.question():] }

// readConfig reads what all records have in common from the two answers and
// the first CNAME. That the other records agree is checked with them.
func (m *Image) readConfig() (z wireZone, err error) {
	z.name = m.wire
	next := headerLen + m.question()
	name := func(msg []byte, off int) (text string) {
		var b []byte
		ok := false
		if b, next, ok = readName(nil, msg, off); !ok {
			err = errRecord
		}
		return string(b)
	}
	rr, off, ok := readRecord(m.soa, next)
	if !ok || off != len(m.soa) {
		return z, errRecord
	}
	z.ttl = rr.ttl
	mname := name(m.soa, rr.data)
	z.hostmaster = name(m.soa, next)
	for off := headerLen + m.question(); off < len(m.ns) && err == nil; {
		if rr, off, ok = readRecord(m.ns, off); !ok {
			return z, errRecord
		}
		z.ns = append(z.ns, name(m.ns, rr.data))
	}
	if err != nil || len(z.ns) == 0 || mname != z.ns[0] {
		return z, errors.New("SOA and NS: not those of a policy zone")
	}
	for off := headerLen + m.question(); off < len(m.messages[0]) && z.target == ""; {
		if rr, off, ok = readRecord(m.messages[0], off); !ok {
			return z, errRecord
		}
		if rr.rrtype == typeCNAME {
			z.target = name(m.messages[0], rr.data)
		}
	}
	return z, err
}

// checkTransfer checks the messages of a full transfer, each of their records:
// the SOA first and last, the NS behind the first, and CNAME else.
func (m *Image) checkTransfer(known func(msg []byte) bool) error {
	w := m.walker()
	total, soas, servers := 0, 0, 0
	for i, msg := range m.messages {
		qtype, questions := uint16(0), 0
		if i == 0 {
			qtype, questions = typeAXFR, 1
		}
		n, err := m.checkMessage(msg, qtype)
		if err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
		if i > 0 && i < len(m.messages)-1 && known(msg) {
			total += n
			continue
		}
		soa, ns, cname, err := w.records(msg, questions)
		if err != nil || soa+ns+cname != n || ns > 0 && i > 0 {
			return fmt.Errorf("message %d: %w", i, cmp.Or(err, errRecord))
		}
		total, soas, servers = total+n, soas+soa, servers+ns
	}
	if total != m.records {
		return fmt.Errorf("messages hold %d records, the header says %d", total, m.records)
	}
	// AX1: the same SOA opens and closes, compressed in different ways.
	first, last := m.messages[0][headerLen+m.question():], m.messages[len(m.messages)-1]
	soa := m.soaRecord()
	switch {
	case soas != 2 || servers != len(m.config.ns):
		return errors.New("not two SOA records, or not the NS of the answer")
	case !strings.HasPrefix(string(first[:min(len(first), len(soa))]), string(soa)):
		return errors.New("the first record is not the SOA")
	case w.last != typeSOA || !strings.HasSuffix(string(last), string(soa[len(soa)-soaNumbers:])):
		return errors.New("the last record is not the SOA")
	}
	return m.checkApex(len(soa), w.lastData)
}

// walker returns one for the messages of the image.
func (m *Image) walker() *walker {
	return &walker{zone: m.wire, ttl: m.config.ttl, target: m.config.target}
}

// checkApex checks what the NS behind the first SOA and the names of the last
// one say, at that place in the last message: the same as the answers, by which
// two images are held to differ in names only.
func (m *Image) checkApex(soa, lastData int) error {
	first, last := m.messages[0], m.messages[len(m.messages)-1]
	at := headerLen + m.question() + soa
	for _, want := range m.config.ns {
		rr, next, ok := readRecord(first, at)
		if !ok || rr.rrtype != typeNS {
			return errors.New("no NS behind the SOA")
		}
		if name, _, ok := readName(nil, first, rr.data); !ok || string(name) != want {
			return errors.New("the NS are not those of the answer")
		}
		at = next
	}
	for _, want := range []string{m.config.ns[0], m.config.hostmaster} {
		name, next, ok := readName(nil, last, lastData)
		if !ok || string(name) != want {
			return errors.New("the last record is not the SOA")
		}
		lastData = next
	}
	return nil
}

// checked returns a function that knows the messages of an image that hold
// names alone, of a zone like z.
func (m *Image) checked(z *wireZone) func(msg []byte) bool {
	if m == nil || !m.config.equal(z) {
		return func([]byte) bool { return false }
	}
	seed := maphash.MakeSeed()
	inner := m.messages[min(1, len(m.messages)-1) : len(m.messages)-1]
	all := make(map[uint64][]byte, len(inner))
	for _, msg := range inner {
		all[maphash.Bytes(seed, msg)] = msg
	}
	return func(msg []byte) bool { return bytes.Equal(all[maphash.Bytes(seed, msg)], msg) }
}

// checkMessage checks header and question of one message and returns its
// number of answers. A qtype of zero means: no question.
func (m *Image) checkMessage(msg []byte, qtype uint16) (answers int, err error) {
	questions, need := uint16(0), headerLen+1
	if qtype != 0 {
		questions, need = 1, headerLen+m.question()+1
	}
	if len(msg) < need {
		return 0, errors.New("too short")
	}
	answers = int(binary.BigEndian.Uint16(msg[6:]))
	switch {
	case binary.BigEndian.Uint32(msg) != flagQR|flagAA: // the ID is zero
		return 0, errors.New("not the header of an authoritative answer")
	case binary.BigEndian.Uint16(msg[4:]) != questions, binary.BigEndian.Uint32(msg[8:]) != 0:
		return 0, errors.New("unexpected section counts")
	case answers == 0 || answers*minRecord > len(msg):
		return 0, errors.New("impossible number of answers")
	case questions == 0:
		return answers, nil
	}
	asked := msg[headerLen : headerLen+m.question()]
	if string(asked[:len(m.wire)]) != m.wire ||
		binary.BigEndian.Uint32(asked[len(m.wire):]) != uint32(qtype)<<16|classIN {
		return 0, errors.New("question is not for this zone")
	}
	return answers, nil
}

// minRecord is the least a record takes: the root as owner and no data.
const minRecord = 11
