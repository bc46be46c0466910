package e2e

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// The matrix of HTTP: every way of coming, with every credential, to every kind of path, by every method (R4). What each
// must get is said by the table below, which knows nothing of how the server decides.

// entrance is how a request comes.
type entrance struct {
	name string
	tls  bool
	cert string // the provider whose certificate is shown; "stranger": nobody's
}

var entrances = []entrance{
	{"HTTP", false, ""},
	{"HTTPS", true, ""},
	{"HTTPS and its certificate", true, "nordnet"},
	{"HTTPS and another provider's certificate", true, "sydnet"},
	{"HTTPS and a certificate from a wrong address", true, "farnet"},
	{"HTTPS and a revoked provider's certificate", true, "oldnet"},
	{"HTTPS and an unknown certificate", true, "stranger"},
}

// ticket is what a request shows besides.
type ticket struct {
	name           string
	header, inPath string // a token; empty: none
	owner          string // whose that is, from here and now; "nobody": nobody's, "": it shows nothing
}

// who says as whom a request is let in: "" for nobody.
func who(e entrance, t ticket) string {
	known := map[string]bool{"nordnet": true, "sydnet": true}
	switch {
	case t.owner == "nobody":
		return ""
	case t.owner == "" && known[e.cert]:
		return e.cert
	case t.owner == "":
		return ""
	case e.cert == "" || e.cert == "stranger" || e.cert == "oldnet": // says nothing
		return t.owner
	case e.cert == t.owner:
		return t.owner
	}
	return "" // two providers
}

// kind is what there is at a path.
type kind int

const (
	nothing kind = iota
	text         // a file, or changes
	report       // where something is told
	unknown      // changes from a serial that is not kept
)

// place is a path below /v1/, and whose it is.
type place struct {
	path, owner string
	kind        kind
	zone        bool // what a token in the path gives
}

func (w *webMatrix) places() (all []place) {
	add := func(owner string, k kind, paths ...string) {
		for _, p := range paths {
			all = append(all, place{path: p, owner: owner, kind: k, zone: p == "csam/rpz.zone" || p == "other/rpz.zone"})
		}
	}
	for list, owner := range map[string]string{"csam": "nordnet", "other": "sydnet"} {
		serial := strings.TrimSpace(w.read("editions/" + list + "/latest"))
		for _, file := range []string{"MANIFEST", "MANIFEST.sig", "domains.txt", "domains.txt.gz", "urls.txt.zst", "entries.csv", "rpz.zone"} {
			add(owner, text, list+"/"+file, list+"/"+serial+"/"+file)
		}
		add(owner, text, list+"/changes?from="+serial)
		add(owner, report, list+"/ack", list+"/alarm")
		add(owner, unknown, list+"/changes?from=4000000000")
		add("", nothing, list, list+"/", list+"/"+serial, list+"/"+serial+"/", list+"/latest", list+"/zone.image", list+"/"+serial+"/zone.image",
			list+"/zone.image.zst", list+"/absent.txt", list+"/4000000000/domains.txt", list+"/4000000000/MANIFEST", list+"/.lock", list+"/"+serial+"/changes",
			list+"/"+serial+"/ack", list+"/hold")
	}
	add("", nothing, "", "absent/MANIFEST", "absent/changes?from=1", "absent/ack", "csam/../other/MANIFEST", "csam/%2e%2e/other/MANIFEST", "../v1/csam/MANIFEST",
		"%2e%2e/isps/nordnet.toml", "../isps/nordnet.toml", "csam//MANIFEST", "/csam/MANIFEST", "%00", "csam/%00MANIFEST", "csam/"+marker+"csam1.example",
		"status", "metrics", "healthz", "readyz", "t")
	return all
}

// status is what a request must get.
func (p place) status(who string, t ticket, method string) int {
	reads := method == "GET" || method == "HEAD"
	switch {
	case who == "":
		return 401
	case p.kind == nothing, p.owner != who, t.inPath != "" && !p.zone:
		return 404
	case p.kind == report && method == "POST":
		return 204
	case p.kind == report, !reads:
		return 405
	case p.kind == unknown:
		return 404
	}
	return 200
}

// webMatrix is a world with a server for HTTP and one for HTTPS.
type webMatrix struct {
	*world
	plain, secure *server
	tickets       []ticket
	certs         map[string]tls.Certificate
}

func TestHTTPAccessMatrix(t *testing.T) {
	t.Parallel()
	w := newWebMatrix(t)
	type cell struct {
		e      entrance
		t      ticket
		p      place
		method string
	}
	cells := make(chan cell)
	go func() {
		defer close(cells)
		n := 0
		for _, e := range entrances {
			for _, tk := range w.tickets {
				for _, p := range w.places() {
					for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"} {
						// Most of the table are refusals; of those each fifth will do, unless all are asked for.
						if n++; full || n%5 == 0 || p.status(who(e, tk), tk, method)/100 == 2 {
							cells <- cell{e, tk, p, method}
						}
					}
				}
			}
		}
	}()
	var mu sync.Mutex
	statuses, refusals := map[int]int{}, map[string]string{}
	judge := func(c cell) {
		answer, err := w.ask(c.e, c.t, c.p, c.method)
		as := who(c.e, c.t)
		want := c.p.status(as, c.t, c.method)
		mu.Lock()
		defer mu.Unlock()
		what := fmt.Sprintf("%s, %s, %s %s", c.e.name, c.t.name, c.method, c.p.path)
		statuses[want]++
		switch {
		case err != nil:
			t.Errorf("%s: %v", what, err)
			return
		case !strings.HasPrefix(answer, fmt.Sprintf("HTTP/1.1 %d ", want)):
			t.Errorf("%s: %.40q, want %d", what, answer, want)
			return
		case want == 200 || want == 204:
			return
		}
		w.leaksNothing(what, answer)
		// All refusals of a kind are the same octets.
		key := fmt.Sprint(want, c.method == "HEAD", want == 405 && c.p.kind == report, c.p.kind == unknown && want == 404 && as == c.p.owner && c.t.inPath == "")
		if before, ok := refusals[key]; ok && before != answer {
			t.Errorf("%s: a refusal that differs from others:\n%s\n%s", what, answer, before)
		}
		refusals[key] = answer
	}
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			for c := range cells {
				judge(c)
			}
		})
	}
	all.Wait()
	t.Logf("cells by the status they must have: %v; %d kinds of refusals", statuses, len(refusals))
	for _, s := range []int{200, 204, 401, 404, 405} {
		if statuses[s] < 20 {
			t.Errorf("%d cells with status %d: the table shows little", statuses[s], s)
		}
	}
	w.plain.stop()
	w.secure.stop()
	for _, log := range []string{"vaernd.log", "secure.log"} {
		if text := w.read(log); strings.Contains(text, "vaern_") || strings.Contains(text, marker) {
			t.Errorf("%s holds a token or a name", log)
		}
	}
}

// leaksNothing says that a refusal holds nothing of a list or of who has it.
func (w *webMatrix) leaksNothing(what, answer string) {
	w.t.Helper()
	for _, word := range []string{marker, stopHost, "blocktest", "hostmaster.police", "csam", "other", "nordnet", "sydnet", "Etag"} {
		if strings.Contains(answer, word) {
			w.t.Errorf("%s: the refusal holds %s:\n%s", what, word, answer)
		}
	}
}

func newWebMatrix(t *testing.T) *webMatrix {
	t.Helper()
	w := &webMatrix{world: newWorld(t, alone), certs: map[string]tls.Certificate{}}
	config := w.read("vaern.toml")
	list := config[strings.Index(config, "[[list]]"):]
	w.write("vaern.toml", config+"\n"+strings.ReplaceAll(list, "csam", "other"))
	for _, list := range []string{"csam", "other"} {
		names := synthetic(marker+list, 100)
		w.list(names...)
		w.write("batch.txt", strings.Join(names, "\n"))
		w.decide([]string{"anna"}, "--list", list, "--add", "batch.txt")
	}
	w.vaern(0, "compile")
	for _, name := range []string{"server", "nordnet", "sydnet", "farnet", "oldnet", "stranger"} {
		w.certificate(name)
		pair, err := tls.LoadX509KeyPair(w.file(name+".pem"), w.file(name+".pkey"))
		if err != nil {
			t.Fatal(err)
		}
		w.certs[name] = pair
	}
	first := w.addISP("nordnet", "csam", "--cert", "nordnet.pem")
	sydnet := w.addISP("sydnet", "other", "--cert", "sydnet.pem")
	farnet := w.addISP("farnet", "csam", "--cert", "farnet.pem", "--address", "198.51.100.0/24")
	oldnet := w.addISP("oldnet", "csam", "--cert", "oldnet.pem")
	nordnet := w.rotateISP("nordnet", "--overlap", "0s")
	w.vaernd("isp", "revoke", "oldnet")

	w.plain = w.serve()
	w.write("secure.toml", httpOverTLS(w.read("vaernd.toml")))
	w.secure = w.serveAs("secure")

	wrong := "vaern_" + strings.Repeat("A", 43)
	w.tickets = []ticket{
		{name: "no token"},
		{name: "garbage", header: "\x80,;=", owner: "nobody"},
		{name: "a wrong token", header: wrong, owner: "nobody"},
		{name: "a token that was rotated away", header: first.Token, owner: "nobody"},
		{name: "a revoked token", header: oldnet.Token, owner: "nobody"},
		{name: "a token from a wrong address", header: farnet.Token, owner: "nobody"},
		{name: "another provider's token", header: sydnet.Token, owner: "sydnet"},
		{name: "the token", header: nordnet.Token, owner: "nordnet"},
		{name: "the token in the path", inPath: nordnet.Token, owner: "nordnet"},
		{name: "the token in the path and in the header", inPath: nordnet.Token, header: nordnet.Token, owner: "nordnet"},
		{name: "another provider's token in the path", inPath: sydnet.Token, owner: "sydnet"},
		{name: "another provider's token in the path, its own in the header", inPath: sydnet.Token, header: nordnet.Token, owner: "nobody"},
		{name: "a wrong token in the path", inPath: wrong, owner: "nobody"},
		{name: "a wrong token in the path, the right one in the header", inPath: wrong, header: nordnet.Token, owner: "nobody"},
		{name: "the token in the path, a wrong one in the header", inPath: nordnet.Token, header: wrong, owner: "nobody"},
	}
	return w
}

var date = regexp.MustCompile(`\r\nDate: [^\r]*`)

// ask sends one request, octet by octet as it stands, and returns the answer without its date.
func (w *webMatrix) ask(e entrance, t ticket, p place, method string) (string, error) {
	server := w.plain
	if e.tls {
		server = w.secure
	}
	var c net.Conn
	c, err := net.Dial("tcp", server.http)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if e.tls {
		config := &tls.Config{InsecureSkipVerify: true} //nolint:gosec // loopback
		if e.cert != "" {
			config.Certificates = []tls.Certificate{w.certs[e.cert]}
		}
		c = tls.Client(c, config)
	}
	path, body := "/v1/"+p.path, ""
	if t.inPath != "" {
		path = "/v1/t/" + t.inPath + "/" + p.path
	}
	if method == http.MethodPost {
		list, what, _ := strings.Cut(p.path, "/")
		if serial := strings.TrimSpace(w.serials()[list]); what == "ack" {
			body = `{"serial":` + serial + `}`
		} else if what == "alarm" {
			body = `{"serial":` + serial + `,"reason":"test"}`
		}
	}
	request := method + " " + path + " HTTP/1.1\r\nHost: feed.police.example\r\nConnection: close\r\n"
	if t.header != "" {
		request += "Authorization: Bearer " + t.header + "\r\n"
	}
	if _, err := fmt.Fprintf(c, "%sContent-Length: %d\r\n\r\n%s", request, len(body), body); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(c)
	return string(date.ReplaceAll(bytes.TrimSpace(answer), nil)), err
}

// serials are those published, by list.
func (w *webMatrix) serials() map[string]string {
	return map[string]string{"csam": w.read("editions/csam/latest"), "other": w.read("editions/other/latest")}
}
