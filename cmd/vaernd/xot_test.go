package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// certDir makes a folder with cert.pem and key.pem of one ISP.
func certDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	selfSigned(t, dir)
	return dir
}

// clientConfig is that of an ISP which trusts the daemon and shows the
// certificate in a folder, if any.
func (d *daemon) clientConfig(certDir string) *tls.Config {
	d.t.Helper()
	roots := x509.NewCertPool()
	text, err := os.ReadFile(filepath.Join(d.dir, "cert.pem"))
	if err != nil || !roots.AppendCertsFromPEM(text) {
		d.t.Fatal("no certificate", err)
	}
	config := &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", NextProtos: []string{"dot"}}
	if certDir != "" {
		pair, err := tls.LoadX509KeyPair(filepath.Join(certDir, "cert.pem"), filepath.Join(certDir, "key.pem"))
		if err != nil {
			d.t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config
}

// xotSOA returns the serial that DNS over TLS tells the holder of a certificate
// who does not sign, or 0.
func (d *daemon) xotSOA(certDir, zone string) uint32 {
	d.t.Helper()
	client := dns.Client{Net: "tcp-tls", TLSConfig: d.clientConfig(certDir)}
	answer, _, err := client.Exchange(new(dns.Msg).SetQuestion(zone, dns.TypeSOA), d.xot)
	if err != nil || len(answer.Answer) != 1 {
		return 0
	}
	return answer.Answer[0].(*dns.SOA).Serial
}

// From adding an ISP with its certificate to revoking it.
func TestXoT(t *testing.T) {
	dir := t.TempDir()
	a := newAuthority(t, dir, "csam")
	e := a.publish(time.Now(), "one.example")
	d := configure(t, dir, "")
	d.overTLS()
	d.command(0, "check")
	d.start()
	first, second, nobody := certDir(t), certDir(t), certDir(t)
	c := d.addISP("nordnet", "--cert", filepath.Join(first, "cert.pem"), "--tls-only")
	serial := uint32(e.Serial)
	d.within("its certificate", func() bool { return d.xotSOA(first, a.zone()) == serial })
	if d.xotSOA(nobody, a.zone()) != 0 || d.xotSOA("", a.zone()) != 0 || d.soa(c, a.zone()) != 0 {
		t.Error("an unknown certificate, none, or plain DNS is served")
	}
	d.command(0, "isp", "rotate", "nordnet", "--cert", filepath.Join(second, "cert.pem"))
	d.within("the new certificate", func() bool { return d.xotSOA(second, a.zone()) == serial })
	if d.xotSOA(first, a.zone()) != serial {
		t.Error("the old certificate is refused before its time")
	}
	d.command(0, "isp", "rotate", "nordnet", "--overlap", "0s")
	d.within("the end of the first certificate", func() bool { return d.xotSOA(first, a.zone()) == 0 })
	if d.xotSOA(second, a.zone()) != serial {
		t.Error("a rotation without --cert took the certificate away")
	}
	d.command(0, "isp", "revoke", "nordnet")
	d.within("the revocation", func() bool { return d.xotSOA(second, a.zone()) == 0 })
}

// What was rotated away ends when its time has come, and nobody writes a file:
// requests by DNS and HTTP, and a transfer that runs.
func TestOldCredentialsEnd(t *testing.T) {
	dir := t.TempDir()
	clock := filepath.Join(dir, "clock")
	set := func(at time.Time) {
		if err := errors.Join(os.WriteFile(clock+"~", []byte(at.Format(time.RFC3339)), 0o600), os.Rename(clock+"~", clock)); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now().UTC().Truncate(time.Second)
	set(start)
	t.Setenv("VAERN_TEST_CLOCK", "@"+clock)
	a := newAuthority(t, dir, "csam")
	label := strings.Repeat("x", 55)
	names := make([]string, 60_000)
	for i := range names {
		names[i] = fmt.Sprintf("%s-%d.%s.%s-%d.example", label, i, label, label, i)
	}
	serial := uint32(a.publish(start, names...).Serial)
	d := configure(t, dir, "")
	d.start()
	old := d.addISP("nordnet")
	d.within("the first credentials", func() bool { return d.soa(old, a.zone()) == serial })
	next := d.rotateISP("nordnet", "--overlap", "1h")
	d.within("the new credentials", func() bool { return d.soa(next, a.zone()) == serial })

	slow := d.beginTransfer(old, a.zone())
	status, _, _ := d.fetch(old, "csam/MANIFEST")
	if d.soa(old, a.zone()) != serial || status != 200 {
		t.Errorf("before their time: serial %d, status %d", d.soa(old, a.zone()), status)
	}
	set(start.Add(time.Hour - time.Second))
	d.within("a look at the clock", func() bool { status, _, _ := d.fetch(next, "csam/MANIFEST"); return status == 200 })
	if status, _, _ := d.fetch(old, "csam/MANIFEST"); status != 200 || d.soa(old, a.zone()) != serial {
		t.Error("refused a second before their time")
	}
	set(start.Add(time.Hour))
	d.within("the end of the old key", func() bool { return d.soa(old, a.zone()) == 0 })
	if status, _, _ := d.fetch(old, "csam/MANIFEST"); status != 401 {
		t.Errorf("old token: status %d", status)
	}
	if status, _, _ := d.fetch(next, "csam/MANIFEST"); status != 200 || d.soa(next, a.zone()) != serial {
		t.Error("the new credentials ended too")
	}
	_, _ = io.Copy(io.Discard, slow)
	d.within("the end of the transfer", func() bool { return strings.Contains(d.logText(), `"result":"revoked"`) })
}

func (d *daemon) rotateISP(args ...string) (c credentials) {
	d.t.Helper()
	return d.credentials(append([]string{"isp", "rotate", "--json"}, args...)...)
}

// beginTransfer asks for a zone and reads the first message. The buffers of the
// connection are small, so that the rest waits.
func (d *daemon) beginTransfer(c credentials, zone string) net.Conn {
	d.t.Helper()
	m := new(dns.Msg).SetAxfr(zone)
	m.SetTsig(c.TSIG.Name+".", c.TSIG.Algorithm+".", 300, time.Now().Unix())
	raw, _, err := dns.TsigGenerate(m, c.TSIG.Secret, "", false)
	if err != nil {
		d.t.Fatal(err)
	}
	dialer := net.Dialer{Control: func(_, _ string, conn syscall.RawConn) error {
		var failed error
		err := conn.Control(func(fd uintptr) { failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
		return errors.Join(err, failed)
	}}
	conn, err := dialer.Dial("tcp", d.dns)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(raw))), raw...))
	if _, err := io.ReadFull(conn, make([]byte, 2)); err != nil {
		d.t.Fatal(err)
	}
	return conn
}

// A certificate that is replaced on disk is shown from then on; while it does
// not fit the key, the old pair is. A connection that is open goes on.
func TestCertificateIsReplaced(t *testing.T) {
	dir := t.TempDir()
	a := newAuthority(t, dir, "csam")
	serial := uint32(a.publish(time.Now(), "one.example").Serial)
	d := configure(t, dir, "")
	d.overTLS()
	mine := certDir(t)
	d.addISP("nordnet", "--cert", filepath.Join(mine, "cert.pem"))
	d.start()
	shown := func(addr string) string {
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"dot", "http/1.1"}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return string(c.ConnectionState().PeerCertificates[0].Raw)
	}
	open, err := tls.Dial("tcp", d.xot, d.clientConfig(mine))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	ask := func() {
		t.Helper()
		_ = open.SetDeadline(time.Now().Add(10 * time.Second))
		answer, _, err := new(dns.Client).ExchangeWithConn(new(dns.Msg).SetQuestion(a.zone(), dns.TypeSOA), &dns.Conn{Conn: open})
		if err != nil || len(answer.Answer) != 1 || answer.Answer[0].(*dns.SOA).Serial != serial {
			t.Errorf("on the open connection: %v", err)
		}
	}
	ask()

	before, next := shown(d.xot), certDir(t)
	move := func(name string) {
		t.Helper()
		if err := os.Rename(filepath.Join(next, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	move("cert.pem")
	d.within("the misfit to be noticed", func() bool {
		return strings.Count(d.logText(), "certificate not read, the old one goes on") == 2 // DNS and HTTP
	})
	if shown(d.xot) != before || shown(d.http) != before {
		t.Error("something else than the old pair is shown")
	}
	move("key.pem")
	d.within("the new pair on DNS", func() bool { return shown(d.xot) != before })
	d.within("the new pair on HTTP", func() bool { return shown(d.http) != before })
	if n := strings.Count(d.logText(), "certificate not read"); n != 2 {
		t.Errorf("said %d times", n)
	}
	ask()
	d.within("a client that trusts the new one", func() bool { return d.xotSOA(mine, a.zone()) == serial })
}
