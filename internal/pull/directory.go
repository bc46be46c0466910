package pull

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/internal/durable"
	"github.com/vaern/vaern/internal/sshsig"
)

// Verified is what was found in a directory.
type Verified struct {
	*blocklist.Manifest
	Files   []string // that are what MANIFEST says
	Unknown []string // of which MANIFEST says nothing
}

// VerifyDir checks an edition that was downloaded: MANIFEST and MANIFEST.sig in
// dir, and of the files that MANIFEST lists those that are there, in whatever
// form. What is wrong with the edition is a [Refusal].
func VerifyDir(dir string, keys *sshsig.AllowedSigners, environment, list string, now time.Time) (*Verified, error) {
	var read [2][]byte
	for i, f := range []struct {
		name  string
		limit int64
	}{{manifestName, maxManifest}, {signatureName, maxSignature}} {
		var err error
		if read[i], err = durable.ReadRegular(filepath.Join(dir, f.name), f.limit); err != nil {
			return nil, err
		}
	}
	m, err := Verify(read[0], read[1], keys, environment, list)
	if err != nil {
		return nil, err
	}
	if err := blocklist.CheckSuccessor(nil, m, now); err != nil {
		return nil, refuse(err, "")
	}
	v := &Verified{Manifest: m}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		switch _, listed := m.File(e.Name()); {
		case slices.Contains([]string{manifestName, signatureName}, e.Name()):
		case !listed:
			v.Unknown = append(v.Unknown, e.Name())
		default:
			if err := verifyFile(m, dir, e.Name()); err != nil {
				return nil, err
			}
			v.Files = append(v.Files, e.Name())
		}
	}
	return v, nil
}

// verifyFile checks one file, and what it unpacks to.
func verifyFile(m *blocklist.Manifest, dir, name string) error {
	path := filepath.Join(dir, name)
	want, _ := m.File(name)
	sum, err := sumOf(path)
	if err != nil {
		return err
	}
	if sum != fmt.Sprintf("%x", want.Sum) {
		return refusef("%s is not what MANIFEST says", name)
	}
	if isStored(m, name) {
		return unpackFile(m, name, path, io.Discard)
	}
	lines, number := counts(m, name)
	if lines == nil {
		return nil
	}
	f, err := durable.OpenRegular(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(lines, f); err != nil {
		return err
	}
	return refuse(errors.Join(lines.check(name, number)), "")
}
