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
	Name      string           `toml:"name"`      // [a-z0-9][a-z0-9-]{0,62}
	Lists     []string         `toml:"lists"`     // sorted, at least one
	Addresses []netip.Prefix   `toml:"addresses"` // from where; none: from anywhere
	Notify    []netip.AddrPort `toml:"notify"`    // secondaries to send NOTIFY to (RFC 1996)
	Wave      string           `toml:"wave"`      // [a-z][a-z0-9-]{0,62}, or empty
	TLSOnly   bool             `toml:"tls_only"`  // DNS over TLS alone
	Created   time.Time        `toml:"created"`   // whole seconds, UTC
	Revoked   time.Time        `toml:"revoked"`   // zero: in force
	Keys                       // zero if revoked
	Previous  Previous         `toml:"previous"` // zero unless it is rotating its credentials
}

// Keys are what one ISP is known by: each of them is enough.
type Keys struct {
	TokenSHA256 Digest `toml:"token_sha256"` // of the HTTP token
	CertSHA256  Digest `toml:"cert_sha256"`  // of the client certificate's SubjectPublicKeyInfo; zero: none
	TSIG        TSIG   `toml:"tsig"`
}

// Previous are credentials that were replaced and go on for a while.
type Previous struct {
	Until time.Time `toml:"until"` // first moment at which they are refused; whole seconds, UTC
	Keys
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

// InForce returns the credentials that are valid at a moment, the newest
// first; none for a revoked ISP.
func (i *ISP) InForce(now time.Time) []Keys {
	switch {
	case !i.Revoked.IsZero():
		return nil
	case now.Before(i.Previous.Until):
		return []Keys{i.Keys, i.Previous.Keys}
	}
	return []Keys{i.Keys}
}

// ParseNotify reads the ADDRESS:PORT of a secondary. There are no host names:
// a look-up would make who answers it part of the list's way.
func ParseNotify(text string) (netip.AddrPort, error) {
	a, err := netip.ParseAddrPort(text)
	if err == nil {
		err = checkNotify(a)
	}
	if err != nil {
		return a, fmt.Errorf("parse %.80q: not an ADDRESS:PORT like 192.0.2.53:53 or [2001:db8::53]:53", text)
	}
	return a, nil
}

func checkNotify(a netip.AddrPort) error {
	switch ip := a.Addr(); {
	case !a.IsValid() || a.Port() == 0 || ip.Zone() != "":
		return errors.New("not an address and a port")
	case ip.Is4In6():
		return errors.New("write an IPv4 address in its own form")
	case ip.IsUnspecified() || ip.IsMulticast():
		return errors.New("not the address of one host")
	}
	return nil
}

var (
	nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	waveForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)
)

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
	case revoked && !(i.none() && i.Previous.none()):
		return errors.New("revoked, but a credential is left in the file")
	case revoked:
		return nil
	}
	if err := i.Keys.check(); err != nil {
		return err
	}
	return i.checkPrevious()
}

func (k *Keys) check() error {
	if k.TokenSHA256 == (Digest{}) {
		return errors.New("token_sha256 is missing")
	}
	return k.key().Validate()
}

func (k *Keys) none() bool {
	return k.TokenSHA256 == Digest{} && k.CertSHA256 == Digest{} && k.TSIG.Name == "" && len(k.TSIG.Secret) == 0
}

// overlaps says whether two have a credential in common.
func (k *Keys) overlaps(o *Keys) bool {
	return k.TokenSHA256 == o.TokenSHA256 || k.TSIG.Name == o.TSIG.Name ||
		k.CertSHA256 == o.CertSHA256 && k.CertSHA256 != Digest{}
}

func (i *ISP) checkPrevious() error {
	p := &i.Previous
	if p.none() {
		if !p.Until.IsZero() {
			return errors.New("previous: until, but no credentials")
		}
		return nil
	}
	if p.Until.IsZero() {
		return errors.New("previous: until is missing")
	}
	if err := p.check(); err != nil {
		return fmt.Errorf("previous: %w", err)
	}
	if p.TokenSHA256 == i.TokenSHA256 || p.TSIG.Name == i.TSIG.Name { // the certificate may stay
		return errors.New("previous: the same token or key name as now")
	}
	return nil
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
	for n, a := range i.Notify {
		if err := checkNotify(a); err != nil {
			return fmt.Errorf("notify %v: %w", a, err)
		}
		if slices.Contains(i.Notify[:n], a) {
			return fmt.Errorf("notify %v is there twice", a)
		}
	}
	if i.Wave != "" && !waveForm.MatchString(i.Wave) {
		return fmt.Errorf("%w: want 1 to 63 of a-z, 0-9 and -, a letter first", ErrWave)
	}
	return nil
}
