package main

import (
	"errors"
	"io/fs"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/isp"
)

func newISP(p *program) *cobra.Command {
	return cli.Group("isp", "Add, list, show and revoke the ISPs that may fetch lists",
		newISPAdd(p), newISPList(p), newISPShow(p), newISPRevoke(p))
}

// ispJSON is what is printed of an ISP: everything but secrets.
type ispJSON struct {
	Name      string         `json:"name"`
	Lists     []string       `json:"lists"`
	Addresses []netip.Prefix `json:"addresses"`
	Created   time.Time      `json:"created"`
	Revoked   *time.Time     `json:"revoked,omitempty"`
	TSIG      *keyJSON       `json:"tsig,omitempty"`
}

type keyJSON struct {
	Name      string `json:"name"`
	Algorithm string `json:"algorithm"`
}

func describe(i *isp.ISP) ispJSON {
	d := ispJSON{Name: i.Name, Lists: i.Lists, Addresses: append([]netip.Prefix{}, i.Addresses...), Created: i.Created}
	if i.Revoked.IsZero() {
		d.TSIG = &keyJSON{i.TSIG.Name, i.TSIG.Algorithm}
	} else {
		d.Revoked = &i.Revoked
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
	case errors.Is(err, isp.ErrName):
		return cli.Misuse(err, cli.HintOf(err))
	case errors.Is(err, isp.ErrExists):
		return cli.Refuse(err, cli.HintOf(err))
	}
	return err
}
