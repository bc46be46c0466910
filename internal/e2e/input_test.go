package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// input is a set of lists to decide on, and what must become of them.
type input struct {
	name    string
	hosts   string // a list in hosts format
	csv     string // a list in CSV with columns of its own
	popular string // names never to block

	fromHosts, fromCSV drafted // but the id
	domains            int     // in the edition, the test name included
}

// inputs are the real lists, if they are there, and the synthetic ones.
func inputs(t testing.TB) []input {
	t.Helper()
	all := []input{syntheticInput(t)}
	lists, err := filepath.Abs("../../../shared/data/lists")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(lists); err != nil {
		return all
	}
	return append([]input{{
		name:      "real",
		hosts:     filepath.Join(lists, "fake-shops.hosts"),
		csv:       filepath.Join(lists, "malware.csv"),
		popular:   filepath.Join(lists, "popular-10k.txt"),
		fromHosts: drafted{Accepted: 13992, Refused: 51},
		fromCSV:   drafted{Accepted: 18118, Refused: 28, Rejected: 1},
		domains:   25342,
	}}, all...)
}

// syntheticInput has what the real lists have: comments, names below others on the list, names that are there twice, names
// below protected ones, and a line that is no name.
func syntheticInput(t testing.TB) input {
	t.Helper()
	dir := t.TempDir()
	in := input{
		name:    "synthetic",
		hosts:   filepath.Join(dir, "shops.hosts"),
		csv:     filepath.Join(dir, "servers.csv"),
		popular: filepath.Join(dir, "popular.txt"),
	}
	var hosts, csv, popular strings.Builder
	hosts.WriteString("# Title: synthetic shops\n\n")
	for i := range 3000 {
		fmt.Fprintf(&hosts, "0.0.0.0 shop%d.example\n", i)
		in.fromHosts.Accepted++
		in.domains++
		if i%3 == 0 {
			fmt.Fprintf(&hosts, "0.0.0.0 img.shop%d.example\n", i)
			in.fromHosts.Accepted++
		}
	}
	csv.WriteString("Domain,Malware,Date added,Source\n")
	for i := range 4000 {
		fmt.Fprintf(&csv, "c2-%d.test,family-%d,2024-09-01,\"synthetic, all\"\n", i, i%7)
		in.fromCSV.Accepted++
		in.domains++
	}
	csv.WriteString("c2-1.test,family-9,2024-09-02,again\ndouble..dot.test,none,2024-09-02,slip\n")
	in.fromCSV.Rejected++
	for i := range 300 {
		fmt.Fprintf(&popular, "popular%d.test\n", i)
		if i%10 == 0 {
			fmt.Fprintf(&hosts, "0.0.0.0 www.popular%d.test\n", i)
			in.fromHosts.Refused++
		}
		if i%20 == 0 {
			fmt.Fprintf(&csv, "user.popular%d.test,none,2024-09-03,x\n", i)
			in.fromCSV.Refused++
		}
	}
	in.domains++ // the test name
	for path, content := range map[string]*strings.Builder{in.hosts: &hosts, in.csv: &csv, in.popular: &popular} {
		if err := os.WriteFile(path, []byte(content.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return in
}

// names are all that the input says, also what becomes no entry: it was somebody's suspicion all the same.
func (in input) names(t testing.TB) (names []string) {
	t.Helper()
	for _, path := range []string{in.hosts, in.csv} {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(content)) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), "#")
			name, _, _ := strings.Cut(line, ",")
			if f := strings.Fields(name); len(f) > 0 && strings.Contains(f[len(f)-1], ".") {
				names = append(names, strings.ToLower(f[len(f)-1]))
			}
		}
	}
	return names
}

// hostName and urlHost are what decideAll lists beside domains: a name alone, and a URL.
const (
	hostName = "www.only-this-host.example"
	urlHost  = "files.only-a-url.example"
)

// decideAll makes decisions of the whole input, the first signed in two ways, and adds a host and a URL.
func (w *world) decideAll(in input) {
	w.t.Helper()
	popular, err := os.ReadFile(in.popular)
	if err != nil {
		w.t.Fatal(err)
	}
	w.write("never-block.txt", string(popular))
	w.list(in.names(w.t)...)
	w.list(hostName, urlHost)

	d := w.propose("--add", in.hosts, "--format", "hosts", "--skip-invalid")
	w.sameCounts(in.hosts, d, in.fromHosts)
	w.vaern(0, "decision", "approve", d.ID, "--as", "anna", "--key", "anna")
	w.vaern(0, "decision", "export", d.ID, "desk")
	w.tool("ssh-keygen", "-Y", "sign", "-n", "vaern-decision", "-f", "bo", "desk/"+d.ID+".txt")
	w.vaern(0, "decision", "approve", d.ID, "--as", "bo", "--signature", "desk/"+d.ID+".txt.sig")

	both := []string{"anna", "bo"}
	d = w.decide(both, "--add", in.csv, "--columns", "Domain=target,Malware=category", "--skip-invalid")
	w.sameCounts(in.csv, d, in.fromCSV)

	w.write("more.csv", "unit,target\nhost,"+hostName+"\nurl,https://"+urlHost+"/a/page\n")
	w.decide(both, "--add", "more.csv")
}

func (w *world) sameCounts(path string, got, want drafted) {
	w.t.Helper()
	w.t.Logf("%s: accepted %d, refused %d, rejected %d", filepath.Base(path), got.Accepted, got.Refused, got.Rejected)
	if want.ID = got.ID; got != want {
		w.t.Errorf("%s became %+v, want %+v", filepath.Base(path), got, want)
	}
}
