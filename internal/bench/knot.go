package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// knot is the fastest of the servers that are in use today at taking up a
// changed zone file.
type knot struct {
	b    *bench
	bin  string // of the peers
	port int
}

const (
	knotKey  = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=" // of a server on loopback that ends with this program
	knotZone = "rpz.example.net"
)

// startKnot serves the zone of the list on loopback, without a hundred names
// changed.
func (b *bench) startKnot() (*knot, error) {
	bin, err := exec.Command("internal/peers/fetch.sh").Output()
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	k := &knot{b: b, bin: filepath.Join(strings.TrimSpace(string(bin)), "bin"), port: port}
	for serial, change := range []int{0, 100} {
		gen := exec.Command(b.path("gen"), "-n", fmt.Sprint(b.n), "-seed", "1", "-serial", fmt.Sprint(serial+1),
			"-change", fmt.Sprint(change), "-zone", b.path(fmt.Sprintf("zone%d", serial+1)))
		if err := gen.Run(); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(b.path("knot"), 0o700); err != nil {
		return nil, err
	}
	conf := fmt.Sprintf(`server:
    rundir: %[1]s
    listen: 127.0.0.1@%[2]d
log:
  - target: stderr
    any: warning
database:
    storage: %[1]s
    journal-db-max-size: 4G
key:
  - id: bench
    algorithm: hmac-sha256
    secret: %[3]s
acl:
  - id: xfr
    key: bench
    action: transfer
template:
  - id: default
    semantic-checks: off
    zonefile-sync: -1
    journal-content: changes
    zonefile-load: difference
zone:
  - domain: %[4]s
    file: %[5]s
    acl: xfr
`, b.path("knot"), port, knotKey, knotZone, b.path("knot.zone"))
	if err := os.WriteFile(b.path("knot.conf"), []byte(conf), 0o600); err != nil {
		return nil, err
	}
	return k, nil
}

// change measures, on a server that has the first zone, the time from a new
// file to a served incremental transfer.
func (k *knot) change() (time.Duration, error) {
	must(os.RemoveAll(k.b.path("knot")))
	must(os.MkdirAll(k.b.path("knot"), 0o700))
	must(exec.Command("cp", k.b.path("zone1"), k.b.path("knot.zone")).Run())
	server := exec.Command(filepath.Join(k.bin, "knotd"), "-c", k.b.path("knot.conf"))
	var log bytes.Buffer
	server.Stderr = &log
	if err := server.Start(); err != nil {
		return 0, err
	}
	defer func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		_ = server.Wait()
	}()
	if err := k.transfer("-type", "ixfr", "-serial", "1", "-wait", "1"); err != nil {
		return 0, fmt.Errorf("knotd: %w: %s", err, log.Bytes())
	}
	must(exec.Command("cp", k.b.path("zone2"), k.b.path("knot.zone")).Run())
	began := time.Now()
	if out, err := exec.Command(filepath.Join(k.bin, "knotc"), "-c", k.b.path("knot.conf"), "zone-reload", knotZone).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("knotc: %w: %s", err, out)
	}
	err := k.transfer("-wait", "2", "-type", "ixfr", "-serial", "1", "-mode", "verify")
	return time.Since(began), err
}

func (k *knot) transfer(args ...string) error {
	args = append([]string{"-addr", fmt.Sprintf("127.0.0.1:%d", k.port), "-zone", knotZone + ".", "-key", "bench:" + knotKey}, args...)
	if out, err := exec.Command(k.b.path("axfr"), args...).CombinedOutput(); err != nil {
		return fmt.Errorf("transfer: %w: %s", err, out)
	}
	return nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
