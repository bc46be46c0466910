package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vaern/vaern/internal/peers"
)

// What is written for an ISP works as it is: BIND reads it, curl gets a text.
func TestFilesForAnISP(t *testing.T) {
	dir := t.TempDir()
	a := newAuthority(t, dir, "csam")
	a.publish(time.Now(), "one.example")
	d := configure(t, dir, "")
	d.start()
	out := filepath.Join(dir, "nordnet")
	d.command(0, "isp", "add", "nordnet", "--out", out)
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	var c credentials
	if err := json.Unmarshal([]byte(read("credentials.json")), &c); err != nil || c.Token+"\n" != read("token") {
		t.Fatalf("%v", err)
	}
	d.within("DNS knows it", func() bool { return d.soa(c, a.zone()) != 0 })
	get, err := peers.Command(t, "curl", "-sS", "--config", filepath.Join(out, "curl.conf"), "--compressed", "http://"+d.http+"/v1/csam/domains.txt").CombinedOutput()
	if err != nil || string(get) != "one.example\n" {
		t.Errorf("curl: %v: %s", err, get)
	}
	conf := read("named.conf")
	if !strings.Contains(conf, `zone "csam.rpz.police.example." {`) || !strings.Contains(conf, `primaries { 127.0.0.1 port 0 key "nordnet-`) {
		t.Errorf("named.conf is\n%s", conf)
	}
	conf = strings.Replace(conf, " port 0 ", " port 53 ", 1) // as configured: the kernel chose another one
	_, policy, _ := strings.Cut(conf, "//\t")
	conf += "options {\n" + policy + "};\n"
	if err := os.WriteFile(filepath.Join(out, "named.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := peers.Command(t, "named-checkconf", filepath.Join(out, "named.conf")).CombinedOutput(); err != nil {
		t.Errorf("named-checkconf: %v: %s", err, said)
	}
}
