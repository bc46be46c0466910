package isp

import (
	"fmt"
	"time"
)

// Table is everything the folder said at one moment. It does not change, and
// is safe for concurrent use.
type Table struct {
	// ISPs are in order of name, the revoked ones among them.
	ISPs []ISP
	// Refused says for each file that is not in ISPs what is wrong with it.
	Refused []error
}

// Read reads the folder dir. Files that can not be read are in Refused; the
// error is about the folder as a whole (fs.ErrNotExist: no ISP was added yet).
func Read(dir string) (*Table, error) {
	all, err := names(dir)
	if err != nil {
		return nil, fmt.Errorf("read isps: %w", err)
	}
	t := &Table{}
	for _, name := range all {
		i, err := load(dir, name)
		if err == nil {
			err = t.unlike(&i)
		}
		if err != nil {
			t.Refused = append(t.Refused, fmt.Errorf("isp %.63q: %w", name, err))
			continue
		}
		t.ISPs = append(t.ISPs, i)
	}
	return t, nil
}

// unlike refuses an ISP whose credential another one has: a copied file, or a
// certificate given to two, would make them indistinguishable. What is being
// rotated away counts until it is out of the file.
func (t *Table) unlike(i *ISP) error {
	for n := range t.ISPs {
		o := &t.ISPs[n]
		if o.Name == i.Name {
			continue
		}
		for _, its := range i.sets() {
			for _, theirs := range o.sets() {
				if its.overlaps(theirs) {
					return fmt.Errorf("%w %s", ErrShared, o.Name)
				}
			}
		}
	}
	return nil
}

// sets returns all credentials in the file.
func (i *ISP) sets() (all []*Keys) {
	for _, k := range []*Keys{&i.Keys, &i.Previous.Keys} {
		if !k.none() {
			all = append(all, k)
		}
	}
	return all
}

// NextEnd returns when the next credentials end after a moment, or zero if
// none do by themselves. From then on [Table.Clients] says something else.
func (t *Table) NextEnd(now time.Time) (next time.Time) {
	for n := range t.ISPs {
		if end := t.ISPs[n].Previous.Until; end.After(now) && (next.IsZero() || end.Before(next)) {
			next = end
		}
	}
	return next
}
