package dnsfeed

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
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
	ca := filepath.Join(t.TempDir(), "ca.pem")
	cert, _ := writeCert(t, *ts.cert.Load())
	if err := os.Link(cert, ca); err != nil {
		t.Fatal(err)
	}
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
