package isp

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"time"

	"github.com/vaern/vaern/blocklist"
)

// ISP is one internet provider that may fetch lists.
type ISP struct {
	Name        string         `toml:"name"`         // [a-z0-9][a-z0-9-]{0,62}
	Lists       []string       `toml:"lists"`        // sorted, at least one
	Addresses   []netip.Prefix `toml:"addresses"`    // from where; none: from anywhere
	Created     time.Time      `toml:"created"`      // whole seconds, UTC
	Revoked     time.Time      `toml:"revoked"`      // zero: in force
	TokenSHA256 Digest         `toml:"token_sha256"` // zero if revoked
	TSIG        TSIG           `toml:"tsig"`         // zero if revoked
}

// TSIG is a transaction key (RFC 8945) of one ISP.
type TSIG struct {
	Name      string `toml:"name"`      // lower case, without final dot
	Algorithm string `toml:"algorithm"` // hmac-sha256, hmac-sha384 or hmac-sha512
	Secret    Secret `toml:"secret"`
}

// Digest is a SHA-256, in files as lower-case hex.
type Digest [32]byte

// UnmarshalText reads 64 lower-case hex digits.
func (d *Digest) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != len(d) || hex.EncodeToString(b) != string(text) {
		return errors.New("not 64 lower-case hex digits")
	}
	copy(d[:], b)
	return nil
}

// MayFetch says whether list is one of the ISP's.
func (i *ISP) MayFetch(list string) bool { return slices.Contains(i.Lists, list) }

// MayComeFrom says whether the ISP may ask from this address.
func (i *ISP) MayComeFrom(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return len(i.Addresses) == 0 ||
		slices.ContainsFunc(i.Addresses, func(p netip.Prefix) bool { return p.Contains(a) })
}

// ParseAddress reads a prefix in CIDR form, or a bare address, which stands
// for itself alone. Bits below the prefix must be zero: 192.0.2.7/24 is more
// often a slip than a wish for 256 addresses.
func ParseAddress(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("parse address %q: not an IP address or a prefix like 192.0.2.0/24", text)
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	if err := checkPrefix(p); err != nil {
		return netip.Prefix{}, fmt.Errorf("parse address %q: %w", text, err)
	}
	return p, nil
}

func checkPrefix(p netip.Prefix) error {
	switch {
	case !p.IsValid():
		return errors.New("not an address")
	case p.Addr().Is4In6():
		return errors.New("write an IPv4 prefix in its own form")
	case p != p.Masked():
		return fmt.Errorf("bits below the prefix are set (meant %v?)", p.Masked())
	}
	return nil
}

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// check holds what a file says to the rules; name is what the file is called.
func (i *ISP) check(name string) error {
	if err := i.checkWho(); err != nil {
		return err
	}
	switch revoked := !i.Revoked.IsZero(); {
	case i.Name != name:
		return fmt.Errorf("name is %q, but the file is %s.toml", i.Name, name)
	case i.Created.IsZero():
		return errors.New("created is missing")
	case revoked && (i.TokenSHA256 != Digest{} || i.TSIG.Name != "" || len(i.TSIG.Secret) > 0):
		return errors.New("revoked, but a credential is left in the file")
	case revoked:
		return nil
	case i.TokenSHA256 == Digest{}:
		return errors.New("token_sha256 is missing")
	}
	return i.key().Validate()
}

// checkWho checks what somebody chose, as against what was drawn by lot.
func (i *ISP) checkWho() error {
	if !nameForm.MatchString(i.Name) {
		return fmt.Errorf("%w: want 1 to 63 of a-z, 0-9 and -, not - first", ErrName)
	}
	if len(i.Lists) == 0 {
		return errors.New("no lists")
	}
	for n, list := range i.Lists {
		if blocklist.CheckListName(list) != nil || slices.Contains(i.Lists[:n], list) {
			return fmt.Errorf("list %q is not a list's name, or is there twice", list)
		}
	}
	for _, p := range i.Addresses {
		if err := checkPrefix(p); err != nil {
			return fmt.Errorf("address %v: %w", p, err)
		}
	}
	return nil
}
