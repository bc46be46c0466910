package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/dnsfeed"
	"github.com/vaern/vaern/internal/peers"
)

// ixfr has dig ask what has changed since a serial, and returns the types of
// the records and the sorted owners of the CNAMEs.
func (d *daemon) ixfr(c credentials, zone string, have blocklist.Serial) (types string, owners []string) {
	d.t.Helper()
	host, port, _ := strings.Cut(d.dns, ":")
	out, err := peers.Command(d.t, "dig", "@"+host, "-p", port, "-y", c.TSIG.Algorithm+":"+c.TSIG.Name+":"+c.TSIG.Secret,
		"+nocmd", "+nostats", "+tcp", zone, fmt.Sprintf("IXFR=%d", have)).CombinedOutput()
	if err != nil {
		d.t.Fatalf("dig: %v: %s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 5 || strings.HasPrefix(line, ";") || f[3] == "TSIG" {
			continue
		}
		types += f[3][:1]
		if f[3] == "CNAME" {
			owners = append(owners, strings.TrimSuffix(f[0], "."+zone))
		}
	}
	return types, owners
}

// From each edition that is kept there is a difference, before and after a
// restart; one that was changed on disk after it was published gives none.
func TestIncrementalAcrossRestarts(t *testing.T) {
	dir := t.TempDir()
	a := newAuthority(t, dir, "csam")
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf("n%d.example", i))
	}
	now := time.Now()
	one := a.publish(now.Add(-3*time.Hour), append(many, "gone.example", "back.example")...)
	two := a.publish(now.Add(-2*time.Hour), append(many, "gone.example", "new.example")...)
	d := configure(t, dir, "")
	c := d.addISP("nordnet")
	d.start()
	if types, owners := d.ixfr(c, a.zone(), one.Serial); types != "SSCCSCCS" ||
		!slices.Equal(owners, []string{"back.example", "*.back.example", "new.example", "*.new.example"}) {
		t.Errorf("from one to two: %s %v", types, owners)
	}
	three := a.publish(now.Add(-time.Hour), append(many, "back.example", "new.example")...)
	d.within("the third edition", func() bool { return d.soa(c, a.zone()) == uint32(three.Serial) })
	check := func(when string) {
		if types, owners := d.ixfr(c, a.zone(), two.Serial); types != "SSCCSCCS" ||
			!slices.Equal(owners, []string{"gone.example", "*.gone.example", "back.example", "*.back.example"}) {
			t.Errorf("%s, from two to three: %s %v", when, types, owners)
		}
		if types, owners := d.ixfr(c, a.zone(), one.Serial); types != "SSCCSCCS" ||
			!slices.Equal(owners, []string{"gone.example", "*.gone.example", "new.example", "*.new.example"}) {
			t.Errorf("%s, from one to three, at once: %s %v", when, types, owners)
		}
	}
	check("running")
	d.stop()
	d = configure(t, dir, "")
	d.start()
	check("after a restart")
	d.stop()

	image := filepath.Join(one.Dir, dnsfeed.ImageName)
	data, err := os.ReadFile(image)
	a.must(err)
	data[len(data)/2] ^= 1
	a.must(os.WriteFile(image, data, 0o600))
	d = configure(t, dir, "")
	d.start()
	if types, _ := d.ixfr(c, a.zone(), one.Serial); types != "SN"+strings.Repeat("C", 2*102)+"S" {
		t.Errorf("from an edition that was changed: %d records, want the zone", len(types))
	}
	if types, _ := d.ixfr(c, a.zone(), two.Serial); types != "SSCCSCCS" {
		t.Errorf("from the other: %s", types)
	}
}
