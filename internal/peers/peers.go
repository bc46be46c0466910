// Package peers runs other people's programs for the tests: BIND, Knot DNS, NSD, PowerDNS, Unbound, PowerDNS Recursor,
// Knot Resolver and dnsmasq as the ISPs' side, dig, kdig, dnspython, curl, Chromium and ssh-keygen as judges of what Vaern sends and signs, and
// ssh-agent with a SoftHSM card as what officers sign with.
//
// "make peers" (fetch.sh) unpacks them into the user's cache, without root. A test that needs one and does not find it
// fails; it is never skipped, so that a green run means that the peers agreed.
//
//	up := peers.StartUpstream(t, map[string]string{"stop.police.example.": "192.0.2.99"})
//	named := peers.StartNamed(t, peers.NamedConfig{
//		Zone: "csam.rpz.police.example.", Primary: server.Addr,
//		KeyName: key.Name, Algorithm: "hmac-sha256", Secret: key.Secret,
//		Upstream: up.Addr,
//	})
//	peers.Await(t, named.Addr, "www.bad.example.", dns.TypeA, peers.Answers("192.0.2.99"))
//
// A [Secondary] gives back the zone that it has, so that it can be held against what was sent.
//
// Every daemon runs in a directory of its own, on loopback, on ports that were free, in the foreground as a child of the
// test: it is ended by its own process id when the test ends, or when the test's process does. Recursors forward all they
// are asked to the Upstream of the test, and validate nothing: a test must not send one packet to a root server.
package peers

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

//go:embed fetch.sh
var fetch []byte

// folder is where fetch.sh puts the tools; the two must agree on its name.
var folder = sync.OnceValues(func() (string, error) {
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "", err
	}
	cache := os.Getenv("VAERN_CACHE")
	if cache == "" {
		home := os.Getenv("HOME")
		if home == "" {
			return "", fmt.Errorf("neither VAERN_CACHE nor HOME is set")
		}
		cache = filepath.Join(home, ".cache", "vaern")
	}
	sum := sha256.Sum256(append(fetch[:len(fetch):len(fetch)], release...))
	return filepath.Join(cache, "peers", hex.EncodeToString(sum[:])[:16], "bin"), nil
})

// Path returns the absolute path of a tool such as "named" or "dig": the one that fetch.sh unpacked, else the system's.
func Path(t testing.TB, tool string) string {
	t.Helper()
	if bin, err := folder(); err == nil {
		path := filepath.Join(bin, tool)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path
		}
	}
	path, err := exec.LookPath(tool)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		t.Fatalf("peers: no %s on this machine: run make peers", tool)
	}
	return path
}

// packaged returns the path of a file that is no program: the one that fetch.sh unpacked, else the system's. The pattern is
// as for filepath.Glob, and begins below the root.
func packaged(t testing.TB, pattern string) string {
	t.Helper()
	roots := []string{"/"}
	if bin, err := folder(); err == nil {
		roots = []string{filepath.Join(bin, "..", "root"), "/"}
	}
	for _, root := range roots {
		if found, err := filepath.Glob(filepath.Join(root, pattern)); err == nil && len(found) == 1 {
			return found[0]
		}
	}
	t.Fatalf("peers: no %s on this machine: run make peers", pattern)
	return ""
}

// Command is exec.Command for a tool of Path. It ends with the test at the latest.
func Command(t testing.TB, tool string, args ...string) *exec.Cmd {
	t.Helper()
	return exec.CommandContext(t.Context(), Path(t, tool), args...)
}

// PATH is the value of PATH with which a script finds the tools before the system's own, for testscript's Setup:
//
//	env.Setenv("PATH", peers.PATH(t))
func PATH(t testing.TB) string {
	t.Helper()
	bin, err := folder()
	if err == nil {
		_, err = os.Stat(bin)
	}
	if err != nil {
		t.Fatalf("peers: no tools on this machine: run make peers")
	}
	return bin + string(os.PathListSeparator) + os.Getenv("PATH")
}

var ports struct {
	sync.Mutex
	given map[int]bool
}

// FreePort returns a loopback port that is free for TCP and UDP, another one at each call. It is below the range from
// which the kernel picks by itself, so that it is not taken by an outgoing connection before a daemon has bound it.
func FreePort(t testing.TB) int {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	if ports.given == nil {
		ports.given = map[int]bool{}
	}
	for range 1000 {
		port := 12000 + rand.IntN(20000)
		if ports.given[port] || !free(port) {
			continue
		}
		ports.given[port] = true
		return port
	}
	t.Fatal("peers: no free port between 12000 and 32000 on 127.0.0.1")
	return 0
}

func free(port int) bool {
	tcp, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: loopback, Port: port})
	if err != nil {
		return false
	}
	defer tcp.Close()
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback, Port: port})
	if err != nil {
		return false
	}
	udp.Close()
	return true
}

var loopback = net.IPv4(127, 0, 0, 1)

// write puts a file of a daemon's configuration into its directory.
func write(t testing.TB, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), fs.FileMode(0o600)); err != nil {
		t.Fatal(err)
	}
	return path
}
