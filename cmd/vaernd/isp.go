package main

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/isp"
)

func newISP(p *program) *cobra.Command {
	return cli.Group("isp", "Add, list, show, rotate and revoke the ISPs that may fetch lists",
		newISPAdd(p), newISPList(p), newISPShow(p), newISPRotate(p), newISPRevoke(p))
}

// ispJSON is what is printed of an ISP: everything but secrets.
type ispJSON struct {
	Name      string           `json:"name"`
	Lists     []string         `json:"lists"`
	Addresses []netip.Prefix   `json:"addresses"`
	Notify    []netip.AddrPort `json:"notify,omitempty"`
	Wave      string           `json:"wave,omitempty"`
	TLSOnly   bool             `json:"tls_only,omitempty"`
	Created   time.Time        `json:"created"`
	Revoked   *time.Time       `json:"revoked,omitempty"`
	keysJSON
	Previous *previousJSON `json:"previous,omitempty"`
}

// keysJSON is what is public of credentials.
type keysJSON struct {
	TSIG *keyJSON `json:"tsig,omitempty"`
	Cert string   `json:"cert_sha256,omitempty"`
}

type keyJSON struct {
	Name      string `json:"name"`
	Algorithm string `json:"algorithm"`
}

// previousJSON are old credentials that are still taken.
type previousJSON struct {
	Until time.Time `json:"until"`
	keysJSON
}

// describe says what is known of an ISP at a moment.
func describe(i *isp.ISP, now time.Time) ispJSON {
	d := ispJSON{
		Name: i.Name, Lists: i.Lists, Addresses: append([]netip.Prefix{}, i.Addresses...), Notify: i.Notify,
		Wave: i.Wave, TLSOnly: i.TLSOnly, Created: i.Created,
	}
	if !i.Revoked.IsZero() {
		d.Revoked = &i.Revoked
	}
	for n, k := range i.InForce(now) {
		public := keysJSON{TSIG: &keyJSON{k.TSIG.Name, k.TSIG.Algorithm}}
		if k.CertSHA256 != (isp.Digest{}) {
			public.Cert = hex.EncodeToString(k.CertSHA256[:])
		}
		if n == 0 {
			d.keysJSON = public
		} else {
			d.Previous = &previousJSON{i.Previous.Until, public}
		}
	}
	return d
}

// readISPs is isp.Read for which a folder that is not there is an empty one:
// the first isp add makes it.
func readISPs(dir string) (*isp.Table, error) {
	t, err := isp.Read(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return &isp.Table{}, nil
	}
	return t, err
}

// ispOutcome gives errors of package isp their exit status.
func ispOutcome(err error) error {
	switch {
	case errors.Is(err, isp.ErrName), errors.Is(err, isp.ErrWave):
		return cli.Misuse(err, cli.HintOf(err))
	case errors.Is(err, isp.ErrExists), errors.Is(err, isp.ErrShared), errors.Is(err, isp.ErrRevoked):
		return cli.Refuse(err, cli.HintOf(err))
	}
	return err
}
