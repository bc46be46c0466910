package dnsfeed

import (
	"crypto/tls"
	"encoding/base64"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/vaern/vaern/internal/peers"
)

// XT1, XT2: dig and kdig take transfers over TLS, and check our certificate
// while they do.
func TestXT2_DigAndKdigOverTLS(t *testing.T) {
	p := newPinned()
	ts := startTLS(t, []Client{p.one, p.two, p.only})
	ts.testServer.addr = ts.addr // where dig goes
	set := testSet(t, manyNames(500)...)
	image, _ := makeImage(t, testZone(), 500, set)
	ts.publish(image)
	want := expected(t, testZone(), 500, set)
	slices.Sort(want)
	ca, _ := writeCert(t, *ts.cert.Load())
	zone := p.one.Zones[0]
	for _, c := range []struct {
		what    string
		key     Key
		cert    *tls.Certificate
		granted bool
	}{
		{"certificate", Key{}, &p.certOne, true},
		{"TSIG", p.one.Key, nil, true},
		{"both", p.one.Key, &p.certOne, true},
		{"TSIG and an unknown certificate", p.one.Key, &p.stranger, true},
		{"TLS only, certificate", Key{}, &p.certOnly, true},
		{"nothing", Key{}, nil, false},
		{"unknown certificate", Key{}, &p.stranger, false},
		{"certificate of two", Key{}, &p.certTwo, false},
		{"key of one, certificate of two", p.one.Key, &p.certTwo, false},
	} {
		for tool, args := range map[string][]string{
			"dig":  {"+tls", "+tls-ca=" + ca, "+tls-hostname=" + serverName},
			"kdig": {"+tls", "+tls-ca=" + ca, "+tls-hostname=" + serverName},
		} {
			if c.cert != nil {
				cert, key := writeCert(t, *c.cert)
				args = append(args, "+tls-certfile="+cert, "+tls-keyfile="+key)
			}
			out := ts.dig(tool, c.key, append(args, zone, "AXFR")...)
			got := digRecords(t, out)
			if !c.granted {
				if len(got) > 0 || strings.Contains(out, "CNAME") {
					t.Errorf("%s, %s: got %d records", tool, c.what, len(got))
				}
				if out := ts.dig(tool, c.key, append(args, zone, "SOA")...); !strings.Contains(out, "REFUSED") {
					t.Errorf("%s, %s: want REFUSED: %s", tool, c.what, out)
				}
				continue
			}
			if len(got) != image.Records() {
				t.Errorf("%s, %s: %d records, want %d: %.2000s", tool, c.what, len(got), image.Records(), out)
				continue
			}
			got = got[1:]
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s, %s: other records than expected", tool, c.what)
			}
			if complaint.MatchString(out) {
				t.Errorf("%s, %s: %s", tool, c.what, complaint.FindString(out))
			}
		}
	}
	// They do look at the certificate: with another one it is no connection.
	other, _ := writeCert(t, newCert())
	for _, tool := range []string{"dig", "kdig"} {
		if out := ts.dig(tool, p.one.Key, "+tls", "+tls-ca="+other, "+tls-hostname="+serverName, zone, "AXFR"); strings.Contains(out, "CNAME") {
			t.Errorf("%s trusts anybody", tool)
		}
	}
}

// XT2: BIND follows the zone over TLS by its certificate alone, by TSIG, and by
// both, and blocks what is listed.
func TestXT2_NamedOverTLS(t *testing.T) {
	p := newPinned()
	p.one.TLSOnly = true
	ts := startTLS(t, []Client{p.one, p.two})
	ca, _ := writeCert(t, *ts.cert.Load())
	cert, key := writeCert(t, p.certOne)
	up := peers.StartUpstream(t, map[string]string{"stop.police.example.": "192.0.2.99", "good.example.": "192.0.2.1"})
	start := func(signs, shows bool) *peers.Secondary {
		c := peers.NamedConfig{Zone: p.one.Zones[0], Primary: ts.addr, Upstream: up.Addr, TLS: &peers.TLS{CA: ca, Name: serverName}}
		if signs {
			c.KeyName, c.Algorithm, c.Secret = p.one.Key.Name, "hmac-sha256", base64.StdEncoding.EncodeToString(p.one.Key.Secret)
		}
		if shows {
			c.TLS.Cert, c.TLS.Key = cert, key
		}
		return peers.StartNamed(t, c)
	}
	named := map[string]*peers.Secondary{"certificate": start(false, true), "TSIG": start(true, false), "both": start(true, true)}
	for what, d := range named {
		t.Run(what, func(t *testing.T) {
			peers.Await(t, d.Addr, "www.secretbad.example.", dns.TypeA, peers.Answers("192.0.2.99"))
			peers.Await(t, d.Addr, "good.example.", dns.TypeA, peers.Answers("192.0.2.1"))
		})
	}
	nobody := start(false, false)
	ts.awaitLog(`reason="no credential, or one each of two clients" isp="" transport=tls`)
	peers.Await(t, nobody.Addr, p.one.Zones[0], dns.TypeSOA, peers.HasRcode(dns.RcodeServerFailure))
	// Each line is written when its client may have all of the zone.
	for deadline := time.Now().Add(10 * time.Second); strings.Count(ts.log.String(), "result=complete") < 3 && time.Now().Before(deadline); {
		runtime.Gosched()
	}
	if log := ts.log.String(); strings.Count(log, "result=complete") != 3 || strings.Contains(log, "transport=tcp") {
		t.Errorf("transfers: %s", log)
	}
}

// XT2: NSD, which shows no certificate, follows the zone with TSIG over TLS.
func TestXT2_NSDOverTLS(t *testing.T) {
	p := newPinned()
	p.one.TLSOnly = true
	ts := startTLS(t, []Client{p.one})
	ca, _ := writeCert(t, *ts.cert.Load())
	set := testSet(t, manyNames(500)...)
	image, _ := makeImage(t, testZone(), 500, set)
	ts.publish(image)
	nsd := peers.StartNSDSecondary(t, peers.SecondaryConfig{
		Zone: p.one.Zones[0], Primary: ts.addr, KeyName: p.one.Key.Name, Algorithm: "hmac-sha256",
		Secret: base64.StdEncoding.EncodeToString(p.one.Key.Secret), TLS: &peers.TLS{CA: ca, Name: serverName},
	})
	peers.Await(t, nsd.Addr, p.one.Zones[0], dns.TypeSOA, peers.HasRcode(dns.RcodeSuccess))
	records, err := nsd.Records()
	if err != nil {
		t.Fatal(err)
	}
	got, want := texts(records), expected(t, testZone(), 500, set)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d records, want %d, or others", len(got), len(want))
	}
	ts.awaitLog("type=axfr transport=tls")
	if strings.Contains(ts.log.String(), "transport=tcp") {
		t.Error("it came in the clear as well")
	}
}
