package pull

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/sshsig"
)

// Bounds of what is short, in octets; what is signed says how long the rest is.
const (
	maxManifest  = 64 << 10
	maxSignature = 16 << 10
	// maxText bounds any text that a MANIFEST may speak of: twenty times the
	// longest list that is known.
	maxText = 2 << 30
)

// Names in every edition.
const (
	manifestName  = "MANIFEST"
	signatureName = "MANIFEST.sig"
	entriesName   = "entries.csv"
)

// manifest is a MANIFEST whose signature was verified here, now or in a run
// before; in the record it is its text.
type manifest struct{ *blocklist.Manifest }

// MarshalJSON writes the text.
func (m *manifest) MarshalJSON() ([]byte, error) { return json.Marshal(string(m.Bytes())) }

// UnmarshalJSON parses the text.
func (m *manifest) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	var err error
	m.Manifest, err = blocklist.ParseManifest([]byte(text))
	return err
}

// fetchManifest returns the MANIFEST that the server offers, if it may be
// installed: it is signed, of this environment and list, not expired, and the
// newest on record or a successor of that. It becomes the newest on record.
//
// Its signature is asked for under the serial that it says it has: if the server
// takes up another edition between the two answers, they still fit.
func (c *Client) fetchManifest(ctx context.Context) (*manifest, error) {
	text, err := c.fetchShort(ctx, manifestName, maxManifest)
	if err != nil {
		return nil, err
	}
	unverified, err := blocklist.ParseManifest(text)
	if err != nil {
		return nil, refuse(fmt.Errorf("what the server sent is no edition: %w", err), "is the url that of a list?")
	}
	sig, err := c.fetchShort(ctx, unverified.Serial.String()+"/"+signatureName, maxSignature)
	if err != nil {
		return nil, err
	}
	m, err := Verify(text, sig, c.Keys, c.Environment, c.List())
	if err != nil {
		return nil, err
	}
	old := c.record.Newest
	if old != nil && bytes.Equal(old.Bytes(), m.Bytes()) {
		return old, checkFresh(m, c.Now())
	}
	var before *blocklist.Manifest
	if old != nil {
		before = old.Manifest
	}
	if err := blocklist.CheckSuccessor(before, m, c.Now()); err != nil {
		return nil, refuse(err, "an older edition is never installed; if the edition is right, is this machine's clock?")
	}
	c.record.Newest = &manifest{m}
	return c.record.Newest, c.record.save()
}

// checkFresh asks the one gate about an edition without one before it.
func checkFresh(m *blocklist.Manifest, now time.Time) error {
	return refuse(blocklist.CheckSuccessor(nil, m, now),
		"what is installed stays; if this machine's clock is right, ask the authority why nothing newer comes")
}

// Verify reads a MANIFEST, and refuses one that is not signed by an edition key,
// is of another environment or list, or speaks of texts without measure. Whether
// it is expired, or older than another, is [blocklist.CheckSuccessor]'s matter.
func Verify(text, sig []byte, keys *sshsig.AllowedSigners, environment, list string) (*blocklist.Manifest, error) {
	m, err := blocklist.VerifyManifest(text, sig, keys)
	if err != nil {
		return nil, refuse(err, "edition_keys is to be the edition.allowed_signers that the authority gave you")
	}
	switch {
	case m.Environment != environment:
		return nil, refusef("edition %v is of environment %q, not %q", m.Serial, m.Environment, environment)
	case m.List != list:
		return nil, refusef("edition %v is of list %q, not %q", m.Serial, m.List, list)
	}
	for _, f := range m.Files {
		if f.Size > maxText {
			return nil, refusef("edition %v: %s is longer than %d octets", m.Serial, f.Name, maxText)
		}
	}
	return m, nil
}

// isStored says whether name is the compressed form of a text of the edition.
func isStored(m *blocklist.Manifest, name string) bool {
	for _, suffix := range []string{".zst", ".gz"} {
		if text, ok := strings.CutSuffix(name, suffix); ok {
			_, listed := m.File(text)
			return listed
		}
	}
	return false
}
