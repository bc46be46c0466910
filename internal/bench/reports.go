package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
)

// chosen is how many reports are assessed and decided: what a long list has.
const chosen = 20_000

// reports measures the inbox: n reports imported, and commands that look at
// one, beside registers of several sizes.
func (b *bench) reports() error {
	b.found()
	b.writeReports()
	imported, err := measure(b.vaern("report", "import", b.path("reports.csv"), "--source", "hotline"))
	must(err)
	info, err := os.Stat(b.path("authority/inbox.db"))
	must(err)
	fmt.Printf("\n%d reports imported: %.1f s wall, %.1f s cpu, peak %d MiB; the inbox has %d MiB\n",
		b.n, imported.wall.Seconds(), imported.cpu.Seconds(), imported.peak>>20, info.Size()>>20)
	if err := b.answers("nothing decided"); err != nil {
		return err
	}
	every := max(1, b.n/chosen)
	for first := 1; first <= b.n; first += every * 1000 { // 1,000 ids in one command
		var ids bytes.Buffer
		for id := first; id < first+every*1000 && id <= b.n; id += every {
			fmt.Fprintf(&ids, ",R%d", id)
		}
		must(b.vaern("report", "assess", ids.String()[1:], "--class", "baseline", "--unit", "host", "--as", officers[0]).Run())
	}
	b.decide("--from-report", "assessed")
	must(b.vaern("compile").Run())
	if err := b.answers(fmt.Sprintf("%d of them decided and published", min(b.n, chosen))); err != nil {
		return err
	}
	b.decideList()
	b.decide("--override", "growth", "--for", "D2") // a list this much longer is refused otherwise
	must(b.vaern("compile").Run())
	return b.answers(fmt.Sprintf("and %d other entries", b.n))
}

// answers measures the commands that somebody waits for.
func (b *bench) answers(what string) error {
	name := []byte("www.site0000000000.example\n")
	return b.compare("inbox, "+what,
		side{"report list", func() *exec.Cmd { return b.vaern("report", "list") }},
		side{"report list --source", func() *exec.Cmd { return b.vaern("report", "list", "--source", "hotline") }},
		side{"report list --state", func() *exec.Cmd { return b.vaern("report", "list", "--state", "assessed") }},
		side{"report show", func() *exec.Cmd { return b.vaern("report", "show", "R1") }}, // which is decided
		side{"explain", func() *exec.Cmd {
			c := b.vaern("explain")
			c.Stdin = bytes.NewReader(name)
			return c
		}})
}

// writeReports makes a CSV of n reports, each of another site.
func (b *bench) writeReports() {
	f, err := os.Create(b.path("reports.csv"))
	must(err)
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, "unit,target,source_ref,site_type,country,received")
	for i := range b.n {
		site := uint32(i) * 2654435761 // no two alike, in no order
		fmt.Fprintf(w, "url,https://www.site%010d.example/gallery/%d?p=1,HL-%07d,website,NL,2026-11-20\n", site, i, i)
	}
	must(w.Flush())
	must(f.Close())
}
