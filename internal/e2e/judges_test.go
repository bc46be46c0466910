package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vaern/vaern/internal/peers"
)

// tsigKey is what a client signs with.
type tsigKey struct {
	Name      string `json:"name"`
	Algorithm string `json:"algorithm"` // without the final dot
	Secret    string `json:"secret"`    // base64
}

// verdict is what a program of somebody else says of an answer.
type verdict struct {
	Rcode    string // NOERROR and so on; "": the program does not show it
	Error    string // of the TSIG record, BADKEY and so on
	Records  int    // of the answer
	Verified bool   // each message is signed, and the signature is good
	Clock    bool   // a good signature says that the client's clock is wrong
	Status   int    // with which the program ended
	text     string // that it printed
}

func (v verdict) String() string {
	return fmt.Sprintf("%s %s, %d records, verified: %v, clocks differ: %v, status %d:\n%.900s",
		v.Rcode, v.Error, v.Records, v.Verified, v.Clock, v.Status, v.text)
}

var (
	digStatus  = regexp.MustCompile(`status: ([A-Z]+)`)
	kdigFailed = regexp.MustCompile(`server replied with error '([A-Z]+)'`)
	digTSIG    = regexp.MustCompile(`\sTSIG\s+\S+ \d+ \d+ (\d+) .*?\b(NOERROR|BAD[A-Z]+) \d`)
	digDoubts  = regexp.MustCompile(`(?i)couldn't verify|could not be validated|failed to verify|WARNING: (?:reply|.*TSIG)|malformed`)
)

// byTCP is a way to ask without a certificate.
var byTCP = channel{what: "TCP", transport: "tcp"}

// digging prepares dig or kdig with that key, if it has a name, and a clock that is ahead.
func (s *server) digging(tool string, ch channel, key tsigKey, ahead time.Duration, args ...string) *exec.Cmd {
	s.t.Helper()
	addr := s.dns
	line := []string{"+time=10", map[string]string{"dig": "+tries=1", "kdig": "+retry=0"}[tool]}
	switch ch.transport {
	case "udp":
		line = append(line, "+notcp")
	case "tcp":
		line = append(line, "+tcp")
	case "tls":
		addr = s.tls
		line = append(line, "+tls", "+tls-ca="+s.file("server.pem"), "+tls-hostname="+serverName)
		if ch.cert != "" {
			line = append(line, "+tls-certfile="+s.file(ch.cert+".pem"), "+tls-keyfile="+s.file(ch.cert+".pkey"))
		}
	}
	host, port, _ := net.SplitHostPort(addr)
	line = append(line, "@"+host, "-p", port)
	if key.Name != "" {
		text := keyFile(key.Name, key.Algorithm, key.Secret)
		if tool == "kdig" {
			text = key.Algorithm + ":" + key.Name + ":" + key.Secret + "\n"
		}
		f, err := os.CreateTemp(s.dir, tool)
		if err != nil {
			s.t.Fatal(err)
		}
		_, err = f.WriteString(text)
		if f.Close() != nil || err != nil {
			s.t.Fatal(err)
		}
		line = append(line, "-k", f.Name())
	}
	cmd := s.command(tool, append(line, args...)...)
	cmd.Env = peers.ClockAhead(s.t, ahead)
	return cmd
}

// asks has dig or kdig ask, and says what it says.
func (s *server) asks(tool string, ch channel, key tsigKey, ahead time.Duration, args ...string) verdict {
	s.t.Helper()
	r, err := finish(s.digging(tool, ch, key, ahead, args...))
	if err != nil {
		s.t.Fatal(err)
	}
	v := reads(r.stdout + r.stderr)
	v.Status = r.status
	return v
}

// reads is what dig or kdig says by what it printed.
func reads(text string) (v verdict) {
	v.text = text
	if m := digStatus.FindStringSubmatch(text); m != nil {
		v.Rcode = m[1]
	}
	if m := kdigFailed.FindStringSubmatch(text); m != nil {
		v.Rcode = m[1]
	}
	signed := false
	if m := digTSIG.FindStringSubmatch(text); m != nil {
		signed = m[1] != "0"
		if m[2] != "NOERROR" {
			v.Error = m[2]
		}
	}
	if v.Error == "" && strings.HasPrefix(v.Rcode, "BAD") { // kdig says so instead of the rcode, and shows no record for a transfer
		v.Error = v.Rcode
	}
	if v.Error != "" {
		v.Rcode = "NOTAUTH"
	}
	v.Verified = signed && !digDoubts.MatchString(text)
	v.Clock = strings.Contains(text, "clocks are unsynchronized")
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 4 && f[0][0] != ';' && f[3] != "TSIG" {
			v.Records++
		}
	}
	return v
}

// python is a request for testdata/tsig.py, which says what the fields are.
type python struct {
	Address string  `json:"address"`
	Port    int     `json:"port"`
	Zone    string  `json:"zone"`
	Type    string  `json:"type"`
	Key     tsigKey `json:"key"`
	Ahead   int     `json:"ahead"`
	Fudge   int     `json:"fudge,omitempty"`
	UDP     bool    `json:"udp"`
	Cut     int     `json:"cut,omitempty"`
	Flip    *int    `json:"flip,omitempty"`
	Serial  uint32  `json:"serial"`
	Then    string  `json:"then,omitempty"`
}

// pythonVerdict is what dnspython says: "ok", or the name of its exception.
type pythonVerdict struct {
	Verdict, Rcode, Error     string
	Messages, Signed, Records int
	Time, Other               int64
	Same                      bool
}

// dnspython is a running tsig.py, which takes one request after the other.
type dnspython struct {
	t     testing.TB
	stdin io.WriteCloser
	lines *bufio.Scanner
}

func (s *server) startPython() *dnspython {
	s.t.Helper()
	script, err := filepath.Abs("testdata/tsig.py")
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := s.command("python3", script)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd.Stderr = s.t.Output()
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait() // the context of the test may have ended it
	})
	return &dnspython{s.t, stdin, bufio.NewScanner(stdout)}
}

// tell sends it a line.
func (d *dnspython) tell(line string) {
	d.t.Helper()
	if _, err := io.WriteString(d.stdin, line+"\n"); err != nil {
		d.t.Fatal(err)
	}
}

// asks sends it a request to a server.
func (d *dnspython) asks(s *server, p python) {
	d.t.Helper()
	host, port, _ := net.SplitHostPort(s.dns)
	p.Address, p.Zone = host, zone
	p.Port, _ = strconv.Atoi(port)
	if p.Type == "" {
		p.Type = "SOA"
	}
	text, err := json.Marshal(p)
	if err != nil {
		d.t.Fatal(err)
	}
	d.tell(string(text))
}

// says is the next line from it.
func (d *dnspython) says() string {
	d.t.Helper()
	if !d.lines.Scan() {
		d.t.Fatalf("dnspython ended: %v", d.lines.Err())
	}
	return d.lines.Text()
}

// waits reads that it waits for a line.
func (d *dnspython) waits() {
	d.t.Helper()
	if line := d.says(); line != "waiting" {
		d.t.Fatalf("dnspython does not wait, it says %q", line)
	}
}

func (d *dnspython) verdict() pythonVerdict {
	d.t.Helper()
	return parse[pythonVerdict](d.t, d.says())
}

// python has dnspython ask once. It is for one goroutine.
func (s *server) python(p python) pythonVerdict {
	s.t.Helper()
	if s.dnspython == nil {
		s.dnspython = s.startPython()
	}
	s.dnspython.asks(s, p)
	return s.dnspython.verdict()
}
