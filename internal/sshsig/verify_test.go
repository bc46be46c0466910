package sshsig

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"math/big"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// signature is the content of an armored signature, each field free to be wrong
// (PROTOCOL.sshsig, section 2).
type signature struct {
	Magic     [6]byte
	Version   uint32
	Key       string
	Namespace string
	Reserved  string
	Hash      string
	Signature string
}

func (s signature) armor() []byte { return armor(ssh.Marshal(s)) }

// signed is what the signature proper is made over (section 3).
func signed(namespace, hash string, digest []byte) []byte {
	return append([]byte("SSHSIG"), ssh.Marshal(struct{ Namespace, Reserved, Hash, Digest string }{namespace, "", hash, string(digest)})...)
}

// sha512Of is the common case of [signed].
func sha512Of(message []byte) []byte {
	sum := sha512.Sum512(message)
	return signed(space, "sha512", sum[:])
}

// newSignature makes a good one to spoil.
func newSignature(pub ssh.PublicKey, sig *ssh.Signature) signature {
	return signature{
		Magic: [6]byte([]byte("SSHSIG")), Version: 1, Key: string(pub.Marshal()),
		Namespace: space, Hash: "sha512", Signature: string(ssh.Marshal(sig)),
	}
}

func newSigner(t testing.TB) ssh.Signer {
	t.Helper()
	_, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signerOf(t, priv)
}

func signerOf(t testing.TB, priv crypto.Signer) ssh.Signer {
	t.Helper()
	s, err := ssh.NewSignerFromSigner(priv)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Each of these carries a correct signature, or did before one thing was changed.
func TestVerifyRefusesOtherEncodings(t *testing.T) {
	s := newSigner(t)
	pub := s.PublicKey()
	sig, err := s.Sign(rand.Reader, sha512Of(message))
	if err != nil {
		t.Fatal(err)
	}
	good := func() signature { return newSignature(pub, sig) }
	if err := VerifyKey(pub, space, message, good().armor()); err != nil {
		t.Fatal(err)
	}
	spoil := func(f func(*signature)) []byte {
		s := good()
		f(&s)
		return s.armor()
	}
	text := string(good().armor())
	blob := ssh.Marshal(good())
	digest := sha256.Sum256(message)
	unknown, err := s.Sign(rand.Reader, signed(space, "sha3", digest[:]))
	if err != nil {
		t.Fatal(err)
	}
	nameless, err := s.Sign(rand.Reader, signed("", "sha256", digest[:]))
	if err != nil {
		t.Fatal(err)
	}
	line := text[:len(armorHeader)+armorWidth+1]
	tests := map[string]struct {
		armored []byte
		want    string
	}{
		"reserved field":      {spoil(func(s *signature) { s.Reserved = "x" }), "reserved"},
		"version 0":           {spoil(func(s *signature) { s.Version = 0 }), "version"},
		"version 2":           {spoil(func(s *signature) { s.Version = 2 }), "version"},
		"magic":               {spoil(func(s *signature) { s.Magic[0] = 's' }), "magic"},
		"namespace":           {spoil(func(s *signature) { s.Namespace = "other" }), `for namespace "other"`},
		"namespace with NUL":  {spoil(func(s *signature) { s.Namespace += "\x00" }), "namespace"},
		"hash unsupported":    {spoil(func(s *signature) { s.Hash, s.Signature = "sha3", string(ssh.Marshal(unknown)) }), "hash algorithm"},
		"other hash":          {spoil(func(s *signature) { s.Hash = "sha256" }), "does not fit"},
		"no namespace":        {spoil(func(s *signature) { s.Hash, s.Namespace, s.Signature = "sha256", "", string(ssh.Marshal(nameless)) }), "namespace"},
		"key with more":       {spoil(func(s *signature) { s.Key += "x" }), "trailing junk"},
		"signature with more": {spoil(func(s *signature) { s.Signature += "x" }), "follow"},
		"signature other type": {spoil(func(s *signature) {
			s.Signature = string(ssh.Marshal(&ssh.Signature{Format: "ssh-rsa", Blob: sig.Blob}))
		}), "signature algorithm"},
		"no signature":          {spoil(func(s *signature) { s.Signature = "" }), ""},
		"blob with more":        {armor(append(blob[:len(blob):len(blob)], 0)), ""},
		"blob cut short":        {armor(blob[:len(blob)-1]), ""},
		"nothing":               {nil, "header"},
		"empty armor":           {armor(nil), "footer"},
		"text before":           {[]byte("x\n" + text), "header"},
		"line feed before":      {[]byte("\n" + text), "header"},
		"text after":            {[]byte(text + "x"), "footer"},
		"second signature":      {[]byte(text + text), "decode armor"},
		"two line feeds after":  {[]byte(text + "\n"), "footer"},
		"PEM header":            {[]byte(strings.Replace(text, "-----\n", "-----\nA: b\n\n", 1)), "decode armor"},
		"CRLF":                  {[]byte(strings.ReplaceAll(text, "\n", "\r\n")), "carriage return"},
		"carriage return":       {[]byte(strings.Replace(text, line, line[:len(line)-1]+"\r\n", 1)), "carriage return"},
		"blank":                 {[]byte(strings.Replace(text, line, line[:len(line)-1]+" \n", 1)), "decode armor"},
		"no footer":             {[]byte(text[:len(text)-len(armorFooter)]), "footer"},
		"other PEM":             {[]byte(strings.ReplaceAll(text, "SSH SIGNATURE", "PGP SIGNATURE")), "header"},
		"long":                  {append([]byte(text), make([]byte, maxArmored)...), "longer than"},
		"binary":                {blob, "header"},
		"base64 with more bits": {bytes.Replace(armor([]byte("x")), []byte("eA=="), []byte("eB=="), 1), "decode armor"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := VerifyKey(pub, space, message, tt.armored)
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q does not say %q", err, tt.want)
			}
		})
	}

	// Whoever asks for no namespace gets none.
	empty := spoil(func(s *signature) { s.Hash, s.Namespace, s.Signature = "sha256", "", string(ssh.Marshal(nameless)) })
	if err := VerifyKey(pub, "", message, empty); err == nil {
		t.Error("empty namespace accepted")
	}

	// Other line widths, and a lost last line feed, are the same signature.
	for _, armored := range []string{
		strings.TrimSuffix(text, "\n"),
		strings.Replace(text, line, line[:len(line)-6]+"\n"+line[len(line)-6:], 1),
	} {
		if err := VerifyKey(pub, space, message, []byte(armored)); err != nil {
			t.Error(err)
		}
		if err := judge(t, allow(t, Key{Principal: "a", Public: pub, Namespaces: []string{space}}).Bytes(), "a", space, message, []byte(armored), noon); err != nil {
			t.Error(err)
		}
	}
}

func TestVerifyRefusesWeakKeys(t *testing.T) {
	priv, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s := signerOf(t, priv).(ssh.AlgorithmSigner)
	a := allow(t, Key{Principal: "alice", Public: s.PublicKey(), Namespaces: []string{space}})
	for algorithm, want := range map[string]bool{ssh.KeyAlgoRSA: false, ssh.KeyAlgoRSASHA256: true, ssh.KeyAlgoRSASHA512: true} {
		sig, err := s.SignWithAlgorithm(rand.Reader, sha512Of(message), algorithm)
		if err != nil {
			t.Fatal(err)
		}
		agree(t, algorithm, want, a, "alice", space, message, newSignature(s.PublicKey(), sig).armor(), noon)
	}

	// The same key, its modulus with a leading zero too many.
	sig, err := s.SignWithAlgorithm(rand.Reader, sha512Of(message), ssh.KeyAlgoRSASHA512)
	if err != nil {
		t.Fatal(err)
	}
	odd := newSignature(s.PublicKey(), sig)
	odd.Key = string(ssh.Marshal(struct {
		Type string
		E    *big.Int
		N    []byte
	}{ssh.KeyAlgoRSA, big.NewInt(int64(priv.E)), append([]byte{0, 0}, priv.N.Bytes()...)}))
	if err := VerifyKey(s.PublicKey(), space, message, odd.armor()); err == nil {
		t.Error("second encoding of a key accepted")
	}

	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	weak := signerOf(t, small)
	if _, err := Sign(weak, space, message); err == nil || !strings.Contains(err.Error(), "1024 bits") {
		t.Errorf("sign: %v", err)
	}
	sig, err = weak.(ssh.AlgorithmSigner).SignWithAlgorithm(rand.Reader, sha512Of(message), ssh.KeyAlgoRSASHA512)
	if err != nil {
		t.Fatal(err)
	}
	if err := VerifyKey(weak.PublicKey(), space, message, newSignature(weak.PublicKey(), sig).armor()); err == nil {
		t.Error("verify: 1024 bits accepted")
	}

	cert := &ssh.Certificate{Key: s.PublicKey(), CertType: ssh.UserCert, ValidBefore: ssh.CertTimeInfinity}
	if err := cert.SignCert(rand.Reader, newSigner(t)); err != nil {
		t.Fatal(err)
	}
	if err := VerifyKey(cert, space, message, newSignature(cert, sig).armor()); err == nil || !strings.Contains(err.Error(), "not accepted") {
		t.Errorf("certificate: %v", err)
	}
}

// A large message is neither copied by Sign nor by Verify.
func TestLargeMessage(t *testing.T) {
	s := newSigner(t)
	large := make([]byte, 16<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	armored, err := Sign(s, space, large)
	if err != nil {
		t.Fatal(err)
	}
	if err := VerifyKey(s.PublicKey(), space, large, armored); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes allocated", n)
	}
}

func FuzzVerify(f *testing.F) {
	s := newSigner(f)
	good, err := Sign(s, space, message)
	if err != nil {
		f.Fatal(err)
	}
	blob, err := dearmor(good)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(blob)
	f.Add([]byte(armorHeader + "\n" + armorFooter))
	f.Fuzz(func(t *testing.T, armored []byte) {
		PublicKeyOf(armored)
		blob, err := dearmor(armored)
		if err != nil {
			if VerifyKey(s.PublicKey(), space, message, armored) == nil {
				t.Fatalf("accepted with armor that is not: %v", err)
			}
			// What is no armor may be a binary signature: most inputs get past
			// the base64 that way.
			blob = armored
		}
		if again, err := dearmor(armor(blob)); len(blob) > 0 && len(blob) < maxArmored/2 && (err != nil || !bytes.Equal(again, blob)) {
			t.Fatalf("dearmor is not the inverse of armor: %v", err)
		}
		// Ed25519 signatures are unique, and so is their encoding.
		if err := VerifyKey(s.PublicKey(), space, message, armor(blob)); err == nil && !bytes.Equal(armor(blob), good) {
			t.Fatalf("a second signature of the same message:\n%s", armored)
		}
	})
}
