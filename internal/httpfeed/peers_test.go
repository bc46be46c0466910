package httpfeed

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/vaern/vaern/internal/isp"
	"github.com/vaern/vaern/internal/peers"
)

// every is all files of an edition with the encodings that each is had in.
func every() (all [][2]string) {
	for _, text := range []string{"domains.txt", "hosts.txt", "urls.txt", "rpz.zone", "entries.csv"} {
		for _, coding := range []string{"identity", "gzip", "zstd"} {
			all = append(all, [2]string{text, coding})
		}
		all = append(all, [2]string{text + ".gz", ""}, [2]string{text + ".zst", ""})
	}
	return append(all, [2]string{"MANIFEST", ""}, [2]string{"MANIFEST.sig", ""})
}

// octets is what has to come for one of them.
func (w *world) octets(file, coding string) []byte {
	w.t.Helper()
	switch coding {
	case "identity":
		return plainText(w.t, w.one, file)
	case "gzip":
		file += ".gz"
	case "zstd":
		file += ".zst"
	}
	return stored(w.t, w.one, file)
}

// peer runs a tool that has to succeed.
func (w *world) peer(tool string, args ...string) string {
	w.t.Helper()
	out, err := peers.Command(w.t, tool, args...).CombinedOutput()
	if err != nil {
		w.t.Fatalf("%s: %v: %s", tool, err, out)
	}
	return string(out)
}

// secrets writes the token into files as the tools read it.
func (w *world) secrets() (dir string) {
	w.t.Helper()
	dir = w.t.TempDir()
	header := "Authorization: Bearer " + w.tokens["nordnet"]
	for name, text := range map[string]string{
		"header": header + "\n",
		"wgetrc": "header = " + header + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	return dir
}

// curl, with both versions of HTTP over TLS, gets every file in every encoding
// to its last octet.
func TestCurlGetsEverything(t *testing.T) {
	w := newWorld(t, Options{})
	dir, base := w.secrets(), "https://"+w.serveTLS(tls.VersionTLS13)+"/v1/csam/"
	out := filepath.Join(dir, "out")
	for _, version := range []string{"--http1.1", "--http2"} {
		for _, c := range every() {
			w.peer("curl", "-sS", "--fail", "--insecure", version, "-H", "@"+filepath.Join(dir, "header"), "-H", "Accept-Encoding: "+c[1], "-o", out, base+c[0])
			if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, w.octets(c[0], c[1])) {
				t.Errorf("%s %s %s: %d octets, %v", version, c[0], c[1], len(got), err)
			}
		}
	}
}

// A download by curl that is interrupted by a publish: whatever is asked, what
// lies there in the end is one edition or the other.
func TestHT2CurlAcrossAPublish(t *testing.T) {
	w := newWorld(t, Options{})
	dir := w.secrets()
	at := func(name string) string { return filepath.Join(dir, name) }
	curl := func(path string, args ...string) (string, error) {
		args = append([]string{"-sS", "--fail", "-H", "@" + at("header"), "-w", "%{http_code}"}, args...)
		out, err := peers.Command(t, "curl", append(args, w.server.URL+"/v1/csam/"+path)...).CombinedOutput()
		return string(out), err
	}
	serial := w.one.Serial.String()
	file := func(name string) []byte {
		t.Helper()
		data, err := os.ReadFile(at(name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for _, name := range []string{"part", "blind"} {
		if out, err := curl("domains.txt.zst", "-r", "0-999", "-o", at(name)); err != nil || out != "206" {
			t.Fatalf("the beginning: %s, %v", out, err)
		}
	}
	tag := tagOf(stored(t, w.one, "domains.txt.zst"))
	two := w.csam.publish(4000, "second")
	w.lists = map[string]*List{"csam": NewList(two, w.one)}
	w.set()
	// With the serial it goes on.
	if out, err := curl(serial+"/domains.txt.zst", "-C", "-", "-o", at("part")); err != nil || out != "206" || !bytes.Equal(file("part"), stored(t, w.one, "domains.txt.zst")) {
		t.Errorf("-C - with the serial: %s, %v", out, err)
	}
	// With the tag the whole of the new one comes.
	if out, err := curl("domains.txt.zst", "-r", "1000-", "-H", "If-Range: "+tag, "-o", at("new")); err != nil || out != "200" || !bytes.Equal(file("new"), stored(t, two, "domains.txt.zst")) {
		t.Errorf("-r with If-Range: %s, %v", out, err)
	}
	newTag := tagOf(stored(t, two, "domains.txt.zst"))
	if out, err := curl("domains.txt.zst", "-r", "1000-", "-H", "If-Range: "+newTag, "-o", at("end")); err != nil || out != "206" || !bytes.Equal(file("end"), stored(t, two, "domains.txt.zst")[1000:]) {
		t.Errorf("-r with the new tag: %s, %v", out, err)
	}

	// With neither, curl notices that it can not go on.
	w.lists = map[string]*List{"csam": NewList(w.one)}
	w.set()
	if out, err := curl("domains.txt.zst", "-r", "0-999", "-o", at("blind")); err != nil || out != "206" {
		t.Fatalf("the beginning again: %s, %v", out, err)
	}
	w.lists = map[string]*List{"csam": NewList(two, w.one)}
	w.set()
	if out, err := curl("domains.txt.zst", "-C", "-", "-o", at("blind")); err == nil {
		t.Errorf("-C - alone: %s", out)
	}
	if got := file("blind"); !bytes.Equal(got, stored(t, w.one, "domains.txt.zst")[:1000]) {
		t.Errorf("-C - alone: %d octets lie there", len(got))
	}
}

// wget gets every file in every encoding, and goes on where it was.
func TestWgetGetsEverything(t *testing.T) {
	w := newWorld(t, Options{})
	dir, address := w.secrets(), w.serveTLS(tls.VersionTLS13)
	out := filepath.Join(dir, "out")
	wget := func(path string, args ...string) {
		t.Helper()
		w.peer("wget", append(args, "--quiet", "--no-check-certificate", "--config="+filepath.Join(dir, "wgetrc"), "-O", out, "https://"+address+"/v1/csam/"+path)...)
	}
	same := func(what string, want []byte) {
		t.Helper()
		if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d octets, want %d, %v", what, len(got), len(want), err)
		}
	}
	for _, c := range every() {
		wget(c[0], "--header=Accept-Encoding: "+c[1])
		same(c[0]+" "+c[1], w.octets(c[0], c[1]))
	}
	wget("domains.txt", "--compression=gzip") // unpacked by wget
	same("compressed", w.octets("domains.txt", "identity"))
	whole := w.octets("domains.txt.zst", "")
	if err := os.WriteFile(out, whole[:777], 0o600); err != nil {
		t.Fatal(err)
	}
	wget(w.one.Serial.String()+"/domains.txt.zst", "--continue")
	same("continued", whole)
}

const urllibScript = `
import gzip, hashlib, ssl, sys, urllib.request
base, token = sys.argv[1], open(sys.argv[2]).read().strip()
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
for line in sys.stdin:
    path, coding = line.rstrip("\n").split(" ")
    name, value = token.split(": ", 1)
    request = urllib.request.Request(base + path, headers={name: value, "Accept-Encoding": coding})
    with urllib.request.urlopen(request, context=context) as answer:
        body = answer.read()
        assert len(body) == int(answer.headers["Content-Length"])
        assert answer.headers["ETag"] == '"' + hashlib.sha256(body).hexdigest()[:32] + '"'
        if coding == "gzip" and answer.headers["Content-Encoding"] == "gzip":
            body += gzip.decompress(body)
    print(path, coding, hashlib.sha256(body).hexdigest())
`

// Python's urllib gets every file in every encoding, and unpacks gzip to the last
// line.
func TestUrllibGetsEverything(t *testing.T) {
	w := newWorld(t, Options{})
	dir, address := w.secrets(), w.serveTLS(tls.VersionTLS13)
	var in, want strings.Builder
	for _, c := range every() {
		body := w.octets(c[0], c[1])
		if c[1] == "gzip" {
			body = append(body, w.octets(c[0], "identity")...)
		}
		fmt.Fprintf(&in, "%s %s\n", c[0], c[1])
		fmt.Fprintf(&want, "%s %s %x\n", c[0], c[1], sum(body))
	}
	cmd := peers.Command(t, "python3", "-c", urllibScript, "https://"+address+"/v1/csam/", filepath.Join(dir, "header"))
	cmd.Stdin = strings.NewReader(in.String())
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != want.String() {
		t.Errorf("%v: got\n%s\nwant\n%s", err, out, want.String())
	}
}

// h2load gets every file in every encoding many times over few connections, and
// all the octets.
func TestH2loadGetsEverything(t *testing.T) {
	w := newWorld(t, Options{})
	address := w.serveTLS(tls.VersionTLS13)
	const requests = 200
	data := regexp.MustCompile(`traffic: .*, \S+ \((\d+)\) data`)
	for _, c := range every() {
		out := w.peer("h2load", "-n", fmt.Sprint(requests), "-c", "4", "-m", "20", "-H", "Authorization: Bearer "+w.tokens["nordnet"],
			"-H", "Accept-Encoding: "+cmp.Or(c[1], "identity"), "https://"+address+"/v1/csam/"+c[0])
		want := fmt.Sprint(requests * len(w.octets(c[0], c[1])))
		if m := data.FindStringSubmatch(out); m == nil || m[1] != want || !strings.Contains(out, fmt.Sprintf("%d succeeded, 0 failed", requests)) {
			t.Errorf("%s %s: want %s octets\n%s", c[0], c[1], want, out)
		}
	}
}

// A certificate as curl and openssl show it.
func TestCurlWithACertificate(t *testing.T) {
	w := newWorld(t, Options{})
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, kind := range [][]string{{"ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"}, {"rsa:2048"}, {"ed25519"}} {
		name, _, _ := strings.Cut(kind[0], ":")
		args := append([]string{"req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=x", "-keyout", at(name + ".key"), "-out", at(name + ".pem"), "-newkey"}, kind...)
		w.peer("openssl", args...)
		text, err := os.ReadFile(at(name + ".pem"))
		if err != nil {
			t.Fatal(err)
		}
		pin, err := isp.ParseCertificate(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := isp.Add(w.isps, isp.ISP{Name: name, Lists: []string{"csam"}, Keys: isp.Keys{CertSHA256: pin}}, now); err != nil {
			t.Fatal(err)
		}
		w.set()
		for _, from := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			for _, version := range []string{"--tls-max 1.2", "--tls-max 1.3"} {
				if from == tls.VersionTLS13 && strings.HasSuffix(version, "1.2") {
					continue
				}
				flag, max, _ := strings.Cut(version, " ")
				got := w.peer("curl", "-sS", "--fail", "--insecure", flag, max, "--cert", at(name+".pem"), "--key", at(name+".key"), "https://"+w.serveTLS(from)+"/v1/csam/domains.txt")
				if got != string(plainText(t, w.one, "domains.txt")) {
					t.Errorf("%s, %s: %d octets", name, version, len(got))
				}
			}
		}
	}
}
