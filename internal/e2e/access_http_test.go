package e2e

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
)

// Without the provider's token every path answers the same, to the byte, and with it what is another's answers as what is
// not there.
func TestHTTPNeedsTheToken(t *testing.T) {
	t.Parallel()
	s, nordnet, _, oldnet := accessWorld(t)
	other := strings.TrimSpace(s.read("editions/other/latest"))
	there := []string{
		"csam/MANIFEST", "csam/MANIFEST.sig", "csam/domains.txt", "csam/domains.txt.gz", "csam/domains.txt.zst",
		"csam/rpz.zone", "csam/entries.csv", "csam/" + s.latest() + "/MANIFEST", "csam/" + s.latest() + "/domains.txt",
	}
	foreign := []string{
		"other/MANIFEST", "other/MANIFEST.sig", "other/domains.txt", "other/domains.txt.zst", "other/" + other + "/domains.txt",
	}
	absent := []string{
		"absent/MANIFEST", "csam/absent.txt", "csam/4000000000/domains.txt", "csam/" + s.latest() + "/zone.image",
		"csam/zone.image", "csam/latest", "csam", "csam/", "", "csam/../other/MANIFEST", "csam/%2e%2e/other/MANIFEST",
		"%00", "csam/" + s.latest() + "/", "csam/" + marker + "csam1.example",
	}
	everything := slices.Concat(there, foreign, absent)
	wrong := strings.Repeat("A", 43)
	headers := map[string]string{
		"no token":            "",
		"an empty token":      "Authorization: Bearer ",
		"a wrong token":       "Authorization: Bearer vaern_" + wrong,
		"no token of ours":    "Authorization: Bearer x",
		"part of the token":   "Authorization: Bearer " + nordnet.Token[:len(nordnet.Token)-1],
		"a revoked token":     "Authorization: Bearer " + oldnet.Token,
		"another scheme":      "Authorization: Token " + nordnet.Token,
		"no scheme":           "Authorization: " + nordnet.Token,
		"basic":               "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("nordnet:"+nordnet.Token)),
		"another header":      "X-Token: " + nordnet.Token,
		"the hash of a token": "Authorization: Bearer " + strings.Repeat("0", 64),
		"the TSIG secret":     "Authorization: Bearer " + nordnet.TSIG.Secret,
	}
	want := s.curl("", "csam/MANIFEST")[0]
	if !strings.HasPrefix(want, "HTTP/1.1 401 ") {
		t.Fatalf("without a token the answer is\n%s", want)
	}
	for what, header := range headers {
		for i, got := range s.curl(header, everything...) {
			if got != want {
				t.Errorf("%s, path %q: the answer differs from that to others\n%s\n%s", what, everything[i], got, want)
			}
		}
	}
	token := "Authorization: Bearer " + nordnet.Token
	for i, got := range s.curl(token, there...) {
		if !strings.HasPrefix(got, "HTTP/1.1 200 ") {
			t.Errorf("with the token, path %q:\n%.300s", there[i], got)
		}
	}
	paths := append(foreign, absent...)
	want = s.curl(token, "absent/MANIFEST")[0]
	if !strings.HasPrefix(want, "HTTP/1.1 404 ") {
		t.Fatalf("what is absent is answered\n%s", want)
	}
	for i, got := range s.curl(token, paths...) {
		if got != want {
			t.Errorf("path %q: the answer differs from that to others\n%s\n%s", paths[i], got, want)
		}
	}
}

// curl gets paths below /v1/ and returns for each what came, status and headers first, without Date. The token stands in a
// file: other users can read a command line.
func (s *server) curl(header string, paths ...string) (answers []string) {
	s.t.Helper()
	s.write("try.header", header+"\n")
	args := []string{"-sS", "-i", "--path-as-is", "-H", "@try.header"}
	for _, path := range paths {
		args = append(args, "-w", "\n"+separator+"\n", "http://"+s.http+"/v1/"+path)
	}
	all := strings.Split(s.tool("curl", args...), "\n"+separator+"\n")
	if len(all) != len(paths)+1 {
		s.t.Fatalf("curl printed %d answers to %d paths", len(all)-1, len(paths))
	}
	for _, answer := range all[:len(paths)] {
		lines := strings.SplitAfter(answer, "\n")
		lines = slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "Date: ") })
		answers = append(answers, strings.Join(lines, ""))
	}
	return answers
}

const separator = "======== next answer ========"
