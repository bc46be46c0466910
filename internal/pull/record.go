package pull

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/durable"
)

const (
	recordName = "record.json"
	lockName   = "lock"
	maxRecord  = 4 << 20 // octets; three MANIFESTs, of which JSON may make six times as much
)

// Lock takes the state directory for this process until unlock is called, or the
// process dies. The error is [durable.ErrLocked] if another one has it.
func Lock(state string) (unlock func(), err error) {
	return durable.Lock(filepath.Join(state, lockName))
}

// record is what has to survive: it is replaced whole, before and after each step
// that shows outside. Without it nothing is known of what came before, so one
// that can not be read is an error and not an empty one.
type record struct {
	// Newest has the highest serial that was verified; nothing lower is taken.
	Newest    *manifest  `json:"newest,omitempty"`
	Installed *installed `json:"installed,omitempty"`
	// Pending is what was to be renamed and has not been reloaded for certain.
	Pending *pending `json:"pending,omitempty"`
	// Alarmed is the edition that the server was last told the guard refuses.
	Alarmed blocklist.Serial `json:"alarmed,omitempty"`

	dir string
}

// installed is what the resolver has.
type installed struct {
	Manifest *manifest       `json:"manifest"`
	Files    []installedFile `json:"files"`
	Acked    bool            `json:"acked"` // the server was told
}

type installedFile struct {
	To   string `json:"to"`
	What string `json:"what"` // see Install.what
	Sum  string `json:"sum"`
}

// pending is an installation that has begun.
type pending struct {
	Manifest *manifest `json:"manifest"`
	Files    []swap    `json:"files"`
}

// swap is one target of an installation. Its new file lies at hiddenName until it
// is renamed.
type swap struct {
	installedFile
	Previous *previous `json:"previous,omitempty"` // nil: there was no file
}

// previous is a copy of what a target held, at previousPath.
type previous struct {
	Sum string `json:"sum"`
	owned
}

func readRecord(dir string) (*record, error) {
	r := &record{dir: dir}
	path := filepath.Join(dir, recordName)
	data, err := durable.ReadRegular(path, maxRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.DisallowUnknownFields()
		if err = decoder.Decode(r); err == nil && decoder.More() {
			err = errors.New("something follows it")
		}
	}
	if err == nil {
		err = r.complete()
	}
	if err != nil {
		return nil, advise(fmt.Errorf("read record %s: %w", path, err),
			"restore it from a backup; without it an older edition would be let in, so remove it only if the authority tells you the serial to expect")
	}
	return r, nil
}

// complete wants all that a run relies on.
func (r *record) complete() error {
	switch {
	case r.Newest == nil:
		return errors.New("no edition in it")
	case r.Installed != nil && r.Installed.Manifest == nil, r.Pending != nil && r.Pending.Manifest == nil:
		return errors.New("an installation without its edition")
	}
	return nil
}

// save makes the record durable.
func (r *record) save() error {
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(r.dir, recordName), append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("save record: %w", err)
	}
	return nil
}

// inPlace says whether all that is wanted of the edition is installed, and still
// what was installed. A file that somebody removed or changed comes again.
func (c *Client) inPlace(m *manifest) bool {
	have := c.record.Installed
	if have == nil || !bytes.Equal(have.Manifest.Bytes(), m.Bytes()) {
		return false
	}
	known := map[string]installedFile{}
	for _, f := range have.Files {
		known[f.To] = f
	}
	for _, i := range c.Installs {
		f, ok := known[i.To]
		if !ok || f.What != i.what() {
			return false
		}
		if sum, err := sumOf(i.To); err != nil || sum != f.Sum {
			return false
		}
	}
	return true
}

// sweep removes what a run that was killed has left. The state's lock is held.
func (c *Client) sweep() error {
	if err := durable.Sweep(c.State); err != nil {
		return err
	}
	for _, i := range c.Installs {
		if err := remove(hiddenName(i.To)); err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
	}
	return nil
}

// DescribeState says what is on record in a state directory, for a person. One
// that is not there yet is in order.
func DescribeState(dir string) (string, error) {
	r, err := readRecord(dir)
	switch {
	case err != nil:
		return "", err
	case r.Pending != nil:
		return fmt.Sprintf("edition %v is being installed, and the next run finishes it", r.Pending.Manifest.Serial), nil
	case r.Installed == nil:
		return "nothing is installed yet", nil
	case !r.Installed.Acked:
		return fmt.Sprintf("edition %v is installed, not acknowledged yet", r.Installed.Manifest.Serial), nil
	}
	return fmt.Sprintf("edition %v is installed", r.Installed.Manifest.Serial), nil
}
