package isp

import (
	"crypto/subtle"
	"fmt"
	"net/netip"
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

// unlike refuses an ISP whose credential another one has: a copied file would
// make two ISPs indistinguishable.
func (t *Table) unlike(i *ISP) error {
	for _, o := range t.ISPs {
		if i.Revoked.IsZero() && o.Revoked.IsZero() && (o.TokenSHA256 == i.TokenSHA256 || o.TSIG.Name == i.TSIG.Name) {
			return fmt.Errorf("has a credential of %s", o.Name)
		}
	}
	return nil
}

// Authenticate returns the ISP that holds this token and may ask from this
// address. It takes the same time whichever ISP that is, if any.
func (t *Table) Authenticate(token string, from netip.Addr) (*ISP, bool) {
	sum := hashToken(token)
	found := -1
	for n := range t.ISPs {
		i := &t.ISPs[n]
		if subtle.ConstantTimeCompare(i.TokenSHA256[:], sum[:]) == 1 && i.Revoked.IsZero() {
			found = n
		}
	}
	if found < 0 || !t.ISPs[found].MayComeFrom(from) {
		return nil, false
	}
	return &t.ISPs[found], true
}
