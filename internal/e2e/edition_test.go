package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

// The main job up to the edition: lists, decisions, two signatures each, an edition that stock tools verify.
func TestListsBecomeAnEdition(t *testing.T) {
	t.Parallel()
	for _, in := range inputs(t) {
		t.Run(in.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.decideAll(in)
			c := w.compile()
			t.Logf("edition %d: %d domains, %d hosts, %d urls of %d entries", c.Serial, c.Domains, c.Hosts, c.URLs, c.Entries)
			entries := in.fromHosts.Accepted + in.fromCSV.Accepted + 2
			if c.Domains != in.domains || c.Hosts != 1 || c.URLs != 1 || c.Entries != entries || c.Unchanged {
				t.Errorf("compiled %+v, want %d domains of %d entries", c, in.domains, entries)
			}
			domains := w.lines("domains.txt")
			if len(domains) != in.domains {
				t.Errorf("domains.txt has %d names, MANIFEST says %d", len(domains), in.domains)
			}
			w.list(domains...)
			w.verifyWithStockTools(filepath.Join("editions", "csam", w.latest()))
			if out := w.vaern(0, "edition", "verify").stdout; !strings.Contains(out, "whole and signed") {
				t.Errorf("edition verify says %q", out)
			}
			w.vaern(0, "check")
			if again := w.compile(); !again.Unchanged || again.Serial != c.Serial {
				t.Errorf("a second compile: %+v", again)
			}
		})
	}
}

// verifyWithStockTools does what an ISP can do with nothing of ours, and sees to it that the tools would have noticed.
func (w *world) verifyWithStockTools(dir string) {
	w.t.Helper()
	manifest := w.read(filepath.Join(dir, "MANIFEST"))
	verify := []string{
		"-Y", "verify", "-f", "keys/edition.allowed_signers", "-I", "edition", "-n", "vaern-edition",
		"-s", filepath.Join(dir, "MANIFEST.sig"),
	}
	if out := w.pipe(manifest, "ssh-keygen", verify...); !strings.Contains(out, "Good \"vaern-edition\" signature for edition") {
		w.t.Errorf("ssh-keygen -Y verify says %q", out)
	}
	cmd := w.command("ssh-keygen", verify...)
	cmd.Stdin = strings.NewReader(strings.Replace(manifest, "domains: ", "domains: 1", 1))
	if r, err := finish(cmd); err != nil || r.status == 0 {
		w.t.Errorf("ssh-keygen -Y verify accepts another MANIFEST: %v %s", err, r.stdout)
	}
	cmd = w.command("sha256sum", "-c", "--strict", "--ignore-missing", "MANIFEST")
	cmd.Dir = w.file(dir)
	r, err := finish(cmd)
	if err != nil || r.status != 0 || strings.Count(r.stdout, ": OK\n") < 11 {
		w.t.Errorf("sha256sum -c: exit status %d, %v\n%s%s", r.status, err, r.stdout, r.stderr)
	}
}
