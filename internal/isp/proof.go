package isp

import (
	"crypto/subtle"
	"net/netip"
	"time"
)

// Proof is what a request over HTTP shows of who sends it.
type Proof struct {
	// Tokens are all that were given, right or wrong.
	Tokens []string
	// Cert is of the client certificate whose key the client was seen to hold;
	// zero if it showed none.
	Cert Digest
}

// Authenticate returns the ISP that a proof is of at a moment, if it may ask
// from this address. A token or a certificate is enough. All that is shown must
// agree: a wrong token is not made good by a certificate or by another token,
// and what belongs to two ISPs is nobody's. Only a certificate that belongs to
// nobody says nothing, as over DNS.
//
// For one number of ISPs it takes the same time whichever one it is, if any.
func (t *Table) Authenticate(p Proof, from netip.Addr, now time.Time) (*ISP, bool) {
	found := -1
	if p.Cert != (Digest{}) {
		found = t.holder(now, func(k *Keys) bool { return k.CertSHA256 == p.Cert })
	}
	for _, token := range p.Tokens {
		sum := hashToken(token)
		n := t.holder(now, func(k *Keys) bool { return subtle.ConstantTimeCompare(k.TokenSHA256[:], sum[:]) == 1 })
		if n < 0 || found >= 0 && found != n {
			return nil, false
		}
		found = n
	}
	if found < 0 || !t.ISPs[found].MayComeFrom(from) {
		return nil, false
	}
	return &t.ISPs[found], true
}

// holder returns the place of the ISP that has such credentials in force, or -1.
func (t *Table) holder(now time.Time, such func(*Keys) bool) int {
	found := -1
	for n := range t.ISPs {
		i := &t.ISPs[n]
		if !i.Revoked.IsZero() {
			continue
		}
		if such(&i.Keys) || now.Before(i.Previous.Until) && such(&i.Previous.Keys) {
			found = n
		}
	}
	return found
}
