package sshsig

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// Key is one line of an allowed_signers file: a key, whose it is, and what it may
// sign when.
type Key struct {
	Principal   string        // [A-Za-z0-9._@-]{1,64}
	Public      ssh.PublicKey // of a type and size in the package documentation
	Namespaces  []string      // at least one, none twice; same alphabet as Principal
	ValidAfter  time.Time     // zero: no bound; kept in UTC, whole seconds
	ValidBefore time.Time     // zero: no bound; kept in UTC, whole seconds
	Comment     string        // printable text, may be empty
}

// Fingerprint returns the fingerprint of the key, SHA256:...
func (k Key) Fingerprint() string { return Fingerprint(k.Public) }

// ValidAt reports whether t is in [ValidAfter, ValidBefore).
func (k Key) ValidAt(t time.Time) bool {
	return (k.ValidAfter.IsZero() || !t.Before(k.ValidAfter)) &&
		(k.ValidBefore.IsZero() || t.Before(k.ValidBefore))
}

// Allows reports whether the key may sign in a namespace.
func (k Key) Allows(namespace string) bool {
	return slices.Contains(k.Namespaces, namespace)
}

// AllowedSigners is the content of an allowed_signers file: keys in the order of
// the file. It does not change, and is safe for concurrent use. An empty one is
// valid and verifies nothing.
type AllowedSigners struct {
	keys   []Key
	byWire map[string]int // wire bytes of a key -> its place in keys
}

// NewAllowedSigners makes an AllowedSigners of the given keys, under the rules of
// [ParseAllowedSigners]. Fractions of a second are cut off the bounds, because the
// file can not say them. An error names the place in keys, counted from 1.
func NewAllowedSigners(keys []Key) (*AllowedSigners, error) {
	a := &AllowedSigners{byWire: make(map[string]int)}
	for i, k := range keys {
		if err := a.add(k); err != nil {
			return nil, fmt.Errorf("make allowed signers: key %d: %w", i+1, err)
		}
	}
	return a, nil
}

// ParseAllowedSigners reads an allowed_signers file of the strict profile in the
// package documentation. An error names the line, counted from 1.
func ParseAllowedSigners(data []byte) (*AllowedSigners, error) {
	a := &AllowedSigners{byWire: make(map[string]int)}
	n := 0
	for line := range strings.SplitSeq(string(data), "\n") {
		n++
		k, ok, err := parseLine(line)
		if err == nil && ok {
			err = a.add(k)
		}
		if err != nil {
			return nil, fmt.Errorf("parse allowed signers: line %d: %w", n, err)
		}
	}
	return a, nil
}

// add appends a key if the profile lets it in. It is the one place of the rules
// that do not depend on the spelling of a line.
func (a *AllowedSigners) add(k Key) (err error) {
	if err := checkName("principal", k.Principal); err != nil {
		return err
	}
	if k.Public, err = checkKey(k.Public); err != nil {
		return err
	}
	if len(k.Namespaces) == 0 {
		return errors.New(`no namespaces (say what the key may sign: namespaces="...")`)
	}
	k.Namespaces = slices.Clone(k.Namespaces)
	for i, ns := range k.Namespaces {
		if err := checkName("namespace", ns); err != nil {
			return err
		}
		if slices.Contains(k.Namespaces[:i], ns) {
			return fmt.Errorf("namespace %q is given twice", ns)
		}
	}
	if k.ValidAfter, err = checkTime("valid-after", k.ValidAfter); err != nil {
		return err
	}
	if k.ValidBefore, err = checkTime("valid-before", k.ValidBefore); err != nil {
		return err
	}
	if !k.ValidAfter.IsZero() && !k.ValidBefore.IsZero() && !k.ValidAfter.Before(k.ValidBefore) {
		return errors.New("valid-before is not after valid-after (leave out a key that is never valid)")
	}
	if err := checkComment(k.Comment); err != nil {
		return err
	}
	wire := string(k.Public.Marshal())
	if i, ok := a.byWire[wire]; ok {
		return fmt.Errorf("key %s is there already, as a key of %q (each key may stand once)", k.Fingerprint(), a.keys[i].Principal)
	}
	a.byWire[wire] = len(a.keys)
	a.keys = append(a.keys, k)
	return nil
}

// checkTime brings a bound to what the file can say.
func checkTime(option string, t time.Time) (time.Time, error) {
	if t.IsZero() {
		return time.Time{}, nil
	}
	t = t.UTC().Truncate(time.Second)
	// To ssh-keygen the Unix time 0 means "no bound".
	if t.Unix() <= 0 || t.Year() > 9999 {
		return time.Time{}, fmt.Errorf("%s %s is out of range (1970 to 9999)", option, t.Format(time.RFC3339))
	}
	return t, nil
}

// Keys returns the keys in order. The caller owns what it gets.
func (a *AllowedSigners) Keys() []Key {
	keys := slices.Clone(a.keys)
	for i := range keys {
		keys[i].Namespaces = slices.Clone(keys[i].Namespaces)
	}
	return keys
}

// Bytes returns the file: the inverse of [ParseAllowedSigners], comment lines and
// blank lines apart.
func (a *AllowedSigners) Bytes() []byte {
	var b strings.Builder
	for _, k := range a.keys {
		fmt.Fprintf(&b, `%s namespaces="%s"`, k.Principal, strings.Join(k.Namespaces, ","))
		if !k.ValidAfter.IsZero() {
			fmt.Fprintf(&b, `,valid-after="%s"`, k.ValidAfter.Format(timeLayout))
		}
		if !k.ValidBefore.IsZero() {
			fmt.Fprintf(&b, `,valid-before="%s"`, k.ValidBefore.Format(timeLayout))
		}
		fmt.Fprintf(&b, " %s\n", keyLine(k.Public, k.Comment))
	}
	return []byte(b.String())
}
