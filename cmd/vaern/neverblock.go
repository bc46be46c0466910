package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/register"
	"github.com/vaern/vaern/internal/source"
)

// maxNeverBlock bounds a never-block file, in octets: some ten million names.
const maxNeverBlock = 256 << 20

// readNeverBlock reads the never-block files of a list into the policy. Each
// file is held against what it held when the list was last published: one
// that is missing, empty, unreadable, or lost more than half of its names
// since is a mistake until somebody says otherwise, and so is half of all
// names. What is wrong goes to p.unprotected.
func (c *Config) readNeverBlock(p *policy, l *ListConfig, last register.Reservation) {
	state := sha256.New()
	var wrong []string
	for i, path := range l.Guards.NeverBlock {
		if slices.Contains(l.Guards.NeverBlock[:i], path) {
			continue
		}
		name := c.relative(path)
		n, sum, err := p.readNeverBlock(path)
		fmt.Fprintf(state, "%q %s\n", name, sum)
		held := last.Held(name)
		switch {
		case err != nil:
			wrong = append(wrong, fmt.Sprintf("never-block file %s: %v", name, unwrapPath(err)))
		case n*2 < held:
			wrong = append(wrong, fmt.Sprintf("never-block file %s holds %d names, %d when the list was last published", name, n, held))
		}
		p.files = append(p.files, register.FileNames{File: name, Names: n})
	}
	// A file may also have left the configuration.
	if now := p.Protected.Len(); len(wrong) == 0 && now*2 < last.Protected {
		wrong = append(wrong, fmt.Sprintf("never-block files hold %d names, %d when the list was last published", now, last.Protected))
	}
	p.unprotected = strings.Join(wrong, "; ")
	p.fileState = hex.EncodeToString(state.Sum(nil))
}

// boundTo is the digest that an override of the never-block files is bound to:
// what they hold, and the edition that it is for. So it is used once: a file
// that is lost again, later, is another mistake.
func (p *policy) boundTo(old *published) string {
	if old == nil {
		return p.fileState
	}
	return blocklist.Digest(append([]byte(p.fileState), old.Bytes()...))
}

// readNeverBlock reads one file, which may be compressed, and returns how many names it holds and the
// sum of its content, or "missing".
func (p *policy) readNeverBlock(path string) (names int, sum string, err error) {
	f, err := source.Open(path)
	if err != nil {
		return 0, "missing", err
	}
	defer f.Close()
	hash := sha256.New()
	r := io.TeeReader(&limited{f, maxNeverBlock}, hash)
	names, err = p.Protected.Read(r)
	if err == nil && names == 0 {
		err = errors.New("it is empty")
	}
	// To its end, whatever is wrong in it: the sum is of the whole file.
	if _, rest := io.Copy(io.Discard, r); err == nil {
		err = rest
	}
	return names, hex.EncodeToString(hash.Sum(nil)), err
}

// relative is how the configuration may call a file: a name that stays when
// the authority's folder moves.
func (c *Config) relative(path string) string {
	rel, err := filepath.Rel(filepath.Dir(c.path), path)
	if err != nil || strings.HasPrefix(rel, "..") {
		return path
	}
	return rel
}

// limited fails, instead of ending, where a file is too long.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(b []byte) (int, error) {
	n, err := l.r.Read(b)
	if l.left -= int64(n); l.left < 0 {
		return 0, errors.New("it is too long")
	}
	return n, err
}

// unwrapPath leaves the path out of an error that is shown beside it.
func unwrapPath(err error) error {
	var pathError *os.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}
