package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/vaern/vaern/internal/sshsig"
)

// officers are the two who sign everything.
var officers = []string{"anna", "bo"}

// compile measures the whole compiler: a million decided entries to a signed
// edition, and a change of a hundred names in it.
func (b *bench) compile(pipeline side) error {
	b.found()
	b.decideList()
	must(exec.Command("cp", "-a", b.path("authority"), b.path("before")).Run())
	whole := side{"vaern compile", func() *exec.Cmd {
		b.restore()
		return b.vaern("compile")
	}}
	if err := b.compare("P8b decided entries to a signed edition, everything", pipeline, whole); err != nil {
		return err
	}
	return b.small()
}

// small measures a change of a hundred names in a list that has been published
// for days, as most lists have been most of the time.
func (b *bench) small() error {
	k, err := b.startKnot()
	if err != nil {
		return err
	}
	b.restore()
	b.age()
	var theirs, ours, idle []cost
	for range b.rounds {
		wall, err := k.change()
		must(err)
		theirs = append(theirs, cost{wall: wall})
		b.change()
		c, err := measure(b.vaern("compile"))
		must(err)
		ours = append(ours, c)
		c, err = measure(b.vaern("compile"))
		must(err)
		idle = append(idle, c)
	}
	b.report("P7 a hundred names changed (knot: new zone file to IXFR served)", []string{"knot", "vaern compile", "nothing to do"}, theirs, ours, idle)
	return b.steps()
}

// age publishes the list as it was some days ago: growth is counted against the
// edition of the day before.
func (b *bench) age() {
	for day := 5; day >= 3; day -= 2 {
		b.clock = time.Now().AddDate(0, 0, -day).UTC()
		b.change()
		must(b.vaern("compile").Run())
	}
	b.clock = time.Time{}
}

// restore goes back to before the first edition.
func (b *bench) restore() {
	must(os.RemoveAll(b.path("authority")))
	must(exec.Command("cp", "-a", b.path("before"), b.path("authority")).Run())
}

// change decides a hundred changes: other names in each round.
func (b *bench) change() {
	b.round++
	var added bytes.Buffer
	for i := range 50 {
		fmt.Fprintf(&added, "changed-%d-%d.example\n", b.round, i)
	}
	must(os.WriteFile(b.path("added"), added.Bytes(), 0o600))
	must(os.WriteFile(b.path("gone"), b.some(50, b.round), 0o600))
	b.decide("--add", b.path("added"), "--withdraw", b.path("gone"))
}

// some takes names out of the list, evenly spread, others in each round.
func (b *bench) some(n, round int) []byte {
	data, err := os.ReadFile(b.path("want.compress"))
	must(err)
	lines := bytes.SplitAfter(data, []byte("\n"))
	var out bytes.Buffer
	step := (len(lines) - 1) / n
	for i := range n {
		out.Write(lines[i*step+round%step])
	}
	return out.Bytes()
}

// found makes an authority with its officers.
func (b *bench) found() {
	must(exec.Command("bin/vaern", "init", b.path("authority"), "--environment", "bench").Run())
	for _, name := range officers {
		private, public, err := sshsig.GenerateEd25519(name)
		must(err)
		must(os.WriteFile(b.path(name), private, 0o600))
		must(os.WriteFile(b.path(name+".pub"), public, 0o600))
		must(b.vaern("officer", "add", name, "--role", "police", "--pubkey", b.path(name+".pub")).Run())
	}
}

// decideList decides the whole list, a million lines in a decision.
func (b *bench) decideList() {
	const most = 1_200_000
	data, err := os.ReadFile(b.path("in"))
	must(err)
	var part bytes.Buffer
	lines := 0
	for line := range bytes.Lines(data) {
		part.Write(line)
		if lines++; lines%most == 0 {
			b.decidePart(&part)
		}
	}
	b.decidePart(&part)
}

func (b *bench) decidePart(part *bytes.Buffer) {
	if part.Len() > 0 {
		must(os.WriteFile(b.path("part"), part.Bytes(), 0o600))
		b.decide("--add", b.path("part"), "--format", "plain", "--skip-invalid")
		part.Reset()
	}
}

// decide drafts a decision, and both officers sign it.
func (b *bench) decide(args ...string) {
	c := b.vaern(append([]string{"decision", "new", "--json", "--basis", "bench"}, args...)...)
	out, err := c.Output()
	must(err)
	var made struct{ ID string }
	must(json.Unmarshal(out, &made))
	for _, name := range officers {
		if out, err := b.vaern("decision", "approve", made.ID, "--as", name, "--key", b.path(name)).Output(); err != nil {
			must(fmt.Errorf("approve: %w: %s", err, out))
		} else if !strings.Contains(string(out), made.ID) {
			must(fmt.Errorf("approve: %q", out))
		}
	}
}

func (b *bench) vaern(args ...string) *exec.Cmd {
	c := exec.Command("bin/vaern", append([]string{"--config", b.path("authority/vaern.toml")}, args...)...)
	if !b.clock.IsZero() {
		c.Env = append(os.Environ(), "VAERN_TEST_CLOCK="+b.clock.Format(time.RFC3339))
	}
	return c
}
