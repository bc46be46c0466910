package dnsfeed

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/vaern/vaern/blocklist"
)

// listed are the names that no refusal and no log may show.
var listed = []string{"secretbad.example", "hiddenevil.test", "=exactwicked.example"}

func testKey(testing.TB) *wireKey {
	w, err := keyOf("isp-one.key.example.", 1).wire()
	if err != nil {
		panic(err)
	}
	return w
}

func keyOf(name string, seed byte) Key {
	return Key{Name: name, Algorithm: "hmac-sha256.", Secret: bytes.Repeat([]byte{seed, 77}, 16)}
}

// testServer is a server on loopback with the list of one zone (testZone) and
// of a second one, and the two ISPs that have one each.
type testServer struct {
	*Server
	t     testing.TB
	addr  string // TCP and UDP
	log   *safeBuffer
	stop  context.CancelFunc
	ended chan struct{}
}

var (
	ispOne = Client{Name: "one", Key: keyOf("isp-one.key.example.", 1), Zones: []string{"csam.rpz.police.example."}}
	ispTwo = Client{Name: "two", Key: keyOf("isp-two.key.example.", 2), Zones: []string{"mice.rpz.police.example."}}
	// ispFar may ask from elsewhere only.
	ispFar = Client{
		Name: "far", Key: keyOf("isp-far.key.example.", 3), Zones: ispOne.Zones,
		Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
	}
)

func startServer(t testing.TB, configure ...func(*Server)) *testServer {
	t.Helper()
	other := testZone()
	other.Name = ispTwo.Zones[0]
	one, _ := makeImage(t, testZone(), 100, testSet(t, listed...))
	two, _ := makeImage(t, other, 200, testSet(t, listed...))
	ts := &testServer{t: t, log: &safeBuffer{}, ended: make(chan struct{})}
	ts.Server = &Server{
		Log: slog.New(slog.NewTextHandler(ts.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now: time.Now, Clock: time.Now,
	}
	for _, c := range configure {
		c(ts.Server)
	}
	ts.grant(ispOne, ispTwo, ispFar)
	ts.publish(one, two)

	ln, pc := listenBoth(t)
	ts.addr = ln.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	ts.stop = stop
	var both sync.WaitGroup
	both.Go(func() {
		if err := ts.ServeTCP(ctx, ln); err != nil {
			t.Errorf("ServeTCP: %v", err)
		}
	})
	both.Go(func() {
		if err := ts.ServeUDP(ctx, pc); err != nil {
			t.Errorf("ServeUDP: %v", err)
		}
	})
	go func() { both.Wait(); close(ts.ended) }()
	t.Cleanup(func() {
		stop()
		<-ts.ended
		ts.noListedName([]byte(ts.log.String()), "log")
	})
	return ts
}

// listenBoth returns TCP and UDP sockets on one free port.
func listenBoth(t testing.TB) (net.Listener, net.PacketConn) {
	t.Helper()
	for range 20 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if pc, err := net.ListenPacket("udp", ln.Addr().String()); err == nil {
			return ln, pc
		}
		ln.Close()
	}
	t.Fatal("no port free for both TCP and UDP")
	return nil, nil
}

func (ts *testServer) grant(clients ...Client) {
	ts.t.Helper()
	a, err := NewAccess(clients)
	if err != nil {
		ts.t.Fatal(err)
	}
	ts.SetAccess(a)
}

func (ts *testServer) publish(images ...*Image) {
	ts.t.Helper()
	var zones []*Versions
	for _, m := range images {
		zones = append(zones, NewVersions(m, nil))
	}
	z, err := NewSnapshot(zones...)
	if err != nil {
		ts.t.Fatal(err)
	}
	ts.SetZones(z)
}

func (ts *testServer) noListedName(b []byte, where string) {
	ts.t.Helper()
	for _, name := range listed {
		label, _, _ := strings.Cut(strings.TrimPrefix(name, "="), ".")
		if bytes.Contains(bytes.ToLower(b), []byte(label)) {
			ts.t.Errorf("%s shows the label of a listed name", where)
		}
	}
}

// safeBuffer is a bytes.Buffer for several goroutines.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// ask makes an unsigned query.
func ask(zone string, qtype uint16, edit ...func(*dns.Msg)) []byte {
	m := new(dns.Msg)
	m.SetQuestion(zone, qtype)
	m.Id, m.RecursionDesired = 0x4711, false
	if qtype == dns.TypeIXFR {
		m.SetIxfr(zone, 99, testZone().NS[0], testZone().Hostmaster)
		m.Id = 0x4711
	}
	for _, e := range edit {
		e(m)
	}
	raw, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return raw
}

// signing says how a request is signed; the zero value of a field means what
// a good client does.
type signing struct {
	key       Key
	algorithm string // sent and used, if not the key's
	at        time.Time
	fudge     uint16
	mac       func([]byte) []byte // changes the MAC
}

// signed adds a TSIG record, made independently of the code under test.
func signed(raw []byte, s signing) (request, mac []byte) {
	raw = bytes.Clone(raw)
	if s.algorithm == "" {
		s.algorithm = s.key.Algorithm
	}
	if s.at.IsZero() {
		s.at = time.Now()
	}
	if s.fudge == 0 {
		s.fudge = 300
	}
	var m dns.Msg
	_ = m.Unpack(raw)
	m.SetTsig(s.key.Name, s.algorithm, s.fudge, s.at.Unix())
	out, sum, err := dns.TsigGenerate(&m, base64.StdEncoding.EncodeToString(s.key.Secret), "", false)
	if err != nil {
		panic(err)
	}
	mac, _ = hex.DecodeString(sum)
	if s.mac != nil {
		short := s.mac(bytes.Clone(mac))
		at := bytes.LastIndex(out, mac)
		tail := bytes.Clone(out[at+len(mac):])
		binary.BigEndian.PutUint16(out[at-2:], uint16(len(short)))
		rdlen := at - 2 - 8 - len(wire(s.algorithm)) - 2
		binary.BigEndian.PutUint16(out[rdlen:], binary.BigEndian.Uint16(out[rdlen:])-uint16(len(mac)-len(short)))
		out = append(append(out[:at], short...), tail...)
	}
	return out, mac
}

func wire(name string) string {
	w, err := wireName(name)
	if err != nil {
		panic(err)
	}
	return w
}

// dial connects by TCP; the connection ends with the test.
func (ts *testServer) dial() net.Conn {
	ts.t.Helper()
	c, err := net.Dial("tcp", ts.addr)
	if err != nil {
		ts.t.Fatal(err)
	}
	ts.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

func frame(raw []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(raw))), raw...)
}

func readFrame(c io.Reader) ([]byte, error) {
	var n [2]byte
	if _, err := io.ReadFull(c, n[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(n[:]))
	_, err := io.ReadFull(c, b)
	return b, err
}

// tcp sends one request on a connection of its own and reads one message.
func (ts *testServer) tcp(raw []byte) []byte {
	ts.t.Helper()
	c := ts.dial()
	defer c.Close()
	if _, err := c.Write(frame(raw)); err != nil {
		ts.t.Fatal(err)
	}
	b, err := readFrame(c)
	if err != nil {
		ts.t.Fatalf("read reply: %v", err)
	}
	return b
}

// udp sends one request and returns the reply, nil if none comes.
func (ts *testServer) udp(raw []byte) []byte {
	ts.t.Helper()
	c, err := net.Dial("udp", ts.addr)
	if err != nil {
		ts.t.Fatal(err)
	}
	defer c.Close()
	_, _ = c.Write(raw)
	_ = c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	b := make([]byte, 1<<16)
	n, err := c.Read(b)
	if err != nil {
		return nil
	}
	return b[:n]
}

// transferOver reads messages until the answer is whole, verifies each TSIG
// against the one before with another library, and returns the records.
func transferOver(t testing.TB, c io.Reader, key Key, mac []byte) (records []dns.RR, messages [][]byte) {
	t.Helper()
	prior, secret := hex.EncodeToString(mac), base64.StdEncoding.EncodeToString(key.Secret)
	for soas, last := 0, 2; soas < last; {
		raw, err := readFrame(c)
		if err != nil {
			t.Fatalf("after %d messages: %v", len(messages), err)
		}
		if err := dns.TsigVerify(bytes.Clone(raw), secret, prior, len(messages) > 0); err != nil { // TS6
			t.Fatalf("message %d: %v", len(messages), err)
		}
		var m dns.Msg
		if err := m.Unpack(raw); err != nil {
			t.Fatal(err)
		}
		if m.Id != 0x4711 || !m.Authoritative || m.Rcode != 0 {
			t.Fatalf("message %d: header %v", len(messages), m.MsgHdr)
		}
		prior = m.IsTsig().MAC
		for _, rr := range m.Answer {
			if rr.Header().Rrtype == dns.TypeSOA {
				soas++
			}
			records = append(records, rr)
		}
		messages = append(messages, raw)
		switch {
		case len(records) == 1: // up to date (RFC 1995, section 4)
			last = 1
		case records[1].Header().Rrtype == dns.TypeSOA: // a difference
			last = 4
		}
	}
	return records, messages
}

// axfr runs a good AXFR on a connection and returns the records as text.
func (ts *testServer) axfr(c net.Conn, isp Client, edit ...func(*dns.Msg)) (records []string, messages [][]byte) {
	ts.t.Helper()
	raw, mac := signed(ask(isp.Zones[0], dns.TypeAXFR, edit...), signing{key: isp.Key})
	if _, err := c.Write(frame(raw)); err != nil {
		ts.t.Fatal(err)
	}
	rrs, messages := transferOver(ts.t, c, isp.Key, mac)
	return texts(rrs), messages
}

func texts(rrs []dns.RR) (records []string) {
	for _, rr := range rrs {
		records = append(records, rr.String())
	}
	return records
}

func TestAX1_TransferIsTheZone(t *testing.T) {
	ts := startServer(t)
	for _, bits := range []string{"256", "384", "512"} {
		isp := ispOne
		isp.Key.Algorithm = "hmac-sha" + bits + "."
		ts.grant(isp)
		records, messages := ts.axfr(ts.dial(), isp)
		want := expected(t, testZone(), 100, testSet(t, listed...))
		if records[0] != want[0] || records[len(records)-1] != want[0] {
			t.Error("not enclosed by the SOA")
		}
		records = records[:len(records)-1]
		slices.Sort(records)
		slices.Sort(want)
		if !slices.Equal(records, want) {
			t.Errorf("%s: got %d records, want %d", isp.Key.Algorithm, len(records), len(want))
		}
		if len(messages) != 1 {
			t.Errorf("%d messages", len(messages))
		}
	}
	// The line of a transfer is written when the client may have read all of it.
	for deadline := time.Now().Add(10 * time.Second); strings.Count(ts.log.String(), "zone transfer") < 3 && time.Now().Before(deadline); {
		runtime.Gosched()
	}
	if log := ts.log.String(); strings.Count(log, "zone transfer") != 3 ||
		!strings.Contains(log, "isp=one zone=csam.rpz.police.example. serial=100 type=axfr transport=tcp") ||
		!strings.Contains(log, "result=complete") {
		t.Errorf("audit lines: %s", log)
	}
}

// many makes an image of n domains.
func many(t testing.TB, serial blocklist.Serial, n int) *Image {
	t.Helper()
	m, _ := makeImage(t, testZone(), serial, testSet(t, manyNames(n)...))
	return m
}

// large is an image of serial 500 with more octets than the buffers of both
// sockets take, so that a transfer waits for its reader.
var large = sync.OnceValue(func() *Image {
	names, label := make([]string, 60_000), strings.Repeat("x", 55)
	for i := range names {
		names[i] = fmt.Sprintf("%s-%d.%s.%s-%d.example", label, i, label, label, i)
	}
	m, _ := makeImage(&testing.B{}, testZone(), 500, testSet(&testing.B{}, names...))
	return m
})

// skim reads a transfer of an image, and checks the number of records and the
// serial at its end without looking at each.
func skim(t testing.TB, c io.Reader, image *Image) {
	t.Helper()
	records, last := 0, []byte(nil)
	for i := range image.Messages() {
		raw, err := readFrame(c)
		if err != nil {
			t.Fatalf("after %d messages of %d: %v", i, image.Messages(), err)
		}
		records, last = records+int(binary.BigEndian.Uint16(raw[6:])), raw
	}
	tsig := newSigner(testKey(t), nil).size()
	serial := binary.BigEndian.Uint32(last[len(last)-tsig-soaNumbers:])
	if records != image.Records() || serial != uint32(image.Serial()) {
		t.Errorf("%d records to SOA %d, want %d to %d", records, serial, image.Records(), image.Serial())
	}
}

// AX2: an edition published in mid-transfer never mixes in.
func TestAX2_SnapshotSwappedInMidTransfer(t *testing.T) {
	ts := startServer(t)
	old, next := large(), many(t, 501, 10)
	ts.publish(old)
	c := ts.dial()
	raw, _ := signed(ask(ispOne.Zones[0], dns.TypeAXFR), signing{key: ispOne.Key})
	_, _ = c.Write(frame(raw))
	first, err := readFrame(c) // now it runs, and waits for us: the zone is larger than socket buffers
	if err != nil {
		t.Fatal(err)
	}
	ts.publish(next)
	skim(t, io.MultiReader(bytes.NewReader(frame(first)), c), old)
	if again, _ := ts.axfr(c, ispOne); len(again) != next.Records() {
		t.Errorf("after it: %d records, want %d", len(again), next.Records())
	}
}

// TS9: an ISP that loses its key in mid-transfer gets no more.
func TestTS9_KeyRemovedInMidTransfer(t *testing.T) {
	ts := startServer(t)
	ts.publish(large())
	c := ts.dial()
	raw, _ := signed(ask(ispOne.Zones[0], dns.TypeAXFR), signing{key: ispOne.Key})
	_, _ = c.Write(frame(raw))
	if _, err := readFrame(c); err != nil {
		t.Fatal(err)
	}
	ts.grant(ispTwo)
	var err error
	for err == nil {
		_, err = readFrame(c)
	}
	ts.awaitLog("result=revoked")
}

func (ts *testServer) awaitLog(text string) {
	ts.t.Helper()
	for range 500 {
		if strings.Contains(ts.log.String(), text) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.t.Errorf("log never said %s", text)
}

// AX5: a client that goes away frees everything; one that does not read is
// cut.
func TestAX5_ClientsThatVanishOrStall(t *testing.T) {
	ts := startServer(t, func(s *Server) { s.Limits.Stall = 300 * time.Millisecond })
	ts.publish(large())
	raw, _ := signed(ask(ispOne.Zones[0], dns.TypeAXFR), signing{key: ispOne.Key})
	start := func() net.Conn {
		c := ts.dial()
		_, _ = c.Write(frame(raw))
		if _, err := readFrame(c); err != nil {
			t.Fatal(err)
		}
		return c
	}
	for range 20 {
		start().Close()
	}
	for range 5 {
		start() // and read no further
	}
	ts.awaitLog(`result="connection lost"`)
	ts.awaitLog(`result="too slow"`)
	for range 500 {
		if ts.connections() == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d connections are left", ts.connections())
}

func (ts *testServer) connections() int {
	ts.lobby.mu.Lock()
	defer ts.lobby.mu.Unlock()
	return len(ts.lobby.conns)
}

// A server that stops lets transfers finish and closes idle connections.
func TestStop(t *testing.T) {
	ts := startServer(t)
	image := large()
	ts.publish(image)
	idle, busy := ts.dial(), ts.dial()
	raw, _ := signed(ask(ispOne.Zones[0], dns.TypeAXFR), signing{key: ispOne.Key})
	_, _ = busy.Write(frame(raw))
	first, err := readFrame(busy)
	if err != nil {
		t.Fatal(err)
	}
	ts.stop()
	if _, err := idle.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("idle connection: %v", err)
	}
	skim(t, io.MultiReader(bytes.NewReader(frame(first)), busy), image)
	<-ts.ended
	if _, err := net.Dial("tcp", ts.addr); err == nil {
		t.Error("still listening")
	}
}

// A listener that cannot accept for a while goes on afterwards.
func TestAcceptErrorsPass(t *testing.T) {
	ln, pc := listenBoth(t)
	pc.Close()
	ts := startServer(t)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- ts.ServeTCP(ctx, &failing{Listener: ln, left: 3}) }()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if records, _ := ts.axfr(c, ispOne); len(records) == 0 {
		t.Error("no transfer")
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

type failing struct {
	net.Listener
	left int
}

func (f *failing) Accept() (net.Conn, error) {
	if f.left > 0 {
		f.left--
		return nil, errors.New("accept: too many open files")
	}
	return f.Listener.Accept()
}

// Guests push out guests, never an ISP that has shown its key.
func TestGuestsArePushedOut(t *testing.T) {
	ts := startServer(t, func(s *Server) { s.Limits.Conns, s.Limits.Guests = 8, 4 })
	isp := ts.dial()
	ts.axfr(isp, ispOne)
	var guests []net.Conn
	for range 50 {
		guests = append(guests, ts.dial())
	}
	if records, _ := ts.axfr(isp, ispOne); len(records) == 0 {
		t.Error("no transfer beside guests")
	}
	if records, _ := ts.axfr(ts.dial(), ispOne); len(records) == 0 {
		t.Error("no transfer for a new connection")
	}
	closed := 0
	for _, c := range guests {
		_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); !isTimeout(err) {
			closed++
		}
	}
	if closed < len(guests)-4 {
		t.Errorf("%d of %d guests were closed", closed, len(guests))
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// A guest that never shows a key is closed, however lively it is.
func TestGuestTimeEnds(t *testing.T) {
	ts := startServer(t, func(s *Server) { s.Limits.Guest = 200 * time.Millisecond })
	c := ts.dial()
	began := time.Now()
	for {
		if _, err := c.Write(frame(ask(ispOne.Zones[0], dns.TypeSOA))); err != nil {
			break
		}
		if _, err := readFrame(c); err != nil {
			break
		}
		if time.Since(began) > 5*time.Second {
			t.Fatal("still served")
		}
		time.Sleep(20 * time.Millisecond)
	}
	half := ts.dial()
	_, _ = half.Write([]byte{0})
	if _, err := half.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("half a prefix: %v", err)
	}
}
