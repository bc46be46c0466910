package blocklist

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Protected is a set of names that must never be blocked, in either
// direction: not the name, nothing above it (that would block it too) and
// nothing below it (that is the same owner's). It is immutable after loading.
type Protected struct {
	names map[string]struct{}
	above map[string]struct{}
}

// NewProtected returns an empty set.
func NewProtected() *Protected {
	return &Protected{map[string]struct{}{}, map[string]struct{}{}}
}

// Read adds the names of a never-block file: one name a line or rank,name,
// with # comments. A line that is not a name is an error with its number,
// because a protection that is silently lost is worse than none. It returns
// how many names were read.
func (p *Protected) Read(r io.Reader) (int, error) {
	n, seen := 0, map[string]struct{}{}
	s := bufio.NewScanner(r)
	for line := 1; s.Scan(); line++ {
		text := strings.TrimSpace(s.Text())
		if line == 1 {
			text = strings.TrimPrefix(text, "\ufeff")
		}
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		if rank, name, ok := strings.Cut(text, ","); ok {
			if _, err := strconv.Atoi(rank); err != nil {
				return n, fmt.Errorf("line %d: want a name, or rank,name", line)
			}
			text = name
		}
		name, err := ParseName(text)
		if err != nil {
			return n, fmt.Errorf("line %d: %w", line, err)
		}
		p.add(name)
		if _, twice := seen[name.Reveal()]; !twice {
			seen[name.Reveal()] = struct{}{}
			n++
		}
	}
	if errors.Is(s.Err(), bufio.ErrTooLong) {
		return n, errors.New("not a text file, or a line is too long")
	}
	return n, s.Err()
}

func (p *Protected) add(n Name) {
	p.names[n.Reveal()] = struct{}{}
	ancestors(n.Reveal(), func(above string) bool {
		p.above[above] = struct{}{}
		return true
	})
}

// Len returns the number of protected names.
func (p *Protected) Len() int { return len(p.names) }
