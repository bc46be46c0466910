package sshsig

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"

	hiddeco "github.com/hiddeco/sshsig"
)

const (
	armorHeader = "-----BEGIN SSH SIGNATURE-----\n"
	armorFooter = "-----END SSH SIGNATURE-----\n"
	armorWidth  = 70 // what ssh-keygen writes; PROTOCOL.sshsig only recommends a width

	// maxArmored bounds what is decoded. The largest honest signature, of a
	// 16384-bit RSA key, is below 8 KiB.
	maxArmored = 64 << 10
)

// armor encodes a binary signature as the text of a signature file.
func armor(blob []byte) []byte {
	text := base64.StdEncoding.EncodeToString(blob)
	var b bytes.Buffer
	b.WriteString(armorHeader)
	for len(text) > 0 {
		n := min(armorWidth, len(text))
		b.WriteString(text[:n])
		b.WriteByte('\n')
		text = text[n:]
	}
	b.WriteString(armorFooter)
	return b.Bytes()
}

// dearmor is the inverse of [armor]. Lines may have any width, and the last line
// feed may be missing; nothing may stand before the header or after the footer.
func dearmor(armored []byte) ([]byte, error) {
	if len(armored) > maxArmored {
		return nil, fmt.Errorf("longer than %d bytes (is this a .sig file?)", maxArmored)
	}
	// The decoder skips both \r and \n; only \n is part of the format.
	if bytes.HasPrefix(armored, []byte("-----BEGIN ")) && bytes.IndexByte(armored, '\r') >= 0 {
		return nil, errors.New("carriage return in the armor (convert the file to LF line ends)")
	}
	body, ok := bytes.CutPrefix(armored, []byte(armorHeader))
	if !ok {
		return nil, errors.New("no SSH SIGNATURE header at the start (is this the .sig file that ssh-keygen -Y sign wrote?)")
	}
	body = bytes.TrimSuffix(body, []byte("\n"))
	body, ok = bytes.CutSuffix(body, []byte("\n"+armorFooter[:len(armorFooter)-1]))
	if !ok {
		return nil, errors.New("no SSH SIGNATURE footer at the end (the file is cut short, or something follows the signature)")
	}
	blob, err := base64.StdEncoding.Strict().AppendDecode(nil, body)
	if err != nil {
		return nil, fmt.Errorf("decode armor: %w", err)
	}
	return blob, nil
}

// parse reads an armored signature by a key of the profile.
//
// What the library leaves open is closed here: armor with text around it, a
// reserved field that is not empty, key blobs with more than one encoding,
// certificates (whose signature algorithm it does not check), weak keys, and
// bytes behind the signature proper.
func parse(armored []byte) (*hiddeco.Signature, error) {
	blob, err := dearmor(armored)
	if err != nil {
		return nil, err
	}
	sig, err := hiddeco.ParseSignature(blob)
	if err != nil {
		return nil, err
	}
	if sig.PublicKey, err = checkKey(sig.PublicKey); err != nil {
		return nil, err
	}
	if err := checkFormat(sig.PublicKey, sig.Signature); err != nil {
		return nil, err
	}
	if err := checkName("namespace", sig.Namespace); err != nil {
		return nil, err
	}
	// Marshal writes an empty reserved field and the only encoding of each
	// number, so equality rules out every other spelling at once.
	if !bytes.Equal(sig.Marshal(), blob) {
		return nil, errors.New("not in canonical form, or a reserved field is not empty")
	}
	return sig, nil
}
