package sshsig_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/vaern/vaern/internal/sshsig"
)

func Example() {
	dir, err := os.MkdirTemp("", "sshsig")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	message := []byte("# vaern edition 1\n")
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

	// Make a key.
	private, public, err := sshsig.GenerateEd25519("edition key")
	if err != nil {
		log.Fatal(err)
	}
	file := filepath.Join(dir, "edition")
	if err := os.WriteFile(file, private, 0o600); err != nil {
		log.Fatal(err)
	}
	signer, closer, err := sshsig.LoadSigner(file, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer closer.Close()

	// Say that it may sign editions.
	key, comment, err := sshsig.ParsePublicKey(public)
	if err != nil {
		log.Fatal(err)
	}
	allowed, err := sshsig.NewAllowedSigners([]sshsig.Key{{
		Principal:  "edition",
		Public:     key,
		Namespaces: []string{"vaern-edition"},
		Comment:    comment,
	}})
	if err != nil {
		log.Fatal(err)
	}

	// Sign, and verify.
	armored, err := sshsig.Sign(signer, "vaern-edition", message)
	if err != nil {
		log.Fatal(err)
	}
	by, err := allowed.Verify("edition", "vaern-edition", message, armored, at)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("ok, signed with the", by.Comment)

	_, err = allowed.Verify("edition", "vaern-hold", message, armored, at)
	fmt.Println("as a hold:", err != nil)
	// Output:
	// ok, signed with the edition key
	// as a hold: true
}
