package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	webSeconds = 3  // of one measurement
	webClients = 16 // connections
)

// http measures vaernd against nginx at giving files over TLS 1.3: both give the
// same edition, log a line a request, and are asked turn by turn.
func (b *bench) http() error {
	b.found()
	b.decideList()
	must(b.vaern("compile").Run())
	b.certificate()
	b.clientCertificate()
	ours, theirs := b.webVaernd(), b.webNginx()
	for _, s := range []*webServer{ours, theirs} {
		s.start()
		defer s.stop()
	}
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Printf("\nP10 over TLS 1.3, %d names, median of %d; load before: %s", b.n, b.rounds, load)
	b.versus("full GET of domains.txt.gz", ours, theirs, func(s *webServer) float64 { return s.load("/v1/csam/domains.txt.gz") })
	b.versus("304 of domains.txt.gz", ours, theirs, func(s *webServer) float64 {
		return s.load("/v1/csam/domains.txt.gz", "If-None-Match: "+s.tag("/v1/csam/domains.txt.gz"))
	})
	b.versus("GET of MANIFEST", ours, theirs, func(s *webServer) float64 { return s.load("/v1/csam/MANIFEST") })
	b.versus("MANIFEST, new connection with client certificate each", ours, theirs, (*webServer).connections)
	b.changes(ours)
	b.pull(ours)
	return nil
}

// versus prints requests a second of both and the ratio.
func (b *bench) versus(what string, ours, theirs *webServer, rate func(*webServer) float64) {
	var all [2][]cost
	for range b.rounds {
		for i, s := range []*webServer{ours, theirs} {
			all[i] = append(all[i], cost{wall: time.Duration(1e6 * rate(s))}) // a rate in thousandths
		}
	}
	per := func(i int) float64 { return float64(median(all[i], wall)) / 1e6 }
	fmt.Printf("  %-56s vaernd %9.1f/s  nginx %9.1f/s  ratio %.2f\n", what, per(0), per(1), per(0)/per(1))
}

// webServer is one that gives the edition over HTTPS.
type webServer struct {
	b       *bench
	name    string
	port    int
	mutual  int // where a client certificate is asked for
	token   string
	command *exec.Cmd
	client  http.Client
	h2load  string
	openssl string
}

func (b *bench) newWebServer(name string) *webServer {
	s := &webServer{b: b, name: name}
	for _, port := range []*int{&s.port, &s.mutual} {
		p, err := freePort()
		must(err)
		*port = p
	}
	s.client.Transport = &http.Transport{
		DisableCompression: true,
		TLSClientConfig:    &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // our own server, on loopback
	}
	bin, err := exec.Command("internal/peers/fetch.sh").Output()
	must(err)
	s.h2load, s.openssl = filepath.Join(strings.TrimSpace(string(bin)), "bin/h2load"), filepath.Join(strings.TrimSpace(string(bin)), "bin/openssl")
	return s
}

// clientCertificate makes the one of the ISP.
func (b *bench) clientCertificate() {
	must(b.peers()("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
		"-subj", "/CN=isp", "-keyout", b.path("client.key"), "-out", b.path("client.crt")).Run())
}

func (b *bench) webVaernd() *webServer {
	s := b.newWebServer("vaernd")
	s.mutual = s.port
	config := b.path("web.toml")
	must(os.WriteFile(config, fmt.Appendf(nil, `environment = "bench"
editions = "authority/editions"
edition_keys = "authority/keys/edition.allowed_signers"
isps = "web-isps"
state = "web-state"
[http]
listen = "127.0.0.1:%d"
tls = {cert = "tls.crt", key = "tls.key"}
`, s.port), 0o600))
	out, err := exec.Command("bin/vaernd", "--config", config, "isp", "add", "bench", "--cert", b.path("client.crt"), "--json").Output()
	must(err)
	var made struct{ Token string }
	must(json.Unmarshal(out, &made))
	s.token = made.Token
	s.command = exec.Command("bin/vaernd", "--config", config, "serve")
	return s
}

// webNginx serves what curl gets from the edition, by sendfile where TLS lets
// it, and asks for no credential but on its second port.
func (b *bench) webNginx() *webServer {
	s := b.newWebServer("nginx")
	dir := b.path("nginx")
	must(os.MkdirAll(filepath.Join(dir, "root/v1"), 0o755)) //nolint:gosec // it serves that
	must(exec.Command("cp", "-a", filepath.Join(b.path("authority/editions/csam"), b.latest().String()), dir+"/root/v1/csam").Run())
	must(exec.Command("chmod", "-R", "a+rX", dir).Run())
	config := strings.NewReplacer("{dir}", dir, "{port}", fmt.Sprint(s.port), "{mutual}", fmt.Sprint(s.mutual), "{cert}", b.path("tls.crt"),
		"{key}", b.path("tls.key"), "{client}", b.path("client.crt")).Replace(`
daemon off; user root; worker_processes 2; pid {dir}/pid; error_log {dir}/error.log;
events { worker_connections 4096; }
http {
	sendfile on; tcp_nopush on; gzip_static on; keepalive_requests 1000000000; access_log {dir}/access.log;
	client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3; uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
	ssl_certificate {cert}; ssl_certificate_key {key}; ssl_protocols TLSv1.3; ssl_session_tickets off;
	root {dir}/root;
	server { listen 127.0.0.1:{port} ssl backlog=4096; }
	server { listen 127.0.0.1:{mutual} ssl backlog=4096; ssl_client_certificate {client}; ssl_verify_client on; }
}
`)
	must(os.WriteFile(filepath.Join(dir, "conf"), []byte(config), 0o600))
	s.command = b.peers()("nginx", "-p", dir, "-e", filepath.Join(dir, "error.log"), "-c", filepath.Join(dir, "conf"))
	return s
}

func (s *webServer) start() {
	log, err := os.Create(s.b.path(s.name + "-web.log"))
	must(err)
	s.command.Stdout, s.command.Stderr = log, log
	must(s.command.Start())
	must(log.Close())
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if resp, _, err := s.get("/v1/csam/MANIFEST"); err == nil && resp.StatusCode == http.StatusOK {
			return
		}
		if time.Since(began) > time.Minute {
			must(fmt.Errorf("%s does not serve", s.name))
		}
	}
}

func (s *webServer) stop() {
	_ = s.command.Process.Signal(syscall.SIGTERM)
	_ = s.command.Wait()
}

func (s *webServer) get(path string) (*http.Response, []byte, error) {
	req, err := http.NewRequest(http.MethodGet, fmt.Sprintf("https://127.0.0.1:%d%s", s.port, path), nil) //nolint:noctx // a benchmark
	must(err)
	req.Header.Set("Authorization", "Bearer "+s.token)
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

func (s *webServer) tag(path string) string {
	resp, _, err := s.get(path)
	must(err)
	return resp.Header.Get("Etag")
}

var (
	h2loadRate  = regexp.MustCompile(`finished in [^,]+, ([0-9.]+) req/s`)
	h2loadWrong = regexp.MustCompile(`(\d+) failed, (\d+) errored, (\d+) timeout`)
)

// load returns the requests a second that h2load gets by HTTP/1.1.
func (s *webServer) load(path string, headers ...string) float64 {
	out := s.h2(path, headers, "-c", fmt.Sprint(webClients), "-D", fmt.Sprint(webSeconds), "--warm-up-time", "1")
	rate := h2loadRate.FindSubmatch(out)
	if rate == nil {
		must(fmt.Errorf("h2load: %s", out))
	}
	r, err := strconv.ParseFloat(string(rate[1]), 64)
	must(err)
	return r
}

func (s *webServer) h2(path string, headers []string, args ...string) []byte {
	args = append(args, "--h1", "-t", "1")
	for _, h := range append(headers, "Authorization: Bearer "+s.token) {
		args = append(args, "-H", h)
	}
	out, err := exec.Command(s.h2load, append(args, fmt.Sprintf("https://127.0.0.1:%d%s", s.port, path))...).CombinedOutput()
	if wrong := h2loadWrong.FindSubmatch(out); err != nil || wrong == nil || string(bytes.Join(wrong[1:], nil)) != "000" {
		must(fmt.Errorf("h2load: %w: %s", errors.Join(err, errors.New("requests failed")), out))
	}
	return out
}

var sTime = regexp.MustCompile(`(\d+) connections in (\d+) real seconds, (\d+) bytes`)

// connections returns how many new connections with a client certificate a
// second four clients get a MANIFEST by.
func (s *webServer) connections() float64 {
	var mu sync.Mutex
	var rate float64
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			out, err := exec.Command(s.openssl, "s_time", "-connect", fmt.Sprintf("127.0.0.1:%d", s.mutual), "-new", "-tls1_3", "-www", "/v1/csam/MANIFEST",
				"-cert", s.b.path("client.crt"), "-key", s.b.path("client.key"), "-time", fmt.Sprint(webSeconds)).CombinedOutput()
			m := sTime.FindSubmatch(out)
			if m == nil || err != nil {
				must(fmt.Errorf("s_time: %w: %s", err, out))
			}
			n, _ := strconv.ParseFloat(string(m[1]), 64)
			seconds, _ := strconv.ParseFloat(string(m[2]), 64)
			if octets, _ := strconv.Atoi(string(m[3])); octets < 1000 {
				must(fmt.Errorf("s_time: %s is refused: %s", s.name, out))
			}
			mu.Lock()
			defer mu.Unlock()
			rate += n / seconds
		})
	}
	all.Wait()
	return rate
}

// changes measures what a hundred changed names cost, and what is sent instead
// of the whole.
func (b *bench) changes(s *webServer) {
	from := b.latest()
	var first, again []cost
	var octets int
	for range b.rounds {
		b.change()
		must(b.vaern("compile").Run())
		path := fmt.Sprintf("/v1/csam/changes?from=%v", from)
		for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(5 * time.Millisecond) {
			if resp, _, err := s.get("/v1/csam/MANIFEST"); err == nil && resp.Header.Get("Vaern-Serial") == b.latest().String() {
				break
			}
		}
		for _, into := range []*[]cost{&first, &again} {
			began := time.Now()
			resp, body, err := s.get(path)
			must(err)
			if resp.StatusCode != http.StatusOK {
				must(fmt.Errorf("changes: %s", resp.Status))
			}
			*into = append(*into, cost{wall: time.Since(began)})
			octets = len(body)
		}
		from = b.latest()
	}
	resp, _, err := s.get("/v1/csam/domains.txt.zst")
	must(err)
	fmt.Printf("\nchanges of 100 in %d names: %d octets (domains.txt.zst has %d); the first who asks waits %.3f s, the others %.4f s\n",
		b.n, octets, resp.ContentLength, median(first, wall).Seconds(), median(again, wall).Seconds())
}

// pull measures a thousand clients that pull at once.
func (b *bench) pull(s *webServer) {
	began := time.Now()
	s.h2("/v1/csam/domains.txt.zst", nil, "-c", "1000", "-n", "1000")
	fmt.Printf("1000 clients at once, domains.txt.zst: all served in %.2f s, peak %d MiB\n", time.Since(began).Seconds(), peak(s.command.Process.Pid)>>20)
}
