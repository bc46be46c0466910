package dnsfeed

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/vaern/vaern/blocklist"
)

// AX2, IX3: editions are published all the time, from files that are mapped,
// while clients transfer all the time: each transfer is one edition, whole, and
// each difference leads to one. In the end only the last is mapped.
func TestAX2_PublishingDuringTransfers(t *testing.T) {
	ts := startServer(t)
	dir := t.TempDir()
	const editions = 4
	// Each has hundreds of names that no other has, and more octets than sockets
	// hold.
	content := make([][]string, editions)
	for i := range content {
		names := manyNames(12_000)
		for n := range 200 {
			names = append(names, fmt.Sprintf("edition%d-%d.example", i, n))
		}
		set := testSet(t, names...)
		var b bytes.Buffer
		if err := testZone().WriteImage(&b, blocklist.Serial(1000+i), set); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(1000+i)), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		content[i] = names
	}
	open := func(s blocklist.Serial) (*Image, error) { return MapImage(filepath.Join(dir, s.String()), nil) }
	// What is served under the serial of a publication: its content is one of
	// the above, over and over, and the serials go up.
	var before *Image
	var published atomic.Int32
	publish := func() {
		n := int(published.Load())
		now, err := open(blocklist.Serial(1000 + n%editions))
		if err != nil {
			t.Error(err)
			return
		}
		v := NewVersions(now, open)
		v.Follow(before)
		z, err := NewSnapshot(v)
		if err != nil {
			t.Error(err)
			return
		}
		ts.SetZones(z)
		before = now
		published.Add(1)
	}
	publish()

	zones := make([][]string, editions)
	for i := range zones {
		m, err := open(blocklist.Serial(1000 + i))
		if err != nil {
			t.Fatal(err)
		}
		zones[i] = recordsOf(t, m)
	}
	// check says whether the records behind a SOA are those of its edition.
	check := func(what, soa string, records []string) (serial blocklist.Serial) {
		rr, err := dns.NewRR(soa)
		if err != nil {
			t.Error(err)
			return 0
		}
		serial = blocklist.Serial(rr.(*dns.SOA).Serial)
		records = slices.DeleteFunc(slices.Clone(records), func(rr string) bool { return rr == soa })
		slices.Sort(records)
		if !slices.Equal(records, zones[serial-1000]) {
			t.Errorf("%s: %d records, not those of edition %v", what, len(records), serial)
		}
		return serial
	}

	stop := make(chan struct{})
	var all sync.WaitGroup
	var transfers, differences atomic.Int32
	for range 6 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				c, err := net.Dial("tcp", ts.addr)
				if err != nil {
					t.Error(err)
					return
				}
				_ = c.SetDeadline(time.Now().Add(time.Minute))
				zone, err := take(c, ispOne, ask(ispOne.Zones[0], dns.TypeAXFR))
				if err != nil {
					t.Errorf("AXFR: %v", err)
					return
				}
				serial := check("AXFR", zone[0], zone)
				transfers.Add(1)
				answer, err := take(c, ispOne, ixfrQuery(ispOne.Zones[0], serial))
				if err != nil {
					t.Errorf("IXFR: %v", err)
					return
				}
				c.Close()
				if len(answer) == 1 { // nothing newer
					continue
				}
				if !strings.Contains(answer[1], "\tSOA\t") {
					check("IXFR as AXFR", answer[0], answer)
					continue
				}
				check("IXFR", answer[0], apply(t, zone, answer))
				differences.Add(1)
			}
		})
	}
	enough := func() bool {
		return transfers.Load() >= size[int32](24, 1000) && differences.Load() >= 5 && published.Load() >= 24
	}
	for end := time.Now().Add(2 * time.Minute); !enough() && !t.Failed() && time.Now().Before(end); {
		publish()
	}
	close(stop)
	all.Wait()
	t.Logf("%d editions published, %d transfers and %d differences meanwhile", published.Load(), transfers.Load(), differences.Load())
	if !enough() {
		t.Error("too few to tell")
	}
	last := filepath.Base(dir)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		runtime.GC()
		maps, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(maps), "/"+last+"/"); n == 1 {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("%d images are mapped, want the one that is served", n)
		}
	}
	runtime.KeepAlive(before)
}

// take runs a transfer as a client that verifies each TSIG, and returns all
// records.
func take(c net.Conn, isp Client, request []byte) (records []string, err error) {
	raw, mac := signed(request, signing{key: isp.Key})
	if _, err := c.Write(frame(raw)); err != nil {
		return nil, err
	}
	prior, secret := hex.EncodeToString(mac), base64.StdEncoding.EncodeToString(isp.Key.Secret)
	for soas, last, n := 0, 2, 0; soas < last; n++ {
		raw, err := readFrame(c)
		if err != nil {
			return nil, err
		}
		if err := dns.TsigVerify(bytes.Clone(raw), secret, prior, n > 0); err != nil {
			return nil, err
		}
		var m dns.Msg
		if err := m.Unpack(raw); err != nil {
			return nil, err
		}
		prior = m.IsTsig().MAC
		for _, rr := range m.Answer {
			if rr.Header().Rrtype == dns.TypeSOA {
				soas++
			}
			records = append(records, rr.String())
			if len(records) == 2 && rr.Header().Rrtype == dns.TypeSOA && len(m.Answer) > 2 {
				last = 4
			}
		}
		if len(records) == 1 {
			last = 1
		}
	}
	return records, nil
}
