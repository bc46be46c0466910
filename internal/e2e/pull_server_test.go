package e2e

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// vaern-pull and vaernd, nothing between them: over HTTPS, by the token and by the certificate, what is published gets
// installed, and the server has on record that it was.
func TestPullFromTheServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, alone)
	w.add("listed.example")
	w.compile()
	w.certificate("server")
	w.certificate("nordnet")
	i := w.addISP("nordnet", "csam", "--cert", "nordnet.pem")
	w.write("secure.toml", httpOverTLS(w.read("vaernd.toml")))
	s := w.serveAs("secure")
	_, port, _ := strings.Cut(s.http, ":")
	p := s.newPuller(i)
	for what, credential := range map[string]string{
		"token":       "token_file = \"token\"\n",
		"certificate": "tls = {cert = \"" + w.file("nordnet.pem") + "\", key = \"" + w.file("nordnet.pkey") + "\"}\n",
	} {
		w.add("by-" + what + ".example")
		w.compile()
		serial := w.latest()
		await(t, "the new edition is served", func() bool { return s.soa("nordnet.key") == serial })
		config := strings.Replace(p.pullConfig("https://localhost:"+port, "[[install]]\nfile = \"domains.txt\"\nto = \"installed.txt\"\n"), "token_file = \"token\"\n",
			credential+"ca = \""+w.file("server.pem")+"\"\n", 1)
		p.put("vaern-pull.toml", config)
		p.pull(0)
		installed, err := os.ReadFile(p.path("installed.txt"))
		if err != nil || !strings.Contains(string(installed), "by-"+what+".example\n") || !strings.Contains(string(installed), "listed.example\n") {
			t.Errorf("by the %s: installed %d octets, %v", what, len(installed), err)
		}
		acked := parse[struct{ Serial json.Number }](t, w.read("state-secure/acks/csam/nordnet.json"))
		if acked.Serial.String() != serial {
			t.Errorf("by the %s: acknowledged %s, want %s", what, acked.Serial, serial)
		}
	}
	s.stop()
	if log := w.read("secure.log"); strings.Contains(log, "vaern_") || strings.Contains(log, "by-token") {
		t.Error("the log has a token or a name")
	}
}
