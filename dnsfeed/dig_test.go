package dnsfeed

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/vaern/vaern/internal/peers"
)

// dig runs dig or kdig against the server and returns what it prints.
func (ts *testServer) dig(tool string, key Key, args ...string) string {
	ts.t.Helper()
	host, port, _ := strings.Cut(ts.addr, ":")
	line := []string{"@" + host, "-p", port}
	if key.Name != "" {
		secret := base64.StdEncoding.EncodeToString(key.Secret)
		line = append(line, "-y", strings.TrimSuffix(key.Algorithm, ".")+":"+key.Name+":"+secret)
	}
	out, _ := peers.Command(ts.t, tool, append(line, args...)...).CombinedOutput() // says itself what failed
	return string(out)
}

// digRecords picks the records out of what dig prints.
func digRecords(t *testing.T, out string) (records []string) {
	t.Helper()
	for line := range strings.Lines(out) {
		if line = strings.TrimSpace(line); line == "" || line[0] == ';' || strings.Contains(line, "\tTSIG\t") {
			continue
		}
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatalf("dig printed %q", line)
		}
		records = append(records, rr.String())
	}
	return records
}

// AX1, TS6: other people's programs take our transfers, and verify each TSIG.
func TestAX1_DigAndKdigTakeTransfers(t *testing.T) {
	ts := startServer(t)
	set := testSet(t, manyNames(500)...)
	image, _ := makeImage(t, testZone(), 500, set)
	ts.publish(image)
	want := expected(t, testZone(), 500, set)
	soa := want[0]
	slices.Sort(want)
	for _, bits := range []string{"256", "384", "512"} {
		isp := ispOne
		isp.Key.Algorithm = "hmac-sha" + bits + "."
		ts.grant(isp)
		for _, tool := range []string{"dig", "kdig"} {
			for _, kind := range []string{"AXFR", "IXFR=499"} {
				if kind != "AXFR" && bits != "256" {
					continue
				}
				out := ts.dig(tool, isp.Key, "+tcp", isp.Zones[0], kind)
				got := digRecords(t, out)
				if len(got) != image.Records() || got[0] != soa || got[len(got)-1] != soa {
					t.Fatalf("%s %s %s: %d records, want %d", tool, bits, kind, len(got), image.Records())
				}
				got = got[1:]
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Errorf("%s %s %s: other records than expected", tool, bits, kind)
				}
				if complaint.MatchString(out) {
					t.Errorf("%s %s %s: %s", tool, bits, kind, complaint.FindString(out))
				}
			}
		}
	}
}

var complaint = regexp.MustCompile(`(?i)WARNING.*|ERROR:.*|.*couldn't verify.*|.*malformed.*|.*trailing.*|.*Transfer failed.*`)

// What dig and kdig say to each kind of wrong request.
func TestR5_DigJudgesRefusals(t *testing.T) {
	var ahead atomic.Int64 // of the server's clock
	ts := startServer(t, func(s *Server) {
		s.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	unknown, wrong, sha512, sha1 := ispOne.Key, ispOne.Key, ispOne.Key, ispOne.Key
	unknown.Name = "nobody.key.example."
	wrong.Secret = ispTwo.Key.Secret
	sha512.Algorithm, sha1.Algorithm = "hmac-sha512.", "hmac-sha1."
	zone := ispOne.Zones[0]
	for _, c := range []struct {
		what, want string
		key        Key
		args       []string
	}{
		{"no key", "REFUSED", Key{}, []string{zone, "SOA"}},
		{"no key, AXFR", "Transfer failed", Key{}, []string{zone, "AXFR"}},
		{"unknown key", "BADKEY", unknown, []string{zone, "SOA"}},
		{"wrong secret", "BADSIG", wrong, []string{zone, "SOA"}},
		{"another algorithm", "BADKEY", sha512, []string{zone, "SOA"}},
		{"SHA-1", "BADKEY", sha1, []string{zone, "SOA"}},
		{"another ISP's", "REFUSED", ispTwo.Key, []string{zone, "SOA"}},
		{"wrong address", "REFUSED", ispFar.Key, []string{zone, "SOA"}},
		{"a name", "REFUSED", ispOne.Key, []string{"secretbad.example." + zone, "A"}},
		{"ANY", "REFUSED", ispOne.Key, []string{zone, "ANY"}},
		{"good", "NOERROR", ispOne.Key, []string{zone, "SOA"}},
		{"good by UDP", "NOERROR", ispOne.Key, []string{"+notcp", zone, "NS"}},
	} {
		out := ts.dig("dig", c.key, append([]string{"+tcp", "+norec"}, c.args...)...)
		if !strings.Contains(out, c.want) || strings.Contains(out, "CNAME") {
			t.Errorf("%s: want %s, dig says:\n%s", c.what, c.want, out)
		}
		if c.key.Name == ispOne.Key.Name && c.want != "BADKEY" && c.want != "BADSIG" && complaint.MatchString(out) {
			t.Errorf("%s: %s", c.what, complaint.FindString(out))
		}
	}
	ahead.Store(int64(time.Hour))
	if out := ts.dig("dig", ispOne.Key, "+tcp", zone, "SOA"); !strings.Contains(out, "BADTIME") || !strings.Contains(out, "NOTAUTH") ||
		!strings.Contains(out, "clocks are unsynchronized") { // so its signature is good
		t.Errorf("clock ahead: dig says:\n%s", out)
	}
	if out := ts.dig("kdig", ispOne.Key, "+tcp", zone, "SOA"); !strings.Contains(out, "BADTIME") {
		t.Errorf("clock ahead: kdig says:\n%s", out)
	}
}

// RZ1, RZ2: three other checkers accept the zone file, with names of the
// greatest length, and each of the actions.
func TestRZ2_CheckersAcceptTheZone(t *testing.T) {
	set := testSet(t, append(manyNames(2000), "=host.bad.example", "xn--bcher-kva.example",
		longest(t, testZone().MaxText(0)), "="+longest(t, testZone().MaxText(1)))...)
	for _, action := range []string{"stop.police.example.", ActionNXDomain, ActionNoData} {
		z := testZone()
		z.Action = action
		path := filepath.Join(t.TempDir(), "rpz.zone")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := z.WriteRPZ(f, 1795435200, set); err != nil {
			t.Fatal(err)
		}
		f.Close()
		for _, check := range []*exec.Cmd{
			peers.Command(t, "named-checkzone", "-k", "fail", "-n", "fail", "-i", "local", z.Name, path),
			peers.Command(t, "kzonecheck", "-o", z.Name, path),
			peers.Command(t, "nsd-checkzone", z.Name, path),
		} {
			if out, err := check.CombinedOutput(); err != nil {
				t.Errorf("%s, %s: %v: %s", filepath.Base(check.Path), action, err, out)
			}
		}
	}
}

// longest returns a name of exactly n octets.
func longest(t *testing.T, n int) string {
	t.Helper()
	name := "x.test"
	for n-len(name) > 1 {
		name = strings.Repeat("y", min(63, n-len(name)-1)) + "." + name
	}
	if len(name) != n {
		name = "x" + name // one octet is left: the first label takes it
	}
	return name
}
