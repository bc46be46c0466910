package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"runtime/debug"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/dnsfeed"
	"github.com/vaern/vaern/internal/source"
)

// clean does what the shell pipeline does, with the packages of the compiler:
// messy lines in; the list without what is covered, and the zone, out.
func clean(in, list, zone string) error {
	f, err := os.Open(in)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	debug.SetGCPercent(400) // a program that ends soon
	rows := make([]blocklist.Row, 0, info.Size()/16)
	_, err = source.Read(f, source.Options{Format: "plain"}, func(l source.Line) {
		// Like the pipeline, it wants two labels; it knows nothing of public suffixes, and some of millions of random names are.
		if t := l.Entry.Target; l.Err == nil && l.ID == 0 && t.Unit == blocklist.Domain && t.Name().Labels() > 1 {
			rows = append(rows, blocklist.Row{Target: t})
		}
	})
	if err != nil {
		return err
	}
	set := blocklist.NewSet(rows)
	z := dnsfeed.Zone{Name: "rpz.example.net.", Action: "stop.example.net.", TTL: 300, NS: []string{"localhost."}, Hostmaster: "hostmaster.example.net."}
	done := make(chan error)
	go func() {
		done <- writeTo(zone, func(w io.Writer) error { return z.WriteRPZ(w, 1, set) })
	}()
	err = writeTo(list, func(w io.Writer) error {
		b := bufio.NewWriterSize(w, 1<<18)
		for _, r := range set.Rows(blocklist.Domain) {
			_, _ = b.WriteString(r.Target.Reveal())
			_ = b.WriteByte('\n')
		}
		return b.Flush()
	})
	return errors.Join(err, <-done)
}

func writeTo(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
