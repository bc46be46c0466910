package e2e

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vaern/vaern/internal/peers"
)

// secondary starts a daemon that asks the server with a key, and has a clock that is ahead.
func (s *server) secondary(t *testing.T, name string, key tsigKey, ahead time.Duration, up *peers.Upstream) *peers.Secondary {
	t.Helper()
	c := peers.SecondaryConfig{
		Zone: zone, Primary: s.dns, KeyName: key.Name, Algorithm: key.Algorithm, Secret: key.Secret, Ahead: ahead,
	}
	switch name {
	case "named":
		return peers.StartNamed(t, peers.NamedConfig{
			Zone: zone, Primary: s.dns, KeyName: key.Name, Algorithm: key.Algorithm, Secret: key.Secret, Ahead: ahead, Upstream: up.Addr,
		})
	case "knotd":
		return peers.StartKnot(t, c)
	case "nsd":
		return peers.StartNSDSecondary(t, c)
	}
	return peers.StartPDNS(t, c)
}

// complaints are what each daemon writes into its log about a TSIG error. Knot tells a wrong time alone apart from an
// unsigned error, and says so only if the signature is good; PowerDNS tells none apart.
var complaints = map[string]map[string]string{
	"named": {
		"BADKEY": `refresh: failure trying primary .*: tsig indicates error`, "BADSIG": `refresh: failure trying primary .*: tsig indicates error`,
		"BADTIME": `refresh: failure trying primary .*: clocks are unsynchronized`,
	},
	"knotd": {
		"BADKEY": `failed \(failed to verify TSIG\)`, "BADSIG": `failed \(failed to verify TSIG\)`,
		"BADTIME": `server responded with error 'BADTIME'`,
	},
	"nsd": {
		"BADKEY": `tsig error \(Bad Key\)`, "BADSIG": `tsig error \(Bad Signature\)`, "BADTIME": `tsig error \(Bad Time\)`,
	},
	"pdns_server": {
		"BADKEY": `returned Rcode Server Not Auth`, "BADSIG": `returned Rcode Server Not Auth`, "BADTIME": `returned Rcode Server Not Auth`,
	},
}

var secondaries = []string{"named", "knotd", "nsd", "pdns_server"}

// Each secondary transfers the zone with the right key, of each algorithm, whole.
func TestSecondariesTakeTheRightKey(t *testing.T) {
	t.Parallel()
	s, keys := tsigWorld(t)
	up := peers.StartUpstream(t, nil)
	var want []string
	for _, algorithm := range []string{"hmac-sha256", "hmac-sha384", "hmac-sha512"} {
		for i, name := range secondaries {
			ahead := time.Duration(0)
			if algorithm == "hmac-sha256" { // a clock that is wrong, but not too wrong
				ahead = []time.Duration{-290 * time.Second, 290 * time.Second}[i%2]
			}
			d := s.secondary(t, name, keys[algorithm], ahead, up)
			await(t, name+" has the zone, by "+algorithm, func() bool { _, ok := d.Serial(); return ok })
			var got []string
			await(t, name+" gives its zone", func() bool { // NSD may still answer by a process without one
				records, err := d.Records()
				got = lines(records)
				return err == nil
			})
			if want == nil {
				want = got
			}
			if len(got) != wholeZone-1 || !slices.Equal(got, want) {
				t.Errorf("%s, %s: %d records, want %d, or others", name, algorithm, len(got), wholeZone-1)
			}
			d.Stop()
		}
	}
}

// No secondary transfers anything without it, or with a clock that is wrong; each says why.
func TestSecondariesReportTSIGErrors(t *testing.T) {
	t.Parallel()
	s, keys := tsigWorld(t)
	up := peers.StartUpstream(t, nil)
	key := keys["hmac-sha256"]
	unknown, wrong, other := key, key, key
	unknown.Name, wrong.Secret, other.Algorithm = "nobody-0123456789abcdef", keys["hmac-sha512"].Secret, "hmac-sha512"
	for _, c := range []struct {
		what, want string
		key        tsigKey
		ahead      time.Duration
		only       string // this daemon; "": all
	}{
		{"unknown key", "BADKEY", unknown, 0, ""},
		{"wrong secret", "BADSIG", wrong, 0, ""},
		{"wrong algorithm", "BADKEY", other, 0, ""},
		{"clock behind by an hour", "BADTIME", key, -time.Hour, ""},
		{"clock ahead by an hour", "BADTIME", key, time.Hour, ""},
		{"clock behind by 301 s", "BADTIME", key, -301 * time.Second, "named"},
		{"clock ahead by 310 s", "BADTIME", key, 310 * time.Second, "named"},
	} {
		for _, name := range secondaries {
			if c.only != "" && c.only != name {
				continue
			}
			d := s.secondary(t, name, c.key, c.ahead, up)
			complaint := regexp.MustCompile(complaints[name][c.want])
			await(t, name+", "+c.what+": it says that there is a "+c.want, func() bool {
				log, err := os.ReadFile(d.Log)
				if err != nil {
					t.Fatal(err)
				}
				return complaint.Match(log)
			})
			if serial, ok := d.Serial(); ok {
				t.Errorf("%s, %s: it has serial %d", name, c.what, serial)
			}
			d.Stop()
			log, err := os.ReadFile(d.Log)
			if err != nil || strings.Contains(string(log), marker) {
				t.Errorf("%s, %s: a listed name is in its log, %v", name, c.what, err)
			}
		}
	}
	if log := s.read("vaernd.log"); strings.Contains(log, `"msg":"zone transfer"`) {
		t.Errorf("something was transferred: %s", log)
	}
}
