package main

import (
	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/sshsig"
)

// ahead is the latest edition of a list, read while the register is: the two
// take about as long, and neither needs the other. It counts only if it is
// still the latest when the list's lock is held.
type ahead struct {
	done    chan struct{} // closed when the rest is set
	edition *blocklist.Edition
	set     *blocklist.Set
}

// readAhead begins to read the latest editions of the lists that compile
// means. What goes wrong is found again, and told, where it matters.
func (a *app) readAhead(c *Config) {
	keys, err := c.editionKeys()
	if err != nil {
		return
	}
	a.ahead = map[string]*ahead{}
	for i := range c.Lists {
		dir, p := c.listDir(&c.Lists[i]), &ahead{done: make(chan struct{})}
		a.ahead[dir] = p
		go func() {
			defer close(p.done)
			if e, set, err := blocklist.OpenAhead(dir, keys); err == nil && e != nil {
				p.edition, p.set = e, set
			}
		}()
	}
}

// latest opens the latest edition of the list in dir and reads its rows, or
// returns nil if there is none.
func (a *authority) latest(dir string, keys *sshsig.AllowedSigners) (*blocklist.Edition, *blocklist.Set, error) {
	if p := a.ahead[dir]; p != nil {
		delete(a.ahead, dir)
		<-p.done
		if serial, err := blocklist.Latest(dir); err == nil && p.edition != nil && p.edition.Serial == serial {
			return p.edition, p.set, nil
		}
	}
	e, err := blocklist.OpenLatest(dir, keys)
	if err != nil || e == nil {
		return nil, nil, err
	}
	set, err := e.Set()
	return e, set, err
}
