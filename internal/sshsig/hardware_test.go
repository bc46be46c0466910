package sshsig

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"math/big"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// Hardware keys, played by software: PROTOCOL.u2f, "SSH U2F Signatures".
func TestHardwareKeys(t *testing.T) {
	const app = "ssh:"
	edPub, edPriv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecPriv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := ecPriv.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]struct {
		wire []byte
		sign func(data []byte) []byte
	}{
		ssh.KeyAlgoSKED25519: {
			ssh.Marshal(struct{ Type, Key, App string }{ssh.KeyAlgoSKED25519, string(edPub), app}),
			func(data []byte) []byte { return ed25519.Sign(edPriv, data) },
		},
		ssh.KeyAlgoSKECDSA256: {
			ssh.Marshal(struct{ Type, Curve, Key, App string }{ssh.KeyAlgoSKECDSA256, "nistp256", string(point), app}),
			func(data []byte) []byte {
				sum := sha256.Sum256(data)
				r, s, err := ecdsa.Sign(rand.Reader, ecPriv, sum[:])
				if err != nil {
					t.Fatal(err)
				}
				return ssh.Marshal(struct{ R, S *big.Int }{r, s})
			},
		},
	}
	for kind, k := range kinds {
		t.Run(kind, func(t *testing.T) {
			pub, err := ssh.ParsePublicKey(k.wire)
			if err != nil {
				t.Fatal(err)
			}
			a := allow(t, Key{Principal: "alice", Public: pub, Namespaces: []string{space}})
			touch := func(flags byte, more ...byte) []byte {
				appSum, dataSum := sha256.Sum256([]byte(app)), sha256.Sum256(sha512Of(message))
				tail := binary.BigEndian.AppendUint32([]byte{flags}, 7)
				data := append(append(appSum[:], tail...), dataSum[:]...)
				sig := &ssh.Signature{Format: kind, Blob: k.sign(data), Rest: append(tail, more...)}
				return newSignature(pub, sig).armor()
			}
			const present, verified = 1, 4
			agree(t, "touched", true, a, "alice", space, message, touch(present), noon)
			agree(t, "touched, with PIN", true, a, "alice", space, message, touch(present|verified), noon)
			agree(t, "other message", false, a, "alice", space, []byte("x"), touch(present), noon)
			agree(t, "bytes behind", false, a, "alice", space, message, touch(present, 0), noon)
			// Here we are stricter, as the package documentation says.
			if _, err := a.Verify("alice", space, message, touch(0), noon); err == nil || !strings.Contains(err.Error(), "presence") {
				t.Errorf("not touched: %v", err)
			}
			if err := judge(t, a.Bytes(), "alice", space, message, touch(0), noon); err != nil {
				t.Errorf("ssh-keygen has changed its mind about the presence flag: %v", err)
			}
		})
	}
}
