package dnsfeed

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/peers"
)

// notified is a NOTIFY as another library reads it.
type notified struct {
	*dns.Msg
	mac  string // of its TSIG, if that is right
	from net.Addr
}

// secondary is the server of an ISP that knows one key. What it answers is the
// test's matter.
type secondary struct {
	t    testing.TB
	key  Key
	pc   net.PacketConn
	mu   sync.Mutex
	seen []notified
}

// startSecondary has answer reply to the nth message, from 0 on.
func startSecondary(t testing.TB, key Key, answer func(s *secondary, n int, m notified)) *secondary {
	t.Helper()
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &secondary{t: t, key: key, pc: pc}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1<<16)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			m := notified{Msg: new(dns.Msg), from: from}
			if err := m.Unpack(buf[:n]); err != nil {
				t.Errorf("NOTIFY cannot be read: %v", err)
				continue
			}
			if dns.TsigVerify(bytes.Clone(buf[:n]), s.secret(key), "", false) == nil && m.IsTsig().Hdr.Name == key.Name {
				m.mac = m.IsTsig().MAC
			}
			s.mu.Lock()
			s.seen = append(s.seen, m)
			count := len(s.seen)
			s.mu.Unlock()
			answer(s, count-1, m)
		}
	}()
	t.Cleanup(func() { pc.Close(); <-done })
	return s
}

func (s *secondary) secret(key Key) string { return base64.StdEncoding.EncodeToString(key.Secret) }

func (s *secondary) addr() netip.AddrPort { return addrPort(s.pc.LocalAddr()) }

func (s *secondary) messages() []notified {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

// reply makes an answer to m, signed with the secondary's key.
func (s *secondary) reply(m notified, rcode int, edit ...func(*dns.Msg)) []byte {
	r := new(dns.Msg).SetRcode(m.Msg, rcode)
	for _, e := range edit {
		e(r)
	}
	return s.sign(r, s.key, m.mac, time.Now())
}

func (s *secondary) sign(r *dns.Msg, key Key, mac string, at time.Time) []byte {
	r.SetTsig(key.Name, key.Algorithm, 300, at.Unix())
	raw, _, err := dns.TsigGenerate(r, s.secret(key), mac, false)
	if err != nil {
		s.t.Error(err)
	}
	return raw
}

// bare makes an answer without TSIG.
func bare(m notified, rcode int) []byte {
	raw, err := new(dns.Msg).SetRcode(m.Msg, rcode).Pack()
	if err != nil {
		panic(err)
	}
	return raw
}

func (s *secondary) send(m notified, raw []byte) { _, _ = s.pc.WriteTo(raw, m.from) }

// testNotifier runs a notifier whose seconds are hundredths.
func testNotifier(t testing.TB, configure ...func(*Notifier)) (n *Notifier, log *safeBuffer) {
	t.Helper()
	log = &safeBuffer{}
	n = NewNotifier(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), time.Now)
	n.first, n.window, n.slow = 10*time.Millisecond, 20*time.Millisecond, 50*time.Millisecond
	for _, c := range configure {
		c(n)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { n.Run(ctx); close(done) }()
	t.Cleanup(func() { stop(); <-done })
	return n, log
}

// patient is for answers that come: nothing is late, however busy the machine.
func patient(n *Notifier) { n.first, n.window, n.slow = time.Minute, time.Minute, time.Minute }

func notice(to netip.AddrPort, serial blocklist.Serial, keys ...Key) Notice {
	return Notice{Client: "one", To: to, Zone: ispOne.Zones[0], Serial: serial, Keys: keys}
}

func set(t testing.TB, n *Notifier, notices ...Notice) {
	t.Helper()
	if err := n.Set(notices); err != nil {
		t.Fatal(err)
	}
}

// await waits until the only notice is as wanted.
func await(t testing.TB, n *Notifier, want func(Told) bool) (last Told) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if all := n.Told(); len(all) == 1 {
			if last = all[0]; want(last) {
				return last
			}
		}
	}
	t.Fatalf("is %+v, which never was as wanted", last)
	return last
}

func is(state NotifyState) func(Told) bool { return func(t Told) bool { return t.State == state } }

func TestNO1_SentAgainUntilAnswered(t *testing.T) {
	for _, bits := range []string{"256", "384", "512"} {
		key := ispOne.Key
		key.Algorithm = "hmac-sha" + bits + "."
		s := startSecondary(t, key, func(s *secondary, n int, m notified) {
			if n >= 3 {
				s.send(m, s.reply(m, dns.RcodeSuccess))
			}
		})
		// Of the right answer the machine may take more time than of none.
		n, log := testNotifier(t, func(n *Notifier) { n.window = 10 * time.Second })
		set(t, n, notice(s.addr(), 100, key))
		told := await(t, n, is(NotifyAcknowledged))
		seen := s.messages()
		if len(seen) < 4 || told.Tries != len(seen) || told.Error != "" || told.Serial != 100 || told.At.IsZero() {
			t.Errorf("%+v after %d messages", told, len(seen))
		}
		ids, ports := map[uint16]bool{}, map[string]bool{}
		for _, m := range seen {
			ids[m.Id], ports[m.from.String()] = true, true
			if m.mac == "" {
				t.Error("not signed")
			}
			if m.Opcode != dns.OpcodeNotify || m.Response || !m.Authoritative || m.RecursionDesired ||
				len(m.Question) != 1 || m.Question[0] != (dns.Question{Name: ispOne.Zones[0], Qtype: dns.TypeSOA, Qclass: dns.ClassINET}) ||
				len(m.Answer) != 0 || len(m.Ns) != 0 || len(m.Extra) != 1 {
				t.Errorf("message is %v", m)
			}
		}
		if len(ids) < len(seen)-1 || len(ports) < len(seen)-1 { // one may repeat by chance
			t.Errorf("%d messages have %d IDs and %d ports", len(seen), len(ids), len(ports))
		}
		if text := log.String(); !bytes.Contains([]byte(text), []byte("msg=notify isp=one zone=csam.rpz.police.example. serial=100")) {
			t.Errorf("log: %s", text)
		}
	}
}

// What is not the answer, or not proven to be the secondary's, ends nothing.
func TestNO1_OnlyTheRightAnswerCounts(t *testing.T) {
	other, wrong := ispTwo.Key, ispOne.Key
	wrong.Secret = bytes.Repeat([]byte{9}, 32)
	stranger, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	edited := func(edit func(*dns.Msg)) func(*secondary, notified) []byte {
		return func(s *secondary, m notified) []byte { return s.reply(m, dns.RcodeSuccess, edit) }
	}
	success := func(m notified) *dns.Msg { return new(dns.Msg).SetRcode(m.Msg, dns.RcodeSuccess) }
	for what, answer := range map[string]func(*secondary, notified) []byte{
		"other ID":      edited(func(r *dns.Msg) { r.Id++ }),
		"other name":    edited(func(r *dns.Msg) { r.Question[0].Name = ispTwo.Zones[0] }),
		"other type":    edited(func(r *dns.Msg) { r.Question[0].Qtype = dns.TypeNS }),
		"other class":   edited(func(r *dns.Msg) { r.Question[0].Qclass = dns.ClassCHAOS }),
		"other opcode":  edited(func(r *dns.Msg) { r.Opcode = dns.OpcodeQuery }),
		"no answer bit": edited(func(r *dns.Msg) { r.Response = false }),
		"two questions": edited(func(r *dns.Msg) { r.Question = append(r.Question, r.Question[0]) }),
		"no question":   edited(func(r *dns.Msg) { r.Question = nil }),
		"not signed":    func(_ *secondary, m notified) []byte { return bare(m, dns.RcodeSuccess) },
		"header alone":  func(_ *secondary, m notified) []byte { return append(bare(m, 0)[:4], make([]byte, 8)...) },
		"other key":     func(s *secondary, m notified) []byte { return s.sign(success(m), other, m.mac, time.Now()) },
		"wrong secret":  func(s *secondary, m notified) []byte { return s.sign(success(m), wrong, m.mac, time.Now()) },
		"chained wrong": func(s *secondary, m notified) []byte { return s.sign(success(m), s.key, "", time.Now()) },
		"old": func(s *secondary, m notified) []byte {
			return s.sign(success(m), s.key, m.mac, time.Now().Add(-time.Hour))
		},
		"octets":         func(*secondary, notified) []byte { return []byte("no message at all") },
		"nothing at all": func(*secondary, notified) []byte { return nil },
		"our own message": func(s *secondary, m notified) []byte {
			raw, _ := m.Pack()
			return raw
		},
		"other address": func(s *secondary, m notified) []byte {
			_, _ = stranger.WriteTo(s.reply(m, dns.RcodeSuccess), m.from)
			return nil
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := startSecondary(t, ispOne.Key, func(s *secondary, _ int, m notified) {
				if raw := answer(s, m); raw != nil {
					s.send(m, raw)
				}
			})
			n, _ := testNotifier(t)
			set(t, n, notice(s.addr(), 100, ispOne.Key))
			told := await(t, n, func(t Told) bool { return t.State != NotifyPending })
			if told.State != NotifyUnanswered || told.Tries != 1+notifyRetries {
				t.Errorf("is %+v", told)
			}
			await(t, n, func(t Told) bool { return t.Tries > 2+notifyRetries && t.State == NotifyUnanswered }) // and goes on
		})
	}
}

// A forged refusal that is faster than the right answer changes nothing.
func TestNO1_SignedAnswerWins(t *testing.T) {
	s := startSecondary(t, ispOne.Key, func(s *secondary, _ int, m notified) {
		s.send(m, bare(m, dns.RcodeRefused))
		s.send(m, bare(m, dns.RcodeSuccess))
		s.send(m, s.reply(m, dns.RcodeSuccess))
	})
	n, _ := testNotifier(t, patient)
	set(t, n, notice(s.addr(), 100, ispOne.Key))
	if told := await(t, n, is(NotifyAcknowledged)); told.Tries != 1 {
		t.Errorf("is %+v", told)
	}
}

// A secondary that says no is not asked at the fast pace, and its reason is
// kept; it may change its mind.
func TestNO1_Refused(t *testing.T) {
	badKey := func(s *secondary, m notified) []byte {
		r := new(dns.Msg).SetRcode(m.Msg, dns.RcodeNotAuth)
		sent := m.IsTsig()
		r.Extra = append(r.Extra, &dns.TSIG{
			Hdr: sent.Hdr, Algorithm: sent.Algorithm, TimeSigned: sent.TimeSigned, Fudge: 300, OrigId: m.Id, Error: dns.RcodeBadKey,
		})
		raw, err := r.Pack()
		if err != nil {
			s.t.Error(err)
		}
		return raw
	}
	for words, answer := range map[string]func(*secondary, notified) []byte{
		"REFUSED":         func(s *secondary, m notified) []byte { return s.reply(m, dns.RcodeRefused) },
		"NOTAUTH":         func(_ *secondary, m notified) []byte { return bare(m, dns.RcodeNotAuth) },
		"NOTIMP":          func(_ *secondary, m notified) []byte { return append(bare(m, 4)[:4], make([]byte, 8)...) },
		"SERVFAIL":        func(s *secondary, m notified) []byte { return s.reply(m, dns.RcodeServerFailure) },
		"an error":        func(s *secondary, m notified) []byte { return s.reply(m, 13) },
		"NOTAUTH: BADKEY": badKey,
		"NOTAUTH: BADSIG": func(s *secondary, m notified) []byte { // as NSD says it: without the question
			raw := badKey(s, m)
			question := len(wire(ispOne.Zones[0])) + 4
			raw = append(raw[:headerLen:headerLen], raw[headerLen+question:]...)
			raw[5], raw[len(raw)-3] = 0, dns.RcodeBadSig
			return raw
		},
		"NOTAUTH: BADTIME": badTime,
	} {
		t.Run(words, func(t *testing.T) {
			t.Parallel()
			var yes sync.Map
			s := startSecondary(t, ispOne.Key, func(s *secondary, _ int, m notified) {
				if _, ok := yes.Load("yes"); ok {
					s.send(m, s.reply(m, dns.RcodeSuccess))
					return
				}
				s.send(m, answer(s, m))
			})
			n, _ := testNotifier(t, func(n *Notifier) { n.first, n.window, n.slow = time.Hour, 500*time.Millisecond, 50*time.Millisecond })
			set(t, n, notice(s.addr(), 100, ispOne.Key))
			told := await(t, n, func(t Told) bool { return t.State != NotifyPending })
			if told.State != NotifyRefused || told.Tries != 1 || told.Error != words {
				t.Errorf("is %+v, want %s", told, words)
			}
			yes.Store("yes", true)
			await(t, n, is(NotifyAcknowledged))
		})
	}
}

// badTime is what a secondary with another clock says: signed, with the time of
// the request and its own (RFC 8945, section 5.2.3).
func badTime(s *secondary, m notified) []byte {
	r := new(dns.Msg).SetRcode(m.Msg, dns.RcodeNotAuth)
	r.SetTsig(s.key.Name, s.key.Algorithm, 300, int64(m.IsTsig().TimeSigned))
	sig := r.IsTsig()
	sig.Error, sig.OtherLen = dns.RcodeBadTime, 6
	sig.OtherData = hex.EncodeToString(appendTimers(nil, uint64(time.Now().Add(-time.Hour).Unix()), 0)[:6])
	raw, _, err := dns.TsigGenerate(r, s.secret(s.key), m.mac, false)
	if err != nil {
		s.t.Error(err)
	}
	return raw
}

// While a key is being rotated the secondary may know either.
func TestNotifyWithTwoKeys(t *testing.T) {
	fresh := keyOf("isp-one.fresh.example.", 8)
	for _, knows := range []Key{fresh, ispOne.Key} {
		s := startSecondary(t, knows, func(s *secondary, _ int, m notified) {
			if m.mac == "" {
				s.send(m, bare(m, dns.RcodeNotAuth))
				return
			}
			s.send(m, s.reply(m, dns.RcodeSuccess))
		})
		n, _ := testNotifier(t, func(n *Notifier) { n.first, n.window, n.slow = time.Hour, 500*time.Millisecond, time.Hour })
		set(t, n, notice(s.addr(), 100, fresh, ispOne.Key))
		told := await(t, n, is(NotifyAcknowledged))
		if want := 1 + slices.Index([]string{fresh.Name, ispOne.Key.Name}, knows.Name); told.Tries != want {
			t.Errorf("secondary with key %s: %d tries, want %d", knows.Name, told.Tries, want)
		}
	}
}

func TestNotifyDeadPort(t *testing.T) {
	dead := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(peers.FreePort(t)))
	n, _ := testNotifier(t, func(n *Notifier) { n.window = time.Hour })
	set(t, n, notice(dead, 100, ispOne.Key))
	if told := await(t, n, is(NotifyUnanswered)); told.Error != "nobody listens there" {
		t.Errorf("is %+v", told)
	}
}

// A newer serial supersedes the pending one, the same again changes nothing,
// and what is not to be told any more is forgotten.
func TestNotifySuperseded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, times := time.Now(), clockings{}
		var answers atomic.Bool
		n := NewNotifier(slog.New(slog.DiscardHandler), time.Now)
		n.spread = 0
		void := &void{sent: times.add, answer: func(raw []byte) []byte {
			if answers.Load() {
				return acknowledgement(t, ispOne.Key, raw)
			}
			return nil
		}}
		n.dial = void.dial
		ctx, stop := context.WithCancel(t.Context())
		go n.Run(ctx)
		to := netip.MustParseAddrPort("192.0.2.53:53")
		until := func(ms time.Duration) {
			t.Helper()
			time.Sleep(ms*time.Millisecond - time.Since(began))
			synctest.Wait()
		}
		expect := func(ms ...time.Duration) {
			t.Helper()
			ms = slices.Clone(ms)
			for i := range ms {
				ms[i] *= time.Millisecond
			}
			if sent := times.since(began); !slices.Equal(sent, ms) {
				t.Errorf("sent at %v, want %v", sent, ms)
			}
		}
		set(t, n, notice(to, 100, ispOne.Key))
		until(2500)
		set(t, n, notice(to, 100, ispOne.Key)) // goes on with its own pace
		until(3500)
		expect(0, 1000, 3000)
		set(t, n, notice(to, 101, ispOne.Key))
		until(9000)
		expect(0, 1000, 3000, 3500, 4500, 6500) // and not at 7000, as 100 would be
		if told := n.Told(); len(told) != 1 || told[0].Serial != 101 || told[0].Tries != 3 {
			t.Errorf("told %+v", told)
		}
		rotated := ispOne.Key
		rotated.Secret = bytes.Repeat([]byte{9}, 32)
		set(t, n, notice(to, 101, rotated, ispOne.Key)) // begins again, with the other key
		until(9500)
		expect(0, 1000, 3000, 3500, 4500, 6500, 9000)

		answers.Store(true) // to the second key
		until(11000)
		if told := n.Told()[0]; told.State != NotifyAcknowledged {
			t.Errorf("told %+v", told)
		}
		before := []time.Duration{0, 1000, 3000, 3500, 4500, 6500, 9000, 10_000}
		set(t, n, notice(to, 101, ispOne.Key)) // has heard, whatever the key
		until(4000_000)
		expect(before...)
		answers.Store(false)
		set(t, n, notice(to, 102, ispOne.Key))
		until(4000_500)
		before = append(before, 4000_000)
		expect(before...)
		set(t, n)
		until(8000_000)
		expect(before...)
		if len(n.Told()) != 0 {
			t.Errorf("left: %v", n.Told())
		}
		stop()
	})
}

func TestNotifyRefusesInvalid(t *testing.T) {
	n, _ := testNotifier(t)
	to := netip.MustParseAddrPort("127.0.0.1:53")
	for what, bad := range map[string]Notice{
		"no key":  notice(to, 103),
		"no port": notice(netip.AddrPortFrom(to.Addr(), 0), 103, ispOne.Key),
		"zone":    {Client: "one", To: to, Zone: "no dot", Keys: []Key{ispOne.Key}},
		"bad key": notice(to, 103, Key{Name: "x."}),
	} {
		if n.Set([]Notice{notice(to, 103, ispOne.Key), bad}) == nil || len(n.Told()) != 0 {
			t.Errorf("%s: accepted", what)
		}
	}
}

// void stands for a network in which answer says what comes back, nil nothing.
type void struct {
	sent, closed func()
	answer       func([]byte) []byte
}

func (v *void) dial(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error) {
	return &voidConn{void: v, answers: make(chan []byte, 1), late: make(chan struct{})}, nil
}

type voidConn struct {
	net.Conn
	*void
	answers chan []byte
	late    chan struct{}
}

func (v *voidConn) Write(b []byte) (int, error) {
	v.sent()
	if v.answer != nil {
		if a := v.answer(b); a != nil {
			v.answers <- a
		}
	}
	return len(b), nil
}

func (v *voidConn) Read(b []byte) (int, error) {
	select {
	case a := <-v.answers:
		return copy(b, a), nil
	case <-v.late:
		return 0, os.ErrDeadlineExceeded
	}
}

func (v *voidConn) SetReadDeadline(time.Time) error { close(v.late); return nil }

func (v *voidConn) Close() error {
	if v.closed != nil {
		v.closed()
	}
	return nil
}

// clockings keep when something happened.
type clockings struct {
	mu sync.Mutex
	at []time.Time
}

func (l *clockings) add() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = append(l.at, time.Now())
}

func (l *clockings) since(began time.Time) (all []time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.at {
		all = append(all, t.Sub(began))
	}
	return all
}

// acknowledgement answers a message as a secondary does that has the key, or
// not at all if another one signed it.
func acknowledgement(t testing.TB, key Key, raw []byte) []byte {
	s := &secondary{t: t, key: key}
	m := notified{Msg: new(dns.Msg)}
	if m.Unpack(raw) != nil || dns.TsigVerify(bytes.Clone(raw), s.secret(key), "", false) != nil {
		return nil
	}
	m.mac = m.IsTsig().MAC
	return s.reply(m, dns.RcodeSuccess)
}

// The times of all tries: 1 and 5 more in half a minute, then every 10
// minutes. At the end nothing is left running, or the bubble would not end.
func TestNotifySchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, times := time.Now(), clockings{}
		n := NewNotifier(slog.New(slog.DiscardHandler), time.Now)
		n.spread = 0
		n.dial = (&void{sent: times.add}).dial
		ctx, stop := context.WithCancel(t.Context())
		go n.Run(ctx)
		set(t, n, notice(netip.MustParseAddrPort("192.0.2.53:53"), 100, ispOne.Key))
		time.Sleep(32 * time.Second)
		if told := n.Told()[0]; told.State != NotifyPending || told.Tries != 5 {
			t.Errorf("after 32 s: %+v", told)
		}
		time.Sleep(21 * time.Minute)
		const s = time.Second
		want := []time.Duration{0, s, 3 * s, 7 * s, 15 * s, 31 * s, 631 * s, 1231 * s}
		if at := times.since(began); !slices.Equal(at, want) {
			t.Errorf("sent at %v, want %v", at, want)
		}
		if told := n.Told()[0]; told.State != NotifyUnanswered || told.Tries != 8 {
			t.Errorf("at the end: %+v", told)
		}
		stop()
	})
}

// A thousand secondaries are told within seconds, not at one moment, though
// none answers; and never through more sockets than allowed.
func TestNotifyThousand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, times := time.Now(), clockings{}
		var open, most atomic.Int64
		n := NewNotifier(slog.New(slog.DiscardHandler), time.Now)
		n.dial = (&void{sent: func() {
			times.add()
			if now := open.Add(1); now > most.Load() {
				most.Store(now)
			}
		}, closed: func() { open.Add(-1) }}).dial
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { n.Run(ctx); close(ended) }()
		var all []Notice
		for i := range 1000 {
			all = append(all, notice(netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), uint16(1000+i)), 100, ispOne.Key))
		}
		set(t, n, all...)
		time.Sleep(34 * time.Second)
		at, burst := times.since(began), 0
		for _, d := range at {
			if d < 10*time.Millisecond {
				burst++
			}
		}
		if at[999] > 4*time.Second || burst > 50 || most.Load() > 512 {
			t.Errorf("1000 messages took %v, %d in the first 10 ms, %d sockets at once", at[999], burst, most.Load())
		}
		for _, told := range n.Told() {
			if told.Tries < 5 {
				t.Fatalf("is %+v", told)
			}
		}
		if open.Load() == 0 {
			t.Error("nothing under way") // or the end would prove nothing
		}
		stop()
		<-ended
		if open.Load() != 0 {
			t.Errorf("%d sockets are left", open.Load())
		}
	})
}

func TestNotifySource(t *testing.T) {
	n := NewNotifier(nil, nil, netip.MustParseAddr("::"), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.1"),
		netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.2"))
	for to, want := range map[string]string{"127.0.0.9": "127.0.0.1", "198.51.100.1": "192.0.2.1", "2001:db8::9": "2001:db8::1", "::1": "invalid IP"} {
		if got := n.source(netip.MustParseAddr(to)).String(); got != want {
			t.Errorf("to %s from %s, want %s", to, got, want)
		}
	}
}

// Real secondaries transfer because of the NOTIFY, and answer it in a way that
// is believed: by themselves they would look again after the refresh of the SOA,
// which is 300 seconds.
func TestNO1_RealSecondaries(t *testing.T) {
	ts := startServer(t)
	key, zone := ispOne.Key, ispOne.Zones[0]
	secret := base64.StdEncoding.EncodeToString(key.Secret)
	up := peers.StartUpstream(t, map[string]string{"stop.police.example.": "192.0.2.99"})
	config := peers.SecondaryConfig{Zone: zone, Primary: ts.addr, KeyName: key.Name, Algorithm: "hmac-sha256", Secret: secret}
	named := peers.StartNamed(t, peers.NamedConfig{
		Zone: zone, Primary: ts.addr, KeyName: key.Name, Algorithm: "hmac-sha256", Secret: secret, Upstream: up.Addr,
	})
	knot, nsd, pdns := peers.StartKnot(t, config), peers.StartNSDSecondary(t, config), peers.StartPDNS(t, config)
	all := map[string]*peers.Secondary{"knotd": knot, "nsd": nsd, "pdns_server": pdns}
	addrs := map[string]string{"named": named.Addr, "knotd": knot.Addr, "nsd": nsd.Addr, "pdns_server": pdns.Addr}
	serves := func(what string, serial uint32) {
		t.Helper()
		peers.Await(t, addrs["named"], zone, dns.TypeSOA, func(m *dns.Msg) bool {
			return len(m.Answer) == 1 && m.Answer[0].(*dns.SOA).Serial == serial
		})
		for tool, s := range all {
			deadline := time.Now().Add(30 * time.Second)
			for got, _ := s.Serial(); got != serial; got, _ = s.Serial() {
				if time.Now().After(deadline) {
					t.Fatalf("%s: %s serves %d, want %d", what, tool, got, serial)
				}
				time.Sleep(20 * time.Millisecond)
			}
		}
	}
	serves("at first", 100)

	next, _ := makeImage(t, testZone(), 101, testSet(t, append(slices.Clone(listed), "fresh.example")...))
	ts.publish(next)
	n, log := testNotifier(t, patient)
	var notices []Notice
	for _, addr := range addrs {
		notices = append(notices, notice(netip.MustParseAddrPort(addr), 101, key))
	}
	began := time.Now()
	set(t, n, notices...)
	serves("after NOTIFY", 101)
	t.Logf("all transferred %v after the NOTIFY", time.Since(began))
	peers.Await(t, named.Addr, "fresh.example.", dns.TypeA, peers.Answers("192.0.2.99"))
	for _, told := range n.Told() {
		if told.State != NotifyAcknowledged || told.Tries != 1 {
			t.Errorf("%v: %+v\n%s", addrs, told, log)
		}
	}

	// A key that they do not know, one that is another there, a zone that they do
	// not have.
	for tool, addr := range addrs {
		to := netip.MustParseAddrPort(addr)
		for what, o := range map[string]Notice{
			"unknown key":  notice(to, 102, keyOf("nobody.key.example.", 1)),
			"wrong key":    notice(to, 102, keyOf(key.Name, 7)),
			"unknown zone": {Client: "one", To: to, Zone: ispTwo.Zones[0], Serial: 102, Keys: []Key{key}},
		} {
			t.Run(tool+" "+what, func(t *testing.T) {
				t.Parallel()
				n, _ := testNotifier(t, func(n *Notifier) { patient(n); n.window = 2 * time.Second })
				set(t, n, o)
				told := await(t, n, func(t Told) bool { return t.Tries > 0 })
				t.Log(told.State, told.Error)
				if told.State != NotifyRefused {
					t.Errorf("%+v", told)
				}
			})
		}
	}
}
