package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vaern/vaern/cmd/internal/cli"
)

// post says something as an ISP, and returns the status.
func (d *daemon) post(c credentials, path, body string) int {
	d.t.Helper()
	req, err := http.NewRequest(http.MethodPost, "http://"+d.http+"/v1/"+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// What an ISP says it has in force, and what it says is wrong, is in status at
// once and after a restart.
func TestReportsOfISPs(t *testing.T) {
	dir := t.TempDir()
	a := newAuthority(t, dir, "csam")
	one := a.publish(time.Now().Add(-2*time.Hour), "one.example")
	two := a.publish(time.Now().Add(-time.Hour), "two.example")
	d := configure(t, dir, "")
	c := d.addISP("nordnet")
	d.addISP("sudnet")
	d.start()
	said := func(format string, args ...any) string { return fmt.Sprintf(format, args...) }
	for _, body := range []string{said(`{"serial":%v}`, two.Serial), said(`{"serial":%v}`, one.Serial)} {
		if status := d.post(c, "csam/ack", body); status != 204 {
			t.Fatalf("ack: status %d", status)
		}
	}
	// With a name in it, which nobody may see afterwards.
	alarm := said(`{"serial":%v,"reason":"growth: two.example\u0007 and 7 more"}`, two.Serial)
	for range 2 {
		if status := d.post(c, "csam/alarm", alarm); status != 204 {
			t.Fatalf("alarm: status %d", status)
		}
	}
	if status := d.post(c, "csam/ack", `{"serial":5}`); status != 404 {
		t.Errorf("ack of what never was: status %d", status)
	}
	line := regexp.MustCompile(`"level":"WARN","msg":"isp raises alarm","isp":"nordnet","list":"csam","serial":` + two.Serial.String() + `,"reason":"growth: \[\.\.\.\] and 7 more"}`)
	if n := len(line.FindAllString(d.logText(), -1)); n != 1 {
		t.Errorf("the alarm is %d times in the log:\n%s", n, d.logText())
	}
	shown := func() {
		t.Helper()
		s := d.status()
		i := s.ISPs[0]
		if i.Acked == nil || *i.Acked != two.Serial || i.AckedAt == nil || i.Alarm == nil || i.Alarm.Serial != two.Serial || i.Alarm.Reason != "growth: [...] and 7 more" {
			t.Errorf("status is %+v", i)
		}
		if o := s.ISPs[1]; o.Acked != nil || o.Alarm != nil {
			t.Errorf("another ISP's is %+v", o)
		}
		text := d.command(cli.Done, "status")
		for _, want := range []string{
			`(?m)^nordnet +csam .* ` + two.Serial.String() + `$`, `(?m)^sudnet +csam .* -$`,
			`(?m)^nordnet +csam +` + two.Serial.String() + ` +\S+ +growth: \[\.\.\.\] and 7 more$`,
		} {
			if !regexp.MustCompile(want).MatchString(text) {
				t.Errorf("no %s in\n%s", want, text)
			}
		}
	}
	shown()
	metrics := d.metrics()
	for _, want := range []string{
		`vaern_http_answers_total{isp="nordnet",status="204"} 4`, `vaern_http_answers_total{isp="nordnet",status="404"} 1`,
		`vaern_http_connections [0-9]+`, `vaern_http_guest_connections [0-9]+`, `vaern_http_answer_bytes_total{isp="nordnet"} [0-9]+`,
	} {
		if !regexp.MustCompile("(?m)^" + want + "$").MatchString(metrics) {
			t.Errorf("no %s in\n%s", want, metrics)
		}
	}
	d.stop()
	d.start()
	shown()
	if strings.Contains(d.logText(), ".example") {
		t.Error("a name is in the log")
	}
	d.stop()

	// A report that is damaged does not keep the server from serving.
	if err := os.WriteFile(filepath.Join(dir, "state", "acks", "csam", "nordnet.json"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.start()
	if i := d.status().ISPs[0]; i.Acked != nil || i.Alarm == nil || !strings.Contains(d.logText(), "reports of ISPs not all read") {
		t.Errorf("status is %+v", i)
	}
}

// One that can not be kept is not said to be heard.
func TestReportThatIsNotKept(t *testing.T) {
	dir := t.TempDir()
	a := newAuthority(t, dir, "csam")
	e := a.publish(time.Now(), "one.example")
	d := configure(t, dir, "")
	c := d.addISP("nordnet")
	d.start()
	if err := os.WriteFile(filepath.Join(dir, "state", "acks"), nil, 0o600); err != nil { // where a folder should be
		t.Fatal(err)
	}
	body := fmt.Sprintf(`{"serial":%v}`, e.Serial)
	if status := d.post(c, "csam/ack", body); status != 503 || d.status().ISPs[0].Acked != nil {
		t.Errorf("status %d", status)
	}
	if err := os.Remove(filepath.Join(dir, "state", "acks")); err != nil {
		t.Fatal(err)
	}
	if status := d.post(c, "csam/ack", body); status != 204 || d.status().ISPs[0].Acked == nil {
		t.Errorf("then: status %d", status)
	}
}
