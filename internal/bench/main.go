// Command bench measures the compiler against the tools that a list is made
// with today, and vaernd against the servers that give zones and files away, in one run, turn by turn, on the lists of ../shared/bench;
// and the inbox of reports on names of its own:
//
//	go run ./internal/bench -n 1000000
//	go run ./internal/bench -n 1000000 transfer
//	go run ./internal/bench -n 1000000 follow
//	go run ./internal/bench -n 1000000 http
//	go run ./internal/bench -n 1000000 reports
//
// It builds the list generators and bin/vaern, works in a temporary directory,
// and prints medians: wall clock, processor time of the whole process tree,
// and the peak memory of its largest process (wait4(2)). Lines marked * are
// goals of the project. It is for developers; no program contains it.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

func main() {
	if len(os.Args) == 5 && os.Args[1] == "clean" {
		exit(clean(os.Args[2], os.Args[3], os.Args[4]))
	}
	var b bench
	flag.IntVar(&b.n, "n", 1_000_000, "names in the list")
	flag.IntVar(&b.rounds, "rounds", 5, "how often each thing is measured")
	flag.StringVar(&b.shared, "shared", "../shared/bench", "the benchmarks' tools")
	flag.StringVar(&b.newer, "newer", "", "folder of a newer Debian (debootstrap) with nsd, knot and bind9, for transfer")
	flag.Parse()
	dir, err := os.MkdirTemp("", "vaern-bench-")
	if err == nil {
		b.dir = dir
		err = errors.Join(b.run(), os.RemoveAll(dir))
	}
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// bench is one run over a list of n names.
type bench struct {
	n, rounds   int
	shared, dir string
	newer       string

	clock time.Time // of vaern; zero: the real one
	round int       // changes so far
}

func (b *bench) run() error {
	if err := b.prepare(); err != nil {
		return err
	}
	switch flag.Arg(0) {
	case "transfer":
		return b.transfer()
	case "follow":
		return b.follower()
	case "crowd":
		return b.crowd()
	case "http":
		return b.http()
	case "reports":
		return b.reports()
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	pipeline := side{"shell pipeline", func() *exec.Cmd {
		return exec.Command(b.path("pipeline.sh"), "mawk", "full", b.path("in"), b.path("shell.list"), b.path("shell.zone"))
	}}
	ours := side{"vaern", func() *exec.Cmd {
		return exec.Command(self, "clean", b.path("in"), b.path("our.list"), b.path("our.zone"))
	}}
	sort := side{"sort -u", func() *exec.Cmd { return exec.Command("sort", "-u", "-o", b.path("sorted"), b.path("in")) }}
	if err := b.compare("P8a messy lines to list and rpz.zone", pipeline, ours, sort); err != nil {
		return err
	}
	if err := sameFile(b.path("our.list"), b.path("want.compress")); err != nil {
		return err
	}
	fmt.Println("list: 0 wrong, 0 missing lines")
	return b.compile(pipeline)
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

// prepare makes the list, and what a correct compiler gives for it.
func (b *bench) prepare() error {
	for _, c := range []struct {
		in   string
		args []string
	}{
		{filepath.Join(b.shared, "dns", "tools"), []string{"go", "build", "-o", b.path(""), "./gen", "./axfr"}},
		{filepath.Join(b.shared, "compile", "tools"), []string{"go", "build", "-o", b.path(""), "./mklist"}},
		{".", []string{"make", "-s", "build"}},
		{".", []string{"cp", filepath.Join(b.shared, "compile", "pipeline.sh"), b.path("pipeline.sh")}},
		{".", []string{b.path("gen"), "-n", fmt.Sprint(b.n), "-seed", "1", "-domains", b.path("names")}},
		{".", []string{b.path("mklist"), "-base", b.path("names"), "-out", b.path("in"), "-want", b.path("want")}},
	} {
		cmd := exec.Command(c.args[0], c.args[1:]...)
		cmd.Dir, cmd.Stderr = c.in, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%v: %w", c.args[:2], err)
		}
	}
	return nil
}

func sameFile(a, b string) error {
	x, err := os.ReadFile(a)
	if err != nil {
		return err
	}
	y, err := os.ReadFile(b)
	if err == nil && !bytes.Equal(x, y) {
		err = fmt.Errorf("%s differs from %s", filepath.Base(a), filepath.Base(b))
	}
	return err
}
