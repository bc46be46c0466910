package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/cmd/internal/cli"
)

// demoNames is how many synthetic names the demo decides on.
const demoNames = 300

func (a *app) demoCommand() *cobra.Command {
	var once bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole chain on this machine, with synthetic names",
		Long: `Makes an authority with two officers in a temporary directory, decides on some
hundred names under example and test, compiles, serves one provider over DNS
and HTTP on loopback, transfers, pulls and verifies with stock tools and with
vaern-pull, withdraws a name and shows the effect. Each step shows the command
that a person would type. Ctrl-C ends it and removes the directory.

It needs vaernd and vaern-pull beside vaern, and the tools ssh-keygen, sha256sum, dig, curl
and zstd; make demo fetches those that are missing.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return a.demo(ctx, once)
		},
	}
	c.Flags().BoolVar(&once, "once", false, "end after the last step instead of serving on")
	return c
}

func (a *app) demo(ctx context.Context, once bool) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	path := filepath.Dir(self) + string(os.PathListSeparator) + os.Getenv("PATH")
	if err := os.Setenv("PATH", path); err != nil {
		return err
	}
	for _, tool := range []string{"vaernd", "vaern-pull", "ssh-keygen", "sha256sum", "dig", "curl", "zstd"} {
		if _, err := exec.LookPath(tool); err != nil {
			return cli.Fail(fmt.Errorf("demo: there is no %s on this machine", tool), "run make demo, which builds and fetches what is missing")
		}
	}
	dir, err := os.MkdirTemp("", "vaern-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d := &demo{app: a, ctx: ctx, dir: dir}
	defer d.stopServer()
	for _, step := range []func() error{
		d.authority, d.decide, d.compile, d.verify, d.serve, d.transfer, d.pull, d.install, d.withdraw,
	} {
		if err := step(); err != nil {
			if ctx.Err() != nil {
				return nil // Ctrl-C
			}
			return fmt.Errorf("demo step %d: %w", d.step, err)
		}
	}
	fmt.Fprintf(a.out, "\nevery step was verified\n")
	if once {
		return nil
	}
	d.invite()
	<-ctx.Done()
	return nil
}

// demo is a run of the demo in its directory.
type demo struct {
	*app
	ctx    context.Context
	dir    string
	step   int
	server *exec.Cmd
	dns    string // port
	http   string // port
	admin  string // port
	isp    struct {
		TSIG struct{ Name, Algorithm, Secret string }
	}
}

func (d *demo) title(text string) {
	d.step++
	fmt.Fprintf(d.out, "\n%d. %s\n", d.step, text)
}

// maxShown is how many lines of a command's output are shown.
const maxShown = 8

// run shows a command as a person would type it, runs it in the demo's
// directory and shows the beginning of what it prints.
func (d *demo) run(command string) (string, error) {
	fmt.Fprintf(d.out, "   $ %s\n", command)
	c := exec.CommandContext(d.ctx, "sh", "-c", command)
	c.Dir = d.dir
	output, err := c.CombinedOutput()
	var lines []string
	if text := strings.Trim(string(output), "\n"); text != "" {
		lines = strings.Split(text, "\n")
	}
	for i, line := range lines {
		if i == maxShown && len(lines) > maxShown+1 {
			fmt.Fprintf(d.out, "     ... %d more lines\n", len(lines)-i)
			break
		}
		fmt.Fprintf(d.out, "     %s\n", line)
	}
	if err != nil {
		return string(output), fmt.Errorf("%s: %w", command, err)
	}
	return string(output), nil
}

// each runs commands until one fails.
func (d *demo) each(commands ...string) error {
	for _, c := range commands {
		if _, err := d.run(c); err != nil {
			return err
		}
	}
	return nil
}

// want runs a command whose output must hold a text; white space is all one.
func (d *demo) want(text, command string) error {
	output, err := d.run(command)
	if err == nil && !strings.Contains(strings.Join(strings.Fields(output), " "), text) {
		err = fmt.Errorf("%s: did not print %q", command, text)
	}
	return err
}

// refuses runs a command that must fail, and say why.
func (d *demo) refuses(text, command string) error {
	output, err := d.run(command)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(output, text) {
		return fmt.Errorf("%s: was not refused with %q", command, text)
	}
	return nil
}

func (d *demo) authority() error {
	d.title("A new authority. Two police officers, each with a key of their own, found its register.")
	return d.each(
		"vaern init . --environment demo",
		"mkdir officer-keys && chmod 700 officer-keys",
		"ssh-keygen -q -t ed25519 -N '' -C anna -f officer-keys/anna",
		"ssh-keygen -q -t ed25519 -N '' -C bo -f officer-keys/bo",
		"vaern officer add anna --role police --pubkey officer-keys/anna.pub",
		"vaern officer add bo --role police --pubkey officer-keys/bo.pub",
		"vaern officer list",
	)
}

// demoList is the verified list: domains, hosts and a URL, all synthetic, one
// of them below a protected name.
func demoList() []byte {
	var b strings.Builder
	b.WriteString("unit,target,category,source\n")
	for i := range demoNames {
		unit, name := "domain", fmt.Sprintf("site%03d.example", i)
		if i%10 == 0 {
			unit, name = "host", fmt.Sprintf("www.shared%03d.test", i)
		}
		fmt.Fprintf(&b, "%s,%s,synthetic,demo\n", unit, name)
	}
	b.WriteString("url,https://files.example/hidden/,synthetic,demo\n")
	b.WriteString("domain,www.police.example,synthetic,demo\n")
	return []byte(b.String())
}

func (d *demo) decide() error {
	d.title("A verified list becomes a draft. A name below a protected one is refused. Two officers sign.")
	if err := os.WriteFile(filepath.Join(d.dir, "list.csv"), demoList(), 0o600); err != nil {
		return err
	}
	if err := d.each("head -4 list.csv"); err != nil {
		return err
	}
	if err := d.want("D1: 301 to add", "vaern decision new --add list.csv --basis 'demonstration' --skip-invalid"); err != nil {
		return err
	}
	if err := d.want("1 of 2, draft", "vaern decision approve D1 --as anna --key officer-keys/anna"); err != nil {
		return err
	}
	if err := d.refuses("the list never had an entry", "vaern compile"); err != nil {
		return err
	}
	return d.want("2 of 2, approved", "vaern decision approve D1 --as bo --key officer-keys/bo")
}

func (d *demo) compile() error {
	d.title("What is decided becomes a signed edition: plain files in a directory.")
	if err := d.want("published", "vaern compile"); err != nil {
		return err
	}
	return d.each("ls editions/csam/$(cat editions/csam/latest)")
}

// verifyCommands are what anybody can check an edition with, in its folder.
func verifyCommands(folder string) []string {
	return []string{
		"cd " + folder + " && ssh-keygen -Y verify -f ../../../keys/edition.allowed_signers -I edition -n vaern-edition -s MANIFEST.sig < MANIFEST",
		"cd " + folder + " && sha256sum -c --ignore-missing MANIFEST",
	}
}

func (d *demo) verify() error {
	d.title("Stock tools verify it.")
	if err := d.each(verifyCommands("editions/csam/$(cat editions/csam/latest)")...); err != nil {
		return err
	}
	return d.want("whole and signed", "vaern edition verify")
}

// freePort asks the kernel for a loopback port. Another process could take it
// before the server does; the server then says so and the demo fails.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

func (d *demo) serve() error {
	d.title("A server for providers, and one provider with credentials of its own.")
	for _, p := range []*string{&d.dns, &d.http, &d.admin} {
		port, err := freePort()
		if err != nil {
			return err
		}
		*p = port
	}
	text := fmt.Sprintf(`environment = "demo"
editions = "./editions"
edition_keys = "./keys/edition.allowed_signers"
isps = "./isps"
state = "./state"
admin = "127.0.0.1:%s"
[dns]
listen = ["127.0.0.1:%s"]
[http]
listen = "127.0.0.1:%s"
`, d.admin, d.dns, d.http)
	if err := os.WriteFile(filepath.Join(d.dir, "vaernd.toml"), []byte(text), 0o600); err != nil {
		return err
	}
	if err := d.each("cat vaernd.toml", "vaernd isp add nordnet --json > nordnet.json && echo 'secrets are shown once; here they go to a file'"); err != nil {
		return err
	}
	if err := d.readCredentials(); err != nil {
		return err
	}
	fmt.Fprintln(d.out, "   $ vaernd serve &")
	log, err := os.Create(filepath.Join(d.dir, "vaernd.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	d.server = exec.Command("vaernd", "serve")
	d.server.Dir, d.server.Stderr = d.dir, log
	if err := d.server.Start(); err != nil {
		return err
	}
	return d.await("the server is ready", func() bool {
		r, err := http.Get("http://127.0.0.1:" + d.admin + "/readyz")
		if err != nil {
			return false
		}
		_ = r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
}

// readCredentials puts what isp add gave into the files that dig and curl
// read, so that no secret stands on a command line.
func (d *demo) readCredentials() error {
	data, err := os.ReadFile(filepath.Join(d.dir, "nordnet.json"))
	if err != nil {
		return err
	}
	var c struct {
		TSIG  struct{ Name, Algorithm, Secret string }
		Token string
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return err
	}
	d.isp.TSIG = c.TSIG
	key := fmt.Sprintf("key %q { algorithm %s; secret %q; };\n", c.TSIG.Name, c.TSIG.Algorithm, c.TSIG.Secret)
	return errors.Join(
		os.WriteFile(filepath.Join(d.dir, "nordnet.key"), []byte(key), 0o600),
		os.WriteFile(filepath.Join(d.dir, "nordnet.header"), []byte("Authorization: Bearer "+c.Token+"\n"), 0o600),
		os.WriteFile(filepath.Join(d.dir, "nordnet.token"), []byte(c.Token+"\n"), 0o600),
	)
}

// await waits for something to come true.
func (d *demo) await(what string, is func() bool) error {
	deadline := time.NewTimer(15 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-d.ctx.Done():
			return d.ctx.Err()
		case <-deadline.C:
			log, _ := os.ReadFile(filepath.Join(d.dir, "vaernd.log"))
			return fmt.Errorf("waited in vain until %s; the server's log:\n%s", what, log)
		}
	}
	return nil
}

// axfr is the transfer as a person types it.
func (d *demo) axfr() string {
	return "dig -p " + d.dns + " @127.0.0.1 -k nordnet.key csam.rpz.police.example AXFR +onesoa"
}

func (d *demo) transfer() error {
	d.title("The provider transfers the zone with its key. Without the key there is nothing to see.")
	if err := d.want("*.site001.example.csam.rpz.police.example. 60 IN CNAME stop.police.example.", d.axfr()+" | grep -F site001"); err != nil {
		return err
	}
	if err := d.want("572", d.axfr()+" | grep -c CNAME"); err != nil {
		return err
	}
	return d.want("Transfer failed", "dig -p "+d.dns+" @127.0.0.1 csam.rpz.police.example AXFR || true")
}

func (d *demo) pull() error {
	d.title("The provider pulls the plain list over HTTP and verifies it before use.")
	url := "http://127.0.0.1:" + d.http + "/v1/csam/"
	get := "curl -sS --fail -H @nordnet.header "
	if err := d.each(
		"mkdir -p pulled/csam/edition",
		"cd pulled/csam/edition && "+strings.ReplaceAll(get, "@", "@../../../")+"--remote-name-all "+url+"'{MANIFEST,MANIFEST.sig,domains.txt.zst,rpz.zone.gz}'",
		"cd pulled/csam/edition && zstd -dq domains.txt.zst && gzip -dk rpz.zone.gz",
	); err != nil {
		return err
	}
	if err := d.each(verifyCommands("pulled/csam/edition")...); err != nil {
		return err
	}
	return d.want("401", "curl -sS -o /dev/null -w '%{http_code}\\n' "+url+"MANIFEST")
}

func (d *demo) install() error {
	d.title("The provider's client does that by itself, and installs what its resolver reads.")
	text := fmt.Sprintf(`url = "http://127.0.0.1:%s/v1/csam"
edition_keys = "./keys/edition.allowed_signers"
environment = "demo"
token_file = "./nordnet.token"
state = "./pull-state"
[[install]]
format = "unbound"
stop = "192.0.2.99"
to = "./unbound.conf"
`, d.http)
	if err := os.WriteFile(filepath.Join(d.dir, "vaern-pull.toml"), []byte(text), 0o600); err != nil {
		return err
	}
	if err := d.each("cat vaern-pull.toml"); err != nil {
		return err
	}
	if err := d.want("installed", "vaern-pull --once"); err != nil {
		return err
	}
	return d.want("redirect", "grep -F site001 unbound.conf")
}

func (d *demo) withdraw() error {
	d.title("One officer withdraws a name. A moment later nobody is served it any more.")
	if err := d.each(
		"echo site001.example > gone.txt",
		"vaern decision new --withdraw gone.txt --basis 'content removed'",
		"vaern decision approve D2 --as bo --key officer-keys/bo",
	); err != nil {
		return err
	}
	if err := d.want("published", "vaern compile"); err != nil {
		return err
	}
	latest, err := os.ReadFile(filepath.Join(d.dir, "editions", "csam", "latest"))
	if err != nil {
		return err
	}
	soa := func() bool {
		c := exec.CommandContext(d.ctx, "dig", "-p", d.dns, "@127.0.0.1", "-k", "nordnet.key", "csam.rpz.police.example", "SOA", "+short", "+tcp")
		c.Dir = d.dir
		output, _ := c.Output()
		return strings.Contains(string(output), " "+strings.TrimSpace(string(latest))+" ")
	}
	if err := d.await("the new edition is served", soa); err != nil {
		return err
	}
	if err := d.want("0", d.axfr()+" | grep -c -F site001 || true"); err != nil {
		return err
	}
	if err := d.want("570", d.axfr()+" | grep -c CNAME"); err != nil {
		return err
	}
	if err := d.want("installed", "vaern-pull --once"); err != nil {
		return err
	}
	if err := d.want("0", "grep -c -F site001 unbound.conf || true"); err != nil {
		return err
	}
	if err := d.want("E2 (domain) was withdrawn", "vaern explain < gone.txt"); err != nil {
		return err
	}
	return d.each("vaern edition list", "vaernd status", "vaern check")
}

func (d *demo) invite() {
	fmt.Fprintf(d.out, `
It goes on serving until Ctrl-C. Try:
   cd %s
   %s | less
   curl -H @nordnet.header http://127.0.0.1:%s/v1/csam/domains.txt
   vaern decision show D1 | less
   vaernd status
`, d.dir, d.axfr(), d.http)
}

// stopServer ends the server it started, and waits for it.
func (d *demo) stopServer() {
	if d.server == nil || d.server.Process == nil {
		return
	}
	_ = d.server.Process.Signal(syscall.SIGTERM)
	_ = d.server.Wait()
}
