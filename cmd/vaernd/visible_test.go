package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/dnsfeed"
	"github.com/vaern/vaern/internal/durable"
	"github.com/vaern/vaern/internal/peers"
)

func (d *daemon) status() (s statusJSON) {
	d.t.Helper()
	if err := json.Unmarshal([]byte(d.command(0, "status", "--json")), &s); err != nil {
		d.t.Fatal(err)
	}
	return s
}

// metrics returns the text of /metrics.
func (d *daemon) metrics() string {
	d.t.Helper()
	resp, err := http.Get("http://" + d.admin + "/metrics") //nolint:noctx // loopback, in a test
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		d.t.Fatalf("status %d, %v: %s", resp.StatusCode, err, text)
	}
	return string(text)
}

// change edits the file of an ISP, as a person would.
func (d *daemon) change(name string, edit func(string) string) {
	d.t.Helper()
	path := filepath.Join(d.dir, "isps", name+".toml")
	text, err := os.ReadFile(path)
	if err != nil {
		d.t.Fatal(err)
	}
	if err := durable.WriteFile(path, []byte(edit(string(text))), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// eventually waits for what has to happen in some seconds.
func (d *daemon) eventually(what string, true func() bool) time.Duration {
	d.t.Helper()
	began := time.Now()
	for !true() {
		if time.Since(began) > 20*time.Second {
			d.t.Fatalf("%s: not within 20 s; log:\n%s", what, d.logText())
		}
		time.Sleep(20 * time.Millisecond)
	}
	return time.Since(began)
}

// A secondary hears of a new edition at once (by itself it would look again
// after 300 s), while its key is being rotated too, and status says so, after a
// restart as well.
func TestSecondaryIsNotified(t *testing.T) {
	dir := t.TempDir()
	a := newAuthority(t, dir, "csam")
	one := a.publish(time.Now().Add(-3*time.Hour), "one.example")
	d := configure(t, dir, `state = "state"`)
	c := d.addISP("nordnet")
	d.addISP("sudnet")
	d.start()
	knot := peers.StartKnot(t, peers.SecondaryConfig{
		Zone: a.zone(), Primary: d.dns, KeyName: c.TSIG.Name, Algorithm: c.TSIG.Algorithm, Secret: c.TSIG.Secret,
	})
	has := func(e *blocklist.Edition) func() bool {
		return func() bool { serial, _ := knot.Serial(); return serial == uint32(e.Serial) }
	}
	d.eventually("Knot transfers", has(one))
	if s := d.status(); len(s.ISPs) != 2 || len(s.ISPs[0].Notify) != 0 || s.ISPs[0].Notify == nil {
		t.Errorf("nobody to notify: %+v", s.ISPs)
	}

	d.change("nordnet", func(text string) string { return "notify = [\"" + knot.Addr + "\"]\n" + text })
	acknowledged := func(e *blocklist.Edition) func() bool {
		return func() bool {
			n := d.status().ISPs[0].Notify
			return len(n) == 1 && n[0].To.String() == knot.Addr && n[0].State == dnsfeed.NotifyAcknowledged &&
				n[0].Serial == e.Serial && n[0].Tries > 0 && n[0].At != nil && n[0].Error == ""
		}
	}
	d.eventually("a target that is new is told", acknowledged(one))

	two := a.publish(time.Now().Add(-2*time.Hour), "one.example", "two.example")
	t.Logf("Knot has the next edition after %v", d.eventually("Knot hears of the next edition", has(two)))
	d.eventually("the answer is noted", acknowledged(two))
	d.command(0, "isp", "rotate", "nordnet")
	three := a.publish(time.Now().Add(-time.Hour), "one.example", "three.example")
	d.eventually("Knot, with the key of before, hears of the next edition", has(three))
	d.eventually("the answer is noted", acknowledged(three))

	lagging := func(s statusJSON) string {
		i := s.ISPs[0]
		if i.Name != "nordnet" || i.Served == nil || *i.Served != three.Serial || *i.By != "dns" || *i.Transfer != "ixfr" || *i.Transport != "tcp" ||
			!i.Address.IsLoopback() || *i.Lag != 0 || i.At == nil {
			return fmt.Sprintf("%+v", i)
		}
		if i := s.ISPs[1]; i.Name != "sudnet" || i.Served != nil || i.Lag != nil {
			return fmt.Sprintf("%+v", i)
		}
		return ""
	}
	d.eventually("the transfer is noted", func() bool { return lagging(d.status()) == "" })
	table := d.command(0, "status")
	for _, line := range []string{
		`(?m)^nordnet +csam +` + three.Serial.String() + ` +\S+ +ixfr over tcp +127\.0\.0\.1 +0s +-$`,
		`(?m)^sudnet +csam +- +- +- +- +- +-$`,
		`(?m)^NOTIFY +ISP +LIST +SERIAL +STATE +TRIES +WHEN$`,
		`(?m)^` + knot.Addr + ` +nordnet +csam +` + three.Serial.String() + ` +acknowledged +[12] +\S+$`,
	} {
		if !regexp.MustCompile(line).MatchString(table) {
			t.Errorf("status has no line %s:\n%s", line, table)
		}
	}
	at := *d.status().ISPs[0].At
	d.measured(knot.Addr, c)

	d.stop()
	knot.Stop()
	ledger, err := os.ReadFile(filepath.Join(dir, "state", "ledger.json"))
	info, statErr := os.Stat(filepath.Join(dir, "state", "ledger.json"))
	if err != nil || statErr != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v, %v", err, statErr, info)
	}
	d.keepsSecrets("the ledger", string(ledger), c)
	d.keepsSecrets("the log", d.logText(), c)
	a.publish(time.Now().Add(-30*time.Minute), "four.example")
	five := a.publish(time.Now().Add(-10*time.Minute), "five.example")
	d.start()
	s := d.status()
	i := s.ISPs[0]
	if i.Served == nil || *i.Served != three.Serial || !i.At.Equal(at) || *i.Lag < 30*60 || *i.Lag > 31*60 {
		t.Errorf("after a restart: %+v", i)
	}
	d.eventually("who does not listen is seen", func() bool {
		n := d.status().ISPs[0].Notify
		return len(n) == 1 && n[0].Serial == five.Serial && n[0].Error == "nobody listens there"
	})
	if !strings.Contains(d.command(0, "status"), "pending (nobody listens there)") {
		t.Error("status does not say it")
	}
}

func (d *daemon) keepsSecrets(where, text string, c credentials) {
	d.t.Helper()
	for _, leak := range []string{"one.example", "two.example", "three.example", c.Token, c.TSIG.Secret, c.TSIG.Name} {
		if strings.Contains(text, leak) {
			d.t.Errorf("%s is in %s", leak, where)
		}
	}
}

// measured looks at /metrics after what was done.
func (d *daemon) measured(secondary string, c credentials) {
	d.t.Helper()
	// A stranger, with words of his own.
	m := new(dns.Msg).SetQuestion("three.example.", dns.TypeA)
	if _, err := dns.Exchange(m, d.dns); err != nil {
		d.t.Fatal(err)
	}
	text := d.metrics()
	check := peers.Command(d.t, "promtool", "check", "metrics")
	check.Stdin = strings.NewReader(text)
	if out, err := check.CombinedOutput(); err != nil {
		d.t.Errorf("promtool: %v: %s", err, out)
	}
	for _, line := range []string{
		`vaern_dns_transfers_total{isp="nordnet",result="complete",transport="tcp",type="axfr"} 1`,
		`vaern_dns_transfers_total{isp="nordnet",result="complete",transport="tcp",type="ixfr"} 2`,
		`vaern_dns_transfer_bytes_total{isp="nordnet",transport="tcp",type="ixfr"} [1-9][0-9]+`,
		`vaern_dns_transfer_duration_seconds_count{transport="tcp",type="ixfr"} 2`,
		`vaern_dns_connections [0-9]+`, `vaern_dns_guest_connections 0`,
		`vaern_dns_refused_total{reason="no credential, or one each of two clients",transport="udp"} 1`,
		`vaern_notify_messages_total{isp="nordnet",result="acknowledged"} 3`,
		`vaern_edition_serial{list="csam"} [0-9.e+]+`,
		`vaern_edition_age_seconds{list="csam"} 36[0-9][0-9](\.[0-9]+)?`,
		`vaern_edition_expires_in_seconds{list="csam"} 25[0-9]{4}(\.[0-9]+)?`,
		`vaern_edition_records{list="csam"} 7`,
		`vaern_isp_served_serial{isp="nordnet",list="csam"} [0-9.e+]+`,
		`vaern_isp_lag_seconds{isp="nordnet",list="csam"} 0`,
		`go_goroutines [0-9]+`, `process_open_fds [0-9]+`,
	} {
		if !regexp.MustCompile(`(?m)^` + line + `$`).MatchString(text) {
			d.t.Errorf("no metric %s", line)
		}
	}
	d.keepsSecrets("metrics", text, c)
	if strings.Contains(text, secondary) || strings.Contains(text, `isp="sudnet"`) {
		d.t.Error("metrics tell too much")
	}
	if d.t.Failed() {
		d.t.Log(text)
	}
}

// A ledger that can not be read does not keep the server from serving.
func TestDamagedLedgerBeginsAnew(t *testing.T) {
	dir := t.TempDir()
	a := newAuthority(t, dir, "csam")
	a.publish(time.Now(), "one.example")
	d := configure(t, dir, `state = "state"`)
	c := d.addISP("nordnet")
	path := filepath.Join(dir, "state", "ledger.json")
	if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(`[{"isp":`), 0o600)); err != nil {
		t.Fatal(err)
	}
	d.start()
	d.transfer(c, a.zone(), "one.example.")
	d.eventually("the transfer is noted", func() bool { return d.status().ISPs[0].Served != nil })
	if !strings.Contains(d.logText(), "ledger begins anew") {
		t.Error("nobody is told")
	}
	// It is written while the server runs, not only at its end.
	d.eventually("the ledger is written", func() bool {
		text, err := os.ReadFile(path)
		return err == nil && strings.Contains(string(text), `"isp":"nordnet","list":"csam"`)
	})
	if status := d.stop(); status != cli.Done {
		t.Errorf("stopped with status %d", status)
	}
}
