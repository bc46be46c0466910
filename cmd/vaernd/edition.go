package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/dnsfeed"
	"github.com/vaern/vaern/internal/durable"
	"github.com/vaern/vaern/internal/httpfeed"
	"github.com/vaern/vaern/internal/sshsig"
)

// served is one list as it is served. It does not change.
type served struct {
	edition  *blocklist.Edition
	older    []*blocklist.Edition // kept, the latest first; manifest and signature only
	gap      error                // why older is not all that is kept
	image    *dnsfeed.Image
	versions *dnsfeed.Versions
	view     *httpfeed.List
}

func (s *served) serial() blocklist.Serial {
	if s == nil {
		return 0
	}
	return s.edition.Serial
}

func (s *served) expired(now time.Time) bool { return !now.Before(s.edition.Expires) }

// lag returns how long there has been a newer edition than one of that serial:
// zero if there is none. Of one that is not kept any more it is at least so
// long.
func (s *served) lag(have blocklist.Serial, now time.Time) time.Duration {
	if !s.edition.Serial.After(have) {
		return 0
	}
	next := s.edition
	for _, e := range s.older { // the latest first
		if e.Serial.After(have) {
			next = e
		}
	}
	return now.Sub(next.Created)
}

// open opens what is published of a list and says whether it may follow old. It
// returns old if that is still what is published, and nil if nothing is yet.
func (f *feed) open(name string, old *served) (*served, error) {
	dir := filepath.Join(f.settings.Editions, name)
	keys, err := blocklist.LoadKeys(f.settings.EditionKeys)
	if err != nil {
		return nil, err
	}
	e, err := blocklist.OpenLatest(dir, keys)
	if err != nil {
		return nil, err
	}
	if e == nil {
		if old != nil {
			return nil, errors.New("nothing is published any more")
		}
		return nil, nil
	}
	if e.Serial == old.serial() && bytes.Equal(e.Bytes(), old.edition.Bytes()) {
		return old, nil
	}
	if err := f.admit(name, e.Manifest, old); err != nil {
		return nil, err
	}
	return assemble(dir, e, old, keys)
}

// admit says whether the server may serve an edition as the successor of old.
func (f *feed) admit(name string, m *blocklist.Manifest, old *served) error {
	if m.List != name {
		return fmt.Errorf("edition is of list %q", m.List)
	}
	if m.Environment != f.settings.Environment {
		return fmt.Errorf("edition is of environment %q, not %q", m.Environment, f.settings.Environment)
	}
	if other := f.listOf(m.Zone); other != "" && other != name {
		return fmt.Errorf("zone %s is that of list %s", m.Zone, other)
	}
	if old != nil {
		return blocklist.CheckSuccessor(old.edition.Manifest, m, f.settings.now())
	}
	last, err := f.remembered(name)
	if err != nil {
		return err
	}
	if last.After(m.Serial) {
		return fmt.Errorf("edition %v is before %v, which was served already", m.Serial, last)
	}
	// At the start an expired edition is better than none: its age is not
	// held against it.
	return blocklist.CheckSuccessor(nil, m, m.Created)
}

// assemble makes an edition ready to be served, with the difference from the
// one before, which the ISPs will ask for in a moment.
func assemble(dir string, e *blocklist.Edition, old *served, keys *sshsig.AllowedSigners) (*served, error) {
	var before *dnsfeed.Image
	if old != nil {
		before = old.image
	}
	image, err := mapImage(e, before)
	if err != nil {
		return nil, err
	}
	s := &served{edition: e, image: image}
	if s.older, s.gap = keptEditions(dir, e.Serial, keys); s.gap != nil && old != nil {
		s.older = append([]*blocklist.Edition{old.edition}, old.older...)
	}
	s.versions = dnsfeed.NewVersions(image, s.earlier)
	s.versions.Follow(before)
	s.view = httpfeed.NewList(e, s.older...)
	return s, nil
}

// earlier opens the image of a kept edition, or returns nil if there is none of
// that serial. Of an old edition only the signature was checked so far.
func (s *served) earlier(serial blocklist.Serial) (*dnsfeed.Image, error) {
	for _, e := range s.older {
		if e.Serial != serial {
			continue
		}
		if err := e.CheckFile(dnsfeed.ImageName); err != nil {
			return nil, err
		}
		return mapImage(e, s.image)
	}
	return nil, nil
}

func mapImage(e *blocklist.Edition, before *dnsfeed.Image) (*dnsfeed.Image, error) {
	image, err := dnsfeed.MapImage(filepath.Join(e.Dir, dnsfeed.ImageName), before)
	if err != nil {
		return nil, err
	}
	if image.Zone() != e.Zone || image.Serial() != e.Serial {
		return nil, fmt.Errorf("%s is of zone %s, serial %v", dnsfeed.ImageName, image.Zone(), image.Serial())
	}
	return image, nil
}

// keptEditions returns the published editions before latest. What lies in dir
// and was never published is not among them.
func keptEditions(dir string, latest blocklist.Serial, keys *sshsig.AllowedSigners) ([]*blocklist.Edition, error) {
	history, err := blocklist.History(dir, keys)
	return slices.DeleteFunc(history, func(e *blocklist.Edition) bool { return !latest.After(e.Serial) }), err
}

// recall opens the edition that was served last, when what is published at the
// start is refused: it is what the ISPs have.
func (f *feed) recall(name string) *served {
	last, err := f.remembered(name)
	if err != nil || last == 0 {
		return nil
	}
	dir := filepath.Join(f.settings.Editions, name)
	keys, err := blocklist.LoadKeys(f.settings.EditionKeys)
	if err != nil {
		return nil
	}
	e, err := blocklist.Open(filepath.Join(dir, last.String()), keys)
	if err == nil {
		err = f.admit(name, e.Manifest, nil)
	}
	var s *served
	if err == nil {
		s, err = assemble(dir, e, nil, keys)
	}
	if err != nil {
		f.log.Error("edition served before is gone too", "list", name, "serial", last, "error", err)
		return nil
	}
	return s
}

// remember notes the serial of the edition that is about to be served.
func (f *feed) remember(name string, s blocklist.Serial) error {
	if f.settings.State == "" {
		return nil
	}
	return durable.WriteFile(f.noteFile(name), []byte(s.String()+"\n"), 0o600)
}

// remembered returns the serial served last, also before a restart, or zero.
func (f *feed) remembered(name string) (blocklist.Serial, error) {
	if f.settings.State == "" {
		return 0, nil
	}
	text, err := durable.ReadRegular(f.noteFile(name), 64)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read state: %w", err)
	}
	s, err := blocklist.ParseSerial(strings.TrimSuffix(string(text), "\n"))
	if err != nil {
		return 0, fmt.Errorf("read state of %s: %w", name, err)
	}
	return s, nil
}

func (f *feed) noteFile(name string) string {
	return filepath.Join(f.settings.State, name+".serial")
}
