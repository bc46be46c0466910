package isp

import (
	"errors"
	"fmt"
	"time"

	"github.com/vaern/vaern/internal/durable"
)

// ErrRevoked is about an ISP that has no credentials any more.
var ErrRevoked = errors.New("ISP is revoked")

// Rotate gives an ISP a new TSIG key and a new token, and a new certificate
// unless cert is zero. What it had stays valid for overlap, whole seconds;
// what it had before that is gone. With no overlap the old credentials end at
// once.
//
// If the process dies here the ISP has the new credentials or only the old
// ones. New ones that nobody has seen are replaced by rotating again, which
// ends the old ones too.
func Rotate(dir, name string, cert Digest, overlap time.Duration, now time.Time) (ISP, Credentials, error) {
	i, c, err := rotate(dir, name, cert, overlap, now)
	if err != nil {
		return ISP{}, Credentials{}, fmt.Errorf("rotate isp: %w", err)
	}
	return i, c, nil
}

func rotate(dir, name string, cert Digest, overlap time.Duration, now time.Time) (i ISP, c Credentials, err error) {
	if overlap < 0 {
		return i, c, errors.New("the overlap is negative")
	}
	unlock, err := lock(dir)
	if err != nil {
		return i, c, err
	}
	defer unlock()
	if i, err = load(dir, name); err != nil {
		return i, c, err
	}
	if !i.Revoked.IsZero() {
		return i, c, hinted{fmt.Errorf("%w: %s", ErrRevoked, name), "add it under another name"}
	}
	now = now.UTC().Truncate(time.Second)
	previous := Previous{Until: now.Add(overlap).Truncate(time.Second), Keys: i.Keys}
	if !previous.Until.After(now) {
		previous = Previous{}
	}
	if cert == (Digest{}) {
		cert = i.CertSHA256
	}
	c = newCredentials(name)
	c.TSIG.Algorithm = i.TSIG.Algorithm
	i.Keys, i.Previous = Keys{TSIG: c.TSIG, TokenSHA256: hashToken(c.Token), CertSHA256: cert}, previous
	if err := isNew(dir, &i); err != nil {
		return i, c, err
	}
	return i, c, durable.WriteFile(file(dir, name), i.encode(), fileMode)
}
