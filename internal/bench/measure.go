package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"
)

// cost is what one process took.
type cost struct {
	wall, cpu time.Duration
	peak      int64 // octets, of the largest process
}

// measure runs a command to its end.
func measure(c *exec.Cmd) (cost, error) {
	var stderr bytes.Buffer
	c.Stderr = &stderr
	began := time.Now()
	err := c.Run()
	wall := time.Since(began)
	if err != nil {
		return cost{}, fmt.Errorf("%s: %w: %s", c.Args[0], err, stderr.Bytes())
	}
	usage := c.ProcessState.SysUsage().(*syscall.Rusage)
	return cost{wall, c.ProcessState.UserTime() + c.ProcessState.SystemTime(), usage.Maxrss << 10}, nil
}

// side is one of the commands that are compared.
type side struct {
	name    string
	command func() *exec.Cmd
}

// compare measures several commands turn by turn, and prints medians and the
// ratio to the first.
func (b *bench) compare(what string, sides ...side) error {
	names, costs := make([]string, len(sides)), make([][]cost, len(sides))
	for range b.rounds {
		for i, s := range sides {
			c, err := measure(s.command())
			if err != nil {
				return err
			}
			names[i], costs[i] = s.name, append(costs[i], c)
		}
	}
	b.report(what, names, costs...)
	return nil
}

// report prints medians, and the ratio to the first.
func (b *bench) report(what string, names []string, costs ...[]cost) {
	fmt.Printf("\n%s, %d names, median of %d\n", what, b.n, b.rounds)
	first := median(costs[0], func(c cost) time.Duration { return c.wall })
	for i, all := range costs {
		wall := median(all, func(c cost) time.Duration { return c.wall })
		fmt.Printf("  %-22s %7.3f s wall  %7.3f s cpu  %6d MiB  ratio %.2f\n", names[i], wall.Seconds(),
			median(all, func(c cost) time.Duration { return c.cpu }).Seconds(),
			median(all, func(c cost) int64 { return c.peak })>>20, wall.Seconds()/first.Seconds())
	}
}

func median[T cmp.Ordered](all []cost, of func(cost) T) T {
	var values []T
	for _, c := range all {
		values = append(values, of(c))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// must is for what a benchmark can not go on without.
func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
