package sshsig

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// newKey makes an Ed25519 key and returns it with the two middle fields of its
// line in a key file.
func newKey(t testing.TB) (ssh.PublicKey, string) {
	t.Helper()
	_, public, err := GenerateEd25519("")
	if err != nil {
		t.Fatal(err)
	}
	pub, _, err := ParsePublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return pub, strings.TrimSpace(string(public))
}

func date(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

func TestParseAllowedSignersAccepts(t *testing.T) {
	_, k := newKey(t)
	_, k2 := newKey(t)
	tests := map[string]struct {
		in   string
		want string // Bytes(); "" for the input
	}{
		"empty":            {"", ""},
		"one":              {`alice namespaces="a" ` + k + "\n", ""},
		"comment":          {`alice namespaces="a" ` + k + " Älice's token # 2\n", ""},
		"all options":      {`a@b.example namespaces="a,b-c",valid-after="20260101000000Z",valid-before="20270101120000Z" ` + k + "\n", ""},
		"two keys of one":  {`alice namespaces="a" ` + k + "\nalice namespaces=\"a\" " + k2 + "\n", ""},
		"no last line end": {`alice namespaces="a" ` + k, `alice namespaces="a" ` + k + "\n"},
		"blanks":           {"\n# who\n \t\n  # what\n alice \t namespaces=\"a\"  " + strings.Replace(k, " ", "\t ", 1) + "  x \n", `alice namespaces="a" ` + k + " x\n"},
		"option order":     {`a valid-before="20270101Z",namespaces="a" ` + k + "\n", `a namespaces="a",valid-before="20270101000000Z" ` + k + "\n"},
		"minutes":          {`a namespaces="a",valid-after="202601010930Z" ` + k + "\n", `a namespaces="a",valid-after="20260101093000Z" ` + k + "\n"},
		"longest name":     {strings.Repeat("x", 64) + ` namespaces="a" ` + k + "\n", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a, err := ParseAllowedSigners([]byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			want := tt.want
			if want == "" {
				want = tt.in
			}
			if got := string(a.Bytes()); got != want {
				t.Errorf("Bytes:\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestParseAllowedSignersRefuses(t *testing.T) {
	pub, k := newKey(t)
	_, k2 := newKey(t)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	weakPub, err := ssh.NewPublicKey(&weak.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	// The same key again, its modulus with leading zeros, and a key whose base64
	// ends in unused bits, which another letter sets.
	padded := ssh.Marshal(struct {
		Type string
		E    *big.Int
		N    []byte
	}{ssh.KeyAlgoRSA, big.NewInt(65537), append(make([]byte, 3), bytes.Repeat([]byte{0xff}, 256)...)})
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	curvePub, err := ssh.NewPublicKey(&curve.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	bits := []byte(keyLine(curvePub, ""))
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	bits[len(bits)-2] = alphabet[strings.IndexByte(alphabet, bits[len(bits)-2])+1]
	line := func(principal, options, key string) string {
		return principal + " " + options + " " + key + "\n"
	}
	ns := `namespaces="a"`
	tests := map[string]struct{ in, want string }{
		"no namespaces":          {"alice " + k + "\n", "no namespaces"},
		"only a bound":           {line("alice", `valid-after="20260101Z"`, k), "no namespaces"},
		"empty namespaces":       {line("alice", `namespaces=""`, k), "namespace"},
		"empty namespace":        {line("alice", `namespaces="a,,b"`, k), "namespace"},
		"namespace pattern":      {line("alice", `namespaces="vaern-*"`, k), "patterns"},
		"namespace negated":      {line("alice", `namespaces="a,!b"`, k), "patterns"},
		"namespace blank":        {line("alice", `namespaces="a, b"`, k), "quoted value"},
		"namespace twice":        {line("alice", `namespaces="a,a"`, k), "given twice"},
		"principal pattern":      {line("*", ns, k), "patterns"},
		"principal question":     {line("alic?", ns, k), "patterns"},
		"principal negated":      {line("!alice", ns, k), "patterns"},
		"principal list":         {line("alice,bob", ns, k), "lists"},
		"principal quoted":       {line(`"alice"`, ns, k), "principal"},
		"principal long":         {line(strings.Repeat("x", 65), ns, k), "principal"},
		"principal not ASCII":    {line("ålice", ns, k), "principal"},
		"two principals":         {line("alice bob", ns, k), "not accepted"},
		"cert-authority":         {line("alice", "cert-authority,"+ns, k), "cert-authority"},
		"cert-authority last":    {line("alice", ns+",cert-authority", k), "cert-authority"},
		"unknown option":         {line("alice", ns+`,verify-required="x"`, k), "verify-required"},
		"option in capitals":     {line("alice", `Namespaces="a"`, k), "not accepted"},
		"option without value":   {line("alice", `namespaces,valid-after="20260101Z"`, k), "quoted value"},
		"option unquoted":        {line("alice", `namespaces=a`, k), "quoted value"},
		"option not closed":      {line("alice", `namespaces="a`, k), "quoted value"},
		"option twice":           {line("alice", ns+`,`+ns, k), "given twice"},
		"bound twice":            {line("alice", ns+`,valid-after="20260101Z",valid-after="20260101Z"`, k), "given twice"},
		"trailing comma":         {line("alice", ns+`,`, k), "not accepted"},
		"no comma":               {line("alice", ns+`valid-after="20260101Z"`, k), "followed by"},
		"local date":             {line("alice", ns+`,valid-after="20260101"`, k), "add Z"},
		"local time":             {line("alice", ns+`,valid-after="202601011200"`, k), "add Z"},
		"local time, seconds":    {line("alice", ns+`,valid-before="20260101120000"`, k), "add Z"},
		"RFC 3339":               {line("alice", ns+`,valid-before="2026-01-01T12:00:00Z"`, k), "not a time"},
		"no such day":            {line("alice", ns+`,valid-before="20260230Z"`, k), "not a time"},
		"hour 24":                {line("alice", ns+`,valid-before="202601012400Z"`, k), "not a time"},
		"leap second":            {line("alice", ns+`,valid-before="20161231235960Z"`, k), "not a time"},
		"hours only":             {line("alice", ns+`,valid-before="2026010112Z"`, k), "not a time"},
		"empty time":             {line("alice", ns+`,valid-before=""`, k), "not a time"},
		"Unix time 0":            {line("alice", ns+`,valid-before="19700101Z"`, k), "out of range"},
		"year 1":                 {line("alice", ns+`,valid-after="00010101Z"`, k), "out of range"},
		"never valid":            {line("alice", ns+`,valid-after="20260101Z",valid-before="20260101Z"`, k), "is not after"},
		"ssh-dss":                {line("alice", ns, "ssh-dss AAAAB3NzaC1kc3M="), "not accepted"},
		"certificate":            {line("alice", ns, "ssh-ed25519-cert-v01@openssh.com AAAA"), "not accepted"},
		"small RSA":              {line("alice", ns, keyLine(weakPub, "")), "1024 bits"},
		"type does not fit":      {line("alice", ns, strings.Replace(k, "ssh-ed25519", "ssh-rsa", 1)), "its line says"},
		"key cut short":          {line("alice", ns, k[:len(k)-4]), "decode key"},
		"key padded":             {line("alice", ns, k[:len(k)-1]+"="), "decode key"},
		"key not canonical":      {line("alice", ns, "ssh-rsa "+base64.StdEncoding.EncodeToString(padded)), "canonical"},
		"base64 not canonical":   {line("alice", ns, string(bits)), "decode key"},
		"key with more":          {line("alice", ns, "ssh-ed25519 "+base64.StdEncoding.EncodeToString(append(pub.Marshal(), 0))), "decode key"},
		"no key":                 {"alice " + ns + "\n", "key type"},
		"no base64":              {"alice " + ns + " ssh-ed25519\n", "decode key"},
		"principal only":         {"alice\n", "not accepted"},
		"CRLF":                   {"alice " + ns + " " + k + "\r\n", "carriage return"},
		"byte order mark":        {"\ufeffalice " + ns + " " + k + "\n", "not printable"},
		"NUL":                    {"alice " + ns + " " + k + " x\x00\n", "not printable"},
		"right to left":          {"alice " + ns + " " + k + " x\u202ey\n", "not printable"},
		"not UTF-8":              {"# \xff\n", "UTF-8"},
		"tab in comment":         {"alice " + ns + " " + k + " a\tb\n", "comment"},
		"line too long":          {"# " + strings.Repeat("x", maxLine) + "\n", "longer than"},
		"key twice":              {line("alice", ns, k) + line("alice", `namespaces="b"`, k), "line 2: key SHA256:"},
		"key of two principals":  {line("alice", ns, k) + line("bob", ns, k2) + line("carol", ns, k), "line 3: key SHA256:"},
		"error after good lines": {"# x\n\n" + line("alice", ns, k) + "bob\n", "line 4:"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ParseAllowedSigners([]byte(tt.in))
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "parse allowed signers: line ") {
				t.Errorf("error %q does not say %q", err, tt.want)
			}
		})
	}
}

func TestNewAllowedSigners(t *testing.T) {
	pub, _ := newKey(t)
	pub2, _ := newKey(t)
	spaces := []string{"a", "b"}
	keys := []Key{
		{Principal: "alice", Public: pub, Namespaces: spaces, ValidAfter: date("2026-01-01T02:00:00.9+02:00"), Comment: "x y"},
		{Principal: "alice", Public: pub2, Namespaces: spaces, ValidBefore: date("2027-01-01T00:00:00Z")},
	}
	a, err := NewAllowedSigners(keys)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := a.Keys()[0].ValidAfter, date("2026-01-01T00:00:00Z"); !got.Equal(want) {
		t.Errorf("ValidAfter %v, want %v", got, want)
	}
	b, err := ParseAllowedSigners(a.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("parsed %+v, wrote %+v", b, a)
	}

	// Neither what went in nor what comes out reaches inside.
	before := string(a.Bytes())
	spaces[0] = "x"
	a.Keys()[0].Namespaces[1] = "y"
	if string(a.Bytes()) != before {
		t.Error("AllowedSigners changed")
	}

	for name, change := range map[string]func(*Key){
		"no key":        func(k *Key) { k.Public = nil },
		"line in name":  func(k *Key) { k.Principal = "a\nb" },
		"line in text":  func(k *Key) { k.Comment = "a\nb" },
		"space at end":  func(k *Key) { k.Comment = "a " },
		"quote":         func(k *Key) { k.Namespaces = []string{`a"`} },
		"no namespaces": func(k *Key) { k.Namespaces = nil },
		"year 10000":    func(k *Key) { k.ValidBefore = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		k := Key{Principal: "a", Public: pub, Namespaces: []string{"a"}}
		change(&k)
		if _, err := NewAllowedSigners([]Key{k}); err == nil || !strings.Contains(err.Error(), "key 1:") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestKeyValidAt(t *testing.T) {
	from, to := date("2026-01-01T00:00:00Z"), date("2027-01-01T00:00:00Z")
	tests := []struct {
		k    Key
		at   time.Time
		want bool
	}{
		{Key{}, from, true},
		{Key{ValidAfter: from}, from.Add(-1), false},
		{Key{ValidAfter: from}, from, true},
		{Key{ValidBefore: to}, to.Add(-1), true},
		{Key{ValidBefore: to}, to, false},
		{Key{ValidAfter: from, ValidBefore: to}, from.Add(time.Hour), true},
	}
	for i, tt := range tests {
		if got := tt.k.ValidAt(tt.at); got != tt.want {
			t.Errorf("%d: ValidAt %v, want %v", i, got, tt.want)
		}
	}
}

func FuzzParseAllowedSigners(f *testing.F) {
	_, k := newKey(f)
	f.Add([]byte(`alice namespaces="a,b",valid-after="20260101Z",valid-before="20270101120000Z" ` + k + " x\n# y\n\n"))
	f.Add([]byte(`a namespaces="a" ` + k))
	f.Add([]byte(`a cert-authority ` + k))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := ParseAllowedSigners(data)
		if err != nil {
			return
		}
		b, err := ParseAllowedSigners(a.Bytes())
		if err != nil {
			t.Fatalf("%v in what Bytes wrote:\n%s", err, a.Bytes())
		}
		if !bytes.Equal(a.Bytes(), b.Bytes()) || fmt.Sprint(a.Keys()) != fmt.Sprint(b.Keys()) {
			t.Fatalf("not stable:\n%s\n%s", a.Bytes(), b.Bytes())
		}
		if _, err := NewAllowedSigners(a.Keys()); err != nil {
			t.Fatal(err)
		}
	})
}
