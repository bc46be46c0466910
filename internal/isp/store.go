package isp

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vaern/vaern/internal/config"
	"github.com/vaern/vaern/internal/durable"
)

// What a caller may want to tell apart.
var (
	ErrName    = errors.New("not an ISP's name")
	ErrWave    = errors.New("not a wave's name")
	ErrExists  = errors.New("name is taken")
	ErrUnknown = errors.New("no such ISP")
	ErrShared  = errors.New("has a credential of")
)

const (
	suffix   = ".toml"
	lockName = ".lock"
	maxFile  = 1 << 20 // octets of a file
	dirMode  = 0o700
	fileMode = 0o600
)

// hinted is an error that knows what to do about it.
type hinted struct {
	error
	hint string
}

func (h hinted) Hint() string  { return h.hint }
func (h hinted) Unwrap() error { return h.error }

// Add makes an ISP of what want says of it, its certificate included, and the
// folder dir if it is not there. It returns what was stored, and the other
// credentials, which it makes. A name that was ever used is refused with
// [ErrExists], a certificate of another ISP with [ErrShared].
//
// If the process dies here the ISP is either there or not; one that is there
// and whose credentials nobody has seen can be revoked.
func Add(dir string, want ISP, now time.Time) (ISP, Credentials, error) {
	made := want
	made.Lists, made.Created = slices.Sorted(slices.Values(want.Lists)), now.UTC().Truncate(time.Second)
	made.Revoked, made.Previous = time.Time{}, Previous{}
	if err := made.checkWho(); err != nil {
		return ISP{}, Credentials{}, fmt.Errorf("add isp: %w", err)
	}
	c := newCredentials(made.Name)
	made.TSIG, made.TokenSHA256 = c.TSIG, hashToken(c.Token)

	unlock, err := lock(dir)
	if err != nil {
		return ISP{}, Credentials{}, fmt.Errorf("add isp: %w", err)
	}
	defer unlock()
	switch _, err := os.Lstat(file(dir, made.Name)); {
	case err == nil:
		err = hinted{fmt.Errorf("%w: %s", ErrExists, made.Name), "a name is used once, even if it is revoked; choose another"}
		return ISP{}, Credentials{}, fmt.Errorf("add isp: %w", err)
	case !errors.Is(err, fs.ErrNotExist):
		return ISP{}, Credentials{}, fmt.Errorf("add isp: %w", err)
	}
	if err := isNew(dir, &made); err != nil {
		return ISP{}, Credentials{}, fmt.Errorf("add isp: %w", err)
	}
	if err := durable.WriteFile(file(dir, made.Name), made.encode(), fileMode); err != nil {
		return ISP{}, Credentials{}, fmt.Errorf("add isp: %w", err)
	}
	return made, c, nil
}

// isNew refuses credentials that another ISP has; the lock is held.
func isNew(dir string, i *ISP) error {
	others, err := Read(dir)
	if err != nil {
		return err
	}
	if err := others.unlike(i); err != nil {
		return hinted{err, "each ISP needs a key pair and a certificate of its own"}
	}
	return nil
}

// Revoke takes the credentials of an ISP away and notes when. One that is
// revoked already is left as it is. If the process dies here the ISP is
// either revoked or as it was.
func Revoke(dir, name string, now time.Time) (ISP, error) {
	unlock, err := lock(dir)
	if err != nil {
		return ISP{}, fmt.Errorf("revoke isp: %w", err)
	}
	defer unlock()
	i, err := Load(dir, name)
	if err != nil || !i.Revoked.IsZero() {
		return i, err
	}
	i.Revoked = now.UTC().Truncate(time.Second)
	i.Keys, i.Previous = Keys{}, Previous{}
	if err := durable.WriteFile(file(dir, name), i.encode(), fileMode); err != nil {
		return ISP{}, fmt.Errorf("revoke isp: %w", err)
	}
	return i, nil
}

// Load reads the file of one ISP.
func Load(dir, name string) (ISP, error) {
	i, err := load(dir, name)
	if err != nil {
		return ISP{}, fmt.Errorf("load isp: %w", err)
	}
	return i, nil
}

func load(dir, name string) (ISP, error) {
	if !nameForm.MatchString(name) {
		return ISP{}, fmt.Errorf("%w: %.80q", ErrName, name)
	}
	path := file(dir, name)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ISP{}, hinted{fmt.Errorf("%w: %s", ErrUnknown, name), "see vaernd isp list"}
	case err != nil:
		return ISP{}, err
	case !info.Mode().IsRegular():
		return ISP{}, fmt.Errorf("%s: not a file", path)
	case info.Size() > maxFile:
		return ISP{}, fmt.Errorf("%s: longer than %d octets", path, maxFile)
	case info.Mode().Perm()&0o077 != 0:
		return ISP{}, hinted{fmt.Errorf("%s: open to others, mode %04o", path, info.Mode().Perm()), "chmod 600 " + path}
	}
	var i ISP
	if err := config.Load(path, &i); err != nil {
		return ISP{}, err
	}
	if err := i.check(name); err != nil {
		return ISP{}, fmt.Errorf("%s: %w", path, err)
	}
	return i, nil
}

// names returns the ISPs that have a file in dir, in order.
func names(dir string) ([]string, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, hinted{fmt.Errorf("%s: open to others, mode %04o", dir, info.Mode().Perm()), "chmod 700 " + dir}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), suffix); ok && !strings.HasPrefix(name, ".") {
			all = append(all, name)
		}
	}
	return all, nil
}

func file(dir, name string) string { return filepath.Join(dir, name+suffix) }

// lock makes dir if need be and keeps other writers out.
func lock(dir string) (unlock func(), err error) {
	switch err := os.Mkdir(dir, dirMode); {
	case err == nil:
		if err := durable.SyncDir(filepath.Dir(filepath.Clean(dir))); err != nil {
			return nil, err
		}
	case !errors.Is(err, fs.ErrExist):
		return nil, err
	}
	if _, err := names(dir); err != nil {
		return nil, err
	}
	unlock, err = durable.Lock(filepath.Join(dir, lockName))
	if errors.Is(err, durable.ErrLocked) {
		return nil, hinted{err, "somebody else is changing ISPs; try again"}
	}
	if err != nil {
		return nil, err
	}
	if err := durable.Sweep(dir); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// encode writes the file that config.Load reads back. All text in it was
// checked to be plain ASCII, which Go and TOML quote alike.
func (i *ISP) encode() []byte {
	var b strings.Builder
	quoted := func(all []string) string {
		for n, s := range all {
			all[n] = fmt.Sprintf("%q", s)
		}
		return "[" + strings.Join(all, ", ") + "]"
	}
	fmt.Fprintf(&b, "name = %q\n", i.Name)
	fmt.Fprintf(&b, "lists = %s\n", quoted(slices.Clone(i.Lists)))
	fmt.Fprintf(&b, "addresses = %s\n", quoted(texts(i.Addresses)))
	if len(i.Notify) > 0 {
		fmt.Fprintf(&b, "notify = %s\n", quoted(texts(i.Notify)))
	}
	if i.Wave != "" {
		fmt.Fprintf(&b, "wave = %q\n", i.Wave)
	}
	if i.TLSOnly {
		b.WriteString("tls_only = true\n")
	}
	fmt.Fprintf(&b, "created = %s\n", i.Created.Format(time.RFC3339))
	if !i.Revoked.IsZero() {
		fmt.Fprintf(&b, "revoked = %s\n", i.Revoked.Format(time.RFC3339))
		return []byte(b.String())
	}
	i.Keys.encode(&b, "")
	if !i.Previous.none() {
		fmt.Fprintf(&b, "\n[previous]\nuntil = %s\n", i.Previous.Until.Format(time.RFC3339))
		i.Previous.encode(&b, "previous.")
	}
	return []byte(b.String())
}

func texts[T fmt.Stringer](values []T) (all []string) {
	for _, v := range values {
		all = append(all, v.String())
	}
	return all
}

// encode writes credentials into the table that is open, and those of TSIG
// into one below it.
func (k *Keys) encode(b *strings.Builder, table string) {
	fmt.Fprintf(b, "token_sha256 = \"%x\"\n", k.TokenSHA256)
	if k.CertSHA256 != (Digest{}) {
		fmt.Fprintf(b, "cert_sha256 = \"%x\"\n", k.CertSHA256)
	}
	fmt.Fprintf(b, "\n[%stsig]\nname = %q\nalgorithm = %q\nsecret = %q\n", table, k.TSIG.Name, k.TSIG.Algorithm, k.TSIG.Secret.Base64())
}
