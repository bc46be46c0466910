// Package isp keeps the identities of the ISPs: who may fetch which list, from
// where, and with which credential.
//
// # Files
//
// One folder, mode 0700, holds one TOML file of mode 0600 per ISP. The file
// nordnet.toml is all that is known of the ISP nordnet:
//
//	name = "nordnet"
//	lists = ["csam"]
//	addresses = ["192.0.2.0/24", "2001:db8::/32"]     # empty: from anywhere
//	notify = ["192.0.2.53:53"]                        # secondaries to send NOTIFY to; may be left out
//	wave = "pilot"                                    # when it gets an edition; may be left out
//	tls_only = true                                   # DNS over TLS alone; may be left out
//	created = 2026-11-23T12:00:00Z
//	token_sha256 = "9f86d0818..."                     # of the HTTP token
//	cert_sha256 = "2c26b46b6..."                      # of the client certificate's public key; may be left out
//
//	[tsig]
//	name = "nordnet-1f0c9a5b77e0d214"                 # RFC 8945 key name
//	algorithm = "hmac-sha256"
//	secret = "base64 of 32 octets"
//
//	[previous]                                        # what it had before, while that is still taken
//	until = 2026-12-08T09:30:00Z
//	token_sha256 = "60303ae22..."
//
//	[previous.tsig]
//	name = "nordnet-8d969eef6ecad3c2"
//	algorithm = "hmac-sha256"
//	secret = "base64 of 32 octets"
//
// The HTTP token is stored as its SHA-256 alone. The TSIG secret has to be
// there in the clear, because both ends of TSIG compute with it; that is why a
// file or folder that group or others may read is refused, and why the name of
// a key carries 64 random bits: knowing who the ISPs are does not give away
// what their keys are called.
//
// A revoked ISP keeps its file, with the time of it and without any
// credential, so that the name in the logs stays explained:
//
//	name = "nordnet"
//	lists = ["csam"]
//	addresses = []
//	created = 2026-11-23T12:00:00Z
//	revoked = 2026-12-01T09:30:00Z
//
// # Use
//
// [Add] makes an ISP and returns its [Credentials], which are shown once:
//
//	new, credentials, err := isp.Add(dir, isp.ISP{Name: "nordnet", Lists: []string{"csam"}}, now)
//
// [Rotate] gives it others, while the old ones go on for some days; [Revoke]
// takes all away.
//
// A server reads the folder into a [Table], asks it about every request, and
// reads again when the folder changes:
//
//	table, err := isp.Read(dir)
//	for _, err := range table.Refused { log.Error("isp refused", "error", err) }
//	who, ok := table.Authenticate(isp.Proof{Tokens: []string{token}}, address, now)
//
// A file that can not be read as above makes that one ISP unknown and no
// other: it is listed in Refused. So is the later, by name, of two files with
// one credential: who copies a file to an earlier name puts the original out
// until the copy is gone.
package isp
