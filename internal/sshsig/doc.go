// Package sshsig signs and verifies with OpenSSH keys: the signature files that
// "ssh-keygen -Y sign" writes and "ssh-keygen -Y verify" reads, and a strict
// profile of the allowed_signers file that says who may sign what, and when.
// Everything it accepts ssh-keygen accepts too, so that whoever gets a signature
// from us can check it with a program that is not ours.
//
// # Signature files
//
// A signature is detached and armored (PROTOCOL.sshsig): a header line, base64,
// a footer line. It holds the public key, a namespace, a hash algorithm and the
// signature proper, which is made over the namespace and the hash of the
// message. The namespace says what a signature is for, so that one made for one
// purpose can not be shown as one for another. [Sign] hashes with SHA-512 and
// gives byte for byte what ssh-keygen gives for the same Ed25519 or RSA key.
//
// One signature has one encoding here. Refused, although other readers may let
// them pass: anything before the header or after the footer, PEM headers,
// carriage returns, a reserved field that is not empty, trailing bytes in any of
// the nested fields, a hash other than sha256 and sha512, an empty namespace,
// certificates, SHA-1 signatures (ssh-rsa), and signatures of hardware keys
// without the user-presence flag (ssh-keygen accepts the last of these).
//
// # Keys
//
// ssh-ed25519, ecdsa-sha2-nistp256, -nistp384 and -nistp521, RSA of 2048 bits or
// more, and the hardware kinds sk-ssh-ed25519@openssh.com and
// sk-ecdsa-sha2-nistp256@openssh.com. [LoadSigner] takes a private key from a
// file, or leaves it in the ssh-agent, which is the only way to a hardware key or
// to one on a smart card (PKCS #11).
//
// # Allowed signers
//
// The file format is that of ssh-keygen(1), section ALLOWED SIGNERS, reduced
// until a reader sees at once who may do what. One key a line:
//
//	# comment
//	edition namespaces="vaern-edition,vaern-hold" ssh-ed25519 AAAAC3Nz... signing key 2026
//	alice namespaces="vaern-decision",valid-before="20270101000000Z" ssh-ed25519 AAAAC3Nz...
//
// The principal is one name of [A-Za-z0-9._@-]{1,64}; a principal may have
// several keys, but no key stands in the file twice. The option namespaces is
// required and lists names of the same alphabet; valid-after and valid-before are
// optional, in UTC: YYYYMMDDZ, YYYYMMDDHHMMZ or YYYYMMDDHHMMSSZ. There are no
// patterns, no cert-authority, no other options, and none twice. Lines end in LF;
// blank lines and lines that begin with # are skipped.
//
// A key is valid from valid-after up to, and not including, valid-before, so that
// of two keys with a common bound exactly one is valid at it. ssh-keygen counts
// the second of valid-before itself as valid too, and reads the Z since OpenSSH
// 9.1: leave the bounds out of a file that older ones have to read.
//
// # Example
//
// Make a key, say that it may sign editions, sign, and verify:
//
//	private, public, err := sshsig.GenerateEd25519("edition key")
//	// ... os.WriteFile("edition", private, 0o600)
//	signer, closer, err := sshsig.LoadSigner("edition", nil)
//	defer closer.Close()
//
//	key, comment, err := sshsig.ParsePublicKey(public)
//	allowed, err := sshsig.NewAllowedSigners([]sshsig.Key{{
//		Principal:  "edition",
//		Public:     key,
//		Namespaces: []string{"vaern-edition"},
//		Comment:    comment,
//	}})
//	// ... os.WriteFile("edition.allowed_signers", allowed.Bytes(), 0o644)
//
//	armored, err := sshsig.Sign(signer, "vaern-edition", message)
//	by, err := allowed.Verify("edition", "vaern-edition", message, armored, at)
//
// The same check by hand:
//
//	ssh-keygen -Y verify -f edition.allowed_signers -I edition -n vaern-edition -s MANIFEST.sig < MANIFEST
package sshsig
