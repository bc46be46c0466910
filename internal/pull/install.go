package pull

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/vaern/vaern/internal/durable"
)

// install puts staged files in place and has them read. Up to the saving of the
// plan nothing is changed; from there on a crash is mended by finish.
func (c *Client) install(ctx context.Context, t *texts, staged []*staging) error {
	p := &pending{Manifest: t.manifest}
	for _, s := range staged {
		f, err := c.prepare(s)
		if err != nil {
			return fmt.Errorf("install %s: %w", s.To, err)
		}
		p.Files = append(p.Files, f)
	}
	c.record.Pending = p
	if err := c.record.save(); err != nil {
		c.record.Pending = nil
		// The old record may be gone all the same, if only its folder could not be
		// synced: then finish finds files that are what they were.
		return err
	}
	if err := c.carryOut(ctx); err != nil {
		return err
	}
	c.keepEntries(t)
	return nil
}

// prepare keeps a copy of what a target holds, and gives the staged file its
// owner and permissions.
func (c *Client) prepare(s *staging) (swap, error) {
	f := swap{installedFile: installedFile{s.To, s.what(), s.sum}}
	if err := s.unchanged(); err != nil {
		return f, err
	}
	owner := owned{0o600, os.Geteuid(), os.Getegid()}
	old, err := openTarget(s.To)
	switch {
	case err == nil:
		defer old.Close()
		if owner, err = ownerOf(old); err != nil {
			return f, err
		}
		if f.Previous, err = c.keepPrevious(s.To, old, owner); err != nil {
			return f, fmt.Errorf("keep previous file: %w", err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return f, err
	}
	return f, s.dress(s.wanted(owner))
}

// previousPath is where the previous copy of a target is kept.
func (c *Client) previousPath(to string) string {
	id := sha256.Sum256([]byte(to))
	return filepath.Join(c.State, "previous-"+hex.EncodeToString(id[:4])+"-"+filepath.Base(to))
}

// keepPrevious copies what a target holds into the state, in the place of the
// copy before.
func (c *Client) keepPrevious(to string, old io.Reader, owner owned) (*previous, error) {
	path := c.previousPath(to)
	copied, err := newStaging(Install{To: path}, copyOf(old))
	if err != nil {
		return nil, err
	}
	defer copied.discard()
	return &previous{copied.sum, owner}, durable.Rename(copied.path, path)
}

// carryOut does what is pending: it renames, reloads and records. If that fails
// the previous files come back.
func (c *Client) carryOut(ctx context.Context) error {
	p := c.record.Pending
	err := rename(p.Files)
	if err == nil {
		err = c.reload(ctx)
	}
	if err != nil {
		if failed := c.back(ctx); failed != nil {
			return errors.Join(err, failed)
		}
		return fmt.Errorf("the previous files are back: %w", err)
	}
	done := &installed{Manifest: p.Manifest}
	for _, f := range p.Files {
		done.Files = append(done.Files, f.installedFile)
	}
	c.record.Installed, c.record.Pending = done, nil
	if err := c.record.save(); err != nil {
		return advise(fmt.Errorf("edition %v is installed and reloaded, and that could not be recorded: %w", p.Manifest.Serial, err),
			"free space on the disk; the next run finishes it")
	}
	return nil
}

// rename puts new files in place; of those that are there already, nothing is left
// to rename.
func rename(files []swap) error {
	for _, f := range files {
		have, err := sumOf(f.To)
		if err != nil {
			return fmt.Errorf("install %s: %w", f.To, err)
		}
		if have == f.Sum {
			continue
		}
		if err := durable.Rename(hiddenName(f.To), f.To); err != nil {
			return fmt.Errorf("install %s: %w", f.To, err)
		}
	}
	return nil
}

// back puts the previous files back and has them read.
func (c *Client) back(ctx context.Context) error {
	for _, f := range c.record.Pending.Files {
		if err := c.restore(f); err != nil {
			return advise(fmt.Errorf("put back the previous %s: %w", f.To, err),
				"the next run tries again; the copy lies in the state directory")
		}
	}
	err := c.reload(ctx)
	if err != nil {
		err = fmt.Errorf("the previous files are back, and not reloaded: %w", err)
	}
	c.record.Pending = nil
	return errors.Join(err, c.record.save())
}

// restore makes a target what it was.
func (c *Client) restore(f swap) error {
	have, err := sumOf(f.To)
	switch {
	case err != nil:
		return err
	case f.Previous == nil && have == f.Sum:
		if err := os.Remove(f.To); err != nil {
			return err
		}
		return durable.SyncDir(filepath.Dir(f.To))
	case f.Previous == nil, have == f.Previous.Sum:
		return nil
	}
	kept, err := durable.OpenRegular(c.previousPath(f.To))
	if err != nil {
		return err
	}
	defer kept.Close()
	s, err := newStaging(Install{To: f.To}, copyOf(kept))
	if err != nil {
		return err
	}
	defer s.discard()
	if s.sum != f.Previous.Sum {
		return fmt.Errorf("%s is not the copy that was made", kept.Name())
	}
	if err := s.dress(f.Previous.owned); err != nil {
		return err
	}
	return durable.Rename(s.path, f.To)
}

// finish ends what a run before had begun: forwards if everything for it is
// there, else backwards. A file that is no longer to be installed stays as it is:
// nothing outside the configuration is written, whatever the plan says.
func (c *Client) finish(ctx context.Context) error {
	p := c.record.Pending
	if p == nil {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	c.say("edition %v was being installed when the program ended: finishing it", p.Manifest.Serial)
	planned := len(p.Files)
	p.Files = slices.DeleteFunc(p.Files, func(f swap) bool { return !c.installs(f.To) })
	if len(p.Files) < planned {
		return c.back(ctx) // part of an edition is not installed
	}
	for _, f := range p.Files {
		if whole, err := f.isThere(); err != nil {
			return fmt.Errorf("finish installation: %w", err)
		} else if !whole {
			// The power was cut, or it was on the way back: then the edition is fetched again.
			return c.back(ctx)
		}
	}
	return c.carryOut(ctx)
}

// installs says whether there is an Install for a target.
func (c *Client) installs(to string) bool {
	return slices.ContainsFunc(c.Installs, func(i Install) bool { return i.To == to })
}

// isThere says whether the new file of a swap is in place, or ready to be.
func (f swap) isThere() (bool, error) {
	sum, err := sumOf(f.To)
	if err == nil && sum != f.Sum {
		sum, err = sumOf(hiddenName(f.To))
	}
	return sum == f.Sum, err
}
