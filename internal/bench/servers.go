package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// programs gives the command of a server's program.
type programs func(name string, args ...string) *exec.Cmd

// peers are the servers of the tests.
func (b *bench) peers() programs {
	bin, err := exec.Command("internal/peers/fetch.sh").Output()
	must(err)
	return func(name string, args ...string) *exec.Cmd {
		return exec.Command(filepath.Join(strings.TrimSpace(string(bin)), "bin", name), args...)
	}
}

// debian are the servers of another Debian, unpacked in a folder; they run with
// its own loader and libraries.
func (b *bench) debian() programs {
	loaders, _ := filepath.Glob(filepath.Join(b.newer, "usr/lib64/ld-linux*"))
	libraries, _ := filepath.Glob(filepath.Join(b.newer, "usr/lib/*-linux-gnu"))
	if len(loaders) == 0 || len(libraries) == 0 {
		must(fmt.Errorf("%s: no Debian for this processor", b.newer))
	}
	return func(name string, args ...string) *exec.Cmd {
		args = append([]string{"--library-path", libraries[0], filepath.Join(b.newer, "usr/sbin", name)}, args...)
		return exec.Command(loaders[0], args...)
	}
}

// certificate makes the one that all servers show.
func (b *bench) certificate() {
	must(b.peers()("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
		"-subj", "/CN=localhost", "-keyout", b.path("tls.key"), "-out", b.path("tls.crt")).Run())
}

// vaernd is ours.
func (b *bench) vaernd() *server {
	s := b.newServer("vaernd")
	config := b.path("vaernd.toml")
	must(os.WriteFile(config, fmt.Appendf(nil, `environment = "bench"
editions = "authority/editions"
edition_keys = "authority/keys/edition.allowed_signers"
[dns]
listen = ["127.0.0.1:%d"]
tls_listen = ["127.0.0.1:%d"]
tls = {cert = "tls.crt", key = "tls.key"}
`, s.port, s.tls), 0o600))
	out, err := exec.Command("bin/vaernd", "--config", config, "isp", "add", "bench", "--json").Output()
	must(err)
	var made struct{ TSIG struct{ Name, Secret string } }
	must(json.Unmarshal(out, &made))
	s.key, s.secret = made.TSIG.Name, made.TSIG.Secret
	s.command = func() *exec.Cmd { return exec.Command("bin/vaernd", "--config", config, "serve") }
	return s
}

func (b *bench) newServer(name string) *server {
	s := &server{b: b, name: name, key: "bench", secret: knotKey}
	for _, port := range []*int{&s.port, &s.tls} {
		p, err := freePort()
		must(err)
		*port = p
	}
	return s
}

// peer is a server of somebody else with its folder and configuration.
func (b *bench) peer(name, program string, run programs, args []string, config string) *server {
	s := b.newServer(name)
	dir := b.path(strings.ReplaceAll(name, " ", "-"))
	must(os.MkdirAll(dir, 0o700))
	config = strings.NewReplacer("{dir}", dir, "{port}", fmt.Sprint(s.port), "{tls}", fmt.Sprint(s.tls), "{secret}", s.secret,
		"{zone}", policyZone, "{file}", b.path("rpz.zone"), "{cert}", b.path("tls.crt"), "{key}", b.path("tls.key")).Replace(config)
	must(os.WriteFile(filepath.Join(dir, "conf"), []byte(config), 0o600))
	s.command = func() *exec.Cmd { return run(program, append(args, filepath.Join(dir, "conf"))...) }
	return s
}

func (b *bench) nsd(name string, run programs) *server {
	database := ""
	if help, _ := run("nsd-checkconf", "-h").CombinedOutput(); strings.Contains(string(help), "Version 4.6") {
		database = `database: ""`
	}
	return b.peer(name, "nsd", run, []string{"-d", "-c"}, `
server:
  ip-address: 127.0.0.1@{port}
  ip-address: 127.0.0.1@{tls}
  tls-port: {tls}
  tls-service-key: "{key}"
  tls-service-pem: "{cert}"
  server-count: 2
  tcp-count: 1200
  username: ""
  chroot: ""
  zonesdir: "{dir}"
  zonelistfile: "{dir}/zone.list"
  pidfile: "{dir}/nsd.pid"
  xfrdfile: "{dir}/xfrd.state"
  xfrdir: "{dir}"
  `+database+`
remote-control:
  control-enable: no
key:
  name: "bench"
  algorithm: hmac-sha256
  secret: "{secret}"
zone:
  name: "{zone}"
  zonefile: "{file}"
  provide-xfr: 127.0.0.1 bench
`)
}

func (b *bench) knotd(name string, run programs) *server {
	return b.peer(name, "knotd", run, []string{"-c"}, `server:
    rundir: {dir}
    listen: 127.0.0.1@{port}
    tcp-max-clients: 1200
log:
  - target: stderr
    any: warning
database:
    storage: {dir}
key:
  - id: bench
    algorithm: hmac-sha256
    secret: {secret}
acl:
  - id: xfr
    key: bench
    action: [transfer, query]
template:
  - id: default
    semantic-checks: off
    zonefile-sync: -1
    journal-content: none
    zonefile-load: whole
zone:
  - domain: {zone}
    file: {file}
    acl: xfr
`)
}

func (b *bench) named(name string, run programs) *server {
	return b.peer(name, "named", run, []string{"-g", "-c"}, `
options { directory "{dir}"; pid-file none; session-keyfile none;
  listen-on port {port} { 127.0.0.1; }; listen-on port {tls} tls xot { 127.0.0.1; }; listen-on-v6 { none; };
  recursion no; dnssec-validation no; notify no; transfers-out 1200; tcp-clients 1200; allow-transfer { key bench; }; };
tls xot { cert-file "{cert}"; key-file "{key}"; };
key "bench" { algorithm hmac-sha256; secret "{secret}"; };
controls { };
zone "{zone}" { type primary; file "{file}"; };
`)
}
