package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// isp is a provider and its credentials, also in the files that dig and curl read them from.
type isp struct {
	Name  string
	TSIG  struct{ Name, Algorithm, Secret string }
	Token string
}

// server is a running vaernd.
type server struct {
	*world
	name           string // of its configuration and its log
	dns, tls, http string // ADDRESS:PORT; tls is that of DNS over TLS, or ""
	admin          string // ADDRESS:PORT
	process        *os.Process
	ended          chan struct{}
	status         int // once it has ended
	dnspython      *dnspython
}

// addISP makes a provider, with NAME.key for dig and NAME.header for curl.
func (w *world) addISP(name, list string, more ...string) isp {
	w.t.Helper()
	w.configureServer()
	return w.credentials(name, append([]string{"isp", "add", name, "--list", list}, more...)...)
}

// rotateISP gives a provider new credentials, and puts them into the same files.
func (w *world) rotateISP(name string, more ...string) isp {
	w.t.Helper()
	return w.credentials(name, append([]string{"isp", "rotate", name}, more...)...)
}

// credentials are those that a command of vaernd shows.
func (w *world) credentials(name string, args ...string) isp {
	w.t.Helper()
	r, err := finish(w.command("vaernd", append(args, "--json")...))
	if err != nil {
		w.t.Fatal(err)
	}
	w.keep(r.stderr)
	i := parse[isp](w.t, w.must(0, r, args).stdout)
	w.secret(i.TSIG.Secret, i.Token)
	w.write(name+".key", keyFile(i.TSIG.Name, i.TSIG.Algorithm, i.TSIG.Secret))
	w.write(name+".header", "Authorization: Bearer "+i.Token+"\n")
	return i
}

// keyFile is a TSIG key as dig -k reads it.
func keyFile(name, algorithm, secret string) string {
	return "key \"" + name + "\" { algorithm " + algorithm + "; secret \"" + secret + "\"; };\n"
}

// overTLS has the server answer DNS over TLS too (RFC 9103).
func (w *world) overTLS() {
	w.t.Helper()
	w.certificate("server")
	w.tlsListen = "tls_listen = [\"127.0.0.1:0\"]\ntls = {cert = \"server.pem\", key = \"server.pkey\"}\n"
}

// serverName is the name in certificates, that of the server among them.
const serverName = "feed.police.example"

// certificate makes NAME.pem, signed by its own key NAME.pkey, and good for programs whose clock is wrong by an hour too.
func (w *world) certificate(name string) {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{serverName, "localhost"},
		NotBefore: now.Add(-2 * time.Hour), NotAfter: now.Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		w.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		w.t.Fatal(err)
	}
	w.write(name+".pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
	w.write(name+".pkey", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
}

func (w *world) configureServer() {
	w.write("vaernd.toml", `environment = "test"
editions = "./editions"
edition_keys = "./keys/edition.allowed_signers"
isps = "./isps"
state = "./state"
admin = "127.0.0.1:0"
[dns]
listen = ["127.0.0.1:0"]
`+w.tlsListen+`[http]
listen = "127.0.0.1:0"
`)
}

// httpOverTLS makes of a configuration that of a second server beside it, with server.pem for HTTP.
func httpOverTLS(config string) string {
	return strings.NewReplacer("./state", "./state-secure", "listen = \"127.0.0.1:0\"\n",
		"listen = \"127.0.0.1:0\"\ntls = {cert = \"server.pem\", key = \"server.pkey\"}\n").Replace(config)
}

// vaernd runs a command of the server's program, which must succeed.
func (w *world) vaernd(args ...string) {
	w.t.Helper()
	w.must(0, w.run(w.command("vaernd", args...)), args)
}

// serve runs vaernd until the test ends. Its log is held to the same as all that is printed.
func (w *world) serve() *server {
	w.t.Helper()
	w.configureServer()
	return w.serveAs("vaernd")
}

// serveAs is serve for NAME.toml, with NAME.log.
func (w *world) serveAs(name string) *server {
	w.t.Helper()
	s := &server{world: w, name: name, ended: make(chan struct{})}
	log, err := os.OpenFile(w.file(name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	defer log.Close()
	cmd := w.command("vaernd", "serve", "--config", name+".toml")
	cmd.Cancel = func() error { return nil } // stop ends it, and looks how it ended
	cmd.Stdout, cmd.Stderr = log, log
	// If the test is killed, so is the server. The kernel takes the end of the thread that started it for that of the
	// test, so the goroutine keeps its thread.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // the status tells
			s.status = cmd.ProcessState.ExitCode()
			close(s.ended)
		}
	}()
	if err := <-started; err != nil {
		w.t.Fatal(err)
	}
	s.process = cmd.Process
	w.t.Cleanup(s.stop)
	await(w.t, "vaernd is ready", s.ready)
	return s
}

// ready takes the addresses, which the kernel chose, from the log.
func (s *server) ready() bool {
	s.t.Helper()
	select {
	case <-s.ended:
		s.t.Fatalf("vaernd ended with status %d:\n%s", s.status, s.read(s.name+".log"))
	default:
	}
	for line := range strings.Lines(s.read(s.name + ".log")) {
		var l struct {
			Msg, HTTP, Admin string
			DNS              []string
			TLS              []string `json:"dns_tls"`
		}
		if json.Unmarshal([]byte(line), &l) == nil && l.Msg == "ready" {
			s.dns, s.http, s.admin = l.DNS[0], l.HTTP, l.Admin
			if len(l.TLS) > 0 {
				s.tls = l.TLS[0]
			}
			return true
		}
	}
	return false
}

// stop ends the server, which must take it well. The race detector would make it end with another status.
func (s *server) stop() {
	s.t.Helper()
	_ = s.process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.t.Error("vaernd did not end when told to")
		_ = s.process.Kill()
		<-s.ended
	}
	log := s.read(s.name + ".log")
	if s.status != 0 {
		s.t.Errorf("vaernd ended with status %d:\n%s", s.status, log)
	}
	s.keep(log)
}

// dig asks the server by TCP, with a key file if that is not "". What went wrong is in the output.
func (s *server) dig(key string, args ...string) string {
	s.t.Helper()
	host, port, _ := net.SplitHostPort(s.dns)
	args = append([]string{"@" + host, "-p", port, "+tries=1", "+time=5"}, args...)
	if key != "" {
		args = append(args, "-k", s.file(key))
	}
	r, err := finish(s.command("dig", args...))
	if err != nil {
		s.t.Fatal(err)
	}
	return r.stdout + r.stderr
}

// axfr transfers the zone with the key of a provider, and returns the serial, from the SOA at both ends, and the owners of
// all policies. It is for any goroutine.
func (s *server) axfr(t testing.TB, key string) (serial string, owners []string) {
	t.Helper()
	host, port, _ := net.SplitHostPort(s.dns)
	r, err := finish(s.command("dig", "@"+host, "-p", port, "-k", s.file(key), "+noall", "+answer", zone, "AXFR"))
	if err != nil {
		t.Error(err)
		return "", nil
	}
	var ends []string
	for line := range strings.Lines(r.stdout) {
		switch f := strings.Fields(line); {
		case len(f) > 6 && f[3] == "SOA":
			ends = append(ends, f[6])
		case len(f) == 5 && f[3] == "CNAME":
			owners = append(owners, strings.TrimSuffix(f[0], "."+zone))
		}
	}
	if len(ends) != 2 || ends[0] != ends[1] {
		t.Errorf("a transfer has the serials %v, want one at both ends: %s", ends, r.stderr)
		return "", nil
	}
	return ends[0], owners
}

// soa is the serial that the server tells by DNS, or "".
func (s *server) soa(key string) string {
	s.t.Helper()
	f := strings.Fields(s.dig(key, "+tcp", "+short", zone, "SOA"))
	if len(f) != 7 || !strings.HasSuffix(f[0], ".") { // else a message of dig
		return ""
	}
	return f[2]
}

// zone is the policy zone, and the rest what stands in it, as in the example that init writes.
const (
	zone     = "csam.rpz.police.example."
	stopHost = "stop.police.example."
	testName = "blocktest.police.example"
)
