package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vaern/vaern/blocklist"
	"github.com/vaern/vaern/cmd/internal/cli"
	"github.com/vaern/vaern/internal/durable"
)

// catEdition writes a file of an edition: a text in its plain form, anything
// else as it is stored. The whole edition was checked when it was opened; what
// is written is compared once more with what MANIFEST says of it.
func (a *authority) catEdition(l *ListConfig, args []string) error {
	e, err := a.openEdition(l, args)
	if err != nil {
		return err
	}
	switch name := args[1]; name {
	case "MANIFEST":
		_, err = a.out.Write(e.Bytes())
	case "MANIFEST.sig":
		_, err = a.out.Write(e.Signature)
	default:
		err = a.catFile(e, name)
	}
	return err
}

func (a *authority) catFile(e *blocklist.Edition, name string) error {
	want, ok := e.File(name)
	if !ok {
		return cli.Misuse(fmt.Errorf("edition %v has no file %q", e.Serial, name), "it has: "+strings.Join(fileNames(e), ", "))
	}
	_, isText := e.File(name + ".zst")
	if isText {
		r, err := e.OpenText(name)
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = io.Copy(a.out, r) // r fails at its end if the sum differs
		return err
	}
	f, err := durable.OpenRegular(filepath.Join(e.Dir, name))
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(a.out, io.TeeReader(f, sum)); err != nil {
		return err
	}
	if [32]byte(sum.Sum(nil)) != want.Sum {
		return errors.New("the file was changed while it was read")
	}
	return nil
}

func fileNames(e *blocklist.Edition) []string {
	names := []string{"MANIFEST", "MANIFEST.sig"}
	for _, f := range e.Files {
		names = append(names, f.Name)
	}
	return slices.Sorted(slices.Values(names))
}
